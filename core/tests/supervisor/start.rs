//! How a process is started, and why it cannot be.

use std::collections::BTreeMap;
use std::fs;

use rollcore::{
    AfterExit, Change, Command, Exit, Pid, ProcessState, Readiness, RestartPolicy, RunSpec, Signal,
    StartReason, Supervisor,
};

use crate::support::{NO_DELAY, Watched, no_restart, printed, shell, within};

#[tokio::test]
async fn a_program_is_run_without_a_shell() {
    let args = vec!["%s|".into(), "a b".into(), "$HOME".into(), ";".into()];
    let exec = Command::Exec { program: "printf".into(), args };
    let (mut watched, _) = Watched::started(RunSpec { command: exec, ..no_restart("") }).await;
    assert_eq!(watched.exit().await.2, ["a b|$HOME|;|"]);
}

/// C-41, C-54.
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

/// C-56.
#[tokio::test]
async fn the_culprit_of_a_failed_start_is_named() {
    let spec = RunSpec { cwd: "/no/such/place".into(), ..shell("true") };
    let mut watched = Watched::new(spec);
    let error = watched.supervisor.start(StartReason::Deploy).await.expect_err("there is no such place");
    assert_eq!(error.to_string(), "spawn /bin/sh ENOENT");
    assert_eq!(error.code(), "not_spawned");
    assert_eq!(error.detail(), Some("its directory /no/such/place: No such file or directory"));
    let error = "spawn /bin/sh ENOENT (its directory /no/such/place: No such file or directory)".into();
    let told = Change::NotStarted { reason: StartReason::Deploy, error };
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
