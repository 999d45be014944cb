//! A supervisor and everything it tells, and what one wants to know about real processes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rollcore::{
    AfterExit, Change, Command, Exit, KillAfter, Output, Pid, RestartPolicy, RunSpec, StartReason, StopSpec,
    Supervisor,
};
use tokio::sync::mpsc;

pub const DEADLINE: Duration = Duration::from_secs(20);
pub const NO_DELAY: Duration = Duration::from_millis(1);

/// A supervisor and everything it tells.
pub struct Watched {
    pub supervisor: Supervisor,
    pub changes: mpsc::UnboundedReceiver<(Change, Vec<String>)>,
}

impl Watched {
    pub fn new(spec: RunSpec) -> Self {
        let (tell, changes) = mpsc::unbounded_channel();
        let observer = move |change: &Change, output: &Output| {
            let _gone = tell.send((change.clone(), text(output)));
        };
        Self { supervisor: Supervisor::observed(spec, observer), changes }
    }

    pub async fn started(spec: RunSpec) -> (Self, Pid) {
        let mut watched = Self::new(spec);
        let pid = watched.supervisor.start(StartReason::Deploy).await.expect("it can be started");
        assert_eq!(watched.change().await, Change::Started { pid, reason: StartReason::Deploy });
        (watched, pid)
    }

    pub async fn change(&mut self) -> Change {
        self.change_and_output().await.0
    }

    pub async fn change_and_output(&mut self) -> (Change, Vec<String>) {
        within(self.changes.recv()).await.expect("the supervisor is alive")
    }

    /// The next exit, with what was printed until it was told.
    pub async fn exit(&mut self) -> (Exit, AfterExit, Vec<String>) {
        loop {
            if let (Change::Exited { exit, then, .. }, lines) = self.change_and_output().await {
                return (exit, then, lines);
            }
        }
    }
}

pub fn text(output: &Output) -> Vec<String> {
    output.lines().into_iter().map(|line| line.line).collect()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}

/// Asks again and again, as there is no event for it.
pub async fn until(mut is_true: impl FnMut() -> bool) {
    within(async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub fn shell(line: &str) -> RunSpec {
    RunSpec::new(Command::Shell(line.into()), "/")
}

pub fn no_restart(line: &str) -> RunSpec {
    RunSpec { restart: RestartPolicy::always(NO_DELAY).limit(0, Duration::ZERO), ..shell(line) }
}

pub fn grace(line: &str, grace: Duration) -> RunSpec {
    RunSpec {
        stop: StopSpec { kill_after: KillAfter::Grace(grace), ..StopSpec::default() },
        ..no_restart(line)
    }
}

/// Whether a process with this pid exists, a zombie included.
pub fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// An orphan is reaped by whoever adopted it, which may take a moment, or for ever in a container.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub fn pid_in(lines: &[String]) -> u32 {
    lines[0].parse().expect("it printed a pid")
}

pub async fn printed(output: &Output, count: usize) -> Vec<String> {
    until(|| output.lines().len() >= count).await;
    text(output)
}
