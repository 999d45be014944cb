//! Configs that are Lua 5.4, which is inside of this program: a chunk that returns a table, or a function that returns
//! one.
//!
//! This program runs itself as the evaluator, so that a chunk that loops, fills the memory or calls `os.exit` harms
//! nobody else.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mlua::{Lua, Value};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{getpgrp, getppid};

use super::Said;
use super::evaluation::{Answer, EVALUATION_TIMEOUT, Module};
use super::lua_value::Reading;
use super::program::Evaluated;
use super::text;

/// How much memory a config may use, in bytes; then it fails.
const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How often an evaluator looks whether whoever wants the config is still there.
const GUARD_INTERVAL: Duration = Duration::from_millis(250);

/// Evaluates the chunk at `path`, which is `absolute`.
pub(super) fn evaluate(path: &Path, absolute: &Path, said: Said<'_>) -> Result<Evaluated, String> {
    text::check(path)?;
    let module = Module {
        path: absolute,
        said,
        timeout: EVALUATION_TIMEOUT,
        ends_early: "it calls os.exit, or the evaluator itself failed (see above).",
        missing: "is Lua, and this program cannot find itself to evaluate it.",
    };
    let mut evaluator = Command::new(this_program());
    evaluator.arg0("rollcore").arg("evaluate-lua").arg(absolute);
    module.evaluate_by(evaluator)?.into_result()
}

/// The very program that runs, also when its file was replaced meanwhile.
fn this_program() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { own } else { std::env::current_exe().unwrap_or(own) }
}

/// The evaluator: tells on its descriptor what the chunk came to.
pub(crate) fn tell(path: &Path) -> Result<(), String> {
    guard();
    let answer = match run(path) {
        Ok(evaluated) => Answer::Evaluated(evaluated),
        Err(error) => Answer::Failed { error: placed(error, path), again: false },
    };
    let line = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
    // By name, for by number it could be anybody's.
    let result = OpenOptions::new().write(true).open("/dev/fd/3");
    result.and_then(|mut result| writeln!(result, "{line}")).map_err(|error| format!("nobody asked: {error}"))
}

/// Lua says where most mistakes are, but not all.
fn placed(message: String, path: &Path) -> String {
    let path = path.display().to_string();
    if message.contains(".lua") { message } else { format!("{message} ({path})") }
}

/// Whoever started this may be killed while the chunk loops: then it must not go on for ever.
fn guard() {
    let parent = getppid();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(GUARD_INTERVAL);
            if getppid() != parent {
                let _ = killpg(getpgrp(), Signal::SIGKILL);
            }
        }
    });
}

fn run(path: &Path) -> Result<Evaluated, String> {
    let source = text::text_of(path)?;
    let lua = Lua::new();
    lua.set_memory_limit(MEMORY_BYTES_MAX).map_err(|error| told(&error))?;
    find_beside(&lua, path).map_err(|error| told(&error))?;
    let chunk = lua.load(source).set_name(format!("@{}", path.display()));
    let returned = match chunk.eval::<Value>().map_err(|error| told(&error))? {
        Value::Function(config) => config.call::<Value>(()).map_err(|error| told(&error))?,
        other => other,
    };
    if returned.is_nil() {
        return Err(format!("Config module {} must return a config table or function", path.display()));
    }
    Reading::default().read(&returned)
}

/// `require` looks beside the config first.
pub(crate) fn find_beside(lua: &Lua, path: &Path) -> mlua::Result<()> {
    let package: mlua::Table = lua.globals().get("package")?;
    let there: String = package.get("path")?;
    let here = path.parent().unwrap_or(path).display();
    package.set("path", format!("{here}/?.lua;{here}/?/init.lua;{there}"))
}

/// The message, which begins with the place, without the traceback.
pub(crate) fn told(error: &mlua::Error) -> String {
    let message = match error {
        mlua::Error::CallbackError { cause, .. } => return told(cause),
        mlua::Error::RuntimeError(message)
        | mlua::Error::SyntaxError { message, .. }
        | mlua::Error::MemoryError(message) => message.clone(),
        other => other.to_string(),
    };
    message.split("\nstack traceback:").next().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect()
}

/// How much of a message is shown.
const MESSAGE_CHARS_MAX: usize = 4_000;
