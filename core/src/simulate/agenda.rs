//! What is still to come, the earliest first; of two at the same time, the one that was planned first.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::Exit;
use crate::health::machine::ProbeOutcome;
use crate::id::{Generation, InstanceKey, Pid};
use crate::proxy::machine::DrainEvent;
use crate::rollout::Input;
use crate::supervisor::machine::HookEnd;
use crate::time::Instant;

use super::script::What;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    Act(What),
    /// The world hears what somebody said a moment ago.
    Hear(Box<Input>),
    /// A supervisor wanted to come back now.
    Wake(InstanceKey),
    SpawnEnds(InstanceKey),
    LeaderExits(Pid, Exit),
    OthersEnd(Pid),
    HookEnds(InstanceKey, HookEnd),
    /// Somebody has looked how much memory a group holds.
    MemoryKnown(Pid, u64),
    /// A health check wanted to come back now.
    ProbeDue(InstanceKey),
    ProbeEnds(InstanceKey, ProbeOutcome),
    RequestArrives {
        is_tunnel: bool,
        lasting: Duration,
    },
    RequestEnds(u64),
    Drained(Generation, DrainEvent),
    CloseTimeUp,
    /// Nobody has asked for anything for a long time.
    MustBeSettled,
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    happenings: BTreeMap<(Instant, u64), Happening>,
    planned: u64,
}

impl Agenda {
    pub(super) fn push(&mut self, at: Instant, happening: Happening) {
        self.planned += 1;
        self.happenings.insert((at, self.planned), happening);
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Happening)> {
        self.happenings.pop_first().map(|((at, _), happening)| (at, happening))
    }

    /// Whether the ports of a release were leased, and the world has not heard of it yet.
    pub(super) fn awaits_lease(&self, leased_for: Generation) -> bool {
        let is_it = |happening: &Happening| match happening {
            Happening::Hear(input) => {
                matches!(**input, Input::PortsLeased { generation, .. } if generation == leased_for)
            }
            _ => false,
        };
        self.happenings.values().any(is_it)
    }

    /// Whether something is to happen at this moment.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.happenings.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    /// Whether the world has not heard of everything yet; the end of a pause is no news.
    pub(super) fn has_news(&self) -> bool {
        let is_news = |happening: &Happening| match happening {
            Happening::Hear(input) => !matches!(**input, Input::PauseTimedOut { .. }),
            _ => false,
        };
        self.happenings.values().any(is_news)
    }

    /// Nothing is left but timers that have nothing to do.
    pub(super) fn is_quiet(&self) -> bool {
        self.happenings.values().all(|happening| matches!(happening, Happening::Wake(_)))
    }
}
