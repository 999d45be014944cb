//! Somebody edits the config, which the next deploy or rollback comes with (compat C-30).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::exit::Signal;
use crate::spec::{Application, CommandSpec, KillAfter, ProcessPolicy, ProcessSpec, StopWith};

/// A change of the config. Made twice, it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// How long requests of an old release may go on.
    DrainTimeout,
    /// How often the web process is asked for its health.
    HealthInterval,
    /// What asks processes to end.
    StopSignal,
    /// How long they have.
    GracefulStop,
    /// Whether the stop of companions begins beside the drain.
    NonBlockingDrain,
    /// What is run.
    Command,
    /// A placeholder that has no value: deploys fail before anything is touched.
    MissingValue,
    /// The proxy's port, which needs a restart of the engine: deploys are refused.
    ProxyPort,
}

impl Edit {
    pub(super) const ALL: [Self; 8] = [
        Self::DrainTimeout,
        Self::HealthInterval,
        Self::StopSignal,
        Self::GracefulStop,
        Self::NonBlockingDrain,
        Self::Command,
        Self::MissingValue,
        Self::ProxyPort,
    ];

    pub(super) fn apply(self, config: &mut Arc<Application>) {
        let application = Arc::make_mut(config);
        let (short, long) = (Duration::from_secs(4), Duration::from_secs(20));
        match self {
            Self::DrainTimeout => {
                let budget = &mut application.proxy.drain_timeout;
                *budget = if *budget == long { short } else { long };
            }
            Self::ProxyPort => application.proxy.port ^= 1,
            _ => application.processes.iter_mut().for_each(|process| self.apply_to(process)),
        }
    }

    fn apply_to(self, process: &mut ProcessSpec) {
        match (self, &mut process.health) {
            (Self::HealthInterval, Some(health)) => {
                let (often, seldom) = (Duration::from_millis(250), Duration::from_millis(900));
                health.interval = if health.interval == often { seldom } else { often };
            }
            (Self::StopSignal, _) => {
                let int = StopWith::Signal(Signal::INT);
                let term = StopWith::Signal(Signal::TERM);
                process.stop.with = if process.stop.with == int { term } else { int };
            }
            (Self::GracefulStop, _) => {
                let (short, long) = (Duration::from_secs(1), Duration::from_secs(3));
                let is_long = process.stop.kill_after == KillAfter::Grace(long);
                process.stop.kill_after = KillAfter::Grace(if is_long { short } else { long });
            }
            (Self::NonBlockingDrain, _) if process.policy == ProcessPolicy::Companion => {
                process.non_blocking_drain = !process.non_blocking_drain;
            }
            (Self::Command, _) => toggle_word(&mut process.command, "{{releasePath}}"),
            (Self::MissingValue, _) => toggle_word(&mut process.command, "{{env.NOBODY_HAS_SET_THIS}}"),
            _ => {}
        }
    }
}

/// Adds a word to the end of a command, or takes it away.
fn toggle_word(command: &mut CommandSpec, word: &str) {
    let CommandSpec::Exec(words) = command else { return };
    match words.iter().position(|other| other == word) {
        Some(place) => drop(words.remove(place)),
        None => words.push(word.to_owned()),
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DrainTimeout => "the drain timeout",
            Self::HealthInterval => "the interval of health checks",
            Self::StopSignal => "the stop signals",
            Self::GracefulStop => "the time to end",
            Self::NonBlockingDrain => "which companions end beside the drain",
            Self::Command => "the commands",
            Self::MissingValue => "a placeholder without a value",
            Self::ProxyPort => "the port of the proxy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Variant, application};

    #[test]
    fn every_edit_is_one_and_is_taken_back_by_the_next() {
        let before = Arc::new(application::standard(Variant::default()));
        for edit in Edit::ALL {
            let mut config = Arc::clone(&before);
            edit.apply(&mut config);
            assert_ne!(config, before, "{edit:?}");
            edit.apply(&mut config);
            assert_eq!(config, before, "{edit:?}");
        }
    }
}
