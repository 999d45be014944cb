//! Configs that are JavaScript: the `node` on the PATH evaluates them, with all that it can (compat C-1 to C-5, C-8).
//!
//! A small script is passed to it; it imports the module as node does, calls what it exports, and tells the result on
//! a descriptor of its own, so that whatever the config prints disturbs nothing.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde::Deserialize;

use super::Said;
use super::program::Evaluated;
use super::text::{self, CONFIG_BYTES_MAX};
use super::watched::{self, Limits, Outcome};

/// How long a config may take; then it is stopped and refused.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(10);

/// What node is told to evaluate; in a function, for what stands outside of one is seen by the config.
const EVALUATOR: &str = concat!("(require => {", include_str!("evaluator.js"), "})(require)");

/// For nodes that do not look for themselves whether a bare `.js` is an ES module (compat C-2).
const DETECT_MODULE: &str = "--experimental-detect-module";

/// Escapes make the result longer than what it says, sixfold at most.
const RESULT_BYTES_MAX: usize = 6 * CONFIG_BYTES_MAX as usize;

/// Evaluates the module at `path`, which is `absolute`.
pub(super) fn evaluate(path: &Path, absolute: &Path, said: Said<'_>) -> Result<Evaluated, String> {
    text::check(path)?;
    let module = Module { path: absolute, timeout: EVALUATION_TIMEOUT, said };
    match module.evaluate(&[])? {
        Answer::Evaluated(evaluated) => Ok(evaluated),
        Answer::Failed { again: true, .. } => module.evaluate(&[DETECT_MODULE])?.into_result(),
        failed @ Answer::Failed { .. } => failed.into_result(),
    }
}

/// What the evaluator tells.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed {
        error: String,
        /// Whether it may be an ES module that was not taken for one.
        #[serde(default)]
        again: bool,
    },
    Evaluated(Evaluated),
}

impl Answer {
    fn into_result(self) -> Result<Evaluated, String> {
        match self {
            Self::Evaluated(evaluated) => Ok(evaluated),
            Self::Failed { error, .. } => Err(error),
        }
    }
}

struct Module<'m> {
    path: &'m Path,
    timeout: Duration,
    said: Said<'m>,
}

impl Module<'_> {
    fn evaluate(&self, options: &[&str]) -> Result<Answer, String> {
        let mut node = Command::new("node");
        // The rest of NODE_OPTIONS stands, as it would if node were the daemon.
        node.args(options).args(["--input-type=commonjs", "-e", EVALUATOR, "--"]);
        node.arg(self.path).arg(std::process::id().to_string());
        let limits = Limits { timeout: self.timeout, result_bytes_max: RESULT_BYTES_MAX };
        match watched::run(node, limits, self.said) {
            Ok(Outcome::Told(line)) => self.read(&line),
            Ok(Outcome::Ended(status)) => Err(self.ended(status)),
            Ok(Outcome::TimedOut) => Err(format!(
                "{} did not come to an end within {:?} and was stopped. It has to give its config, and nothing else.",
                self.name(),
                self.timeout
            )),
            Ok(Outcome::TooLarge) => Err(format!("{} is larger than {CONFIG_BYTES_MAX} bytes", self.name())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "{} is JavaScript, and there is no \"node\" on the PATH to evaluate it. Install Node.js, or write the \
                 config as rollcore.json, rollcore.toml or rollcore.lua.",
                self.name()
            )),
            Err(error) => Err(format!("{} cannot be evaluated by node: {error}", self.name())),
        }
    }

    fn read(&self, line: &[u8]) -> Result<Answer, String> {
        serde_json::from_slice(line)
            .map_err(|error| format!("{} gave something unreadable: {error}", self.name()))
    }

    fn ended(&self, status: ExitStatus) -> String {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
        };
        format!(
            "{} ended {how} before there was a config: it calls process.exit, or awaits what never comes, or node \
             itself failed (see above).",
            self.name()
        )
    }

    fn name(&self) -> String {
        format!("Config module {}", self.path.display())
    }
}
