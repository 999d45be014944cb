//! Builds what the tests load, once for each of their processes. The modules have all but mlua in common, and are not optimized,
//! for that takes longest; the C library is the one of its own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A Lua, and the feature of its module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpreter {
    pub(crate) program: &'static str,
    pub(crate) feature: &'static str,
    /// What its modules are filed under.
    pub(crate) version: &'static str,
}

pub(crate) const LUA54: Interpreter = Interpreter { program: "lua5.4", feature: "lua54", version: "5.4" };
pub(crate) const LUA53: Interpreter = Interpreter { program: "lua5.3", feature: "lua53", version: "5.3" };
pub(crate) const LUA51: Interpreter = Interpreter { program: "lua5.1", feature: "lua51", version: "5.1" };
pub(crate) const LUAJIT: Interpreter = Interpreter { program: "luajit", feature: "luajit", version: "5.1" };

/// Every Lua that there is a module for.
pub(crate) const ALL: [Interpreter; 4] = [LUA54, LUAJIT, LUA53, LUA51];

/// What was built so far, by its feature.
static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());

/// The root of the sources.
pub(crate) fn root() -> PathBuf {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|path| path.join("Cargo.lock").exists());
    workspace.expect("it is in a workspace").to_owned()
}

/// The directory that holds the `rollcore.so` of this Lua.
pub(crate) fn module(interpreter: Interpreter) -> PathBuf {
    once(interpreter.feature, || {
        let features = format!("{},module", interpreter.feature);
        let library = cargo(
            of_the_modules(&mut Command::new(env!("CARGO"))),
            &["--profile=dev", "-p=rollcore-lua", "--no-default-features", "--features", &features],
            "librollcore_lua.so",
        );
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(interpreter.feature);
        std::fs::create_dir_all(&directory).expect("it can be made");
        // In one step: another test may be loading the one before.
        let new = directory.join(format!("rollcore.so.{}", std::process::id()));
        std::fs::copy(library, &new).expect("it was built");
        std::fs::rename(new, directory.join("rollcore.so")).expect("it is in the same directory");
        directory
    })
}

/// The C library.
pub(crate) fn librollcore() -> PathBuf {
    let profile = if cfg!(debug_assertions) { "--profile=test" } else { "--profile=bench" };
    once("librollcore", || {
        cargo(&mut Command::new(env!("CARGO")), &[profile, "-p=rollcore-ffi"], "librollcore.so")
    })
}

/// Says where the modules are built, also to `lua/build.sh`, for which nothing is built again then.
pub(crate) fn of_the_modules(command: &mut Command) -> &mut Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules");
    // luarocks says which compiler: with another one, all that stands on something of C is built again, which is nearly all.
    without_our_package(command)
        .env("CC", "gcc")
        .env("CARGO_TARGET_DIR", target)
        .env("ROLLCORE_PROFILE", "dev")
}

fn once(what: &'static str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(what).or_insert_with(build).clone()
}

fn cargo(cargo: &mut Command, what: &[&str], library: &str) -> PathBuf {
    cargo.args(["build", "--offline", "--lib", "--message-format=json"]).args(what);
    let built = without_our_package(cargo).current_dir(root()).output().expect("cargo is there");
    assert!(built.status.success(), "{what:?}: {}", String::from_utf8_lossy(&built.stderr));
    let said = String::from_utf8_lossy(&built.stdout);
    let file = said.split('"').find(|text| text.ends_with(&format!("/{library}")));
    PathBuf::from(file.expect("cargo tells what it has built"))
}

/// What cargo says to this test about its package would make build scripts of others run again.
fn without_our_package(command: &mut Command) -> &mut Command {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        command.env_remove(name);
    }
    command
}
