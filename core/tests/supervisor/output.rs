//! What a process prints, and who hears of it.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcore::{Change, Exit, OutputStream, RunSpec, Signal, StartReason, Supervisor};

use crate::support::{Watched, grace, no_restart, text, within};

/// C-58; better than C-59.
#[tokio::test]
async fn lines_are_whole_whatever_the_pieces() {
    // The second half of each line is written when the first has been read: the child waits for the file.
    let directory = tempfile::tempdir().expect("a directory");
    let line = "printf 'a'; printf 'x' >&2; while [ ! -e go ]; do sleep 0.01; done; printf 'b\\r\\n\\nc'; printf 'y\\n' >&2";
    let spec = RunSpec { cwd: directory.path().into(), ..no_restart(line) };
    let (mut watched, _) = Watched::started(spec).await;
    assert_eq!(watched.change().await, Change::BecameReady);
    assert!(watched.supervisor.output().lines().is_empty());
    fs::write(directory.path().join("go"), "").expect("it can be written");
    watched.exit().await;
    let lines = watched.supervisor.output().lines();
    let on = |stream| {
        lines.iter().filter(|line| line.stream == stream).map(|line| line.line.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(on(OutputStream::Stdout), ["ab", "c"]);
    assert_eq!(on(OutputStream::Stderr), ["xy"]);
}

/// C-58.
#[tokio::test]
async fn a_flood_is_read_and_bounded() {
    let line = "i=0; while [ $i -lt 100000 ]; do echo line $i; i=$((i+1)); done";
    let (mut watched, _) = Watched::started(RunSpec { output_lines_max: 10, ..no_restart(line) }).await;
    let (exit, _, lines) = watched.exit().await;
    assert_eq!(exit, Exit::Code(0));
    let expected: Vec<String> = (99_990..100_000).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, expected);
    assert_eq!(watched.supervisor.output().tail(1)[0].line, "line 99999");
}

#[tokio::test]
async fn a_flood_without_line_ends_does_not_hold_up_a_stop() {
    let (watched, _) = Watched::started(grace("exec cat /dev/zero", Duration::from_secs(5))).await;
    let report = within(watched.supervisor.stop()).await;
    assert_eq!((report.exit, report.killed), (Some(Exit::Signal(Signal::TERM)), false));
    let lines = text(&watched.supervisor.output());
    assert!(lines.len() <= 1 && lines.iter().all(|line| line.len() < 70_000));
}

#[tokio::test]
async fn an_observer_that_panics_harms_nobody() {
    let panics = Arc::new(Mutex::new(0));
    let count = Arc::clone(&panics);
    let supervisor = Supervisor::observed(no_restart("exec sleep 1000"), move |_, _| {
        *count.lock().expect("it is not held while panicking") += 1;
        panic!("on purpose");
    });
    supervisor.start(StartReason::Deploy).await.expect("it can be started");
    assert_eq!(within(supervisor.stop()).await.exit, Some(Exit::Signal(Signal::TERM)));
    assert_eq!(*panics.lock().expect("it is not held while panicking"), 4, "started, ready, exited, stopped");
}
