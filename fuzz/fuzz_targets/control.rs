//! Any line is a command or the text of its refusal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::{ControlCommand, EVENTS_WAIT_MAX, InvalidCommand};

/// A refusal is sent back, so a line must not make it long.
const REFUSAL_CHARS_MAX: usize = 300;

fuzz_target!(|line: &[u8]| {
    let answer = ControlCommand::parse(line);
    match &answer {
        Ok(command) => is_possible(command),
        Err(refusal) => is_told(refusal),
    }
    assert_eq!(answer, ControlCommand::parse(line), "the same line is another command the second time");
});

fn is_possible(command: &ControlCommand) {
    assert!(!command.name().is_empty());
    match command {
        ControlCommand::Deploy { release_path, release_id, revision } => {
            assert!(!release_path.is_empty(), "a deploy of nothing");
            assert!(release_id.as_ref().is_none_or(|id| !id.is_empty()), "an empty id is no id");
            assert!(
                revision.as_ref().is_none_or(|revision| !revision.is_empty()),
                "an empty revision is none"
            );
        }
        ControlCommand::Events(query) => {
            assert!(query.wait <= EVENTS_WAIT_MAX, "somebody waits for ever");
            assert_ne!(query.limit, Some(0), "no events are not asked for");
        }
        _ => {}
    }
}

fn is_told(refusal: &InvalidCommand) {
    let text = refusal.to_string();
    assert!(!text.is_empty() && !refusal.code().is_empty());
    assert!(text.chars().count() <= REFUSAL_CHARS_MAX, "{} characters: {text}", text.chars().count());
}
