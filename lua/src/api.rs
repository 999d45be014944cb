//! The parts of the API that are written in Lua: one file for each idea, all of them inside of this library.

use mlua::prelude::{Lua, LuaResult, LuaTable};

/// Makes one of the others.
const PARTS: &str = include_str!("api/parts.lua");

/// Each part, by the name that the others call it.
const SOURCES: [(&str, &str); 8] = [
    ("check", include_str!("api/check.lua")),
    ("engine", include_str!("api/engine.lua")),
    ("events", include_str!("api/events.lua")),
    ("hands", include_str!("api/hands.lua")),
    ("loop", include_str!("api/loop.lua")),
    ("operation", include_str!("api/operation.lua")),
    ("rollcore", include_str!("api/rollcore.lua")),
    ("waiting", include_str!("api/waiting.lua")),
];

/// What `require` gives.
pub(crate) fn put_together(lua: &Lua, core: LuaTable) -> LuaResult<LuaTable> {
    let compiled = lua.create_function(|lua, name: String| {
        let source = SOURCES.iter().find(|(part, _)| *part == name);
        let (_, source) = source.ok_or_else(|| mlua::Error::runtime(format!("there is no part {name}")))?;
        // A mistake of the caller is told at the first place with another name.
        lua.load(*source).set_name(format!("=rollcore/{name}")).into_function()
    })?;
    lua.load(PARTS).set_name("=rollcore/parts").call((core, compiled))
}
