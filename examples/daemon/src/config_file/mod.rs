//! Which config file, and what is in it (compat §1).
//!
//! JSON and TOML are read here; JavaScript is evaluated by node, Lua by the Lua inside of this program. What a program prints on the way goes to whoever reads
//! it, never into the config.

mod evaluation;
mod find;
mod lua;
mod lua_value;
mod node;
mod program;
mod text;
mod watched;

use std::path::{Path, PathBuf};

use rollcore::{Config, ConfigError, Defaults};

use crate::output::complain_bytes;

pub(crate) use lua::{find_beside, tell as tell_lua, told};

/// Takes what a config prints while it is evaluated.
pub(crate) type Said<'s> = &'s dyn Fn(&[u8]);

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
    #[error("{}", in_old_words(error))]
    Invalid { path: PathBuf, error: ConfigError },
}

/// As scripts know it (compat C-9). In the library it has no such heading.
fn in_old_words(error: &ConfigError) -> String {
    if error.code() != "config_invalid" {
        return error.to_string();
    }
    let lines = error.issues().iter().map(|issue| format!("\n  - {issue}"));
    std::iter::once("Invalid Rollbridge config:".to_owned()).chain(lines).collect()
}

/// Finds and reads the config: the given file, or the one in the current directory. What it prints goes to stderr.
pub(crate) fn load(given: Option<&Path>) -> Result<Loaded, LoadError> {
    let path = find::find(given)?;
    let config = read(&path, &complain_bytes)?;
    Ok(Loaded { path, config })
}

/// Reads this config file; what it prints goes to `said`.
pub(crate) fn read(path: &Path, said: Said<'_>) -> Result<Config, LoadError> {
    let unreadable = |problem| LoadError::Unreadable { path: path.to_owned(), problem };
    let invalid = |error| LoadError::Invalid { path: path.to_owned(), error };
    let absolute = find::absolute(path).map_err(unreadable)?;
    let defaults = Defaults::beside(&absolute);
    match Format::of(path).map_err(unreadable)? {
        Format::Json => {
            let text = text::text_of(path).map_err(unreadable)?;
            Config::from_json_with(&text, &defaults).map_err(invalid)
        }
        Format::Toml => {
            let text = text::text_of(path).map_err(unreadable)?;
            Config::from_value(text::from_toml(&text).map_err(unreadable)?, &defaults).map_err(invalid)
        }
        Format::JavaScript => {
            let evaluated = node::evaluate(path, &absolute, said).map_err(unreadable)?;
            evaluated.into_config(&defaults, said).map_err(invalid)
        }
        Format::Lua => {
            let evaluated = lua::evaluate(path, &absolute, said).map_err(unreadable)?;
            evaluated.into_config(&defaults, said).map_err(invalid)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Toml,
    JavaScript,
    Lua,
}

impl Format {
    /// By extension; a file without one is taken for JSON (compat C-4).
    fn of(path: &Path) -> Result<Self, String> {
        match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
            None | Some("json") => Ok(Self::Json),
            Some("toml") => Ok(Self::Toml),
            Some("js" | "mjs" | "cjs") => Ok(Self::JavaScript),
            Some("lua") => Ok(Self::Lua),
            Some(other) => Err(format!(
                "{}: a config in .{other} is not supported; write it as .json, .toml, .lua, .js, .mjs or .cjs.",
                path.display()
            )),
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

    fn quietly(path: &Path) -> Result<Config, LoadError> {
        read(path, &|_| {})
    }

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
        assert_eq!(quietly(&toml).expect("valid"), quietly(&json).expect("valid"));
    }

    #[test]
    fn the_application_is_named_after_its_directory() {
        let (directory, path) = written("rollcore.toml", &TOML.replace("application = \"shop\"", ""));
        let name = directory.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        assert_eq!(quietly(&path).expect("valid").application().name, name);
    }

    #[test]
    fn what_cannot_be_read_is_told_as_in_the_contract() {
        let told = |path: &str| quietly(Path::new(path)).expect_err(path).to_string();
        assert_eq!(told("/nope.json"), "ENOENT: no such file or directory, open '/nope.json'");
        assert_eq!(told("/"), "EISDIR: illegal operation on a directory, read");
        assert_eq!(told("/nope.js"), "ENOENT: no such file or directory, open '/nope.js'");
        assert!(told("/nope.yaml").contains(".yaml is not supported"));
    }

    #[test]
    fn what_toml_has_beyond_json_is_reported_where_it_stands() {
        let (_directory, path) = written("rollcore.toml", &TOML.replace("port = 0", "port = nan"));
        let error = quietly(&path).expect_err("not a number").to_string();
        assert!(error.contains("proxy.port must be a number"), "{error}");
        let (_directory, path) = written("rollcore.toml", "a = [");
        assert!(quietly(&path).expect_err("not TOML").to_string().starts_with("Config is not valid TOML: "));
    }
}
