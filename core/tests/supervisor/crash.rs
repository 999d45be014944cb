//! How a process ends by itself, and what follows.

use std::fs;
use std::time::Duration;

use rollcore::{
    AfterExit, Change, Exit, ProcessState, Readiness, RestartPolicy, RunSpec, Signal, StartReason,
};

use crate::support::{NO_DELAY, Watched, exists, is_alive, no_restart, pid_in, shell, text, until};

/// C-57.
#[tokio::test]
async fn code_and_signal_of_the_leader_are_told() {
    for (line, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("kill -KILL $$", Exit::Signal(Signal::KILL)),
        ("kill -USR1 $$", Exit::Signal(Signal::from_raw(10).expect("SIGUSR1"))),
    ] {
        let (mut watched, pid) = Watched::started(no_restart(line)).await;
        assert_eq!(watched.exit().await.0, exit, "{line}");
        let supervisor = &watched.supervisor;
        until(|| !exists(pid.get())).await;
        assert_eq!(supervisor.report().state, ProcessState::Failed { exit: Some(exit) }, "{line}");
    }
}

#[tokio::test]
async fn an_exit_before_ready_is_final_and_the_last_lines_are_there() {
    // A grandchild holds the pipes open: the last lines are there all the same, and it is not waited for.
    let line = "sleep 1000 & echo $!; printf 'AUTH_SECRET missing' >&2; exit 1";
    let restart = RestartPolicy::always(NO_DELAY);
    let spec = RunSpec { readiness: Readiness::WhenConfirmed, restart, ..shell(line) };
    let (mut watched, _) = Watched::started(spec).await;
    let began = std::time::Instant::now();
    let (change, lines) = watched.change_and_output().await;
    let (exit, then) = (Exit::Code(1), AfterExit::Stays);
    assert_eq!(change, Change::Exited { exit, was_ready: false, then });
    assert!(lines.contains(&"AUTH_SECRET missing".to_owned()), "{lines:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let grandchild = pid_in(&lines);
    until(|| !is_alive(grandchild)).await;
    let report = watched.supervisor.report();
    assert_eq!(report.state, ProcessState::Failed { exit: Some(exit) });
    assert_eq!((report.restarts, report.last_reason), (0, Some(StartReason::Deploy)));
}

/// C-75, C-76, C-77.
#[tokio::test]
async fn crashes_restart_by_the_policy() {
    let directory = tempfile::tempdir().expect("a directory");
    let restart = RestartPolicy::always(NO_DELAY).limit(3, Duration::ZERO);
    let spec = RunSpec { restart, cwd: directory.path().into(), ..shell("echo start >> log; exit 2") };
    let (mut watched, first) = Watched::started(spec).await;
    for _ in 0..3 {
        let (exit, then, _) = watched.exit().await;
        assert_eq!(exit, Exit::Code(2));
        assert!(matches!(then, AfterExit::Restart { .. }), "{then:?}");
        let Change::Started { pid, reason } = watched.change().await else { panic!("it is started again") };
        assert_eq!(reason, StartReason::Crash);
        assert_ne!(pid, first);
    }
    let limit = AfterExit::LimitReached { max_restarts: 3, window: Duration::ZERO };
    assert_eq!(watched.exit().await.1, limit);
    assert_eq!(watched.supervisor.report().restarts, 3);
    let log = fs::read_to_string(directory.path().join("log")).expect("it was written");
    assert_eq!(log.lines().count(), 4);
}

#[tokio::test]
async fn what_a_crash_leaves_behind_is_gone_before_the_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    // Every start finds the grandchild of the last one, if it lives.
    let line = "[ -e old ] && kill -0 $(cat old) 2>/dev/null && [ \"$(cut -d' ' -f3 /proc/$(cat old)/stat)\" != Z ] \
        && echo beside; sleep 1000 & echo $! > old; exit 1";
    let restart = RestartPolicy::always(NO_DELAY).limit(5, Duration::ZERO);
    let spec = RunSpec { restart, cwd: directory.path().into(), ..shell(line) };
    let (mut watched, _) = Watched::started(spec).await;
    while !matches!(watched.exit().await.1, AfterExit::LimitReached { .. }) {}
    assert_eq!(text(&watched.supervisor.output()), [""; 0]);
}
