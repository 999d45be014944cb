//! How a process is stopped, and what of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rollcore::{
    Change, Command, Exit, HookProblem, Hooks, KillAfter, ProcessState, RunSpec, Signal, StartError,
    StartReason, StopSpec, StopWith, Supervisor,
};

use crate::support::{
    DEADLINE, Watched, exists, grace, is_alive, no_restart, pid_in, printed, text, until, within,
};

/// C-68, C-73.
#[tokio::test]
async fn a_grandchild_that_outlives_its_parent_dies_on_stop() {
    // It also ignores the polite signal, and its parent leaves at once when asked.
    let deaf = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.02; done' & trap 'exit 3' TERM; wait";
    let (watched, leader) = Watched::started(grace(deaf, Duration::from_millis(200))).await;
    let grandchild = pid_in(&printed(&watched.supervisor.output(), 1).await);
    assert_ne!(grandchild, leader.get());
    let report = within(watched.supervisor.stop()).await;
    assert_eq!((report.exit, report.killed, report.survivors), (Some(Exit::Code(3)), true, 0));
    assert!(!exists(leader.get()), "the leader is reaped before the stop returns");
    until(|| !is_alive(grandchild)).await;
}

#[tokio::test]
async fn a_grandchild_in_a_group_of_its_own_dies_too() {
    // Job control gives a background job its own group, in the same session.
    let line = "set -m; sleep 1000 & echo $!; exec sleep 1001";
    let command = Command::Exec { program: "bash".into(), args: vec!["-c".into(), line.into()] };
    let (watched, leader) =
        Watched::started(RunSpec { command, ..grace("", Duration::from_millis(50)) }).await;
    let job = pid_in(&printed(&watched.supervisor.output(), 1).await);
    let group = fs::read_to_string(format!("/proc/{job}/stat")).expect("it lives");
    assert!(!group.contains(&format!(" {leader} {leader} ")), "it is in the group of its parent: {group}");
    let report = within(watched.supervisor.stop()).await;
    assert!(report.is_clean());
    assert!(!is_alive(job));
}

/// Whoever closes stops first and lets go afterwards, which was told as two ends of one process.
#[tokio::test]
async fn what_has_stopped_does_not_stop_again_when_it_is_let_go_of() {
    for (line, exits) in [("exit 3", 1), ("exec sleep 1000", 0)] {
        let (mut watched, _) = Watched::started(no_restart(line)).await;
        for _ in 0..exits {
            watched.exit().await;
        }
        within(watched.supervisor.stop()).await;
        let Watched { supervisor, mut changes } = watched;
        drop(supervisor);
        // The supervisor ends, and with it the channel.
        let mut stops = 0;
        while let Some((change, _)) = within(changes.recv()).await {
            stops += u32::from(matches!(change, Change::Stopped(_)));
        }
        assert_eq!(stops, 1, "{line}");
    }
}

/// C-68.
#[tokio::test]
async fn whoever_ignores_the_polite_signal_is_killed_after_the_grace() {
    let line = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    let (mut watched, pid) = Watched::started(grace(line, Duration::from_millis(100))).await;
    printed(&watched.supervisor.output(), 1).await;
    let began = std::time::Instant::now();
    let report = within(watched.supervisor.stop()).await;
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!((report.exit, report.killed), (Some(Exit::Signal(Signal::KILL)), true));
    assert_eq!(watched.change().await, Change::BecameReady);
    assert_eq!(watched.change().await, Change::StopTimedOut { pid });
    assert!(!exists(pid.get()));
}

/// C-46, C-64 to C-72, C-74.
#[tokio::test]
async fn the_stop_is_done_in_its_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let mark = |name: &str| format!("echo {name} $ROLLBRIDGE_PID $ROLLCORE_PID $COLOUR >> log; echo unseen");
    let stop = StopSpec {
        with: StopWith::Run(mark("stop") + "; kill -INT -$ROLLCORE_PID"),
        kill_after: KillAfter::Grace(DEADLINE),
        hooks: Hooks {
            quiet: Some(mark("quiet") + "; exit 4"),
            drain: Some(mark("drain") + "; exec sleep 100"),
        },
        drain_timeout: Duration::from_millis(300),
    };
    let env = BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]);
    let line = "trap 'echo int >> log; exit 0' INT; echo up; while :; do sleep 0.02; done";
    let spec = RunSpec { cwd: directory.path().into(), stop, env, ..no_restart(line) };
    let (mut watched, pid) = Watched::started(spec).await;
    printed(&watched.supervisor.output(), 1).await;
    let (one, other) =
        within(async { tokio::join!(watched.supervisor.stop(), watched.supervisor.stop()) }).await;
    assert_eq!(one, other, "two stops at the same time are one");
    assert_eq!((one.exit, one.killed), (Some(Exit::Code(0)), false));

    let log = fs::read_to_string(directory.path().join("log")).expect("the hooks wrote it");
    let expected = format!("quiet {pid} {pid} blue\ndrain {pid} {pid} blue\nstop {pid} {pid} blue\nint\n");
    assert_eq!(log, expected);
    assert_eq!(text(&watched.supervisor.output()), ["up"], "what hooks print is thrown away");
    assert_eq!(watched.change().await, Change::BecameReady);
    let failed = |hook, problem| Change::HookFailed { hook, problem };
    assert_eq!(watched.change().await, failed("quiet command", HookProblem::Exited(Exit::Code(4))));
    let timeout = Duration::from_millis(300);
    assert_eq!(watched.change().await, failed("drain command", HookProblem::TimedOut { timeout }));
}

/// C-65, C-74: the quiet command is run once, the process goes on, and its exit is no crash.
#[tokio::test]
async fn what_is_quieted_works_on_until_it_is_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let stop = StopSpec {
        hooks: Hooks { quiet: Some("echo quiet >> log".to_owned()), ..Hooks::default() },
        kill_after: KillAfter::Grace(DEADLINE),
        ..StopSpec::default()
    };
    let spec = RunSpec { cwd: directory.path().into(), stop, ..no_restart("echo up; exec sleep 1000") };
    let (mut watched, pid) = Watched::started(spec).await;
    within(watched.supervisor.quiet()).await;
    within(watched.supervisor.quiet()).await;
    assert_eq!(watched.supervisor.report().state, ProcessState::Stopping { pid });
    assert_eq!(watched.change().await, Change::BecameReady);
    assert_eq!(watched.change().await, Change::Quieted);
    let report = within(watched.supervisor.stop()).await;
    assert_eq!((report.exit, report.killed), (Some(Exit::Signal(Signal::TERM)), false));
    let log = fs::read_to_string(directory.path().join("log")).expect("the command wrote it");
    assert_eq!(log, "quiet\n");
    within(watched.supervisor.quiet()).await;
}

/// C-72: the stop command is told the group, though its leader has gone meanwhile.
#[tokio::test]
async fn a_stop_command_knows_the_group_of_a_leader_that_has_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let stop = StopSpec {
        with: StopWith::Run("echo $ROLLBRIDGE_PID > group; kill -KILL -$ROLLBRIDGE_PID".into()),
        kill_after: KillAfter::Grace(DEADLINE),
        hooks: Hooks {
            quiet: Some("kill -USR1 $ROLLBRIDGE_PID; until [ -e gone ]; do sleep 0.01; done".into()),
            drain: None,
        },
        drain_timeout: Duration::ZERO,
    };
    let line = "trap 'touch gone; exit 0' USR1; sleep 1000 & echo up; wait";
    let spec = RunSpec { cwd: directory.path().into(), stop, ..no_restart(line) };
    let (watched, leader) = Watched::started(spec).await;
    printed(&watched.supervisor.output(), 1).await;
    let report = within(watched.supervisor.stop()).await;
    assert_eq!((report.exit, report.killed, report.survivors), (Some(Exit::Code(0)), false, 0));
    let group = fs::read_to_string(directory.path().join("group")).expect("the stop command ran");
    assert_eq!(group.trim_end(), leader.to_string());
}

#[tokio::test]
async fn a_stop_during_a_start_and_a_start_during_a_stop() {
    let supervisor = Supervisor::new(no_restart("exec sleep 1000"));
    let (start, stop) =
        within(async { tokio::join!(supervisor.start(StartReason::Deploy), supervisor.stop()) }).await;
    assert_eq!(start, Err(StartError::Stopped));
    assert!(stop.is_clean());

    let pid = within(supervisor.start(StartReason::Manual)).await.expect("it starts again");
    let (stop, start) =
        within(async { tokio::join!(supervisor.stop(), supervisor.start(StartReason::Manual)) }).await;
    assert_eq!(stop.exit, Some(Exit::Signal(Signal::TERM)));
    assert_ne!(start.expect("it starts when it is stopped"), pid);
    assert!(within(supervisor.stop()).await.is_clean());
    assert_eq!(within(supervisor.stop()).await.exit, None, "there is nothing left to stop");
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_process() {
    let line = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    let (watched, pid) = Watched::started(grace(line, Duration::from_millis(50))).await;
    printed(&watched.supervisor.output(), 1).await;
    let other = watched.supervisor.clone();
    drop(watched);
    assert_eq!(other.start(StartReason::Manual).await, Ok(pid), "another handle keeps it");
    drop(other);
    until(|| !exists(pid.get())).await;
}

#[test]
fn the_end_of_the_runtime_ends_the_process() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let supervisor = runtime.block_on(async { Supervisor::new(no_restart("exec sleep 1000")) });
    let pid = runtime.block_on(supervisor.start(StartReason::Deploy)).expect("it can be started");
    drop(runtime);
    assert!(!exists(pid.get()));
    let later = tokio::runtime::Runtime::new().expect("a runtime");
    assert_eq!(later.block_on(supervisor.start(StartReason::Manual)), Err(StartError::RuntimeEnded));
    assert!(later.block_on(supervisor.stop()).is_clean());
}
