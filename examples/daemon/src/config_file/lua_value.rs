//! A value of Lua, as JSON.

use std::collections::BTreeSet;
use std::ffi::c_void;

use mlua::{Table, Value as Lua};
use serde_json::{Map, Value};

use super::program::{Evaluated, ODD};
use super::text::CONFIG_BYTES_MAX;

/// How deep a config may be; what is deeper means nothing.
const DEPTH_MAX: usize = 100;

/// How many values a config may have; more are refused.
const VALUES_MAX: usize = 1_000_000;

/// How much of a name is told in a place.
const NAME_CHARS_MAX: usize = 200;

/// How many places without a meaning are told.
const ODD_MAX: usize = 20;

/// Reads one value, and remembers what JSON had no word for.
#[derive(Default)]
pub(super) struct Reading {
    odd: Vec<(String, String)>,
    /// The tables around the one that is read.
    around: BTreeSet<*const c_void>,
    values: usize,
    bytes: u64,
}

impl Reading {
    /// The config that `value` is.
    pub(super) fn read(mut self, value: &Lua) -> Result<Evaluated, String> {
        let config = self.value(value, "")?;
        Ok(Evaluated { config, odd: self.odd, ..Evaluated::default() })
    }

    fn value(&mut self, value: &Lua, key: &str) -> Result<Value, String> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(format!("Config has more than {VALUES_MAX} values, at {}", shown(key)));
        }
        Ok(match value {
            Lua::Nil => Value::Null,
            Lua::Boolean(value) => Value::from(*value),
            Lua::Integer(number) => Value::from(*number),
            Lua::Number(number) if number.is_finite() => Value::from(*number),
            Lua::Number(number) => self.odd(key, &number.to_string()),
            Lua::String(text) => match text.to_str() {
                Ok(text) => self.text(&text, key)?.into(),
                Err(_) => self.odd(key, "text that is not UTF-8"),
            },
            Lua::Table(table) => self.table(table, key)?,
            other => self.odd(key, &format!("a {}", other.type_name())),
        })
    }

    fn odd(&mut self, key: &str, what: &str) -> Value {
        if self.odd.len() < ODD_MAX {
            self.odd.push((key.to_owned(), what.to_owned()));
        }
        Value::from(ODD)
    }

    fn text(&mut self, text: &str, key: &str) -> Result<String, String> {
        self.bytes += text.len() as u64;
        if self.bytes > CONFIG_BYTES_MAX {
            return Err(format!("Config is larger than {CONFIG_BYTES_MAX} bytes, at {}", shown(key)));
        }
        Ok(text.to_owned())
    }

    fn table(&mut self, table: &Table, key: &str) -> Result<Value, String> {
        if self.around.len() >= DEPTH_MAX {
            return Ok(self.odd(key, &format!("nested more than {DEPTH_MAX} levels deep")));
        }
        let this = table.to_pointer();
        if !self.around.insert(this) {
            return Ok(self.odd(key, "circular: it is inside itself"));
        }
        let length = table.raw_len();
        let read = if length > 0 { self.list(table, length, key) } else { self.mapping(table, key) };
        self.around.remove(&this);
        read
    }

    /// A table with a first element is a list, and nothing else beside.
    fn list(&mut self, table: &Table, length: usize, key: &str) -> Result<Value, String> {
        if table.pairs::<Lua, Lua>().count() > length {
            return Ok(self.odd(key, "a list with keys, or with holes"));
        }
        let mut list = Vec::new();
        for index in 1..=length {
            let element = table.raw_get::<Lua>(index).map_err(|error| error.to_string())?;
            list.push(self.value(&element, &format!("{key}[{}]", index - 1))?);
        }
        Ok(Value::Array(list))
    }

    /// Without elements it is a mapping, even an empty one.
    fn mapping(&mut self, table: &Table, key: &str) -> Result<Value, String> {
        let mut map = Map::new();
        for pair in table.pairs::<Lua, Lua>() {
            let (name, value) = pair.map_err(|error| error.to_string())?;
            let name = match &name {
                Lua::String(name) => name.to_string_lossy(),
                Lua::Integer(number) => number.to_string(),
                _ => return Ok(self.odd(key, "a table with keys that are no text")),
            };
            let place = inside(key, &name);
            let name = self.text(&name, &place)?;
            let value = self.value(&value, &place)?;
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

fn shown(key: &str) -> &str {
    if key.is_empty() { "its top" } else { key }
}
