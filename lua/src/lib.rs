//! `require "rollcore"`: rollcore for Lua 5.1, 5.3, 5.4 and LuaJIT.
//!
//! What Lua calls is in `api/`, which is Lua, and inside of this library: it knows coroutines, and yields only where Lua can.
//! Here is what it stands on: [`rollcore::embed`] as a userdata, and JSON as tables. Nothing in here waits, but for one function that
//! a signal ends.
//!
//! The same library is what a program with a Lua inside gives to its scripts, see [`preload`].

#[cfg(any(
    all(feature = "lua54", any(feature = "lua53", feature = "lua51", feature = "luajit")),
    all(feature = "lua53", any(feature = "lua51", feature = "luajit")),
    all(feature = "lua51", feature = "luajit"),
))]
compile_error!("a module is for one Lua: choose one of the features lua54, lua53, lua51 and luajit");

#[cfg(not(any(feature = "lua54", feature = "lua53", feature = "lua51", feature = "luajit")))]
compile_error!("which Lua? Choose one of the features lua54, lua53, lua51 and luajit");

mod answer;
mod api;
mod engines;
mod handle;
mod json;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Instant;

use mlua::prelude::{Lua, LuaResult, LuaTable};
use mlua::{Function, LightUserData, LuaString as Text, Value};

use answer::{Answer, answer, refused};
use handle::Handle;

pub use engines::Engines;

/// How large a config may be.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What `require "rollcore"` gives.
///
/// # Errors
/// When Lua has no memory left.
#[cfg_attr(feature = "module", mlua::lua_module(name = "rollcore"))]
pub fn module(lua: &Lua) -> LuaResult<LuaTable> {
    api::put_together(lua, core(lua)?)
}

/// Lets `require "rollcore"` work in this Lua, without a file. Whatever its scripts open is in `engines`.
///
/// # Errors
/// When Lua has no memory left.
pub fn preload(lua: &Lua, engines: &Engines) -> LuaResult<()> {
    lua.set_app_data(engines.clone());
    lua.preload_module("rollcore", lua.create_function(|lua, ()| module(lua))?)
}

/// What the Lua part is made of.
fn core(lua: &Lua) -> LuaResult<LuaTable> {
    let core = lua.create_table()?;
    core.set("version", env!("CARGO_PKG_VERSION"))?;
    core.set("null", Value::NULL)?;
    core.set("list", LightUserData(json::EMPTY_LIST))?;
    core.set("open", lua.create_function(open)?)?;
    core.set("now", clock(lua)?)?;
    core.set("methods", lua.create_function(|_, ()| Ok(rollcore::embed::methods().to_vec()))?)?;
    core.set("schema", lua.create_function(schema)?)?;
    core.set("read_config", lua.create_function(read_config)?)?;
    core.set("encode", lua.create_function(encode)?)?;
    core.set("decode", lua.create_function(decode)?)?;
    Ok(core)
}

/// Seconds on a clock that nobody turns.
fn clock(lua: &Lua) -> LuaResult<Function> {
    let start = Instant::now();
    lua.create_function(move |_, ()| Ok(start.elapsed().as_secs_f64()))
}

fn open(lua: &Lua, options: Value) -> LuaResult<Answer> {
    let opened = json::written(&options).and_then(|options| Handle::open(lua, &options));
    answer(lua, opened, |handle| lua.create_userdata(handle).map(Value::UserData))
}

fn schema(lua: &Lua, name: Text) -> LuaResult<Value> {
    match rollcore::embed::schema(&name.to_string_lossy()) {
        Some(schema) => json::read(lua, &schema),
        None => Ok(Value::Nil),
    }
}

/// A config that is JSON, as a table.
fn read_config(lua: &Lua, path: Text) -> LuaResult<Answer> {
    let path = PathBuf::from(OsString::from_vec(path.as_bytes().to_vec()));
    let told = path.display();
    let cannot = |problem: String| refused("config_unreadable", format!("{told} cannot be read: {problem}"));
    let size = std::fs::metadata(&path).map(|file| file.len());
    let text = match size {
        Ok(size) if size > CONFIG_BYTES_MAX => {
            Err(cannot(format!("it has more than {CONFIG_BYTES_MAX} bytes")))
        }
        _ => std::fs::read_to_string(&path).map_err(|error| cannot(error.to_string())),
    };
    let config = text.and_then(|text| json::parsed(&text).map_err(|error| cannot(error.message)));
    answer(lua, config, |config| json::to_lua(lua, &config))
}

fn encode(lua: &Lua, value: Value) -> LuaResult<Answer> {
    answer(lua, json::written(&value), |text| lua.create_string(text).map(Value::String))
}

fn decode(lua: &Lua, text: Text) -> LuaResult<Answer> {
    let value = json::parsed(&text.to_string_lossy());
    answer(lua, value, |value| json::to_lua(lua, &value))
}
