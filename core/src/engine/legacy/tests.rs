use std::process::{Child, Command as StdCommand, Stdio};

use super::*;
use crate::spec::LegacyMatcher;

/// A shell whose command line holds a text that no other process has.
fn old_server(mark: &str, script: &str) -> Child {
    let mut shell = StdCommand::new("/bin/sh");
    shell.args(["-c", script, mark]).stdin(Stdio::null()).stdout(Stdio::piped());
    shell.spawn().expect("there is a shell")
}

fn takeover(mark: &str, timeout: Duration) -> LegacyTakeover {
    let matcher = LegacyMatcher { name: "old".to_owned(), includes: vec![mark.to_owned()] };
    LegacyTakeover { force_stop_timeout: timeout, screens: Vec::new(), processes: vec![matcher] }
}

fn mark(name: &str) -> String {
    format!("legacy-{name}-{}", std::process::id())
}

/// Waits until the shell has said its line: its traps and its children are there.
fn wait_for_line(child: &mut Child) {
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("it is a pipe"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("it says a line");
    assert_eq!(line, "up\n");
}

/// C-228: matched processes and their descendants get SIGTERM.
#[tokio::test]
async fn processes_and_their_children_are_asked_to_end() {
    let mark = mark("term");
    let mut server = old_server(&mark, "sleep 60 & echo up; wait");
    wait_for_line(&mut server);
    let stopped = stop_legacy(&takeover(&mark, Duration::from_secs(20))).await.expect("they can be stopped");
    assert_eq!(stopped.len(), 2, "the shell and its sleep: {stopped:?}");
    assert_eq!(stopped[0].pid, server.id());
    assert!(stopped[0].command_line.contains(&mark));
    let status = server.wait().expect("it is our child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

/// C-228: who does not listen is killed after `forceStopTimeoutMs`.
#[tokio::test]
async fn who_does_not_listen_is_killed() {
    let mark = mark("kill");
    let mut server = old_server(&mark, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    wait_for_line(&mut server);
    let waiting = std::thread::spawn(move || server.wait());
    stop_legacy(&takeover(&mark, Duration::from_millis(200))).await.expect("they can be killed");
    let status = waiting.join().expect("it does not panic").expect("it is our child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

/// C-228: the result of `screen` is ignored, and who is not there is not missed.
#[tokio::test]
async fn nothing_to_stop_is_no_failure() {
    let nobody = LegacyTakeover {
        screens: vec![mark("no-such-screen")],
        ..takeover(&mark("nobody"), Duration::from_secs(1))
    };
    assert_eq!(stop_legacy(&nobody).await, Ok(Vec::new()));
}

/// C-229: one line each.
#[test]
fn what_is_left_is_listed() {
    let left = |pid, line: &str| LegacyProcess { pid, command_line: line.to_owned() };
    let error = LegacyError::StillRunning(vec![left(7, "node server.js"), left(8, "sh -c x")]);
    assert_eq!(
        error.to_string(),
        "Refusing Rollbridge deploy while legacy processes are still running:\n7 node server.js\n8 sh -c x"
    );
}
