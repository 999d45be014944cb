//! The simulation for whoever wants to ask it something, see what comes of it, and ask again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Batch, Event, EventLog, StampedEvent};
use crate::id::{OpId, ReleaseId, Revision, Seq};
use crate::report::ProcessState;
use crate::rollout::{Answer, Command, DeployRequest, ReleaseState, RestartSelection, RollbackTo};
use crate::spec::Application;
use crate::time::{Epoch, Instant, WallTime};

use super::{Broken, Simulation};

/// A rehearsal begins on 2026-01-01T00:00:00Z.
const EPOCH: Epoch = Epoch::new(WallTime::from_unix_ms(1_767_225_600_000), Instant::ORIGIN);

/// The port that a proxy has which was to find one itself. Nothing listens there.
const MADE_UP_PORT: u16 = 8_080;

/// How many things may happen because of one question. A health check that fails for a week is fewer.
const TURNS_MAX: u32 = 5_000_000;

/// Older lines of the story are dropped.
const STORY_LINES_MAX: usize = 10_000;

/// How long the made-up world goes on after an answer, for what is not at rest then. What crashes again and again never
/// is.
const AFTERMATH_MAX: Duration = Duration::from_secs(150);

/// An engine of a made-up world that is asked, and answers: the face of the simulation for scripts, bindings and their
/// tests.
///
/// It decides with the same machines as [`Engine`](crate::Engine) and tells the same events, but starts no process, opens
/// no port, and reads no clock: time passes only while something is asked, as long as that takes. The same seed and the
/// same questions are the same events, times included. Every process is healthy, but those of releases that are
/// [said to be broken](Self::broken).
///
/// ```
/// use rollcore::simulate::{Answer, Rehearsal};
/// use rollcore::{Config, ReleaseId};
///
/// let config = Config::from_json(r#"{
///     "application": "shop", "proxy": { "port": 8182 },
///     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 18182 }]
/// }"#)?;
/// let (v1, v2) = (ReleaseId::new("v1")?, ReleaseId::new("v2")?);
/// let mut engine = Rehearsal::new(config.into_application(), 1).broken([v2.clone()]);
///
/// let first = engine.deploy(v1.clone(), "/releases/v1", None)?;
/// assert_eq!(first.outcome, Answer::Deployed { active: v1.clone(), previous: None });
/// let second = engine.deploy(v2, "/releases/v2", None)?;
/// assert!(matches!(second.outcome, Answer::Undone { .. }), "{:?}", second.outcome);
/// assert_eq!(engine.active(), Some(&v1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rehearsal {
    sim: Simulation,
    log: EventLog,
}

/// What came of a question. Of events that are more than a thousand, the newest.
#[derive(Clone, Debug)]
#[must_use]
pub struct Scene {
    /// What happened until the answer.
    pub events: Vec<StampedEvent>,
    /// The answer.
    pub outcome: Answer,
    /// What happened behind it, until everything was at rest: an old release drains, and its processes end.
    pub aftermath: Vec<StampedEvent>,
}

impl Rehearsal {
    /// An engine that has bound its proxy, and runs nothing yet. Where the configuration leaves the port to the system, it
    /// is 8080.
    #[must_use]
    pub fn new(application: Application, seed: u64) -> Self {
        Self::with_env(application, BTreeMap::new(), seed)
    }

    /// As [`Rehearsal::new`], with what `{{env.NAME}}` in commands stands for.
    #[must_use]
    pub fn with_env(application: Application, host_env: BTreeMap<String, String>, seed: u64) -> Self {
        let host = application.proxy.host.clone();
        let mut rehearsal =
            Self { sim: Simulation::with_env(application, host_env, seed), log: EventLog::default() };
        let port = rehearsal.proxy_port();
        rehearsal.sim.events.push((Instant::ORIGIN, Event::ProxyBound { host, port }));
        let _heard_by_whoever_reads_the_log = rehearsal.heard();
        rehearsal
    }

    /// From now on these releases never become ready: their proxied process exits with code 1 soon after every start, or,
    /// where it is not asked for its health, cannot be started.
    #[must_use]
    pub fn broken(mut self, releases: impl IntoIterator<Item = ReleaseId>) -> Self {
        self.sim.never_ready.extend(releases);
        self
    }

    /// The configuration that the next deploys and rollbacks come with.
    pub fn edit(&mut self, application: Application) {
        self.sim.config = Arc::new(application);
    }

    /// Moves to a release, as [`Engine::deploy`](crate::Engine::deploy).
    ///
    /// # Errors
    /// [`Broken`] when the engine breaks one of its invariants, which is a bug in rollcore.
    pub fn deploy(
        &mut self,
        release: ReleaseId,
        path: impl Into<String>,
        revision: Option<Revision>,
    ) -> Result<Scene, Broken> {
        let application = Some(Arc::clone(&self.sim.config));
        self.ask(Command::Deploy(DeployRequest { release, path: path.into(), revision, application }))
    }

    /// Moves back to a release, as [`Engine::rollback`](crate::Engine::rollback).
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn rollback(&mut self, to: RollbackTo) -> Result<Scene, Broken> {
        let application = Some(Arc::clone(&self.sim.config));
        self.ask(Command::Rollback { to, application })
    }

    /// Stops this release or the active one, as [`Engine::stop`](crate::Engine::stop).
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn stop(&mut self, release: Option<ReleaseId>) -> Result<Scene, Broken> {
        self.ask(Command::Stop(release))
    }

    /// Restarts instances in place, as [`Engine::restart`](crate::Engine::restart).
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn restart(&mut self, selection: RestartSelection) -> Result<Scene, Broken> {
        self.ask(Command::Restart(selection))
    }

    /// Lets requests wait, as [`Engine::pause`](crate::Engine::pause). Its time passes with that of later questions.
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn pause(&mut self, timeout: Option<Duration>) -> Result<Scene, Broken> {
        self.ask(Command::Pause { timeout })
    }

    /// Sends whoever waits, as [`Engine::resume`](crate::Engine::resume).
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn resume(&mut self) -> Result<Scene, Broken> {
        self.ask(Command::Resume)
    }

    /// Stops everything, as [`Engine::shutdown`](crate::Engine::shutdown), or, with `drain`, as
    /// [`Engine::drain_then_shutdown`](crate::Engine::drain_then_shutdown). May be asked again, with the same answer.
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn shutdown(&mut self, drain: bool) -> Result<Scene, Broken> {
        self.ask(if drain { Command::DrainThenShutdown } else { Command::Shutdown })
    }

    /// Every instance of a process ends unasked; then the made-up world goes on until everything is at rest. Returns what
    /// happened.
    ///
    /// # Errors
    /// As [`Rehearsal::deploy`].
    pub fn crash(&mut self, process: &str) -> Result<Vec<StampedEvent>, Broken> {
        self.sim.crash(process);
        self.go_on_while(|sim| sim.agenda.is_due(sim.now))?;
        self.come_to_rest()?;
        Ok(self.heard())
    }

    /// What happened after `cursor`; the newest thousand events are kept.
    pub fn events(&self, cursor: Seq) -> Batch {
        self.log.after(cursor, usize::MAX)
    }

    /// The release that traffic points at.
    #[must_use]
    pub fn active(&self) -> Option<&ReleaseId> {
        self.sim.world.active().map(|release| &release.id)
    }

    /// Made-up time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// What was really true, a line each: more than the events say. The newest ten thousand lines are kept.
    #[must_use]
    pub fn story(&self) -> &[String] {
        &self.sim.story
    }

    /// What is there, for whoever shows it.
    #[cfg(feature = "embed")]
    pub(crate) fn world(&self) -> &crate::rollout::World {
        &self.sim.world
    }

    /// The time on its clock.
    #[cfg(feature = "embed")]
    pub(crate) fn now(&self) -> Instant {
        self.sim.now
    }

    /// Where its clock and its calendar meet.
    #[cfg(feature = "embed")]
    pub(crate) fn epoch(&self) -> Epoch {
        EPOCH
    }

    /// The port of its proxy.
    #[must_use]
    pub fn proxy_port(&self) -> u16 {
        match self.sim.world.application().proxy.port {
            0 => MADE_UP_PORT,
            port => port,
        }
    }

    fn ask(&mut self, command: Command) -> Result<Scene, Broken> {
        self.sim.ask(command);
        let op = OpId(self.sim.ops);
        self.go_on_while(|sim| sim.ledger.answer(op).is_none())?;
        let events = self.heard();
        let outcome = self.sim.ledger.answer(op).cloned().ok_or_else(|| stuck("the answer never came"))?;
        self.come_to_rest()?;
        self.forget_old();
        Ok(Scene { events, outcome, aftermath: self.heard() })
    }

    fn come_to_rest(&mut self) -> Result<(), Broken> {
        let end = self.sim.now + AFTERMATH_MAX;
        self.go_on_while(|sim| !is_at_rest(sim) && sim.now < end)
    }

    /// A rehearsal may be long; what is over costs nothing.
    fn forget_old(&mut self) {
        let Simulation { ledger, story, system, world, .. } = &mut self.sim;
        ledger.forget_answered();
        story.drain(..story.len().saturating_sub(STORY_LINES_MAX));
        system.groups.retain(|_, group| group.lives() || world.instance(group.key).is_some());
    }

    /// The invariants are looked at after every turn, and after the question itself.
    fn go_on_while(&mut self, is_wanted: impl Fn(&Simulation) -> bool) -> Result<(), Broken> {
        self.sim.look();
        let mut turns = 0;
        while self.sim.broken.is_none() && is_wanted(&self.sim) && self.sim.turn() {
            turns += 1;
            if turns == TURNS_MAX {
                self.sim.broken = Some(stuck("it runs in circles"));
            }
        }
        self.sim.broken.clone().map_or(Ok(()), Err)
    }

    fn heard(&mut self) -> Vec<StampedEvent> {
        let before = self.log.last();
        for (at, event) in self.sim.events.drain(..) {
            self.log.append(event, EPOCH.wall(at));
        }
        self.log.after(before, usize::MAX).events
    }
}

fn stuck(what: &str) -> Broken {
    Broken { invariant: "every question is answered", what: what.to_owned() }
}

/// Nothing is on its way anywhere: time alone would change nothing.
fn is_at_rest(sim: &Simulation) -> bool {
    if sim.world.is_shutting_down() {
        return sim.world.is_over();
    }
    sim.world.busy_with().is_none()
        && !sim.agenda.has_news()
        && sim.world.releases().all(|release| is_settled(release.state))
        && sim.world.instances().all(|(_, instance)| !instance.is_being_stopped && stays(&instance.state))
}

fn is_settled(state: ReleaseState) -> bool {
    !matches!(state, ReleaseState::Starting | ReleaseState::Draining)
}

fn stays(state: &ProcessState) -> bool {
    matches!(state, ProcessState::Running { .. } | ProcessState::Stopped { .. } | ProcessState::Failed { .. })
}
