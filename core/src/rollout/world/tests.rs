//! Orders of messages that are rare, each with the story of the bug it once was.

mod stage;

use crate::exit::Exit;
use crate::report::{AfterExit, Change, StartReason};
use crate::rollout::{Action, Answer};
use crate::spec::ProcessPolicy;

use stage::{Stage, process};

const LIMIT: AfterExit = AfterExit::LimitReached { max_restarts: 3, window: std::time::Duration::ZERO };

/// cron had given up; a deploy was undone and left it stopped; the next deploy waited for ever for its end.
#[test]
fn a_singleton_that_is_down_makes_room_at_once() {
    let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    stage.crash("cron", LIMIT);
    stage.broken.insert("cron");
    stage.deploy("v2");
    stage.broken.clear();
    stage.deploy("v3");
    assert_eq!(stage.active(), Some("v3"), "{:?}", stage.answers);
    assert_eq!(stage.world.busy_with(), None);
}

/// web answered its health check and crashed before its supervisor heard of that: a failed start, which is never
/// followed by a restart. Traffic was moved to it all the same.
#[test]
fn a_crash_between_the_answer_and_its_confirmation_fails_the_deploy() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.held.insert("web");
    stage.deploy("v2");
    let web = stage.newest("web");
    stage.start(web, StartReason::Deploy);
    stage.tell(crate::rollout::Input::ProbeEnded { key: web, result: Ok(()) });
    assert_eq!(stage.active(), Some("v1"), "its supervisor has not confirmed it");
    let exit = Exit::Code(1);
    stage.told(web, Change::Exited { exit, was_ready: false, then: AfterExit::Stays });
    stage.open.retain(|action| matches!(action, Action::Stop(_)));
    stage.let_go("web");
    assert_eq!(stage.active(), Some("v1"));
    assert!(matches!(stage.answers.last(), Some(Answer::Undone { .. })), "{:?}", stage.answers);
}
