//! The task of one supervisor: select, handle, perform.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};

use crate::clock;
use crate::exit::Signal;
use crate::id::Pid;
use crate::report::{Change, ProcessState, StartReason, StopReport};
use crate::spec::{RunSpec, StopSpec};
use crate::time::Instant;

use super::child::{Capture, RawChild};
use super::command::NotSpawned;
use super::group::Group;
use super::hook;
use super::machine::{Action, Event, HookEnd, Machine, ProcessReport};
use super::memory::MemoryUse;
use super::output::Output;
use super::running::Running;
use super::{Observer, StartError};

/// What a handle asks for.
pub(super) enum Request {
    Start(StartReason, oneshot::Sender<Result<Pid, StartError>>),
    Quiet(oneshot::Sender<()>),
    Stop(oneshot::Sender<StopReport>),
    ConfirmReady,
    SetRestarts(bool),
    SetSpec(Box<RunSpec>),
    Members(oneshot::Sender<Option<Group>>),
    Signal(Signal, oneshot::Sender<bool>),
    SetStop(Box<StopSpec>),
}

/// The channels of a supervisor, as its task sees them.
pub(super) struct Ends {
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    pub(super) report: watch::Sender<ProcessReport>,
    pub(super) output: Output,
    pub(super) memory: MemoryUse,
    pub(super) observer: Observer,
}

type Spawned = Result<RawChild, NotSpawned>;

struct Task {
    machine: Machine,
    ends: Ends,
    /// Whether the last handle is gone: when the process is too, so is the task.
    abandoned: bool,
    spawning: Option<JoinHandle<Spawned>>,
    running: Option<Running>,
    hook: Option<JoinHandle<HookEnd>>,
    starting: Vec<oneshot::Sender<Result<Pid, StartError>>>,
    quieting: Vec<oneshot::Sender<()>>,
    stopping: Vec<oneshot::Sender<StopReport>>,
    start_error: Option<StartError>,
}

/// Supervises until the last handle is gone and the group is empty.
pub(super) async fn run(spec: RunSpec, ends: Ends) {
    let mut task = Task {
        machine: Machine::new(&spec),
        ends,
        abandoned: false,
        spawning: None,
        running: None,
        hook: None,
        starting: Vec::new(),
        quieting: Vec::new(),
        stopping: Vec::new(),
        start_error: None,
    };
    while let Some(event) = task.next_event().await {
        task.turn(event);
    }
}

impl Task {
    fn is_idle(&self) -> bool {
        self.spawning.is_none() && self.running.is_none() && self.hook.is_none()
    }

    fn is_stopped(&self) -> bool {
        matches!(self.machine.report().state, ProcessState::Stopped { .. })
    }

    /// Nobody is there to ask for another try at what outlived SIGKILL.
    fn has_done_all(&self) -> bool {
        self.abandoned && self.is_stopped()
    }

    /// `None` when nobody is there any more, and nothing is left of the process. Cancel safe: everything that is awaited
    /// here is kept in `self`.
    async fn next_event(&mut self) -> Option<Event> {
        while !(self.abandoned && self.is_idle()) {
            let ending = self.running.as_ref().is_some_and(Running::is_ending);
            // What has ended cannot become ready any more: the clock waits for the exit to be told.
            let timeout = if ending { None } else { self.machine.next_timeout() };
            let event = tokio::select! {
                biased;
                request = self.ends.requests.recv(), if !self.abandoned => self.requested(request),
                spawned = joined(&mut self.spawning) => Some(self.spawned(spawned)),
                end = joined(&mut self.hook) => {
                    Some(end.unwrap_or_else(|error| HookEnd::NotStarted(error.to_string())).into())
                }
                event = next_of(&mut self.running) => Some(event),
                () = until(timeout) => Some(Event::TimeUp),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// `None` when nothing has happened: for a question, and when what has stopped is given up.
    fn requested(&mut self, request: Option<Request>) -> Option<Event> {
        let event = match request {
            Some(Request::Start(reason, answer)) => {
                self.starting.push(answer);
                Event::Start(reason)
            }
            Some(Request::Quiet(answer)) => {
                self.quieting.push(answer);
                self.answer_starts(&Err(StartError::Stopped));
                Event::Quiet
            }
            Some(Request::Stop(answer)) => {
                self.stopping.push(answer);
                // Whoever wanted it up before this stop does not get it; whoever does after it may.
                self.answer_starts(&Err(StartError::Stopped));
                Event::Stop
            }
            Some(Request::ConfirmReady) => Event::ConfirmReady,
            Some(Request::SetRestarts(allowed)) => Event::SetRestarts(allowed),
            Some(Request::SetSpec(spec)) => Event::SetSpec(spec),
            Some(Request::Members(answer)) => {
                let _gone = answer.send(self.running.as_ref().map(|running| running.group().clone()));
                return None;
            }
            Some(Request::Signal(signal, answer)) => {
                let lives = self.running.as_mut().filter(|running| !running.is_ending());
                let _gone = answer.send(lives.map(|running| running.signal(signal)).is_some());
                return None;
            }
            Some(Request::SetStop(stop)) => Event::SetStop(stop),
            None => {
                self.abandoned = true;
                // It would be told once more that it has stopped.
                if self.is_idle() && self.is_stopped() {
                    return None;
                }
                Event::Stop
            }
        };
        Some(event)
    }

    fn spawned(&mut self, spawned: Result<Spawned, JoinError>) -> Event {
        let running = match spawned {
            Ok(Ok(raw)) => {
                Running::new(raw, &self.ends.output, &self.ends.memory).map_err(|error| NotSpawned {
                    message: format!("spawn: {error}"),
                    detail: "cannot listen for its end".to_owned(),
                })
            }
            Ok(Err(error)) => Err(error),
            Err(error) => {
                Err(NotSpawned { message: format!("spawn: {error}"), detail: "a panic".to_owned() })
            }
        };
        match running {
            Ok(running) => {
                let pid = running.pid();
                self.running = Some(running);
                Event::Spawned(pid)
            }
            Err(NotSpawned { message, detail }) => {
                // ENOENT of a shell that is there leaves everybody puzzled.
                let told = if detail.is_empty() { message.clone() } else { format!("{message} ({detail})") };
                self.start_error = Some(StartError::NotSpawned { message, detail });
                Event::NotSpawned(told)
            }
        }
    }

    fn turn(&mut self, event: Event) {
        let actions = self.machine.handle(event, clock::now());
        // What the machine has lost interest in is reaped before anybody is told that it is gone.
        if (self.machine.group().is_none() || self.has_done_all())
            && let Some(running) = self.running.take()
        {
            running.let_go();
        }
        self.ends.report.send_replace(self.machine.report());
        for action in actions {
            self.perform(action);
        }
        self.answer_by_state();
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn => self.spawn(),
            Action::RunHook { command, time_limit, .. } => {
                if let Some(running) = &self.running {
                    let spec = self.machine.spec().clone();
                    self.hook = Some(tokio::spawn(hook::run(spec, command, running.pid(), time_limit)));
                }
            }
            Action::Signal(signal) => self.running.iter_mut().for_each(|running| running.signal(signal)),
            Action::Kill => self.running.iter_mut().for_each(Running::kill),
            Action::SampleMemory => self.running.iter_mut().for_each(Running::sample_memory),
            Action::WatchGroup => self.running.iter_mut().for_each(Running::watch),
            Action::Tell(change) => self.tell(&change),
        }
    }

    fn spawn(&mut self) {
        let spec = self.machine.spec().clone();
        self.ends.output.keep(spec.output_lines_max);
        self.start_error = None;
        self.spawning =
            Some(tokio::task::spawn_blocking(move || RawChild::spawn(&spec, &[], Capture::Output)));
    }

    fn tell(&mut self, change: &Change) {
        tracing::debug!(?change, command = %self.machine.spec().command, "process");
        let observe = AssertUnwindSafe(|| (self.ends.observer)(change, &self.ends.output));
        if catch_unwind(observe).is_err() {
            tracing::error!(?change, "the observer of a process panicked");
        }
        match change {
            Change::Stopped(report) => {
                self.answer_quiets();
                for waiting in self.stopping.drain(..) {
                    let _gone = waiting.send(*report);
                }
            }
            Change::NotStarted { error, .. } if self.start_error.is_none() => {
                let (message, detail) = (error.clone(), String::new());
                self.start_error = Some(StartError::NotSpawned { message, detail });
            }
            _ => {}
        }
    }

    fn answer_quiets(&mut self) {
        for waiting in self.quieting.drain(..) {
            let _gone = waiting.send(());
        }
    }

    /// Whoever waits for a start hears of it when there is nothing more to wait for.
    fn answer_by_state(&mut self) {
        if self.machine.is_quieted() {
            self.answer_quiets();
        }
        match self.machine.report().state {
            ProcessState::Running { pid, .. } => self.answer_starts(&Ok(pid)),
            ProcessState::Failed { .. } => {
                let error = self.start_error.clone().unwrap_or(StartError::Stopped);
                self.answer_starts(&Err(error));
            }
            ProcessState::Stopped { .. } => self.answer_starts(&Err(StartError::Stopped)),
            ProcessState::Starting | ProcessState::Stopping { .. } | ProcessState::Backoff { .. } => {}
        }
    }

    fn answer_starts(&mut self, answer: &Result<Pid, StartError>) {
        for waiting in self.starting.drain(..) {
            let _gone = waiting.send(answer.clone());
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // The runtime goes down. The child and its group go with it, see `RawChild`; the hook likewise.
        if let Some(hook) = &self.hook {
            hook.abort();
        }
    }
}

impl From<HookEnd> for Event {
    fn from(end: HookEnd) -> Self {
        Self::HookEnded(end)
    }
}

async fn joined<T>(handle: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    let Some(running) = handle else { return std::future::pending().await };
    let result = running.await;
    *handle = None;
    result
}

async fn next_of(running: &mut Option<Running>) -> Event {
    match running {
        Some(running) => running.next().await,
        None => std::future::pending().await,
    }
}

async fn until(timeout: Option<Instant>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout - clock::now()).await,
        None => std::future::pending().await,
    }
}

/// An observer that does not look.
pub(super) fn unobserved() -> Observer {
    Arc::new(|_, _| {})
}
