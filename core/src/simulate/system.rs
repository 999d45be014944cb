//! A made-up operating system: groups of processes that start, crash, ignore and linger.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::Exit;
use crate::id::{InstanceId, InstanceKey, Pid};
use crate::spec::Address;
use crate::time::Instant;

use super::script::{Fault, FaultKind, ProcessName};

/// Longer than the machines wait after SIGKILL, so that there are survivors.
const UNKILLABLE_FOR: Duration = Duration::from_secs(8);

/// How long what is broken runs.
const SHORT_LIFE: Duration = Duration::from_millis(10);

/// One group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) key: InstanceKey,
    pub(super) id: InstanceId,
    pub(super) leader_lives: bool,
    pub(super) others: u32,
    pub(super) behaviour: Behaviour,
    /// Where it listens.
    pub(super) address: Option<Address>,
    pub(super) started_at: Instant,
}

impl Group {
    pub(super) fn lives(&self) -> bool {
        self.leader_lives || self.others > 0
    }

    pub(super) fn rss_bytes(&self, now: Instant) -> u64 {
        let leaked = self.behaviour.leaks_per_second * (now - self.started_at).as_secs();
        u64::from(self.members()) * 50_000_000 + leaked
    }

    pub(super) fn members(&self) -> u32 {
        u32::from(self.leader_lives) + self.others
    }
}

/// How one start of a process turns out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    pub(super) spawns: bool,
    pub(super) answers_after: Option<Duration>,
    pub(super) exits_after: Option<(Duration, Exit)>,
    /// How long it takes to end when it is asked to; `None` when it does not care.
    pub(super) stops_within: Option<Duration>,
    pub(super) dies_within: Duration,
    pub(super) leaves_grandchild: bool,
    /// How long after it answered a health check it exits.
    pub(super) exits_once_asked: Option<Duration>,
    /// Whether it is somebody else who answers at its port.
    pub(super) is_impersonated: bool,
    /// How much memory it holds more with every second, in bytes.
    pub(super) leaks_per_second: u64,
}

impl Behaviour {
    /// `chance` is any number below 1000, drawn for this start.
    pub(super) fn of(process: &str, fault: Option<Fault>, chance: u64) -> Self {
        let healthy = Self {
            spawns: true,
            answers_after: Some(Duration::from_millis(20 + chance)),
            exits_after: None,
            stops_within: Some(Duration::from_millis(1 + chance)),
            dies_within: Duration::from_millis(1),
            leaves_grandchild: false,
            exits_once_asked: None,
            is_impersonated: false,
            leaks_per_second: 0,
        };
        match fault.filter(|fault| fault.process.as_str() == process) {
            None => healthy,
            Some(Fault { kind, .. }) => healthy.with(kind, chance),
        }
    }

    /// It ends soon after its start, as what misses a setting does; where nobody waits for it, it does not even start.
    pub(super) fn never_ready(self, is_waited_for: bool) -> Self {
        let exits_after = Some((SHORT_LIFE, Exit::Code(1)));
        Self { answers_after: None, exits_after, spawns: is_waited_for, ..self }
    }

    fn with(self, kind: FaultKind, chance: u64) -> Self {
        let ms = Duration::from_millis;
        match kind {
            FaultKind::SpawnFails => Self { spawns: false, ..self },
            FaultKind::ExitsEarly => Self { exits_after: Some((ms(chance / 50), Exit::Code(1))), ..self },
            FaultKind::Hangs => Self { answers_after: None, ..self },
            FaultKind::CrashesLater => {
                Self { exits_after: Some((ms(1_500 + chance), Exit::Code(7))), ..self }
            }
            FaultKind::PortTaken => self,
            FaultKind::ExitsOnceAsked => Self { exits_once_asked: Some(ms(chance % 5)), ..self },
            FaultKind::PortStolen => Self { is_impersonated: true, ..self },
            FaultKind::Leaks => Self { leaks_per_second: 20_000_000 + chance * 200_000, ..self },
            FaultKind::IgnoresStop => Self { stops_within: None, ..self },
            FaultKind::LeavesGrandchild => Self { leaves_grandchild: true, ..self },
            FaultKind::Unkillable => Self { stops_within: None, dies_within: UNKILLABLE_FOR, ..self },
        }
    }
}

/// Everything that runs.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    pub(super) groups: BTreeMap<Pid, Group>,
    pids: u32,
}

impl System {
    pub(super) fn spawn(
        &mut self,
        key: InstanceKey,
        id: InstanceId,
        behaviour: Behaviour,
        address: Option<Address>,
        now: Instant,
    ) -> Pid {
        self.pids += 1;
        let pid = Pid::new(1_000 + self.pids).expect("made-up pids are small");
        let others = u32::from(behaviour.leaves_grandchild);
        let group = Group { key, id, leader_lives: true, others, behaviour, address, started_at: now };
        self.groups.insert(pid, group);
        pid
    }

    pub(super) fn living(&self) -> impl Iterator<Item = (Pid, &Group)> {
        self.groups.iter().filter(|(_, group)| group.lives()).map(|(pid, group)| (*pid, group))
    }

    pub(super) fn leaders_of(&self, process: ProcessName) -> Vec<Pid> {
        let is_one = |group: &&Group| group.leader_lives && group.id.process().as_str() == process.as_str();
        self.groups.iter().filter(|(_, group)| is_one(group)).map(|(pid, _)| *pid).collect()
    }
}
