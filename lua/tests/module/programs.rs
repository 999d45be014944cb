//! What a script may do: each of these is a Lua program that checks itself, in every Lua.

use std::process::Command;

use crate::build::{ALL, LUA54, LUAJIT, librollcore, root};
use crate::host::{host, printed, script};

fn passes_everywhere(name: &str) {
    for interpreter in ALL {
        assert_eq!(printed(host(interpreter, &script(name), &[])), "passed\n", "{name} in {interpreter:?}");
    }
}

#[test]
fn what_fails_is_told_and_what_is_misused_is_an_error_at_the_caller() {
    passes_everywhere("errors.lua");
}

#[test]
fn waits_yield_in_coroutines_and_block_elsewhere() {
    passes_everywhere("coroutines.lua");
}

#[test]
fn what_is_collected_is_closed() {
    passes_everywhere("collected.lua");
}

#[test]
fn each_hand_works_alone() {
    passes_everywhere("hands.lua");
}

#[test]
fn forty_children_of_the_host_and_forty_of_the_engine() {
    passes_everywhere("children.lua");
}

/// `types/rollcore.d.lua`, which the language server reads.
#[test]
fn the_types_say_what_there_is_and_nothing_else() {
    let types = root().join("lua/types/rollcore.d.lua");
    let types = types.to_str().expect("the path is text");
    for interpreter in ALL {
        let host = host(interpreter, &script("types.lua"), &[types]);
        assert_eq!(printed(host), "passed\n", "{interpreter:?}");
    }
}

#[test]
fn an_event_loop_of_libuv_dispatches() {
    for interpreter in [LUA54, LUAJIT] {
        assert_eq!(printed(host(interpreter, &script("luv.lua"), &[])), "passed\n", "{interpreter:?}");
    }
}

/// The same without a module: what LuaJIT's FFI makes of it is no other API.
#[test]
fn luajit_does_all_that_by_its_ffi() {
    let types = root().join("lua/types/rollcore.d.lua");
    for name in [
        "errors.lua",
        "coroutines.lua",
        "collected.lua",
        "hands.lua",
        "children.lua",
        "fork.lua",
        "ignored.lua",
        "types.lua",
        "luv.lua",
    ] {
        let mut host = Command::new(LUAJIT.program);
        host.arg(script(name)).arg(&types).env("ROLLCORE_LIB", librollcore());
        host.env("LUA_PATH", format!("{}/?.lua;;", root().join("examples/luajit").display()));
        assert_eq!(printed(host), "passed\n", "{name}");
    }
}
