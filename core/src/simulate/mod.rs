//! The engine in a made-up world: no process, no socket, no clock.
//!
//! The same machines that decide in production are driven here by made-up children, probes and requests, at made-up
//! times. A [`Script`] says what happens, and everything that is left to chance follows from its seed, so that a play
//! is the same every time. After every turn the seven invariants of the design are checked.
//!
//! Watch a rollout before you run it:
//!
//! ```
//! use rollcore::simulate::{Script, Simulation};
//! let play = Simulation::play(&Script::from_seed(7));
//! assert!(play.violation.is_none(), "{play}");
//! println!("{play}");
//! ```

mod agenda;
mod application;
mod close;
mod drain;
mod edit;
mod invariant;
mod lease;
mod ledger;
mod perform;
mod play;
mod probe;
mod promise;
mod rehearsal;
mod script;
mod shrink;
mod supervise;
mod system;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::health::machine::Event as ProbeEvent;
use crate::id::{Generation, InstanceKey, OpId, ReleaseId};
use crate::report::ProcessState;
use crate::rollout::{Command, DeployRequest, Input, World};
use crate::spec::Application;
use crate::time::Instant;

use agenda::{Agenda, Happening};
use drain::Drain;
use lease::Ports;
use ledger::Ledger;
use supervise::Supervised;
use system::System;
use traffic::Traffic;

pub use crate::rollout::{Answer, Refusal};
pub use edit::Edit;
pub use invariant::Broken;
pub use play::Play;
pub use rehearsal::{Rehearsal, Scene};
pub use script::{Act, Fault, FaultKind, ProcessName, Script, Variant, What};
pub use shrink::shrink;

/// An engine in a made-up world.
///
/// ```
/// use rollcore::simulate::Simulation;
/// use std::time::Duration;
/// let mut sim = Simulation::standard(1);
/// sim.deploy("v1");
/// sim.run_until(|sim| sim.active() == Some("v1".to_owned()));
/// sim.crash("web");
/// sim.run_until(|sim| !sim.is_running("web"));
/// let crashed = sim.elapsed();
/// sim.run_until(|sim| sim.is_running("web"));
/// assert!(sim.elapsed() - crashed < Duration::from_millis(1_100), "it restarts after a second");
/// ```
#[derive(Debug)]
pub struct Simulation {
    now: Instant,
    seed: u64,
    world: World,
    /// The config as it is written; deploys and rollbacks come with it.
    config: Arc<Application>,
    agenda: Agenda,
    system: System,
    supervised: BTreeMap<InstanceKey, Supervised>,
    traffic: Traffic,
    ports: Ports,
    probes: BTreeMap<InstanceKey, probe::Probing>,
    drains: BTreeMap<Generation, Drain>,
    /// Releases whose drain is over.
    drained: BTreeSet<Generation>,
    faults: BTreeMap<ReleaseId, Fault>,
    /// Releases that never become ready.
    never_ready: BTreeSet<ReleaseId>,
    ledger: Ledger,
    story: Vec<String>,
    /// What the log of an engine would hold.
    events: Vec<(Instant, Event)>,
    /// Sometimes the world hears of things much later.
    has_late_news: bool,
    broken: Option<Broken>,
    ops: u64,
    requests: u64,
}

/// More turns than this, and a simulation is taken to run in circles.
const TURNS_MAX: u32 = 200_000;

impl Simulation {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(application: Application, seed: u64) -> Self {
        Self::with_env(application, BTreeMap::new(), seed)
    }

    /// `host_env` is what `{{env.NAME}}` stands for.
    fn with_env(application: Application, host_env: BTreeMap<String, String>, seed: u64) -> Self {
        let config = Arc::new(application);
        Self {
            now: Instant::ORIGIN,
            seed,
            world: World::new(Arc::clone(&config), host_env),
            config,
            agenda: Agenda::default(),
            system: System::default(),
            supervised: BTreeMap::new(),
            traffic: Traffic::default(),
            ports: Ports::default(),
            probes: BTreeMap::new(),
            drains: BTreeMap::new(),
            drained: BTreeSet::new(),
            faults: BTreeMap::new(),
            never_ready: BTreeSet::new(),
            ledger: Ledger::default(),
            story: Vec::new(),
            events: Vec::new(),
            has_late_news: false,
            broken: None,
            ops: 0,
            requests: 0,
        }
    }

    /// The standard application: one process of each policy.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        Self::new(application::standard(Variant::default()), seed)
    }

    /// Asks for a deploy of a healthy release.
    ///
    /// # Panics
    /// When `release` is not a safe id.
    pub fn deploy(&mut self, release: &str) {
        let id = ReleaseId::new(release).expect("a simulated release has a safe id");
        self.faults.remove(&id);
        self.ask_to_deploy(id);
    }

    /// Ends every instance of a process unasked.
    pub fn crash(&mut self, process: &str) {
        let is_one = |group: &system::Group| group.leader_lives && group.id.process().as_str() == process;
        let crashed: Vec<_> =
            self.system.living().filter(|(_, group)| is_one(group)).map(|(pid, _)| pid).collect();
        for pid in crashed {
            self.agenda.push(self.now, Happening::LeaderExits(pid, crate::exit::Exit::Code(1)));
        }
    }

    /// Lets things happen until `reached` says so.
    ///
    /// # Panics
    /// When an invariant breaks, or nothing more happens.
    pub fn run_until(&mut self, reached: impl Fn(&Self) -> bool) {
        let mut turns = 0;
        while !reached(self) {
            turns += 1;
            assert!(self.turn() && turns < TURNS_MAX, "it never comes to that:\n{}", self.story.join("\n"));
            assert!(self.broken.is_none(), "{:?}\n{}", self.broken, self.story.join("\n"));
        }
    }

    /// Made-up time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - Instant::ORIGIN
    }

    /// The release that traffic points at.
    #[must_use]
    pub fn active(&self) -> Option<String> {
        self.world.active().map(|release| release.id.to_string())
    }

    /// Whether an instance of this process has a pid.
    #[must_use]
    pub fn is_running(&self, process: &str) -> bool {
        self.world.instances().any(|(_, instance)| {
            instance.id.process().as_str() == process
                && matches!(instance.state, ProcessState::Running { .. })
        })
    }

    /// # Panics
    /// When anything but time is still to come.
    pub fn assert_quiet(&self) {
        assert!(self.agenda.is_quiet(), "something is still to come: {:?}", self.agenda);
    }

    fn ask_to_deploy(&mut self, release: ReleaseId) {
        let path = format!("/releases/{release}");
        let application = Some(Arc::clone(&self.config));
        self.ask(Command::Deploy(DeployRequest { release, path, revision: None, application }));
    }

    fn ask(&mut self, command: Command) {
        self.ops += 1;
        let op = OpId(self.ops);
        self.ledger.asked(op, &command, &self.world);
        self.tell(Input::Asked { op, command });
    }

    /// One happening, if there is one left.
    fn turn(&mut self) -> bool {
        let Some((at, happening)) = self.agenda.pop() else { return false };
        self.now = self.now.max(at);
        self.happen(happening);
        self.look();
        true
    }

    fn look(&mut self) {
        self.broken = self.broken.take().or_else(|| invariant::broken(self));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Act(what) => self.act(what),
            Happening::Hear(input) => self.tell(*input),
            Happening::Wake(key) => self.wake(key),
            Happening::SpawnEnds(key) => self.spawn_ends(key),
            Happening::LeaderExits(pid, exit) => self.leader_exits(pid, exit),
            Happening::OthersEnd(pid) => self.others_end(pid),
            Happening::HookEnds(key, end) => self.drive(key, supervise::hook_ended(end)),
            Happening::MemoryKnown(pid, rss) => self.memory_known(pid, rss),
            Happening::ProbeDue(key) => self.ask_health(key, ProbeEvent::TimeUp),
            Happening::ProbeEnds(key, outcome) => self.ask_health(key, ProbeEvent::ProbeEnded(outcome)),
            Happening::RequestArrives { is_tunnel, lasting } => self.request_arrives(is_tunnel, lasting),
            Happening::RequestEnds(request) => self.request_ends(request),
            Happening::CloseTimeUp => self.close_time_up(),
            Happening::Drained(generation, event) => self.drained(generation, event),
            Happening::MustBeSettled => self.broken = self.broken.take().or_else(|| self.is_settled()),
        }
    }

    /// The world hears of something, and what it wants is done.
    fn tell(&mut self, input: Input) {
        for action in self.world.handle(input, self.now) {
            self.perform(action);
        }
    }

    fn narrate(&mut self, line: impl std::fmt::Display) {
        let ms = self.elapsed().as_millis();
        self.story.push(format!("{ms:>6} ms  {line}"));
    }

    /// A number below `sides` that depends on the seed and `about`, and on nothing that happened before.
    fn chance(&self, about: (u64, u64), sides: u64) -> u64 {
        let mixed = self.seed ^ about.0.rotate_left(32) ^ about.1.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        fastrand::Rng::with_seed(mixed).u64(..sides)
    }

    fn answered(&mut self, op: OpId, answer: Answer) {
        self.narrate(format_args!("answer {}: {answer:?}", op.0));
        self.check_answer(&answer);
        self.ledger.answered(op, answer, &self.world);
    }
}
