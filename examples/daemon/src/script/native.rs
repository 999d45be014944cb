//! What the prelude of a script cannot do in Lua.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, LuaString as Text, Table};
use nix::sys::signal::Signal;
use rollcore_lua::Engines;

use super::interrupt::Interrupt;
use super::shell::{self, OUTPUT_BYTES_MAX, Order, Ran};
use crate::output::complain_bytes;

/// The longest timeout of a command, in seconds: what waits longer waits for ever.
const TIMEOUT_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// The functions that the prelude gets.
pub(super) fn table(lua: &Lua, interrupt: &Arc<Interrupt>, engines: &Engines) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.set("timeout_max", TIMEOUT_SECONDS_MAX)?;
    native.set("environment", lua.create_function(|lua, ()| environment(lua))?)?;
    native.set(
        "complain",
        lua.create_function(|_, text: Text| {
            complain_bytes(&text.as_bytes());
            Ok(())
        })?,
    )?;
    let open = engines.clone();
    let exit = move |_: &Lua, code: u8| -> mlua::Result<()> {
        open.close();
        std::process::exit(i32::from(code))
    };
    native.set("exit", lua.create_function(exit)?)?;
    let waiting = Arc::clone(interrupt);
    native.set(
        "signal",
        lua.create_function(move |_, ()| {
            Ok(waiting.signal().map(|signal| (signal.as_str(), Some(signal as i32))).unzip())
        })?,
    )?;
    let waiting = Arc::clone(interrupt);
    native.set(
        "forget_signal",
        lua.create_function(move |_, ()| {
            waiting.forget();
            Ok(())
        })?,
    )?;
    let waiting = Arc::clone(interrupt);
    let sh = move |lua: &Lua, (command, options, environment): (Text, Table, Vec<[Text; 2]>)| {
        let order = order(&command, &options, &environment)?;
        told(lua, shell::run(order, &waiting))
    };
    native.set("sh", lua.create_function(sh)?)?;
    Ok(native)
}

fn environment(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in std::env::vars_os() {
        table.raw_set(lua.create_string(name.as_bytes())?, lua.create_string(value.as_bytes())?)?;
    }
    Ok(table)
}

fn order(command: &Text, options: &Table, environment: &[[Text; 2]]) -> mlua::Result<Order> {
    let cwd: Option<Text> = options.raw_get("cwd")?;
    let input: Option<Text> = options.raw_get("input")?;
    let timeout: Option<f64> = options.raw_get("timeout")?;
    Ok(Order {
        command: os(command),
        cwd: cwd.map(|cwd| PathBuf::from(os(&cwd))),
        environment: environment.iter().map(|[name, value]| (os(name), os(value))).collect(),
        quiet: options.raw_get::<Option<bool>>("quiet")?.unwrap_or(false),
        input: input.map(|input| input.as_bytes().to_vec()),
        timeout: timeout.map(Duration::try_from_secs_f64).transpose().map_err(mlua::Error::external)?,
    })
}

fn os(text: &Text) -> OsString {
    OsString::from_vec(text.as_bytes().to_vec())
}

/// `output`, `code`, `signal` when one ended it, and a `problem` when the command cannot be said to have worked at all.
fn told(lua: &Lua, ran: std::io::Result<Ran>) -> mlua::Result<Table> {
    let told = lua.create_table()?;
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => {
            told.set("output", "")?;
            told.set("problem", format!("cannot be run: {error}"))?;
            return Ok(told);
        }
    };
    told.set("output", lua.create_string(&ran.output)?)?;
    let signal = ran.status.and_then(|status| status.signal());
    let code = ran.status.and_then(|status| status.code());
    told.set("code", code.or(signal.map(|signal| 128 + signal)))?;
    told.set("signal", signal.map(named))?;
    let problem = match ran {
        Ran { timed_out: true, .. } => Some("took too long and was stopped".to_owned()),
        Ran { status: None, .. } => Some("cannot be stopped".to_owned()),
        Ran { cut: true, .. } => Some(format!("printed more than {OUTPUT_BYTES_MAX} bytes")),
        Ran { .. } => None,
    };
    told.set("problem", problem)?;
    Ok(told)
}

fn named(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

/// The arguments as Lua has them.
pub(super) fn text(lua: &Lua, text: &OsStr) -> mlua::Result<Text> {
    lua.create_string(text.as_bytes())
}
