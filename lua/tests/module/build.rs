//! Builds what the tests load, once for all of them: each module in a target directory of its own, for a module and a program
//! with a Lua inside cannot be of one build.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A Lua, and the feature of its module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpreter {
    pub(crate) program: &'static str,
    pub(crate) feature: &'static str,
}

pub(crate) const LUA54: Interpreter = Interpreter { program: "lua5.4", feature: "lua54" };
pub(crate) const LUAJIT: Interpreter = Interpreter { program: "luajit", feature: "luajit" };

/// Every Lua that there is a module for.
pub(crate) const ALL: [Interpreter; 4] = [
    LUA54,
    LUAJIT,
    Interpreter { program: "lua5.3", feature: "lua53" },
    Interpreter { program: "lua5.1", feature: "lua51" },
];

static BUILDING: Mutex<()> = Mutex::new(());

/// The root of the sources.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("lua/ is in it").to_owned()
}

/// The directory that holds the `rollcore.so` of this Lua.
pub(crate) fn module(interpreter: Interpreter) -> PathBuf {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let features = format!("{},module", interpreter.feature);
    let built =
        cargo("modules", &["-p", "rollcore-lua", "--lib", "--no-default-features", "--features", &features]);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(interpreter.feature);
    std::fs::create_dir_all(&directory).expect("it can be made");
    // In one step: another test may be loading the one before.
    let new = directory.join("rollcore.so.new");
    std::fs::copy(built.join("librollcore_lua.so"), &new).expect("it was built");
    std::fs::rename(new, directory.join("rollcore.so")).expect("it is in the same directory");
    directory
}

/// The C library.
pub(crate) fn librollcore() -> PathBuf {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    cargo("modules", &["-p", "rollcore-ffi", "--lib"]).join("librollcore.so")
}

/// Where the modules are built, for who builds them in another way.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules")
}

fn cargo(target: &str, what: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline", "--target-dir"]).arg(&target).args(what).current_dir(root());
    let built = cargo.output().expect("cargo is there");
    assert!(built.status.success(), "{what:?}: {}", String::from_utf8_lossy(&built.stderr));
    target.join("debug")
}
