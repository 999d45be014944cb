//! `luarocks make`, as a user installs it, with no network.

use std::path::Path;
use std::process::Command;

use crate::build::{LUA54, module, root, target};
use crate::host::printed;

#[test]
fn luarocks_installs_it_and_the_story_runs() {
    // The same build, so that nothing is built twice.
    module(LUA54);
    let tree = tempfile::tempdir().expect("a temporary directory");
    let mut luarocks = Command::new("luarocks");
    luarocks.args(["--lua-version", "5.4", "make", "--tree"]).arg(tree.path()).arg("rollcore-scm-1.rockspec");
    luarocks
        .current_dir(root().join("lua"))
        .env("CARGO_TARGET_DIR", target())
        .env("ROLLCORE_PROFILE", "debug");
    luarocks.env("CARGO_NET_OFFLINE", "true").env_remove("LUA_PATH").env_remove("LUA_CPATH");
    let ran = luarocks.output().expect("luarocks is there");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let installed = tree.path().join("lib/lua/5.4");
    assert!(installed.join("rollcore.so").exists(), "{said}");
    let story = std::fs::read_to_string(root().join("examples/story.txt")).expect("it is there");
    assert_eq!(printed(with(&installed)), story);
}

fn with(installed: &Path) -> Command {
    let mut host = Command::new(LUA54.program);
    host.arg(root().join("examples/lua/story.lua")).arg("--simulate");
    host.env("LUA_CPATH", format!("{}/?.so", installed.display()));
    host
}
