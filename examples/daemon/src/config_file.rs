//! Which config file, and what is in it (compat C-6 to C-9).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rollcore::{Config, ConfigError, Defaults};
use serde_json::{Map, Number, Value};

/// What is looked for in the current directory, in this order.
const NAMES: [&str; 2] = ["rollcore.json", "rollcore.toml"];

/// The largest config file that is read, in bytes; a larger one is refused.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A config and where it was.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// As it was given; absolute when it was found.
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// None was given, and none is here.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be read, or is not what its name says.
    #[error("{problem}")]
    Unreadable { path: PathBuf, problem: String },
    /// It can be read, and makes no sense.
    #[error("{error}")]
    Invalid { path: PathBuf, error: ConfigError },
}

/// Finds and reads the config: the given file, or the one in the current directory.
pub(crate) fn load(given: Option<&Path>) -> Result<Loaded, LoadError> {
    let path = find(given)?;
    let config = read(&path)?;
    Ok(Loaded { path, config })
}

/// Reads this config file.
pub(crate) fn read(path: &Path) -> Result<Config, LoadError> {
    let unreadable = |problem| LoadError::Unreadable { path: path.to_owned(), problem };
    let invalid = |error| LoadError::Invalid { path: path.to_owned(), error };
    let format = Format::of(path).map_err(unreadable)?;
    let text = text_of(path).map_err(unreadable)?;
    let absolute = std::path::absolute(path).map_err(|error| unreadable(error.to_string()))?;
    let defaults = Defaults::beside(&absolute);
    match format {
        Format::Json => Config::from_json_with(&text, &defaults).map_err(invalid),
        Format::Toml => {
            let value = from_toml(&text).map_err(unreadable)?;
            Config::from_value(value, &defaults).map_err(invalid)
        }
    }
}

fn find(given: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let here = std::env::current_dir().map_err(|error| LoadError::NotFound(error.to_string()))?;
    let found = NAMES.iter().map(|name| here.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let names = NAMES.join(", ");
        let here = here.display();
        LoadError::NotFound(format!(
            "No config file found in {here}. Pass --config <path> or add one of: {names}."
        ))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Toml,
}

impl Format {
    /// By extension; a file without one is taken for JSON.
    fn of(path: &Path) -> Result<Self, String> {
        match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
            None | Some("json") => Ok(Self::Json),
            Some("toml") => Ok(Self::Toml),
            Some("js" | "mjs" | "cjs" | "lua") => Err(format!(
                "{} is a program; configs that are programs are not supported yet. Write it as .json or .toml.",
                path.display()
            )),
            Some(other) => {
                Err(format!("{}: .{other} is not supported; write it as .json or .toml.", path.display()))
            }
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| told(&error, &format!("open '{}'", path.display())))?;
    let mut text = String::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > CONFIG_BYTES_MAX => {
            Err(format!("{} is larger than {CONFIG_BYTES_MAX} bytes", path.display()))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(told(&error, "read")),
    }
}

/// As the contract has it: `ENOENT: no such file or directory, open '/nope.json'` (C-8).
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

fn from_toml(text: &str) -> Result<Value, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
        application = "shop"
        [proxy]
        port = 0
        [[processes]]
        id = "web"
        policy = "proxied"
        port = { from = 18000, to = 18099 }
        command = ["./serve", "--port", "{{port}}"]
    "#;

    fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        (directory, path)
    }

    #[test]
    fn json_and_toml_say_the_same() {
        let json = r#"{ "application": "shop", "proxy": { "port": 0 }, "processes": [{ "id": "web",
            "policy": "proxied", "port": { "from": 18000, "to": 18099 },
            "command": ["./serve", "--port", "{{port}}"] }] }"#;
        let (_toml, toml) = written("rollcore.toml", TOML);
        let (_json, json) = written("rollcore.json", json);
        assert_eq!(read(&toml).expect("valid"), read(&json).expect("valid"));
    }

    #[test]
    fn the_application_is_named_after_its_directory() {
        let (directory, path) = written("rollcore.toml", &TOML.replace("application = \"shop\"", ""));
        let name = directory.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        assert_eq!(read(&path).expect("valid").application().name, name);
    }

    #[test]
    fn what_cannot_be_read_is_told_as_in_the_contract() {
        let told = |path: &str| read(Path::new(path)).expect_err(path).to_string();
        assert_eq!(told("/nope.json"), "ENOENT: no such file or directory, open '/nope.json'");
        assert_eq!(told("/"), "EISDIR: illegal operation on a directory, read");
        assert!(told("/nope.js").contains("not supported yet"));
        assert!(told("/nope.yaml").contains(".yaml is not supported"));
    }

    #[test]
    fn what_toml_has_beyond_json_is_reported_where_it_stands() {
        let (_directory, path) = written("rollcore.toml", &TOML.replace("port = 0", "port = nan"));
        let error = read(&path).expect_err("not a number").to_string();
        assert!(error.contains("proxy.port must be a number"), "{error}");
        let (_directory, path) = written("rollcore.toml", "a = [");
        assert!(read(&path).expect_err("not TOML").to_string().starts_with("Config is not valid TOML: "));
    }
}
