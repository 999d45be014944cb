//! Configs that are JavaScript: the `node` on the PATH evaluates them, with all that it can (compat C-1 to C-5, C-8).
//!
//! A small script is passed to it; it imports the module as node does, calls what it exports, and tells the result on
//! a descriptor of its own, so that whatever the config prints disturbs nothing.

use std::path::Path;
use std::process::Command;

use super::Said;
use super::evaluation::{Answer, EVALUATION_TIMEOUT, Module};
use super::program::Evaluated;
use super::text;

/// What node is told to evaluate; in a function, for what stands outside of one is seen by the config.
const EVALUATOR: &str = concat!("(require => {", include_str!("evaluator.js"), "})(require)");

/// For nodes that do not look for themselves whether a bare `.js` is an ES module (compat C-2).
const DETECT_MODULE: &str = "--experimental-detect-module";

/// Evaluates the module at `path`, which is `absolute`.
pub(super) fn evaluate(path: &Path, absolute: &Path, said: Said<'_>) -> Result<Evaluated, String> {
    text::check(path)?;
    let module = Module {
        path: absolute,
        said,
        timeout: EVALUATION_TIMEOUT,
        ends_early: "it calls process.exit, or awaits what never comes, or node itself failed (see above).",
        missing: "is JavaScript, and there is no \"node\" on the PATH to evaluate it. Install Node.js, or write the config \
                  as rollcore.json, rollcore.toml or rollcore.lua.",
    };
    match module.evaluate_by(node(absolute, &[]))? {
        Answer::Evaluated(evaluated) => Ok(evaluated),
        Answer::Failed { again: true, .. } => {
            module.evaluate_by(node(absolute, &[DETECT_MODULE]))?.into_result()
        }
        failed @ Answer::Failed { .. } => failed.into_result(),
    }
}

/// What is in NODE_OPTIONS stands, as it would if node were the daemon.
fn node(path: &Path, options: &[&str]) -> Command {
    let mut node = Command::new("node");
    node.args(options).args(["--input-type=commonjs", "-e", EVALUATOR, "--"]);
    node.arg(path).arg(std::process::id().to_string());
    node
}
