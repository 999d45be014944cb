//! A supervisor with real processes, from outside.
//!
//! Tests that change this whole program (its signal mask, its children) run in a copy of it, see `in_a_copy`.
#![expect(clippy::disallowed_methods, reason = "a test measures how long real processes take")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcore::{
    AfterExit, Change, Command, Exit, HookProblem, Hooks, KillAfter, Output, OutputStream, Pid, ProcessState,
    Readiness, RestartPolicy, RunSpec, Signal, StartError, StartReason, StopSpec, StopWith, Supervisor,
};
use tokio::sync::mpsc;

const DEADLINE: Duration = Duration::from_secs(20);
const NO_DELAY: Duration = Duration::from_millis(1);

/// A supervisor and everything it tells.
struct Watched {
    supervisor: Supervisor,
    changes: mpsc::UnboundedReceiver<(Change, Vec<String>)>,
}

impl Watched {
    fn new(spec: RunSpec) -> Self {
        let (tell, changes) = mpsc::unbounded_channel();
        let observer = move |change: &Change, output: &Output| {
            let _gone = tell.send((change.clone(), text(output)));
        };
        Self { supervisor: Supervisor::observed(spec, observer), changes }
    }

    async fn started(spec: RunSpec) -> (Self, Pid) {
        let mut watched = Self::new(spec);
        let pid = watched.supervisor.start(StartReason::Deploy).await.expect("it can be started");
        assert_eq!(watched.change().await, Change::Started { pid, reason: StartReason::Deploy });
        (watched, pid)
    }

    async fn change(&mut self) -> Change {
        self.change_and_output().await.0
    }

    async fn change_and_output(&mut self) -> (Change, Vec<String>) {
        within(self.changes.recv()).await.expect("the supervisor is alive")
    }

    /// The next exit, with what was printed until it was told.
    async fn exit(&mut self) -> (Exit, AfterExit, Vec<String>) {
        loop {
            if let (Change::Exited { exit, then, .. }, lines) = self.change_and_output().await {
                return (exit, then, lines);
            }
        }
    }
}

fn text(output: &Output) -> Vec<String> {
    output.lines().into_iter().map(|line| line.line).collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}

/// Asks again and again, as there is no event for it.
async fn until(mut is_true: impl FnMut() -> bool) {
    within(async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn shell(line: &str) -> RunSpec {
    RunSpec::new(Command::Shell(line.into()), "/")
}

fn no_restart(line: &str) -> RunSpec {
    RunSpec { restart: RestartPolicy::always(NO_DELAY).limit(0, Duration::ZERO), ..shell(line) }
}

fn grace(line: &str, grace: Duration) -> RunSpec {
    RunSpec {
        stop: StopSpec { kill_after: KillAfter::Grace(grace), ..StopSpec::default() },
        ..no_restart(line)
    }
}

/// Whether a process with this pid exists, a zombie included.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn pid_in(lines: &[String]) -> u32 {
    lines[0].parse().expect("it printed a pid")
}

async fn printed(output: &Output, count: usize) -> Vec<String> {
    until(|| output.lines().len() >= count).await;
    text(output)
}

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
async fn a_program_is_run_without_a_shell() {
    let args = vec!["%s|".into(), "a b".into(), "$HOME".into(), ";".into()];
    let exec = Command::Exec { program: "printf".into(), args };
    let (mut watched, _) = Watched::started(RunSpec { command: exec, ..no_restart("") }).await;
    assert_eq!(watched.exit().await.2, ["a b|$HOME|;|"]);
}

#[tokio::test]
async fn it_runs_in_its_directory_with_its_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let cwd = directory.path().canonicalize().expect("it exists");
    let env = BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]);
    let spec =
        RunSpec { cwd: cwd.clone(), env, ..no_restart("pwd -P; echo $COLOUR; echo ${PATH:+set}; cat") };
    let (mut watched, _) = Watched::started(spec).await;
    assert_eq!(watched.exit().await.2, [cwd.to_str().expect("plain"), "blue", "set"]);
}

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

/// An orphan is reaped by whoever adopted it, which may take a moment, or for ever in a container.
fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
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

#[tokio::test]
async fn set_restarts_replace_spec_and_confirm_ready() {
    let restart = RestartPolicy::always(NO_DELAY);
    let spec = RunSpec { readiness: Readiness::WhenConfirmed, restart, ..shell("exec sleep 1000") };
    let (mut watched, pid) = Watched::started(spec).await;
    let supervisor = watched.supervisor.clone();
    let mut watch = supervisor.watch();
    supervisor.confirm_ready();
    assert_eq!(watched.change().await, Change::BecameReady);
    within(watch.wait_for(|report| report.state.is_ready())).await.expect("the supervisor is alive");
    assert_eq!(supervisor.start(StartReason::Manual).await, Ok(pid), "it runs already");

    supervisor.replace_spec(no_restart("echo new; exec sleep 1000"));
    let kill = |pid: Pid| {
        let target = nix::unistd::Pid::from_raw(pid.as_raw());
        nix::sys::signal::kill(target, nix::sys::signal::Signal::SIGKILL).expect("it is there");
    };
    kill(pid);
    assert_eq!(watched.exit().await.0, Exit::Signal(Signal::KILL));
    let Change::Started { pid, .. } = watched.change().await else { panic!("it is started again") };
    assert_eq!(printed(&supervisor.output(), 1).await, ["new"]);
    supervisor.set_restarts(false);
    kill(pid);
    assert_eq!(watched.exit().await.1, AfterExit::Stays);
}

#[tokio::test]
async fn the_culprit_of_a_failed_start_is_named() {
    let spec = RunSpec { cwd: "/no/such/place".into(), ..shell("true") };
    let mut watched = Watched::new(spec);
    let error = watched.supervisor.start(StartReason::Deploy).await.expect_err("there is no such place");
    assert_eq!(error.to_string(), "spawn /bin/sh ENOENT");
    assert_eq!(error.code(), "not_spawned");
    assert_eq!(error.detail(), Some("its directory /no/such/place: No such file or directory"));
    let told = Change::NotStarted { reason: StartReason::Deploy, error: "spawn /bin/sh ENOENT".into() };
    assert_eq!(watched.change().await, told);
    assert_eq!(watched.supervisor.report().state, ProcessState::Failed { exit: None });
    assert_eq!(watched.supervisor.report().last_reason, None);

    let command = Command::Exec { program: "no-such-program".into(), args: vec![] };
    let missing = Supervisor::new(RunSpec { command, ..shell("") });
    let error = missing.start(StartReason::Deploy).await.expect_err("there is no such program");
    assert_eq!(error.to_string(), "spawn no-such-program ENOENT");
    missing.replace_spec(shell("exec sleep 1000"));
    missing.start(StartReason::Deploy).await.expect("there is a shell");
    within(missing.stop()).await;
}

#[tokio::test]
async fn a_script_without_an_interpreter_is_refused_by_the_kernel() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    fs::write(&script, "echo no interpreter").expect("it can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let command = Command::Exec { program: "./script".into(), args: vec![] };
    let supervisor = Supervisor::new(RunSpec { command, cwd: directory.path().into(), ..shell("") });
    let error = supervisor.start(StartReason::Deploy).await.expect_err("the kernel cannot run it");
    assert_eq!(error.to_string(), "spawn ./script ENOEXEC");
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

/// Runs a test alone in a copy of this program that ignores SIGCHLD and others if `ignoring`.
///
/// `before` is called before it has other threads. The copy knows what it is by its environment. It is started by a shell, because ignored signals are inherited and
/// there is no safe way to ignore one here.
fn in_a_copy(name: &str, ignoring: &str, before: impl FnOnce(), test: impl Future<Output = ()>) {
    const COPY: &str = "ROLLCORE_TEST_COPY";
    if std::env::var(COPY).is_ok_and(|copy| copy == name) {
        before();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(test);
    }
    let program = std::env::current_exe().expect("this program has a path");
    let copy = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{ignoring}; exec \"$0\" \"$@\"")])
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env(COPY, name)
        .output()
        .expect("the copy can be started");
    let output = String::from_utf8_lossy(&copy.stdout) + String::from_utf8_lossy(&copy.stderr);
    assert!(copy.status.success() && output.contains("1 passed"), "{output}");
}

async fn exit_and_lines(command: &[&str]) -> (Exit, Vec<String>) {
    let args = command[1..].iter().map(|arg| (*arg).to_owned()).collect();
    let command = Command::Exec { program: command[0].to_owned(), args };
    let (mut watched, _) = Watched::started(RunSpec { command, ..no_restart("") }).await;
    let (exit, _, lines) = watched.exit().await;
    (exit, lines)
}

#[test]
fn a_child_inherits_nothing_of_the_host() {
    let ignoring = "trap '' CHLD HUP USR1 PIPE TERM";
    // Threads inherit the mask: none that could spawn is left out.
    let block_signals =
        || nix::sys::signal::SigSet::all().thread_block().expect("a thread may block its signals");
    in_a_copy("a_child_inherits_nothing_of_the_host", ignoring, block_signals, async {
        // The host leaks a descriptor, too.
        let leaked =
            nix::fcntl::open("/dev/zero", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
        let leaked = leaked.expect("it is there");
        let own = fs::read_to_string("/proc/thread-self/status").expect("it is there");
        assert!(
            !own.contains("SigBlk:\t0000000000000000") && !own.contains("SigIgn:\t0000000000000000"),
            "{own}"
        );

        let (_, lines) = exit_and_lines(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).await;
        assert_eq!(lines[0], "SigBlk:\t0000000000000000");
        // glibc's posix_spawn ignores its own two signals, 32 and 33; every program with threads sets them anew.
        assert!(
            ["0000000180000000", "0000000000000000"].iter().any(|ignored| lines[1].ends_with(ignored)),
            "{lines:?}"
        );

        // The fourth is what `ls` reads.
        let (_, lines) = exit_and_lines(&["ls", "-l", "/proc/self/fd"]).await;
        let targets: Vec<&str> = lines.iter().filter_map(|line| line.split(" -> ").nth(1)).collect();
        assert_eq!(targets.len(), 4, "{lines:?}");
        assert_eq!(targets[0], "/dev/null");
        assert!(targets[1].starts_with("pipe:") && targets[2].starts_with("pipe:"), "{targets:?}");
        assert!(targets[3].starts_with("/proc/"), "{targets:?}");
        drop(leaked);

        let (_, lines) = exit_and_lines(&["cut", "-d ", "-f1,5,6", "/proc/self/stat"]).await;
        let ids: Vec<&str> = lines[0].split(' ').collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "pid, group and session: {ids:?}");

        // It hears the polite signal, and its end is heard.
        let (watched, _) = Watched::started(grace("exec sleep 1000", DEADLINE)).await;
        let report = within(watched.supervisor.stop()).await;
        assert!(is_it_or_forgotten(report.exit, Exit::Signal(Signal::TERM)), "{report:?}");
    });
}

/// Of a child that ends with code 7 after its start was told, and not before: one that is reaped before anybody could
/// open its pidfd is lost.
async fn exit_when_told() -> Exit {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "while [ ! -e go ]; do sleep 0.01; done; exit 7";
    let (mut watched, _) =
        Watched::started(RunSpec { cwd: directory.path().into(), ..no_restart(line) }).await;
    fs::write(directory.path().join("go"), "").expect("it can be written");
    watched.exit().await.0
}

/// Kernels before 6.15 forget the exit of a process that somebody else reaps.
fn is_it_or_forgotten(exit: Option<Exit>, expected: Exit) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("it is there");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let remembers = (numbers.next(), numbers.next()) >= (Some(6), Some(15));
    exit == Some(expected) || !remembers && exit == Some(Exit::Unknown)
}

#[test]
fn a_host_that_ignores_sigchld_does_not_hide_an_exit() {
    in_a_copy("a_host_that_ignores_sigchld_does_not_hide_an_exit", "trap '' CHLD", || (), async {
        for _ in 0..10 {
            let exit = exit_when_told().await;
            assert!(is_it_or_forgotten(Some(exit), Exit::Code(7)), "{exit:?}");
        }
        // Its zombie is gone at once, and with it what holds the number of the group: who is left is found all the same.
        let (mut watched, _) = Watched::started(no_restart("sleep 1000 & echo $!; exit 7")).await;
        let grandchild = pid_in(&watched.exit().await.2);
        within(watched.supervisor.stop()).await;
        assert!(!is_alive(grandchild));
    });
}

#[test]
fn a_host_that_reaps_everything_does_not_hide_an_exit() {
    in_a_copy("a_host_that_reaps_everything_does_not_hide_an_exit", ":", || (), async {
        use nix::sys::wait::{WaitPidFlag, waitpid};
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let thief = {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut stolen = 0;
                while done.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                    let took =
                        waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some());
                    stolen += u32::from(took);
                    std::thread::yield_now();
                }
                stolen
            })
        };
        for _ in 0..20 {
            let exit = exit_when_told().await;
            assert!(is_it_or_forgotten(Some(exit), Exit::Code(7)), "{exit:?}");
        }
        done.store(1, std::sync::atomic::Ordering::Relaxed);
        assert!(thief.join().expect("it does not panic") > 0, "nothing was stolen: this test shows nothing");
    });
}

#[test]
fn fifty_at_once_leave_nothing_behind() {
    in_a_copy("fifty_at_once_leave_nothing_behind", ":", || (), async {
        let open = || fs::read_dir("/proc/self/fd").expect("it is there").count();
        let before = open();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            tasks.spawn(async move {
                let line =
                    format!("sleep 1000 & echo {number}; [ $(({number} % 2)) = 0 ] && exit {number}; wait");
                let (mut watched, _) = Watched::started(no_restart(&line)).await;
                if number % 2 == 0 {
                    let (exit, _, lines) = watched.exit().await;
                    assert_eq!((exit, lines), (Exit::Code(number), vec![number.to_string()]));
                }
                let report = within(watched.supervisor.stop()).await;
                let expected = (number % 2 == 1).then_some(Exit::Signal(Signal::TERM));
                assert_eq!((report.exit, report.killed, report.survivors), (expected, false, 0));
            });
        }
        while let Some(result) = within(tasks.join_next()).await {
            result.expect("it went well");
        }
        assert_eq!(children(), Vec::<String>::new());
        until(|| open() <= before).await;
    });
}

fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let is_mine =
        |stat: &String| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split(' ').nth(2) == Some(&me));
    let entries = fs::read_dir("/proc").expect("it is there").flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok()).filter(is_mine).collect()
}
