//! The gem `rollcore`, in real Ruby programs: `examples/ruby/test`, a test here for each file there.
#![expect(clippy::print_stdout, reason = "some of them measure, and say what they saw")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::process::Command;
use std::time::Duration;

use support::{library, run_within, workspace};

/// Longer than a test there may take; one that hangs says so itself.
const PATIENCE: Duration = Duration::from_secs(400);

/// Runs one file of the gem's tests against the library that was built.
fn passes(file: &str) {
    let mut ruby = Command::new("ruby");
    ruby.args(["-w", file]).env("ROLLCORE_LIB", library().shared());
    let said = run_within(PATIENCE, ruby.current_dir(workspace().join("examples/ruby/test")));
    assert!(said.contains(" 0 failures, 0 errors, 0 skips"), "{said}");
    println!("{said}");
}

#[test]
fn it_tells_the_story() {
    passes("story_test.rb");
}

#[test]
fn its_events_and_operations_are_what_ruby_programs_expect() {
    passes("events_test.rb");
}

#[test]
fn its_errors_say_what_is_wrong() {
    passes("errors_test.rb");
}

#[test]
fn ctrl_c_timeouts_and_kills_end_waits_and_no_answer_is_lost() {
    passes("waits_test.rb");
}

#[test]
fn children_of_ruby_and_of_rollcore_do_not_meet() {
    passes("children_test.rb");
}

#[test]
fn it_ends_with_the_program_and_not_with_a_fork_of_it() {
    passes("ends_test.rb");
}

#[test]
fn it_deploys_under_load_without_a_failed_request() {
    passes("deploy_test.rb");
}

#[test]
fn it_can_be_built_installed_and_run() {
    passes("gem_test.rb");
}
