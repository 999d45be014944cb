//! Whoever leaves the group or the session of a process ends with it all the same.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rollcore::{AfterExit, Command, Exit, Hooks, KillAfter, RestartPolicy, RunSpec, Signal, StopSpec};

use crate::support::{NO_DELAY, Watched, grace, is_alive, no_restart, shell, until, within};

/// The pid that was written to this file.
async fn pid_from(file: &Path) -> u32 {
    let read = || fs::read_to_string(file).ok()?.trim().parse().ok();
    until(|| read().is_some()).await;
    read().expect("it was there a moment ago")
}

fn session_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, rest) = stat.rsplit_once(')').expect("it is well formed");
    rest.split(' ').nth(4).and_then(|session| session.parse().ok()).expect("it has a session")
}

fn in_directory(directory: &tempfile::TempDir, spec: RunSpec) -> RunSpec {
    RunSpec { cwd: directory.path().into(), ..spec }
}

/// Every way out of the session that we know of; each writes its pid to `pid`.
const WAYS_OUT: [(&str, &str); 5] = [
    ("a child in a session of its own", "setsid sh -c 'echo $$ > pid; exec sleep 1000' & wait"),
    (
        "an orphan in a session of its own",
        "(setsid sh -c 'echo $$ > pid; exec sleep 1000' &); exec sleep 1000",
    ),
    (
        "a nohup in the background",
        "nohup sh -c 'echo $$ > pid; exec sleep 1000' >/dev/null 2>&1 & exec sleep 1000",
    ),
    (
        "a daemon made in the old way",
        "python3 -c '
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(\"pid.new\", \"w\").write(str(os.getpid()))
os.rename(\"pid.new\", \"pid\")
time.sleep(1000)'; exec sleep 1000",
    ),
    (
        "a child with an empty environment in a session of its own",
        "env -i setsid sh -c 'echo $$ > pid; exec sleep 1000' & wait",
    ),
];

/// Rollbridge stops the group only: whoever called `setsid` went on for ever.
#[tokio::test]
async fn whoever_leaves_the_session_is_stopped_with_the_process() {
    for (what, line) in WAYS_OUT {
        let directory = tempfile::tempdir().expect("a directory");
        let spec = in_directory(&directory, grace(line, Duration::from_millis(300)));
        let (watched, leader) = Watched::started(spec).await;
        let escapee = pid_from(&directory.path().join("pid")).await;
        assert_ne!(escapee, leader.get(), "{what}");
        let has_left = session_of(escapee) != leader.get();
        let report = within(watched.supervisor.stop()).await;
        assert!(!is_alive(escapee), "{what} outlived the stop");
        assert!(report.is_clean(), "{what}: {report:?}");
        assert_eq!(report.killed, has_left, "{what}: the stop signal is for the session: {report:?}");
    }
}

/// A background job in a session of its own, as Velocious starts them, is to outlive the worker that began it. It died
/// with the deploy that stopped its worker when the stop signal went to everybody.
#[tokio::test]
async fn whoever_left_the_session_may_finish_within_the_grace() {
    let directory = tempfile::tempdir().expect("a directory");
    let line =
        "setsid sh -c 'echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo done > result' & wait";
    let spec = in_directory(&directory, grace(line, Duration::from_secs(10)));
    let (mut watched, _) = Watched::started(spec).await;
    let job = pid_from(&directory.path().join("pid")).await;
    let supervisor = watched.supervisor.clone();
    let stop = tokio::spawn(async move { supervisor.stop().await });
    watched.exit().await;
    assert!(is_alive(job), "its worker is gone, and it works");
    fs::write(directory.path().join("go"), "").expect("it can be written");
    let report = within(stop).await.expect("a stop does not panic");
    assert!(report.is_clean() && !report.killed, "{report:?}");
    assert_eq!(fs::read_to_string(directory.path().join("result")).expect("it was written"), "done\n");
}

#[tokio::test]
async fn whoever_left_and_ignores_the_signal_is_killed_after_the_grace() {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "setsid sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.02; done' & exec sleep 1000";
    let spec = in_directory(&directory, grace(line, Duration::from_millis(200)));
    let (watched, leader) = Watched::started(spec).await;
    let escapee = pid_from(&directory.path().join("pid")).await;
    assert_ne!(session_of(escapee), leader.get());
    let report = within(watched.supervisor.stop()).await;
    assert_eq!(report.exit, Some(Exit::Signal(Signal::TERM)), "the leader went politely");
    assert!(report.killed && report.is_clean(), "{report:?}");
    assert!(!is_alive(escapee));
}

/// Rollbridge leaves them at every crash, and each start has the last one's beside it.
#[tokio::test]
async fn a_crash_restart_begins_with_an_empty_group() {
    let directory = tempfile::tempdir().expect("a directory");
    // Every start looks whether the one before left something, and leaves something itself.
    let line = "for old in $(cat left 2>/dev/null); do \
            [ -e /proc/$old ] && [ \"$(cut -d' ' -f3 /proc/$old/stat)\" != Z ] && echo $old lives; done; \
        (setsid sh -c 'echo $$ >> left; exec sleep 1000' &); nohup sleep 1000 >/dev/null 2>&1 & \
        echo $! >> left; n=$(wc -l < left); while [ $(($(wc -l < left) % 2)) = 1 ]; do sleep 0.01; done; exit 1";
    let restart = RestartPolicy::always(NO_DELAY).limit(4, Duration::ZERO);
    let (mut watched, _) =
        Watched::started(in_directory(&directory, RunSpec { restart, ..shell(line) })).await;
    while !matches!(watched.exit().await.1, AfterExit::LimitReached { .. }) {}
    let report = within(watched.supervisor.stop()).await;
    assert!(report.is_clean());
    assert_eq!(crate::support::text(&watched.supervisor.output()), [""; 0]);
    let left = fs::read_to_string(directory.path().join("left")).expect("it was written");
    let left: Vec<u32> = left.lines().map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(left.len(), 10, "five starts, two each");
    assert_eq!(left.into_iter().filter(|pid| is_alive(*pid)).collect::<Vec<_>>(), [0; 0]);
}

/// A hook that hangs is killed with its group; so is what it has put into another session (compat C-70).
#[tokio::test]
async fn a_hook_leaves_nothing_behind_either() {
    let directory = tempfile::tempdir().expect("a directory");
    let quiet = "(setsid sh -c 'echo $$ > pid; exec sleep 1000' &); exec sleep 1000".to_owned();
    let stop = StopSpec {
        hooks: Hooks { quiet: Some(quiet), ..Hooks::default() },
        kill_after: KillAfter::Grace(Duration::from_millis(500)),
        ..StopSpec::default()
    };
    let spec = RunSpec { stop, ..no_restart("exec sleep 1000") };
    let (watched, _) = Watched::started(in_directory(&directory, spec)).await;
    let report = within(watched.supervisor.stop()).await;
    assert!(report.is_clean() && !report.killed, "what the hook started is not the process's: {report:?}");
    let escapee = pid_from(&directory.path().join("pid")).await;
    until(|| !is_alive(escapee)).await;
}

/// `ensure-daemon` in a deploy script that is supervised itself: the daemon is to stay.
#[tokio::test]
async fn whoever_removes_the_mark_and_detaches_is_let_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "(env -u ROLLCORE_START setsid sh -c 'echo $$ > pid; exec sleep 1000' &); exec sleep 1000";
    let spec = in_directory(&directory, grace(line, Duration::from_secs(5)));
    let (watched, _) = Watched::started(spec).await;
    let detached = pid_from(&directory.path().join("pid")).await;
    assert!(within(watched.supervisor.stop()).await.is_clean());
    assert!(is_alive(detached), "it was let go, and stopped all the same");
    let target = nix::unistd::Pid::from_raw(i32::try_from(detached).expect("a pid"));
    nix::sys::signal::kill(target, nix::sys::signal::Signal::SIGKILL).expect("it is there");
}

#[tokio::test]
async fn strangers_are_left_alone() {
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().expect("there is a sleep");
    let exec = Command::Exec { program: "sleep".into(), args: vec!["1000".into()] };
    let spec = |command| RunSpec { command, ..grace("", Duration::from_secs(5)) };
    let (other, other_pid) = Watched::started(spec(exec.clone())).await;
    let (watched, _) = Watched::started(spec(exec)).await;
    assert!(within(watched.supervisor.stop()).await.is_clean());
    assert!(stranger.try_wait().expect("it is ours").is_none(), "a process of the host was stopped");
    assert!(is_alive(other_pid.get()), "another supervisor's process was stopped");
    assert!(within(other.supervisor.stop()).await.is_clean());
    stranger.kill().expect("it is there");
    stranger.wait().expect("it is ours");
}
