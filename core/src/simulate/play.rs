//! A whole script, from the first act to the last.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::exit::Exit;
use crate::id::{Attestation, ReleaseId};
use crate::rollout::{Command, RestartSelection, RollbackTo};
use crate::spec::Application;
use crate::time::Instant;

use super::agenda::Happening;
use super::script::{Script, What};
use super::{Broken, Simulation, TURNS_MAX, application};

/// How a script turned out.
#[derive(Clone, Debug)]
pub struct Play {
    /// The invariant that broke, if one did.
    pub violation: Option<Broken>,
    /// What happened, a line each.
    pub story: Vec<String>,
    /// How many requests were accepted.
    pub requests: u64,
    /// How often traffic moved.
    pub switches: usize,
    /// How many things happened, one after the other.
    pub turns: u32,
}

/// How long the last processes may take to end after the shutdown.
const AFTERMATH: Duration = Duration::from_secs(120);

/// By then everything that was asked for has happened, however slow it was.
const SETTLED_AFTER: Duration = Duration::from_secs(150);

impl Simulation {
    /// Plays a script to its end, and then shuts down.
    #[must_use]
    pub fn play(script: &Script) -> Play {
        let sim = Self::new(application::standard(script.variant), script.seed);
        let settles = sim.chance((2, 2), 2) == 0;
        sim.play_out(script, settles)
    }

    /// Plays a script with another application than the standard one.
    ///
    /// Its faults and crashes happen to processes of the standard names; and what it does to end has to be over
    /// within two minutes, for else it is taken to be left behind.
    #[must_use]
    pub fn play_with(application: Application, script: &Script) -> Play {
        Self::new(application, script.seed).play_out(script, false)
    }

    fn play_out(mut self, script: &Script, settles: bool) -> Play {
        self.has_late_news = script.variant.late_news;
        let last = script.acts.iter().map(|act| act.at).max().unwrap_or_default();
        for act in &script.acts {
            self.agenda.push(Instant::ORIGIN + act.at, Happening::Act(act.what.clone()));
        }
        // Long enough after the last act for most things to have settled, not for all.
        let rest = Duration::from_millis(self.chance((1, 1), 60_000));
        let end = Instant::ORIGIN + last + if settles { SETTLED_AFTER } else { rest };
        if settles {
            self.agenda.push(end, Happening::MustBeSettled);
        }
        self.agenda.push(end, Happening::Act(What::Shutdown));
        let turns = self.run_to_the_end(end + AFTERMATH);
        let violation = self.broken.take().or_else(|| self.is_clean());
        let switches = self.story.iter().filter(|line| line.contains("traffic points at Some")).count();
        Play { violation, story: self.story, requests: self.traffic.accepted, switches, turns }
    }

    fn run_to_the_end(&mut self, end: Instant) -> u32 {
        let mut turns = 0;
        while self.broken.is_none() && self.now < end && self.turn() {
            turns += 1;
            if turns == TURNS_MAX {
                let what = format!("still busy after {TURNS_MAX} turns");
                self.broken = Some(Broken { invariant: "nothing runs in circles", what });
            }
        }
        turns
    }

    pub(super) fn act(&mut self, what: What) {
        self.narrate(format_args!("* {what}"));
        match what {
            What::Deploy { release, fault } => {
                let id = ReleaseId::new(format!("v{release}")).expect("a number is safe");
                // A release that is there keeps the faults it was built with.
                let is_there = self.world.releases().any(|release| release.id == id);
                match fault.filter(|_| !is_there) {
                    Some(fault) => drop(self.faults.insert(id.clone(), fault)),
                    None if !is_there => drop(self.faults.remove(&id)),
                    None => {}
                }
                self.ask_to_deploy(id);
            }
            What::Rollback => {
                let application = Some(Arc::clone(&self.config));
                self.ask(Command::Rollback { to: RollbackTo::Previous, application });
            }
            What::Pause(seconds) => {
                let timeout = seconds.map(|seconds| Duration::from_secs(seconds.into()));
                self.ask(Command::Pause { timeout });
            }
            What::Resume => self.ask(Command::Resume),
            What::Edit(edit) => edit.apply(&mut self.config),
            What::Stop => self.ask(Command::Stop(None)),
            What::Restart => self.ask(Command::Restart(RestartSelection::default())),
            What::Shutdown => self.ask(Command::Shutdown),
            What::DrainThenShutdown => self.ask(Command::DrainThenShutdown),
            What::RetireOwner => {
                let attestation = Attestation::new(format!("sha256:{}", "0".repeat(64)));
                let attestation = attestation.expect("it is spelled as it should be");
                self.ask(Command::RetireOwner { attestation, handover: false });
            }
            What::Crash(process) => {
                for pid in self.system.leaders_of(process) {
                    self.leader_exits(pid, Exit::Code(1));
                }
            }
            What::Load { requests, lasting, tunnels } => {
                for number in 0..u32::from(requests) {
                    let at = self.now + Duration::from_millis(10) * number;
                    self.agenda.push(at, Happening::RequestArrives { is_tunnel: tunnels, lasting });
                }
            }
        }
    }
}

impl fmt::Display for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.story.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match &self.violation {
            Some(Broken { invariant, what }) => write!(f, "BROKEN: {invariant}: {what}"),
            None => write!(f, "{} requests, {} switches, nothing lost", self.requests, self.switches),
        }
    }
}
