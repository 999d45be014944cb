//! `luarocks make`, as a user installs it, with no network.

use std::process::Command;

use crate::build::{ALL, Interpreter, module, of_the_modules, root};
use crate::host::printed;

#[test]
fn luarocks_installs_it_for_every_lua_and_the_story_runs() {
    let story = std::fs::read_to_string(root().join("examples/story.txt")).expect("it is there");
    for interpreter in ALL {
        // The same build, so that nothing is built twice.
        module(interpreter);
        let tree = tempfile::tempdir().expect("a temporary directory");
        let said = make(interpreter, tree.path());
        let installed = tree.path().join("lib/lua").join(interpreter.version);
        assert!(installed.join("rollcore.so").exists(), "{said}");
        let mut host = Command::new(interpreter.program);
        host.arg(root().join("examples/lua/story.lua")).arg("--simulate");
        host.env("LUA_CPATH", format!("{}/?.so", installed.display())).env_remove("LUA_CPATH_5_4");
        assert_eq!(printed(host), story, "{interpreter:?}");
    }
}

/// As the README says it: LuaJIT is a Lua 5.1 of another name.
fn make(interpreter: Interpreter, tree: &std::path::Path) -> String {
    let mut luarocks = Command::new("luarocks");
    luarocks.args(["--lua-version", interpreter.version, "make", "--tree"]).arg(tree);
    if interpreter.feature == "luajit" {
        luarocks.arg("LUA=luajit");
    }
    luarocks.current_dir(root().join("lua")).env_remove("LUA_PATH").env_remove("LUA_CPATH");
    let ran =
        of_the_modules(&mut luarocks).env("CARGO_NET_OFFLINE", "true").output().expect("luarocks is there");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{interpreter:?}: {said}");
    said
}
