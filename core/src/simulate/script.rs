//! What happens in a simulation, as data: it can be drawn from a seed, told as a story, and made shorter.

use std::fmt;
use std::time::Duration;

use super::edit::Edit;

/// A whole play: who does what, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What happens, in any order.
    pub acts: Vec<Act>,
    /// Which of the standard applications is played.
    pub variant: Variant,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When, after the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody deploys release `v<release>`; its processes may be faulty.
    Deploy {
        /// The number in the release's name.
        release: u8,
        /// What is wrong with it.
        fault: Option<Fault>,
    },
    /// Somebody rolls back.
    Rollback,
    /// Somebody stops the active release.
    Stop,
    /// Somebody restarts everything that can be restarted in place.
    Restart,
    /// Somebody shuts down.
    Shutdown,
    /// Somebody shuts down, and gives requests time to end.
    DrainThenShutdown,
    /// Somebody else takes over.
    RetireOwner,
    /// Somebody pauses traffic, for so many seconds if a number is given.
    Pause(Option<u8>),
    /// Somebody resumes traffic.
    Resume,
    /// Somebody edits the config.
    Edit(Edit),
    /// Every instance of this process ends unasked.
    Crash(ProcessName),
    /// Requests and tunnels arrive.
    Load {
        /// How many, ten milliseconds apart.
        requests: u8,
        /// How long each takes.
        lasting: Duration,
        /// Whether they are tunnels.
        tunnels: bool,
    },
}

/// What is wrong with the processes of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which process.
    pub process: ProcessName,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// The ways in which a process can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The system will not start it.
    SpawnFails,
    /// It exits soon after it was started.
    ExitsEarly,
    /// It never answers a health check.
    Hangs,
    /// It crashes again and again, after a while.
    CrashesLater,
    /// Somebody else has its port.
    PortTaken,
    /// It does not care when it is asked to end.
    IgnoresStop,
    /// It leaves a child behind that only SIGKILL ends.
    LeavesGrandchild,
    /// Even SIGKILL takes longer than we wait.
    Unkillable,
    /// It exits just after it answered a health check.
    ExitsOnceAsked,
    /// Somebody else listens at its port, and answers for it.
    PortStolen,
    /// It holds more and more memory, until it is restarted for it.
    Leaks,
}

/// The processes of the standard applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessName {
    /// The proxied one.
    Web,
    /// A companion with two replicas.
    Worker,
    /// A singleton.
    Cron,
    /// A service, persistent or handed over.
    Broker,
}

impl ProcessName {
    /// The id in the config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Worker => "worker",
            Self::Cron => "cron",
            Self::Broker => "broker",
        }
    }
}

/// The differences between the standard applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The broker is handed over instead of living on.
    pub handoff: bool,
    /// The worker's stop begins beside the drain.
    pub non_blocking_drain: bool,
    /// At most three restarts in a minute.
    pub limited_restarts: bool,
    /// The web process is not asked for its health.
    pub no_health_check: bool,
    /// There are two ports for the web process, which is one too few while a release drains.
    pub narrow_ports: bool,
    /// Stop hooks run.
    pub hooks: bool,
    /// The world sometimes hears up to half a second late what became of a process.
    pub late_news: bool,
    /// The web process and the broker listen at Unix sockets.
    pub sockets: bool,
}

/// The most acts of a script drawn from chance.
const ACTS_MAX: u32 = 14;

impl Script {
    /// The play of a seed: always the same.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        Self::draw(seed, |sides| dice.u32(..sides))
    }

    /// The play that these bytes spell. Any bytes are a play.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut rest = bytes.iter().copied();
        Self::draw(0, move |sides| {
            let high = u32::from(rest.next().unwrap_or(0));
            let low = if sides > 256 { u32::from(rest.next().unwrap_or(0)) } else { 0 };
            (high + 256 * low) % sides
        })
    }

    fn draw(seed: u64, mut dice: impl FnMut(u32) -> u32) -> Self {
        let mut variant = Variant {
            handoff: dice(2) == 1,
            non_blocking_drain: dice(2) == 1,
            limited_restarts: dice(2) == 1,
            no_health_check: dice(4) == 3,
            narrow_ports: dice(6) == 5,
            hooks: dice(3) == 2,
            late_news: dice(2) == 1,
            sockets: false,
        };
        let mut acts = vec![
            Act { at: Duration::ZERO, what: What::Deploy { release: 1, fault: None } },
            Act { at: Duration::from_millis(u64::from(dice(4_000))), what: load(&mut dice) },
        ];
        let count = 1 + dice(ACTS_MAX);
        let mut at = Duration::ZERO;
        for _ in 0..count {
            at += gap(&mut dice);
            acts.push(Act { at, what: what(&mut dice) });
        }
        // Drawn last, so that a seed still plays what it played before there were sockets.
        variant.sockets = dice(3) == 2;
        Self { seed, acts, variant }
    }
}

/// Mostly soon after the act before, so that things happen in the middle of other things.
fn gap(dice: &mut impl FnMut(u32) -> u32) -> Duration {
    let longest = [10, 400, 4_000, 45_000][dice(4) as usize];
    Duration::from_millis(u64::from(dice(longest)))
}

fn what(dice: &mut impl FnMut(u32) -> u32) -> What {
    match dice(19) {
        0..=6 => {
            let release = 1 + u8::try_from(dice(4)).expect("a small number");
            What::Deploy { release, fault: fault(dice) }
        }
        7 | 8 => What::Rollback,
        9 => What::Stop,
        10 => What::Restart,
        11 => match dice(6) {
            0 => What::Shutdown,
            1 => What::DrainThenShutdown,
            2 | 3 => What::RetireOwner,
            _ => What::Crash(process(dice)),
        },
        12 | 13 => What::Crash(process(dice)),
        14 | 15 => What::Edit(Edit::ALL[dice(8) as usize]),
        18 => match dice(3) {
            0 => What::Pause(None),
            1 => What::Pause(Some(u8::try_from(dice(10)).expect("a small number"))),
            _ => What::Resume,
        },
        _ => load(dice),
    }
}

fn load(dice: &mut impl FnMut(u32) -> u32) -> What {
    What::Load {
        requests: u8::try_from(1 + dice(40)).expect("a small number"),
        lasting: Duration::from_millis(u64::from(match dice(3) {
            0 => 1 + dice(50),
            1 => 1 + dice(3_000),
            _ => 1 + dice(60_000),
        })),
        tunnels: dice(3) == 2,
    }
}

fn fault(dice: &mut impl FnMut(u32) -> u32) -> Option<Fault> {
    let kind = match dice(16) {
        0 => FaultKind::SpawnFails,
        1 => FaultKind::ExitsEarly,
        2 => FaultKind::Hangs,
        3 => FaultKind::CrashesLater,
        4 => FaultKind::PortTaken,
        5 => FaultKind::IgnoresStop,
        6 => FaultKind::LeavesGrandchild,
        7 => FaultKind::Unkillable,
        9 => FaultKind::Leaks,
        10 => FaultKind::PortStolen,
        8 => return Some(Fault { process: ProcessName::Web, kind: FaultKind::ExitsOnceAsked }),
        _ => return None,
    };
    Some(Fault { process: process(dice), kind })
}

fn process(dice: &mut impl FnMut(u32) -> u32) -> ProcessName {
    [ProcessName::Web, ProcessName::Worker, ProcessName::Cron, ProcessName::Broker][dice(4) as usize]
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} ms  {}", self.at.as_millis(), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy { release, fault: None } => write!(f, "somebody deploys v{release}"),
            Self::Deploy { release, fault: Some(Fault { process, kind }) } => {
                write!(f, "somebody deploys v{release}, whose {} is faulty: {kind:?}", process.as_str())
            }
            Self::Rollback => f.write_str("somebody rolls back"),
            Self::Stop => f.write_str("somebody stops the active release"),
            Self::Restart => f.write_str("somebody restarts everything"),
            Self::Shutdown => f.write_str("somebody shuts down"),
            Self::DrainThenShutdown => f.write_str("somebody shuts down, and requests have time to end"),
            Self::RetireOwner => f.write_str("somebody else takes over"),
            Self::Pause(None) => f.write_str("somebody pauses traffic"),
            Self::Pause(Some(seconds)) => write!(f, "somebody pauses traffic for {seconds} s"),
            Self::Resume => f.write_str("somebody resumes traffic"),
            Self::Edit(edit) => write!(f, "somebody edits {edit}"),
            Self::Crash(process) => write!(f, "{} crashes", process.as_str()),
            Self::Load { requests, lasting, tunnels } => {
                let what = if *tunnels { "tunnels" } else { "requests" };
                write!(f, "{requests} {what} arrive, {} ms each", lasting.as_millis())
            }
        }
    }
}
