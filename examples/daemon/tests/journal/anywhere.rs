//! The daemon is killed at any point of a deploy, and nothing is lost.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{CleanUp, kill, left_in, shop_without_restore};
use crate::support::{Daemon, Place, until};

/// More points than a deploy has.
const POINTS_MAX: usize = 60;

fn in_the_background(command: &mut Command) -> std::process::Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run")
}

fn all_is_recovered(place: &Place, when: &str) {
    let ran = place.run(&["recover", "--force"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{when}");
    assert_eq!(left_in(place), [0; 0], "{when}: {}", ran.stdout);
    assert!(!place.path("state.json").exists(), "{when}");
}

/// Kills the daemon when it has told `point` events of the deploy. Says whether the deploy was over by then.
fn killed_after(place: &Place, daemon: Daemon, release: &str, point: usize) -> bool {
    let words = ["deploy", "--release-path", release, "--release-id", "next"];
    let mut deploying = in_the_background(&mut place.command(&words));
    daemon.wait_for("deploy starting");
    let mut last = String::new();
    for _ in 0..point {
        let event: Value = daemon.next_event().expect("the deploy goes on");
        last = event["message"].as_str().expect("a text").to_owned();
        if last == "release drained" {
            break;
        }
    }
    kill(daemon);
    let _refused_or_not = deploying.wait().expect("it ends with the daemon");
    all_is_recovered(place, &format!("killed after event {point}, {last:?}"));
    last == "release drained"
}

/// From the first event of a second deploy to the end of the first release.
#[test]
fn a_daemon_killed_after_any_event_of_a_deploy_leaves_nothing_unfound() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let (one, two) = (place.release("one", "ok"), place.release("two", "ok"));
    let is_over = |point: usize| {
        let daemon = place.daemon();
        place.json(&["deploy", "--release-path", &one, "--release-id", "first"]);
        killed_after(&place, daemon, &two, point)
    };
    let points = (0..POINTS_MAX).take_while(|point| !is_over(*point)).count();
    assert!((20..POINTS_MAX).contains(&points), "a deploy has about 30 events, not {points}");
}

/// Between the spawn of a process and the moment when anything of it is written down.
#[test]
fn a_daemon_killed_as_a_process_appears_leaves_nothing_unfound() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let one = place.release("one", "ok");
    for count in 1..=5 {
        let daemon = place.daemon();
        let words = ["deploy", "--release-path", &one, "--release-id", "first"];
        let mut deploying = in_the_background(&mut place.command(&words));
        until(|| left_in(&place).len() >= count);
        kill(daemon);
        let _refused = deploying.wait().expect("it ends with the daemon");
        all_is_recovered(&place, &format!("killed when {count} processes were there"));
    }
}
