//! How a function tells that it failed: `nil, message, code, detail, number`. Nothing in here raises, for what Rust raises
//! is a userdata in Lua, and comes with a traceback of Rust.

use mlua::prelude::{Lua, LuaResult};
use mlua::{MultiValue, Value};
use rollcore::embed::{Code, EmbedError};

use crate::json;

/// What a function returns.
pub(crate) type Answer = MultiValue;

/// The value, or `nil` and why there is none.
pub(crate) fn answer<T>(
    lua: &Lua,
    result: Result<T, EmbedError>,
    value: impl FnOnce(T) -> LuaResult<Value>,
) -> LuaResult<Answer> {
    match result {
        Ok(result) => Ok(MultiValue::from_iter([value(result)?])),
        Err(error) => failure(lua, &error),
    }
}

pub(crate) fn failure(lua: &Lua, error: &EmbedError) -> LuaResult<Answer> {
    Ok(MultiValue::from_iter([
        Value::Nil,
        Value::String(lua.create_string(&error.message)?),
        Value::String(lua.create_string(&error.error)?),
        json::to_lua(lua, &error.detail)?,
        Value::Integer(error.code.as_raw().into()),
    ]))
}

/// A failure that may happen to whoever does everything right.
pub(crate) fn refused(code: &str, message: impl Into<String>) -> EmbedError {
    EmbedError::new(Code::Failed, code, message)
}

/// A mistake of the caller.
pub(crate) fn misuse(message: impl Into<String>) -> EmbedError {
    EmbedError::new(Code::Argument, "argument", message)
}
