//! Drives the supervisors' machines with made-up children.

use std::time::Duration;

use crate::exit::{Exit, Signal};
use crate::id::{InstanceId, InstanceKey, Pid};
use crate::report::{Change, StartReason};
use crate::rollout::Input;
use crate::spec::{Address, RunSpec, StopSpec};
use crate::supervisor::machine::{Action, Event, HookEnd, Machine};
use crate::time::Instant;

use super::Simulation;
use super::agenda::Happening;
use super::system::Behaviour;

/// One supervisor.
#[derive(Debug)]
pub(super) struct Supervised {
    id: InstanceId,
    machine: Machine,
    /// The group that was last spawned.
    pid: Option<Pid>,
    is_watched: bool,
    starts: u64,
    /// When the world hears of its last change; changes are told in order.
    heard_at: Instant,
}

const MOMENT: Duration = Duration::from_millis(1);

pub(super) fn hook_ended(end: HookEnd) -> Event {
    Event::HookEnded(end)
}

impl Simulation {
    pub(super) fn start_supervised(&mut self, key: InstanceKey, run: &RunSpec, reason: StartReason) {
        let Some(id) = self.world.instance(key).map(|instance| instance.id.clone()) else { return };
        let now = self.now;
        self.supervised.entry(key).or_insert_with(|| Supervised {
            id,
            machine: Machine::new(run),
            pid: None,
            is_watched: false,
            starts: 0,
            heard_at: now,
        });
        self.drive(key, Event::SetSpec(Box::new(run.clone())));
        self.drive(key, Event::Start(reason));
    }

    /// Tells a machine, and does what it says.
    pub(super) fn drive(&mut self, key: InstanceKey, event: Event) {
        let now = self.now;
        let Some(supervised) = self.supervised.get_mut(&key) else { return };
        for action in supervised.machine.handle(event, now) {
            self.supervise(key, action);
        }
        let next = self.supervised.get(&key).and_then(|supervised| supervised.machine.next_timeout());
        if let Some(at) = next {
            self.agenda.push(at.max(now), Happening::Wake(key));
        }
    }

    /// Survivors are counted before the time is up, as the machine was promised.
    pub(super) fn wake(&mut self, key: InstanceKey) {
        let Some(supervised) = self.supervised.get(&key) else { return };
        if supervised.machine.next_timeout().is_none_or(|at| at > self.now) {
            return;
        }
        if let Some(group) = supervised.pid.and_then(|pid| self.system.groups.get(&pid)) {
            let members = group.members();
            self.drive(key, Event::Survivors(members));
        }
        self.drive(key, Event::TimeUp);
    }

    fn supervise(&mut self, key: InstanceKey, action: Action) {
        match action {
            Action::Spawn => self.agenda.push(self.now + MOMENT, Happening::SpawnEnds(key)),
            Action::RunHook { time_limit, .. } => self.run_hook(key, time_limit),
            Action::Signal(signal) => self.signal(key, signal),
            Action::Kill => self.kill(key),
            Action::WatchGroup => self.watch(key),
            Action::SampleMemory => self.sample_memory(key),
            Action::Tell(change) => self.told(key, change),
        }
    }

    fn sample_memory(&mut self, key: InstanceKey) {
        let Some((pid, group)) = self.group_of(key) else { return };
        let rss_bytes = group.rss_bytes(self.now);
        self.agenda.push(self.now + MOMENT, Happening::MemoryKnown(pid, rss_bytes));
    }

    /// Nobody hears of the memory of a process that has ended meanwhile.
    pub(super) fn memory_known(&mut self, pid: Pid, rss_bytes: u64) {
        let Some(group) = self.system.groups.get(&pid).filter(|group| group.leader_lives) else { return };
        self.drive(group.key, Event::Sampled(Some(rss_bytes)));
    }

    pub(super) fn spawn_ends(&mut self, key: InstanceKey) {
        let Some(supervised) = self.supervised.get_mut(&key) else { return };
        supervised.starts += 1;
        supervised.is_watched = false;
        let (id, starts) = (supervised.id.clone(), supervised.starts);
        let release = self.world.instance(key).map(|instance| instance.release.clone());
        let fault = release.as_ref().and_then(|release| self.faults.get(release)).copied();
        let mut behaviour = Behaviour::of(id.process().as_str(), fault, self.chance((key.0, starts), 1_000));
        if release.is_some_and(|release| self.never_ready.contains(&release)) {
            let proxied = self.world.application().proxied();
            if proxied.id == *id.process() {
                behaviour = behaviour.never_ready(proxied.health.is_some());
            }
        }
        if !behaviour.spawns {
            self.narrate(format_args!("{id} cannot be spawned"));
            return self.drive(key, Event::NotSpawned("spawn /bin/sh ENOENT".to_owned()));
        }
        let spec = self.supervised[&key].machine.spec();
        let port = || spec.env.get("ROLLCORE_PORT")?.parse().ok().map(Address::Port);
        let address = spec.socket.clone().map(Address::Socket).or_else(port);
        let pid = self.system.spawn(key, id.clone(), behaviour, address, self.now);
        self.narrate(format_args!("{id} starts (pid {pid})"));
        self.supervised.get_mut(&key).expect("it was there a moment ago").pid = Some(pid);
        if let Some((after, exit)) = behaviour.exits_after {
            self.agenda.push(self.now + after, Happening::LeaderExits(pid, exit));
        }
        self.drive(key, Event::Spawned(pid));
    }

    fn run_hook(&mut self, key: InstanceKey, time_limit: Duration) {
        let takes = Duration::from_millis(self.chance((key.0, 77), 3_000));
        let end = match takes < time_limit {
            true => HookEnd::Exited(Exit::Code(i32::from(takes.as_millis().is_multiple_of(7)))),
            false => HookEnd::TimedOut,
        };
        self.agenda.push(self.now + takes.min(time_limit), Happening::HookEnds(key, end));
    }

    fn signal(&mut self, key: InstanceKey, signal: Signal) {
        let Some((pid, group)) = self.group_of(key) else { return };
        if let Some(within) = group.behaviour.stops_within {
            self.agenda.push(self.now + within, Happening::LeaderExits(pid, Exit::Signal(signal)));
        }
    }

    fn kill(&mut self, key: InstanceKey) {
        let Some((pid, group)) = self.group_of(key) else { return };
        let at = self.now + group.behaviour.dies_within;
        self.agenda.push(at, Happening::LeaderExits(pid, Exit::Signal(Signal::KILL)));
        self.agenda.push(at, Happening::OthersEnd(pid));
    }

    fn group_of(&self, key: InstanceKey) -> Option<(Pid, &super::system::Group)> {
        let pid = self.supervised.get(&key)?.pid?;
        self.system.groups.get(&pid).map(|group| (pid, group))
    }

    pub(super) fn leader_exits(&mut self, pid: Pid, exit: Exit) {
        let Some(group) = self.system.groups.get_mut(&pid).filter(|group| group.leader_lives) else { return };
        group.leader_lives = false;
        let (key, id) = (group.key, group.id.clone());
        self.narrate(format_args!("{id} (pid {pid}) {exit}"));
        self.requests_lose_their_backend(key);
        self.drive(key, Event::Exited(exit));
        self.look_at_group(pid);
    }

    pub(super) fn others_end(&mut self, pid: Pid) {
        if let Some(group) = self.system.groups.get_mut(&pid) {
            group.others = 0;
            self.look_at_group(pid);
        }
    }

    fn watch(&mut self, key: InstanceKey) {
        if let Some(supervised) = self.supervised.get_mut(&key) {
            supervised.is_watched = true;
            if let Some(pid) = supervised.pid {
                self.look_at_group(pid);
            }
        }
    }

    fn look_at_group(&mut self, pid: Pid) {
        let Some(group) = self.system.groups.get(&pid).filter(|group| !group.lives()) else { return };
        let key = group.key;
        let Some(supervised) = self.supervised.get_mut(&key) else { return };
        if supervised.pid == Some(pid) && std::mem::take(&mut supervised.is_watched) {
            self.drive(key, Event::GroupEmpty);
        }
    }

    /// The world hears a little later, but in order.
    fn told(&mut self, key: InstanceKey, change: Change) {
        let chance = self.chance((key.0, self.agenda_salt()), 1_000);
        let is_late = self.has_late_news && chance < 250;
        let delay = Duration::from_millis(if is_late { chance * 2 } else { chance % 3 });
        self.ledger.told(key, &change, self.now);
        self.check_change(key, &change);
        let Some(supervised) = self.supervised.get_mut(&key) else { return };
        supervised.heard_at = supervised.heard_at.max(self.now + delay);
        let tail = if matches!(change, Change::Exited { .. }) {
            vec!["its last words".to_owned()]
        } else {
            Vec::new()
        };
        let input = Input::Told { key, change, tail };
        self.agenda.push(supervised.heard_at, Happening::Hear(Box::new(input)));
    }

    fn agenda_salt(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How a supervisor would stop what it runs.
    pub(super) fn stop_of(&self, key: InstanceKey) -> Option<&StopSpec> {
        self.supervised.get(&key).map(|supervised| &supervised.machine.spec().stop)
    }

    pub(super) fn is_alive(&self, key: InstanceKey) -> bool {
        self.group_of(key).is_some_and(|(_, group)| group.leader_lives)
    }
}
