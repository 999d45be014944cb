//! The story that every host tells.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::build::{ALL, LUAJIT, librollcore, root};
use crate::host::{host, printed};

/// How long it may take where nothing is waited for.
const MADE_UP_MAX: Duration = Duration::from_secs(1);

/// How often it may be tried: the machine may have much else to do.
const TRIES: usize = 5;

fn story() -> String {
    std::fs::read_to_string(root().join("examples/story.txt")).expect("it is there")
}

fn script() -> PathBuf {
    root().join("examples/lua/story.lua")
}

/// LuaJIT, with what its FFI needs instead of a module.
fn by_ffi(arguments: &[&str]) -> Command {
    let mut host = Command::new(LUAJIT.program);
    host.arg(script()).args(arguments).env("ROLLCORE_LIB", librollcore());
    host.env("LUA_PATH", format!("{}/?.lua;;", root().join("examples/luajit").display()));
    host
}

fn tells_it_in_a_second(host: impl Fn() -> Command) {
    let took = |_| {
        let (host, begun) = (host(), Instant::now());
        assert_eq!(printed(host), story());
        begun.elapsed()
    };
    let tried: Vec<_> = (0..TRIES).map(took).collect();
    assert!(tried.iter().any(|took| *took < MADE_UP_MAX), "{:?}: {tried:?}", host());
}

#[test]
fn every_lua_tells_it_of_a_made_up_world_in_a_second() {
    for interpreter in ALL {
        tells_it_in_a_second(|| host(interpreter, &script(), &["--simulate"]));
    }
    tells_it_in_a_second(|| by_ffi(&["--simulate"]));
}

#[test]
fn every_lua_tells_it_of_real_processes() {
    for interpreter in ALL {
        assert_eq!(printed(host(interpreter, &script(), &[])), story(), "{interpreter:?}");
    }
    assert_eq!(printed(by_ffi(&[])), story());
}

/// As the README in `examples/luajit` says it.
#[test]
fn luajit_tells_it_from_where_it_was_installed() {
    let tree = tempfile::tempdir().expect("a temporary directory");
    let readme = std::fs::read_to_string(root().join("examples/luajit/README.md")).expect("it is there");
    let install = readme.split("```sh\n").nth(2).and_then(|part| part.split("```").next()).expect("how");
    let mut shell = Command::new("sh");
    let here = tree.path().to_str().expect("the path is text");
    shell.args(["-euc", &install.replace("/usr/local/share/lua/5.1", here)]).current_dir(root());
    assert_eq!(printed(shell), "");
    let mut host = by_ffi(&["--simulate"]);
    host.env("LUA_PATH", format!("{here}/?.lua"));
    assert_eq!(printed(host), story());
}
