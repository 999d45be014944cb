//! Text in, a valid application out; or everything that is wrong with it (compat C-9 to C-29).
//!
//! ```text
//! text ─▶ JSON ─▶ draft (the only place that knows the spelling) ─▶ check (rules across processes) ─▶ Application
//! ```
//!
//! Nothing here reads files or the environment.

mod bootstrap;
mod check;
mod draft;
mod issue;
mod read;
mod reload;
mod unknown;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::spec::Application;

pub use bootstrap::{Bootstrap, BootstrapError, BootstrapOptions};
pub use issue::{ConfigError, Issue};
pub use reload::{RestartNeeded, restart_needed};

/// A valid application, as somebody configured it.
///
/// ```
/// use rollcore::Config;
///
/// let config = Config::from_json(
///     r#"{
///         "application": "shop",
///         "proxy": { "port": 8182, "helthPath": "/up" },
///         "processes": [
///             { "id": "web", "policy": "proxied", "port": { "from": 18000, "to": 18099 }, "command": ["./serve"] }
///         ]
///     }"#,
/// )?;
/// assert_eq!(config.application().proxied().id.as_str(), "web");
/// assert_eq!(config.warnings()[0].message, "Unknown key proxy.helthPath");
/// # Ok::<(), rollcore::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    application: Application,
    warnings: Vec<Issue>,
}

/// What holds where the config says nothing and its place does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The application's name. Default `rollcore`.
    pub application_name: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { application_name: "rollcore".to_owned() }
    }
}

impl Defaults {
    /// For a config in this file: the application is named after the directory (compat C-15).
    ///
    /// Give an absolute path, for the directory of a relative one may have no name.
    #[must_use]
    pub fn beside(config_file: &Path) -> Self {
        let directory = config_file.parent().and_then(Path::file_name);
        Self { application_name: directory.unwrap_or_default().to_string_lossy().into_owned() }
    }
}

impl Config {
    /// Reads JSON text, with [`Defaults::default`].
    ///
    /// # Errors
    /// [`ConfigError`] lists all that is wrong; for text that is not JSON, the line and column.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        Self::from_json_with(text, &Defaults::default())
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// As [`Config::from_json`].
    pub fn from_json_with(text: &str, defaults: &Defaults) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_str(text).map_err(|error| ConfigError::not_json(&error))?;
        Self::from_value(value, defaults)
    }

    /// Reads a value that came from JSON, or from another format that was turned into it, lent or given.
    ///
    /// # Errors
    /// [`ConfigError`] lists all that is wrong.
    pub fn from_value(value: impl Borrow<Value>, defaults: &Defaults) -> Result<Self, ConfigError> {
        let (draft, mut notes) = draft::read(value.borrow(), defaults);
        check::across(&draft.processes, &mut notes);
        if notes.issues.is_empty() {
            Ok(Self { application: draft.into_application(), warnings: notes.warnings })
        } else {
            Err(ConfigError::invalid(notes.issues, notes.warnings))
        }
    }

    /// With what the config, being a program, changed in its environment (compat C-3): new values, and `None` for what
    /// it removed.
    #[must_use]
    pub fn with_environment(mut self, environment: BTreeMap<String, Option<String>>) -> Self {
        self.application.environment = environment;
        self
    }

    /// What was configured.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// What was configured, to keep.
    #[must_use]
    pub fn into_application(self) -> Application {
        self.application
    }

    /// Unknown keys: they have no effect, and are probably not meant to (compat C-11).
    #[must_use]
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }
}

impl From<Config> for Application {
    fn from(config: Config) -> Self {
        config.into_application()
    }
}
