//! Carries out what the world wants, with the hands. Nothing here decides, and nothing here waits.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::event::Event;
use crate::health::{HealthChecker, HealthSchedule, HttpProbe};
use crate::id::{Generation, InstanceKey, ProcessId};
use crate::proxy::{Draining, DrainingProxy, Traffic};
use crate::report::{Change, DrainReport, StartReason};
use crate::rollout::{Action, Failure, Input};
use crate::spec::{Address, HealthSpec, ListenAt, RunSpec};
use crate::supervisor::{Listens, MARK_VARIABLE, MemoryUse, Output, Supervisor};

use super::lease::{Leased, Leasing};

/// What a hand has to say.
pub(super) enum News {
    /// The world wants to know.
    Input(Input),
    /// Ports were leased, or not; the leases are kept here.
    Leased { generation: Generation, result: Result<Vec<(ProcessId, Leased)>, Failure> },
}

/// The proxy's listening socket, from the moment that it is left until whoever takes over has it.
pub(super) type HandedOver = Arc<Mutex<Option<TcpListener>>>;

/// The hands, and what they hold.
pub(super) struct Performer {
    proxy: Arc<DrainingProxy>,
    handed_over: HandedOver,
    leasing: Leasing,
    tell: mpsc::UnboundedSender<News>,
    leases: HashMap<Address, Leased>,
    supervisors: HashMap<InstanceKey, Supervisor>,
    outputs: BTreeMap<InstanceKey, Output>,
    memory: BTreeMap<InstanceKey, MemoryUse>,
    probes: HashMap<InstanceKey, AbortHandle>,
    /// Waits for the end of a pause that has one.
    pause: Option<AbortHandle>,
    /// Releases that traffic has left, and what is still open to them.
    left: HashMap<Generation, Vec<Draining>>,
    /// By what the next daemon knows our processes.
    mark: Option<String>,
    /// How many descriptors a process may have.
    descriptors_max: Option<u64>,
}

/// How many of its last lines go with the exit of a process.
const TAIL_LINES: usize = 20;

/// How long it may take to find out who listens; then whoever answered is believed.
const LISTENER_TIMEOUT: Duration = Duration::from_secs(2);

impl Performer {
    pub(super) fn new(
        proxy: Arc<DrainingProxy>,
        handed_over: HandedOver,
        leasing: Leasing,
        tell: mpsc::UnboundedSender<News>,
        mark: Option<String>,
    ) -> Self {
        Self {
            proxy,
            handed_over,
            leasing,
            tell,
            leases: HashMap::new(),
            supervisors: HashMap::new(),
            outputs: BTreeMap::new(),
            memory: BTreeMap::new(),
            probes: HashMap::new(),
            pause: None,
            left: HashMap::new(),
            mark,
            descriptors_max: None,
        }
    }

    /// Every process that is started from now on may have so many descriptors.
    pub(super) fn limit_descriptors(&mut self, max: Option<u64>) {
        self.descriptors_max = max;
    }

    fn marked(&self, run: &RunSpec) -> RunSpec {
        let mut run = run.clone();
        run.descriptors_max = self.descriptors_max;
        run.env.extend(self.mark.iter().map(|mark| (MARK_VARIABLE.to_owned(), mark.clone())));
        run
    }

    /// What each instance printed.
    pub(super) fn outputs(&self) -> &BTreeMap<InstanceKey, Output> {
        &self.outputs
    }

    /// What each instance holds in memory.
    pub(super) fn memory(&self) -> &BTreeMap<InstanceKey, MemoryUse> {
        &self.memory
    }

    pub(super) fn take_in(&mut self, news: News) -> Input {
        match news {
            News::Input(input) => {
                if let Input::ProbeEnded { key, .. } = &input {
                    self.probes.remove(key);
                }
                input
            }
            News::Leased { generation, result } => {
                let result = result.map(|leases| leases.into_iter().map(|lease| self.keep(lease)).collect());
                Input::PortsLeased { generation, result }
            }
        }
    }

    fn keep(&mut self, (process, lease): (ProcessId, Leased)) -> (ProcessId, Address) {
        let address = lease.address();
        self.leases.insert(address.clone(), lease);
        (process, address)
    }

    /// Nothing runs any more: what is still leased is given back.
    pub(super) fn end(&mut self) {
        self.leases.clear();
        self.leasing.end();
    }

    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LeasePorts { generation, wanted } => self.lease(generation, wanted),
            Action::ReturnPorts(ports) => ports.iter().for_each(|address| drop(self.leases.remove(address))),
            Action::Start { key, run, reason } => self.start(key, &run, reason),
            Action::Redefine { key, run } => {
                self.supervised(key, |supervisor| supervisor.replace_spec(self.marked(&run)));
            }
            Action::ReplaceStop { key, stop } => {
                self.supervised(key, |supervisor| supervisor.replace_stop(stop));
            }
            Action::ConfirmReady(key) => self.supervised(key, Supervisor::confirm_ready),
            Action::ForbidRestarts(key) => self.supervised(key, |supervisor| supervisor.set_restarts(false)),
            Action::Quiet(key) => self.supervised(key, Supervisor::begin_quiet),
            Action::Stop(key) => self.supervised(key, Supervisor::begin_stop),
            Action::Forget(key) => self.forget(key),
            Action::Probe { key, host, address, health } => self.probe(key, &host, address, &health),
            Action::CancelProbe(key) => self.cancel_probe(key),
            Action::Switch(target) => self.switch(target),
            Action::BackendIs { generation, state } => self.proxy.backend_is(generation, 0, state),
            Action::PauseTraffic { number, timeout } => self.pause(number, timeout),
            Action::ResumeTraffic => self.resume(),
            Action::Drain { generation, budget } => self.drain(generation, budget),
            Action::StopAccepting { handover } => self.stop_accepting(handover),
            Action::CloseProxy { budget } => self.close_proxy(budget),
            Action::EndTraffic(generation) => self.end_traffic(generation),
            Action::Record(_) | Action::Describe { .. } | Action::Answer { .. } => {}
        }
    }

    /// What an instance printed is gone with it: added before anything is done.
    pub(super) fn with_output(&self, action: Action) -> Action {
        match action {
            Action::Describe { key, mut seen } => {
                seen.logs = self.outputs.get(&key).map(Output::lines).unwrap_or_default();
                Action::Record(Event::StartupProcessSeen(seen))
            }
            other => other,
        }
    }

    fn lease(&self, generation: Generation, wanted: Vec<(ProcessId, ListenAt)>) {
        let (leasing, tell) = (self.leasing.clone(), self.tell.clone());
        tokio::spawn(async move {
            let result = leasing.lease(wanted).await;
            let _ = tell.send(News::Leased { generation, result });
        });
    }

    fn start(&mut self, key: InstanceKey, run: &RunSpec, reason: StartReason) {
        let run = self.marked(run);
        let tell = &self.tell;
        let (outputs, memory) = (&mut self.outputs, &mut self.memory);
        let supervisor = self.supervisors.entry(key).or_insert_with(|| {
            let tell = tell.clone();
            let observer = move |change: &Change, output: &Output| {
                let tail = match change {
                    Change::Exited { .. } => {
                        output.tail(TAIL_LINES).into_iter().map(|line| line.line).collect()
                    }
                    _ => Vec::new(),
                };
                let input = Input::Told { key, change: change.clone(), tail };
                let _ = tell.send(News::Input(input));
            };
            let supervisor = Supervisor::observed(run.clone(), observer);
            outputs.insert(key, supervisor.output());
            memory.insert(key, supervisor.memory_use());
            supervisor
        });
        supervisor.replace_spec(run);
        supervisor.begin_start(reason);
    }

    fn supervised(&self, key: InstanceKey, act: impl FnOnce(&Supervisor)) {
        if let Some(supervisor) = self.supervisors.get(&key) {
            act(supervisor);
        }
    }

    fn forget(&mut self, key: InstanceKey) {
        self.supervisors.remove(&key);
        self.outputs.remove(&key);
        self.memory.remove(&key);
    }

    fn probe(&mut self, key: InstanceKey, host: &str, address: Address, health: &HealthSpec) {
        let probe = match &address {
            Address::Port(port) => {
                HttpProbe::get(format!("http://{}:{port}{}", bracketed(host), health.path))
            }
            Address::Socket(socket) => HttpProbe::get_at(socket, &health.path),
        };
        let mut checker = HealthChecker::new(probe, HealthSchedule::from(health));
        if let Some(supervisor) = self.supervisors.get(&key).cloned() {
            let at: Arc<(String, Address)> = Arc::new((host.to_owned(), address));
            checker = checker.only_if(move || is_its_own(supervisor.clone(), Arc::clone(&at)));
        }
        let tell = self.tell.clone();
        let task = tokio::spawn(async move {
            let result = checker.wait_ready().await.map(drop);
            let result = result.map_err(|error| Failure::new(error.code(), error.to_string()));
            let _ = tell.send(News::Input(Input::ProbeEnded { key, result }));
        });
        self.probes.insert(key, task.abort_handle());
    }

    fn cancel_probe(&mut self, key: InstanceKey) {
        if let Some(probe) = self.probes.remove(&key) {
            probe.abort();
        }
    }

    fn switch(&mut self, target: Option<(Generation, String, Address)>) {
        let traffic = match target {
            Some((generation, host, Address::Port(port))) => {
                Traffic::to(generation, [(host, port)]).supervised()
            }
            Some((generation, _, Address::Socket(socket))) => Traffic::to(generation, [socket]).supervised(),
            None => Traffic::none(),
        };
        if let Some(draining) = self.proxy.switch_to(traffic) {
            // A release that gets traffic back again and again leaves something behind each time.
            self.left.values_mut().for_each(|left| left.retain(|draining| !draining.is_over()));
            self.left.retain(|_, left| !left.is_empty());
            self.left.entry(draining.generation()).or_default().push(draining);
        }
    }

    fn pause(&mut self, number: u64, timeout: Option<Duration>) {
        self.proxy.pause();
        self.forget_pause();
        self.pause = timeout.map(|timeout| {
            let tell = self.tell.clone();
            let task = tokio::spawn(async move {
                tokio::time::sleep(timeout).await;
                let _ = tell.send(News::Input(Input::PauseTimedOut { number }));
            });
            task.abort_handle()
        });
    }

    fn resume(&mut self) {
        self.forget_pause();
        self.proxy.resume();
    }

    fn forget_pause(&mut self) {
        if let Some(pause) = self.pause.take() {
            pause.abort();
        }
    }

    fn drain(&mut self, generation: Generation, budget: Duration) {
        let left = self.left.remove(&generation).unwrap_or_default();
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let drained: Vec<_> =
                left.into_iter().map(|draining| tokio::spawn(draining.drained(budget))).collect();
            let mut report = DrainReport::default();
            for drained in drained {
                // A drain that panicked cut nothing it could tell of.
                report = report.plus(drained.await.unwrap_or_default());
            }
            let _ = tell.send(News::Input(Input::Drained { generation, report }));
        });
    }

    /// The socket that is handed over is kept for whoever asked for it.
    fn stop_accepting(&self, handover: bool) {
        let (proxy, handed_over, tell) =
            (Arc::clone(&self.proxy), Arc::clone(&self.handed_over), self.tell.clone());
        tokio::spawn(async move {
            let listener = proxy.leave(handover).await;
            *handed_over.lock().unwrap_or_else(PoisonError::into_inner) = listener;
            let _ = tell.send(News::Input(Input::AcceptingStopped));
        });
    }

    fn close_proxy(&self, budget: Duration) {
        let (proxy, tell) = (Arc::clone(&self.proxy), self.tell.clone());
        tokio::spawn(async move {
            let report = proxy.close(budget).await;
            let _ = tell.send(News::Input(Input::ProxyClosed { report }));
        });
    }

    fn end_traffic(&mut self, generation: Generation) {
        for draining in self.left.remove(&generation).unwrap_or_default() {
            draining.cut_now();
        }
    }
}

/// An answer counts only if the candidate gave it, not another one that has its port. What cannot be seen is believed.
async fn is_its_own(supervisor: Supervisor, at: Arc<(String, Address)>) -> Result<(), String> {
    let (host, address) = &*at;
    let looking = async {
        match address {
            Address::Port(port) => supervisor.listens_on(host, *port).await,
            Address::Socket(socket) => supervisor.listens_at(socket).await,
        }
    };
    match tokio::time::timeout(LISTENER_TIMEOUT, looking).await {
        Ok(Listens::No { holder, command }) => {
            Err(format!("{address} is held by another process, pid {holder} ({command})"))
        }
        Ok(Listens::Yes | Listens::Unknown) | Err(_) => Ok(()),
    }
}

/// An IPv6 address stands in brackets in a URL (RFC 3986 §3.2.2).
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::ProxyOptions;
    use crate::spec::Application;

    fn performer(proxy: DrainingProxy, tell: mpsc::UnboundedSender<News>) -> Performer {
        let leasing = Leasing::of(&Application::new("shop", Vec::new()));
        Performer::new(Arc::new(proxy), HandedOver::default(), leasing, tell, None)
    }

    /// Every deploy that failed after the switch left a handle of the old release behind.
    #[tokio::test]
    async fn what_is_drained_already_is_not_kept() {
        let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("a free port");
        let (tell, _news) = mpsc::unbounded_channel();
        let mut performer = performer(proxy, tell);
        for generation in 0..20 {
            performer.perform(Action::Switch(Some((
                Generation(generation % 2),
                "127.0.0.1".to_owned(),
                Address::Port(1),
            ))));
        }
        let kept: usize = performer.left.values().map(Vec::len).sum();
        assert_eq!(kept, 1, "only the last one is not looked at");
    }

    /// Every deploy left a handle of its probe behind.
    #[tokio::test]
    async fn a_probe_that_ended_leaves_nothing() {
        let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("a free port");
        let (tell, mut news) = mpsc::unbounded_channel();
        let mut performer = performer(proxy, tell);
        let health = HealthSpec { timeout: Duration::ZERO, ..HealthSpec::default() };
        let (key, host) = (InstanceKey(1), "127.0.0.1".to_owned());
        performer.perform(Action::Probe { key, host, address: Address::Port(1), health });
        let news = news.recv().await.expect("the performer keeps a sender");
        assert!(matches!(performer.take_in(news), Input::ProbeEnded { .. }));
        assert!(performer.probes.is_empty());
    }
}
