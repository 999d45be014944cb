//! A world with hands that do at once what they are told, but for what a test holds back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::exit::Exit;
use crate::id::{InstanceKey, OpId, Pid, ProcessId, ReleaseId};
use crate::report::{AfterExit, BackendState, Change, DrainReport, StartReason, StopReport};
use crate::rollout::{
    Action, Answer, Command, DeployRequest, Failure, Input, Release, ReleaseState, RollbackTo, World,
};
use crate::spec::{
    Address, Application, CommandSpec, HealthSpec, ListenAt, PortRange, ProcessPolicy, ProcessSpec,
    ProxySpec, Retention, StopSpec,
};
use crate::time::Instant;

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) answers: Vec<Answer>,
    pub(super) events: Vec<Event>,
    /// Ports and sockets that are leased.
    pub(super) ports: BTreeSet<Address>,
    /// Actions about these processes are left to the test.
    pub(super) held: BTreeSet<&'static str>,
    /// Actions that were held back.
    pub(super) open: Vec<Action>,
    /// Processes that cannot be spawned.
    pub(super) broken: BTreeSet<&'static str>,
    /// Processes that outlive SIGKILL.
    pub(super) unkillable: BTreeSet<&'static str>,
    /// Everything that was done, but for answers and events, in words.
    pub(super) done: Vec<String>,
    /// How running processes are stopped from now on.
    pub(super) replaced: Vec<(InstanceKey, StopSpec)>,
    /// Instances that are not to be restarted.
    pub(super) restartless: BTreeSet<InstanceKey>,
    /// What the proxy was told of its backend.
    pub(super) backend: Vec<BackendState>,
    /// Whether drains wait for the test.
    pub(super) holds_drains: bool,
    /// The proxy's door is left to the test.
    pub(super) holds_door: bool,
    /// How many ports there are for web; `None` means enough.
    pub(super) web_ports: Option<usize>,
    /// The config of the next deploy or rollback; `None` means the one in force.
    pub(super) config: Option<Arc<Application>>,
    todo: VecDeque<Action>,
    numbers: u32,
}

pub(super) fn process(id: &str, policy: ProcessPolicy) -> ProcessSpec {
    let mut process = ProcessSpec::new(ProcessId::new(id), CommandSpec::Shell(id.to_owned()));
    process.policy = policy;
    process
}

pub(super) fn with_port(process: ProcessSpec) -> ProcessSpec {
    ProcessSpec { port: Some(PortRange::EPHEMERAL), ..process }
}

pub(super) fn with_socket(process: ProcessSpec) -> ProcessSpec {
    ProcessSpec { socket: true, ..process }
}

fn web() -> ProcessSpec {
    ProcessSpec { health: Some(HealthSpec::default()), ..with_port(process("web", ProcessPolicy::Proxied)) }
}

impl Stage {
    /// A world with a web process and these.
    pub(super) fn with(others: Vec<ProcessSpec>) -> Self {
        let application = Application {
            proxy: ProxySpec { drain_timeout: Duration::from_secs(20), ..ProxySpec::default() },
            retention: Retention { keep: 2, max_age: None },
            ..Application::new("shop", std::iter::once(web()).chain(others).collect())
        };
        Self {
            world: World::new(Arc::new(application), BTreeMap::new()),
            answers: Vec::new(),
            events: Vec::new(),
            ports: BTreeSet::new(),
            held: BTreeSet::new(),
            open: Vec::new(),
            broken: BTreeSet::new(),
            unkillable: BTreeSet::new(),
            done: Vec::new(),
            replaced: Vec::new(),
            restartless: BTreeSet::new(),
            backend: Vec::new(),
            holds_drains: false,
            holds_door: false,
            web_ports: None,
            config: None,
            todo: VecDeque::new(),
            numbers: 0,
        }
    }

    pub(super) fn ask(&mut self, command: Command) {
        let op = OpId(u64::from(self.number()));
        self.tell(Input::Asked { op, command });
    }

    pub(super) fn deploy(&mut self, release: &str) {
        let release = ReleaseId::new(release).expect("a safe id");
        let path = "/srv".to_owned();
        let application = self.config.clone();
        self.ask(Command::Deploy(DeployRequest { release, path, revision: None, application }));
    }

    pub(super) fn roll_back(&mut self) {
        let application = self.config.clone();
        self.ask(Command::Rollback { to: RollbackTo::Previous, application });
    }

    /// From now on deploys and rollbacks come with a config that differs so from the one in force.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Application)) {
        let mut application = Application::clone(self.world.application());
        edit(&mut application);
        self.config = Some(Arc::new(application));
    }

    /// The drain of a release is over.
    pub(super) fn drained(&mut self, release: &str) {
        let is_it = |other: &&Release| other.id.as_str() == release && other.state == ReleaseState::Draining;
        let generation = self.world.releases().find(is_it).expect("it drains").generation;
        self.tell(Input::Drained { generation, report: DrainReport::default() });
    }

    /// The messages of the events, but for the steps.
    pub(super) fn messages(&self) -> Vec<String> {
        let messages = self.events.iter().map(|event| event.message().into_owned());
        messages.filter(|message| !message.starts_with("rollout")).collect()
    }

    /// The world hears of this, and everything that follows from it happens.
    pub(super) fn tell(&mut self, input: Input) {
        let actions = self.world.handle(input, Instant::ORIGIN);
        assert_eq!(self.world.violation(), None);
        self.todo.extend(actions);
        while let Some(action) = self.todo.pop_front() {
            self.perform(action);
        }
    }

    pub(super) fn told(&mut self, key: InstanceKey, change: Change) {
        self.tell(Input::Told { key, change, tail: Vec::new() });
    }

    /// Does what was held back of a process.
    pub(super) fn let_go(&mut self, process: &str) {
        self.held.remove(process);
        for action in std::mem::take(&mut self.open) {
            self.carry_out(action);
        }
        while let Some(action) = self.todo.pop_front() {
            self.perform(action);
        }
    }

    pub(super) fn crash(&mut self, process: &str, then: AfterExit) {
        let key = self.newest(process);
        self.told(key, Change::Exited { exit: Exit::Code(1), was_ready: true, then });
    }

    pub(super) fn start(&mut self, key: InstanceKey, reason: StartReason) {
        let pid = Pid::new(1_000 + self.number()).expect("a small number");
        self.told(key, Change::Started { pid, reason });
    }

    /// The instance of a process that was made last.
    pub(super) fn newest(&self, process: &str) -> InstanceKey {
        let is_one = |key: &InstanceKey| self.process_of(*key) == process;
        self.world.instances().map(|(key, _)| key).filter(is_one).last().expect("it is there")
    }

    pub(super) fn active(&self) -> Option<&str> {
        self.world.active().map(|release| release.id.as_str())
    }

    fn process_of(&self, key: InstanceKey) -> &str {
        self.world.instance(key).map_or("", |instance| instance.id.process().as_str())
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn perform(&mut self, action: Action) {
        self.note(&action);
        self.carry_out(action);
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Answer { answer, .. } => self.answers.push(answer),
            Action::Record(event) => self.events.push(event),
            Action::Describe { seen, .. } => self.events.push(Event::StartupProcessSeen(seen)),
            Action::ReturnPorts(ports) => {
                for port in ports {
                    assert!(self.ports.remove(&port), "{port} is given back twice");
                }
            }
            Action::LeasePorts { generation, wanted } => {
                let is_full = self.web_ports.is_some_and(|limit| {
                    let leased = self.world.leases().into_values();
                    leased.filter(|holder| holder.starts_with("web ")).count() >= limit
                });
                if is_full {
                    let result = Err(Failure::new("port_range_exhausted", "No available ports"));
                    return self.tell(Input::PortsLeased { generation, result });
                }
                let lease = |(id, listen_at)| {
                    let number = u16::try_from(self.number()).expect("a small number");
                    let address = match listen_at {
                        ListenAt::Port(_) => Address::Port(18_000 + number),
                        ListenAt::Socket => Address::Socket(format!("/run/{id}.{number}").into()),
                    };
                    (id, address)
                };
                let leased: BTreeMap<_, _> = wanted.into_iter().map(lease).collect();
                self.ports.extend(leased.values().cloned());
                self.tell(Input::PortsLeased { generation, result: Ok(leased) });
            }
            Action::Drain { generation, .. } if !self.holds_drains => {
                self.tell(Input::Drained { generation, report: DrainReport::default() });
            }
            Action::BackendIs { state, .. } => self.backend.push(state),
            Action::ReplaceStop { key, stop } => self.replaced.push((key, stop)),
            Action::ForbidRestarts(key) => drop(self.restartless.insert(key)),
            Action::StopAccepting { .. } if !self.holds_door => self.tell(Input::AcceptingStopped),
            Action::CloseProxy { .. } if !self.holds_door => {
                self.tell(Input::ProxyClosed { report: DrainReport::default() });
            }
            Action::Start { key, .. }
            | Action::Quiet(key)
            | Action::Stop(key)
            | Action::ConfirmReady(key)
            | Action::Probe { key, .. } => {
                if self.held.contains(self.process_of(key)) {
                    self.open.push(action);
                } else {
                    self.supervise(key, action);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, action: &Action) {
        let name = |key: &InstanceKey| match self.world.instance(*key) {
            Some(instance) => format!("{} of {}", instance.id, instance.release),
            None => "what is forgotten".to_owned(),
        };
        self.done.push(match action {
            Action::Start { key, .. } => format!("start {}", name(key)),
            Action::Quiet(key) => format!("quiet {}", name(key)),
            Action::Stop(key) => format!("stop {}", name(key)),
            Action::StopAccepting { handover: true } => "stop accepting, handing over".to_owned(),
            Action::StopAccepting { handover: false } => "stop accepting".to_owned(),
            Action::CloseProxy { budget } => format!("close the proxy within {}", budget.as_secs()),
            Action::Redefine { key, .. } => format!("redefine {}", name(key)),
            Action::Switch(Some(_)) => "switch".to_owned(),
            Action::PauseTraffic { number, timeout: None } => format!("pause {number}"),
            Action::PauseTraffic { number, timeout: Some(timeout) } => {
                format!("pause {number} for {} s", timeout.as_secs())
            }
            Action::ResumeTraffic => "resume".to_owned(),
            Action::Drain { budget, .. } => format!("drain {}", budget.as_secs()),
            _ => return,
        });
    }

    fn supervise(&mut self, key: InstanceKey, action: Action) {
        let is_broken = self.broken.contains(self.process_of(key));
        match action {
            Action::Start { reason, .. } if is_broken => {
                self.told(key, Change::NotStarted { reason, error: "spawn /bin/sh ENOENT".to_owned() });
            }
            Action::Start { run, reason, .. } => {
                self.start(key, reason);
                if run.readiness != crate::spec::Readiness::WhenConfirmed {
                    self.told(key, Change::BecameReady);
                }
            }
            Action::ConfirmReady(_) => self.told(key, Change::BecameReady),
            Action::Quiet(_) => self.told(key, Change::Quieted),
            Action::Probe { .. } => self.tell(Input::ProbeEnded { key, result: Ok(()) }),
            Action::Stop(_) => {
                let survivors = u32::from(self.unkillable.contains(self.process_of(key)));
                let exit = Some(Exit::Code(0));
                self.told(key, Change::Stopped(StopReport { exit, killed: survivors > 0, survivors }));
            }
            _ => {}
        }
    }
}
