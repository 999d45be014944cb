//! Configs that are text: JSON and TOML; and what is said about files that cannot be read (compat C-8).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use serde_json::{Map, Number, Value};

/// The largest config that is read, in bytes; a larger one is refused.
pub(super) const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the file says.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = open(path)?.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > CONFIG_BYTES_MAX => Err(too_large(path)),
        Ok(_) => Ok(text),
        Err(error) => Err(told(&error, "read")),
    }
}

/// Whether the file is there and can be read, for those that are read by somebody else.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let found = open(path)?.metadata().map_err(|error| told(&error, "fstat"))?;
    if found.is_dir() {
        return Err(told(&Errno::EISDIR.into(), "read"));
    }
    if found.len() > CONFIG_BYTES_MAX {
        return Err(too_large(path));
    }
    Ok(())
}

fn too_large(path: &Path) -> String {
    format!("{} is larger than {CONFIG_BYTES_MAX} bytes", path.display())
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| told(&error, &format!("open '{}'", path.display())))
}

/// As the contract has it: `ENOENT: no such file or directory, open '/nope.json'`.
fn told(error: &io::Error, what: &str) -> String {
    match error.raw_os_error() {
        Some(number) => {
            let errno = Errno::from_raw(number);
            let text = match errno {
                Errno::EISDIR => "illegal operation on a directory".to_owned(),
                errno => errno.desc().to_lowercase(),
            };
            format!("{errno:?}: {text}, {what}")
        }
        None => format!("{error}, {what}"),
    }
}

/// TOML, as JSON.
pub(super) fn from_toml(text: &str) -> Result<Value, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        format!("Config is not valid TOML: {}", error.to_string().trim_end())
    })?;
    Ok(json(toml::Value::Table(table)))
}

/// What JSON has no word for becomes text, so that it is reported where a number is wanted, not taken for absent.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => {
            Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>().into()
        }
    }
}
