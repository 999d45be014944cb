//! The story that every host tells.

use std::process::Command;

use crate::build::{ALL, LUA54, LUAJIT, librollcore, root};
use crate::host::{host, printed};

fn story() -> String {
    std::fs::read_to_string(root().join("examples/story.txt")).expect("it is there")
}

#[test]
fn every_lua_tells_it_of_a_made_up_world() {
    let script = root().join("examples/lua/story.lua");
    for interpreter in ALL {
        assert_eq!(printed(host(interpreter, &script, &["--simulate"])), story(), "{interpreter:?}");
    }
}

#[test]
fn lua_and_luajit_tell_it_of_real_processes() {
    let script = root().join("examples/lua/story.lua");
    for interpreter in [LUA54, LUAJIT] {
        assert_eq!(printed(host(interpreter, &script, &[])), story(), "{interpreter:?}");
    }
}

#[test]
fn luajit_tells_it_without_a_module() {
    let script = root().join("examples/lua/story.lua");
    for arguments in [&["--simulate"] as &[&str], &[]] {
        let mut host = Command::new(LUAJIT.program);
        host.arg(&script).args(arguments).env("ROLLCORE_LIB", librollcore());
        host.env("LUA_PATH", format!("{}/?.lua;;", root().join("examples/luajit").display()));
        assert_eq!(printed(host), story(), "{arguments:?}");
    }
}
