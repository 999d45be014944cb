//! What is wrong with a config, and what to do about it.

use std::fmt;
use std::slice;

use serde::Serialize;

/// One thing that is wrong, or looks wrong, with a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// What to do about it; never empty.
    pub fix: String,
    /// Where it is and what is wrong with it.
    pub message: String,
}

impl Issue {
    pub(super) fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a config cannot be used: everything that is wrong with it at once.
///
/// ```
/// use rollcore::Config;
///
/// let error = Config::from_json(r#"{ "proxy": 1, "processes": [] }"#).expect_err("it proxies nothing");
/// assert_eq!(
///     error.to_string(),
///     "Invalid config:\n  - proxy must be an object\n  \
///      - Config must define exactly one proxied process; found 0"
/// );
/// assert_eq!(error.issues()[0].fix, "Set proxy to a mapping.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problem: Problem,
    warnings: Vec<Issue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NotJson(Issue),
    Invalid(Vec<Issue>),
}

impl ConfigError {
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        let issue = Issue::new(
            format!("Config is not valid JSON: {error}"),
            format!("Correct the JSON at line {}, column {}.", error.line(), error.column()),
        );
        Self { problem: Problem::NotJson(issue), warnings: Vec::new() }
    }

    pub(super) fn invalid(issues: Vec<Issue>, warnings: Vec<Issue>) -> Self {
        Self { problem: Problem::Invalid(issues), warnings }
    }

    /// Everything that is wrong, in the order of the contract (compat C-29); never empty.
    #[must_use]
    pub fn issues(&self) -> &[Issue] {
        match &self.problem {
            Problem::NotJson(issue) => slice::from_ref(issue),
            Problem::Invalid(issues) => issues,
        }
    }

    /// The unknown keys; a misspelled one is often why another is missing.
    #[must_use]
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }

    /// A stable name for programs: `config_not_json` or `config_invalid`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.problem {
            Problem::NotJson(_) => "config_not_json",
            Problem::Invalid(_) => "config_invalid",
        }
    }
}

impl fmt::Display for ConfigError {
    /// All messages, one per line. The daemon's commands have another heading (compat C-9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NotJson(issue) => write!(f, "{issue}"),
            Problem::Invalid(issues) => {
                f.write_str("Invalid config:")?;
                issues.iter().try_for_each(|issue| write!(f, "\n  - {issue}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}
