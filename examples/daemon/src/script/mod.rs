//! `rollcore run`: a deploy script in the Lua that is inside of this program, so that a machine needs none.

mod interrupt;
mod native;
mod shell;

use std::process::ExitCode;
use std::sync::Arc;

use mlua::{Function, HookTriggers, Lua, MultiValue, Table, Value, VmState};

use crate::cli::RunArgs;
use crate::config_file::{find_beside, told};
use crate::output::{Failed, exit_code};
use interrupt::Interrupt;
use rollcore_lua::Engines;

const PRELUDE: &str = include_str!("prelude.lua");

/// How many instructions pass before a script that only computes notices a signal.
const INSTRUCTIONS_BETWEEN_LOOKS: u32 = 10_000;

/// Runs the script to its end, and takes its exit code.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    match script(args) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => exit_code(Err(Failed::Because(problem))),
    }
}

fn script(args: &RunArgs) -> Result<u8, String> {
    let source = std::fs::read(&args.script)
        .map_err(|error| format!("{} cannot be read: {error}", args.script.display()))?;
    let engines = Engines::default();
    let interrupt = Interrupt::listen(engines.clone())
        .map_err(|error| format!("signals cannot be listened to: {error}"))?;
    let lua = Lua::new();
    let ran = prepared(&lua, args, &interrupt, &engines)
        .and_then(|prelude| {
            let chunk = lua.load(without_shebang(&source)).set_name(format!("@{}", args.script.display()));
            let arguments: MultiValue = arguments(&lua, args)?;
            ended(&lua, &prelude, &interrupt, (chunk.into_function()?, arguments))
        })
        .map_err(|error| told(&error));
    // While the signals are still listened to.
    engines.close();
    ran
}

/// Not a line of Lua runs between the script and what tells how it went: a signal would end that, too.
fn ended(
    lua: &Lua,
    prelude: &Table,
    interrupt: &Arc<Interrupt>,
    script: (Function, MultiValue),
) -> mlua::Result<u8> {
    let resting = Arc::clone(interrupt);
    let as_it_is = lua.create_function(move |_, problem: Value| {
        resting.rest();
        Ok(problem)
    })?;
    let xpcall: Function = prelude.get("xpcall")?;
    let (ok, problem): (bool, Value) = xpcall.call((script.0, as_it_is, script.1))?;
    interrupt.rest();
    prelude.get::<Function>("ended")?.call((ok, problem))
}

fn prepared(lua: &Lua, args: &RunArgs, interrupt: &Arc<Interrupt>, engines: &Engines) -> mlua::Result<Table> {
    find_beside(lua, &args.script)?;
    rollcore_lua::preload(lua, engines)?;
    let arg = lua.create_table()?;
    arg.set(0, native::text(lua, args.script.as_os_str())?)?;
    for (place, argument) in (1..).zip(&args.args) {
        arg.set(place, native::text(lua, argument)?)?;
    }
    lua.globals().set("arg", arg)?;
    let native = native::table(lua, interrupt, engines)?;
    let prelude: Table = lua.load(PRELUDE).set_name("=rollcore").call(native)?;
    watch(lua, interrupt)?;
    Ok(prelude)
}

fn arguments(lua: &Lua, args: &RunArgs) -> mlua::Result<MultiValue> {
    args.args.iter().map(|argument| Ok(Value::String(native::text(lua, argument)?))).collect()
}

/// A script that only computes notices a signal, too; one that catches the error meets it again.
fn watch(lua: &Lua, interrupt: &Arc<Interrupt>) -> mlua::Result<()> {
    let interrupt = Arc::clone(interrupt);
    let often = HookTriggers::new().every_nth_instruction(INSTRUCTIONS_BETWEEN_LOOKS);
    lua.set_global_hook(often, move |lua, _| look(lua, &interrupt))
}

fn look(lua: &Lua, interrupt: &Arc<Interrupt>) -> mlua::Result<VmState> {
    let Some(signal) = interrupt.raises() else { return Ok(VmState::Continue) };
    // From now on at every step: otherwise a loop around a `pcall` would hardly ever be met outside of it.
    let interrupt = Arc::clone(interrupt);
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(1), move |_, _| refuse(&interrupt))?;
    Err(mlua::Error::runtime(format!("interrupted by {signal}")))
}

fn refuse(interrupt: &Interrupt) -> mlua::Result<VmState> {
    match interrupt.raises() {
        Some(signal) => Err(mlua::Error::runtime(format!("interrupted by {signal}"))),
        None => Ok(VmState::Continue),
    }
}

/// As Lua's own interpreter does it; the line stays, so that the others keep their numbers.
fn without_shebang(source: &[u8]) -> &[u8] {
    match source {
        [b'#', ..] => source.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &source[end..]),
        _ => source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shebang_is_left_out_and_its_line_is_not() {
        assert_eq!(without_shebang(b"#!/usr/bin/env rollcore\nx"), b"\nx");
        assert_eq!(without_shebang(b"#!"), b"");
        assert_eq!(without_shebang(b"x = #t\n"), b"x = #t\n");
    }
}
