//! `require "rollcore"`: for now, which version it is.

use mlua::prelude::{Lua, LuaResult, LuaTable};

/// What `require "rollcore_lua"` returns: a table with `version()`.
///
/// # Errors
/// When Lua has no memory left.
#[cfg_attr(feature = "module", mlua::lua_module)]
pub fn rollcore_lua(lua: &Lua) -> LuaResult<LuaTable> {
    let module = lua.create_table()?;
    module.set("version", lua.create_function(|_, ()| Ok(env!("CARGO_PKG_VERSION")))?)?;
    Ok(module)
}
