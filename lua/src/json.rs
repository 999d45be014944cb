//! Tables as JSON, and back. A table with elements is a list; one without is a mapping, even an empty one.

use std::collections::BTreeSet;
use std::ffi::c_void;

use mlua::prelude::{Lua, LuaResult};
use mlua::{LightUserData, Table, Value as LuaValue};
use rollcore::embed::{Code, EmbedError};
use serde_json::{Map, Value};

use crate::answer::misuse;

/// How deep a table may be.
const DEPTH_MAX: usize = 100;

/// How many values a table may have, with all that is inside of it.
const VALUES_MAX: usize = 1_000_000;

/// How much of a name is told in a place.
const NAME_CHARS_MAX: usize = 200;

/// The largest whole number that every Lua has exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Stands for an empty list, which a table cannot: nothing is ever at this address.
pub(crate) const EMPTY_LIST: *mut c_void = std::ptr::without_provenance_mut(1);

/// What Lua has, as JSON.
pub(crate) fn written(value: &LuaValue) -> Result<String, EmbedError> {
    Ok(Reading::default().value(value, "")?.to_string())
}

/// What this text says.
pub(crate) fn parsed(text: &str) -> Result<Value, EmbedError> {
    serde_json::from_str(text)
        .map_err(|error| EmbedError::new(Code::Failed, "invalid_json", error.to_string()))
}

/// What the core says, for Lua.
pub(crate) fn read(lua: &Lua, text: &str) -> LuaResult<LuaValue> {
    let value = serde_json::from_str(text).map_err(mlua::Error::external)?;
    to_lua(lua, &value)
}

/// In a mapping `null` is left out, as Lua does it; in a list it is `rollcore.null`.
pub(crate) fn to_lua(lua: &Lua, value: &Value) -> LuaResult<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::NULL,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| LuaValue::Number(number.as_f64().unwrap_or(f64::NAN)), LuaValue::Integer),
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for (place, value) in (1..).zip(list) {
                table.raw_set(place, to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                table.raw_set(key.as_str(), to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Reads one value.
#[derive(Default)]
struct Reading {
    /// The tables around the one that is read.
    around: BTreeSet<*const c_void>,
    values: usize,
}

impl Reading {
    fn value(&mut self, value: &LuaValue, key: &str) -> Result<Value, EmbedError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(wrong(key, &format!("there are more than {VALUES_MAX} values")));
        }
        match value {
            LuaValue::Nil => Ok(Value::Null),
            value if value.is_null() => Ok(Value::Null),
            LuaValue::LightUserData(LightUserData(at)) if *at == EMPTY_LIST => Ok(Value::Array(Vec::new())),
            LuaValue::Boolean(value) => Ok(Value::from(*value)),
            LuaValue::Integer(number) => Ok(Value::from(*number)),
            LuaValue::Number(number) => {
                whole_or_not(*number).ok_or_else(|| wrong(key, &format!("{number} is no number")))
            }
            LuaValue::String(text) => match text.to_str() {
                Ok(text) => Ok(Value::from(&*text)),
                Err(_) => Err(wrong(key, "the text is not UTF-8")),
            },
            LuaValue::Table(table) => self.table(table, key),
            other => Err(wrong(key, &format!("a {} cannot be JSON", other.type_name()))),
        }
    }

    fn table(&mut self, table: &Table, key: &str) -> Result<Value, EmbedError> {
        if self.around.len() >= DEPTH_MAX {
            return Err(wrong(key, &format!("it is more than {DEPTH_MAX} levels deep")));
        }
        let this = table.to_pointer();
        if !self.around.insert(this) {
            return Err(wrong(key, "the table is inside of itself"));
        }
        let length = table.raw_len();
        let read = if length > 0 { self.list(table, length, key) } else { self.mapping(table, key) };
        self.around.remove(&this);
        read
    }

    fn list(&mut self, table: &Table, length: usize, key: &str) -> Result<Value, EmbedError> {
        if table.pairs::<LuaValue, LuaValue>().count() != length {
            return Err(wrong(key, "a list with keys, or with holes"));
        }
        let mut list = Vec::with_capacity(length.min(VALUES_MAX));
        for index in 1..=length {
            let element: LuaValue = table.raw_get(index).map_err(|error| wrong(key, &error.to_string()))?;
            list.push(self.value(&element, &format!("{key}[{index}]"))?);
        }
        Ok(Value::Array(list))
    }

    fn mapping(&mut self, table: &Table, key: &str) -> Result<Value, EmbedError> {
        let mut map = Map::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (name, value) = pair.map_err(|error| wrong(key, &error.to_string()))?;
            let LuaValue::String(name) = name else {
                return Err(wrong(key, "a table with keys that are no text, or a list with holes"));
            };
            let name = name.to_str().map_err(|_| wrong(key, "a key is not UTF-8"))?.to_owned();
            let value = self.value(&value, &inside(key, &name))?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// The place of a value in a mapping. There is one for each level, and it is to be read by people: what is long is cut.
fn inside(key: &str, name: &str) -> String {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    if key.is_empty() { name } else { format!("{key}.{name}") }
}

/// Lua calculates with fractions where a whole number is meant: 8182.0 is 8182.
fn whole_or_not(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and an i64 has room for it")]
        return Some(Value::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

fn wrong(key: &str, problem: &str) -> EmbedError {
    misuse(if key.is_empty() { problem.to_owned() } else { format!("{key}: {problem}") })
}
