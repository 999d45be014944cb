//! How much memory a process and everything it started hold (compat C-79, C-62).

use std::time::Duration;

use rollcore::{AfterExit, Change, Command, Exit, MemorySpec, RunSpec, Signal, StartReason};

use crate::support::{Watched, grace, until, within};

const MEGABYTE: u64 = 1024 * 1024;

/// Holds this many megabytes in a child that has a session of its own, and as many in itself, once `go` is there.
fn hungry(megabytes: u64, memory: MemorySpec, directory: &tempfile::TempDir) -> RunSpec {
    let program = format!(
        "import os, time
while not os.path.exists('go'): time.sleep(0.01)
if os.fork() == 0: os.setsid()
held = bytearray(os.urandom(1024)) * 1024 * {megabytes}
time.sleep(1000)"
    );
    let command = Command::Exec { program: "python3".into(), args: vec!["-c".into(), program] };
    let memory = Some(MemorySpec { check_interval: Duration::from_millis(50), ..memory });
    RunSpec { command, memory, cwd: directory.path().into(), ..grace("", Duration::from_millis(500)) }
}

fn go(directory: &tempfile::TempDir) {
    std::fs::write(directory.path().join("go"), "").expect("it can be written");
}

#[tokio::test]
async fn the_members_are_counted_by_pid_and_forgotten_with_the_exit() {
    let directory = tempfile::tempdir().expect("a directory");
    let (watched, leader) = Watched::started(hungry(20, MemorySpec::limit(u64::MAX), &directory)).await;
    let supervisor = &watched.supervisor;
    assert_eq!(supervisor.memory(), None, "nobody has looked yet");
    until(|| supervisor.memory().is_some_and(|sample| sample.members.len() == 1)).await;
    go(&directory);
    until(|| supervisor.memory().is_some_and(|sample| sample.rss_bytes > 40 * MEGABYTE)).await;
    let sample = supervisor.memory().expect("it was there a moment ago");
    assert_eq!(sample.members.len(), 2, "the child in another session counts: {sample:?}");
    assert_eq!(sample.members.iter().map(|member| member.rss_bytes).sum::<u64>(), sample.rss_bytes);
    assert!(sample.members.is_sorted_by_key(|member| member.pid), "{sample:?}");
    assert!(sample.members.iter().any(|member| member.pid == leader));
    assert!(sample.members.iter().all(|member| member.command == "python3"), "{sample:?}");
    within(supervisor.stop()).await;
    assert_eq!(supervisor.memory(), None);
}

#[tokio::test]
async fn above_the_limit_everything_is_stopped_and_started_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let limits = MemorySpec { warn_bytes: MEGABYTE, ..MemorySpec::limit(60 * MEGABYTE) };
    let (mut watched, first) = Watched::started(hungry(40, limits, &directory)).await;
    assert_eq!(watched.change().await, Change::BecameReady);
    let Change::MemoryWarned { rss_bytes, warn_bytes: MEGABYTE } = watched.change().await else {
        panic!("it is warned of first")
    };
    assert!(rss_bytes > MEGABYTE);
    go(&directory);
    let Change::MemoryExceeded { pid, rss_bytes, limit_bytes } = watched.change().await else {
        panic!("two times 40 MiB are more than 60")
    };
    assert!(pid == first && rss_bytes > limit_bytes && limit_bytes == 60 * MEGABYTE);
    let exit = Change::Exited { exit: Exit::Signal(Signal::TERM), was_ready: true, then: AfterExit::Stays };
    assert_eq!(watched.change().await, exit);
    // The one that has left the session did not get the stop signal.
    assert_eq!(watched.change().await, Change::StopTimedOut { pid: first });
    let Change::Started { pid: second, reason: StartReason::Memory } = watched.change().await else {
        panic!("it is started again")
    };
    assert_ne!(first, second);
    assert_eq!(watched.supervisor.report().restarts, 0);
    assert!(within(watched.supervisor.stop()).await.is_clean());
}
