//! The npm package `rollcore`, in real Node programs: `examples/node/test`, a test here for each file there.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::process::Command;
use std::time::Duration;

use support::{library, run_within, workspace};

/// Longer than a test there may take; one that hangs says so itself.
const PATIENCE: Duration = Duration::from_secs(400);

/// Runs one file of the package's tests against the library that was built.
fn passes(file: &str) {
    let package = workspace().join("examples/node");
    let is_prepared = package.join("node_modules/koffi").is_dir();
    assert!(is_prepared, "the Node package is not prepared: run examples/apps/prepare");
    let mut node = Command::new("node");
    node.args(["--test", file]).env("ROLLCORE_LIB", library().shared()).current_dir(package.join("test"));
    run_within(PATIENCE, &mut node);
}

#[test]
fn it_tells_the_story() {
    passes("story.test.mjs");
}

#[test]
fn its_events_and_operations_are_what_node_programs_expect() {
    passes("events.test.mjs");
}

#[test]
fn its_errors_say_what_is_wrong() {
    passes("errors.test.mjs");
}

#[test]
fn children_of_node_and_of_rollcore_do_not_meet() {
    passes("children.test.mjs");
}

#[test]
fn it_ends_with_the_program_and_lets_it_end() {
    passes("ends.test.mjs");
}

#[test]
fn it_deploys_under_load_without_a_failed_request() {
    passes("deploy.test.mjs");
}

#[test]
fn its_types_are_what_a_compiler_takes() {
    passes("types.test.mjs");
}

#[test]
fn it_can_be_packed_installed_and_run() {
    passes("pack.test.mjs");
}
