//! The stage in a made-up world: no processes, no ports, no time that passes.
//!
//! Every call is over at once, with all that comes of it: what happens until the answer is told before it, and what goes on
//! behind it (an old release drains) right after.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::call::{Call, Drain, Events, Open, ReleaseCall};
use super::code::{Code, EmbedError};
use super::kinds;
use super::options::Simulate;
use super::params::{Snapshot, What};
use super::real::engine::{already_open, environment, flow, listed, moved, not_open, planned};
use super::real::{errors, restart};
use super::stage::{Done, Outlet, Stage};
use crate::config::{RestartNeeded, restart_needed};
use crate::engine::{
    DeployError, Deployed, FromAnswer, RestartError, ShutdownReport, Status, StopError, TrafficError,
    TrafficStatus,
};
use crate::event::StampedEvent;
use crate::id::{InstanceId, ReleaseId, Seq};
use crate::rollout::{Answer, DeployRequest};
use crate::simulate::{Broken, Rehearsal, Scene};
use crate::spec::Application;

/// A made-up world, with at most one engine in it.
pub(super) struct Simulated {
    seed: u64,
    broken: BTreeSet<ReleaseId>,
    outlet: Outlet,
    engine: Mutex<Option<Box<Rehearsed>>>,
}

/// An engine, and what it was opened with.
struct Rehearsed {
    engine: Rehearsal,
    application: Application,
}

type Outcome = Result<Value, EmbedError>;

/// What comes of a call.
struct Played {
    before: Vec<StampedEvent>,
    outcome: Outcome,
    after: Vec<StampedEvent>,
}

impl Simulated {
    pub(super) fn new(simulate: &Simulate, outlet: Outlet) -> Result<Self, EmbedError> {
        Ok(Self { seed: simulate.seed, broken: simulate.broken()?, outlet, engine: Mutex::new(None) })
    }

    /// What is kept under it is whole after every call, or gone.
    fn slot(&self) -> MutexGuard<'_, Option<Box<Rehearsed>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn play(&self, call: Call) -> Played {
        let mut slot = self.slot();
        match call {
            Call::EngineOpen(_) if slot.is_some() => Err(already_open()).into(),
            Call::EngineOpen(open) => self.open(&mut slot, open),
            Call::Shutdown(drain) => match slot.take() {
                Some(mut rehearsed) => rehearsed.shut_down(drain),
                None => Ok(json!({ "survivors": 0 })).into(),
            },
            Call::EngineShutdown(drain) => match slot.take() {
                Some(mut rehearsed) => rehearsed.shut_down(drain),
                None => Err(not_open()).into(),
            },
            Call::RestartDecide(decide) => Ok(restart::decide(&decide)).into(),
            call if is_of_engine(&call) => match slot.as_mut() {
                Some(rehearsed) => rehearsed.play(call),
                None => Err(not_open()).into(),
            },
            _ => Err(unsupported()).into(),
        }
    }

    fn open(&self, slot: &mut Option<Box<Rehearsed>>, open: Open) -> Played {
        let application = *open.application;
        let engine = Rehearsal::with_env(application.clone(), environment(), self.seed);
        let engine = engine.broken(self.broken.iter().cloned());
        let before = engine.events(Seq::START).events;
        let rehearsed = Rehearsed { engine, application };
        let status = rehearsed.status();
        *slot = Some(Box::new(rehearsed));
        let said = json!({ "host": status.proxy.host, "port": status.proxy.port, "restored": null });
        Played { before, outcome: Ok(said), after: Vec::new() }
    }

    fn tell(&self, events: &[StampedEvent]) {
        for event in events {
            self.outlet.tell(kinds::kind(&event.event), kinds::fields(event));
        }
    }
}

impl Rehearsed {
    fn play(&mut self, call: Call) -> Played {
        let engine = &mut self.engine;
        match call {
            Call::EngineDeploy(call) => {
                let DeployRequest { release, path, revision, .. } = call.release.into();
                let scene = engine.deploy(release, path, revision);
                played(scene, |answer| Ok(moved(&deployed(answer)?)))
            }
            Call::EngineRollback(to) => played(engine.rollback(to), |answer| Ok(moved(&deployed(answer)?))),
            Call::EngineStop(release) => played(engine.stop(release), |answer| {
                let stopped: Result<(), StopError> = FromAnswer::from_answer(Some(answer));
                stopped.map(|()| json!({})).map_err(EmbedError::from)
            }),
            Call::EngineRestart(selection) => played(engine.restart(selection), |answer| {
                let restarted: Result<Vec<InstanceId>, RestartError> = FromAnswer::from_answer(Some(answer));
                Ok(json!({ "restarted": restarted? }))
            }),
            Call::EnginePause(timeout) => {
                let scene = engine.pause(timeout);
                self.flowing(scene)
            }
            Call::EngineResume(()) => {
                let scene = engine.resume();
                self.flowing(scene)
            }
            Call::EngineReload(application) => self.reload(*application).into(),
            Call::EngineStatus(()) => Ok(json!(self.status())).into(),
            Call::EngineEvents(events) => Ok(self.events(events)).into(),
            Call::EnginePlan(release) => Ok(self.plan(&release)).into(),
            _ => Err(unsupported()).into(),
        }
    }

    fn flowing(&self, scene: Result<Scene, Broken>) -> Played {
        played(scene, |answer| match answer {
            Answer::TrafficPaused | Answer::TrafficResumed => Ok(flow(&self.status())),
            other => Err(TrafficError::from(Some(other)).into()),
        })
    }

    fn shut_down(&mut self, Drain(drain): Drain) -> Played {
        played(self.engine.shutdown(drain), |answer| match answer {
            Answer::ShutDown { survivors } => errors::shut_down(ShutdownReport { survivors }),
            other => Err(StopError::from(Some(other)).into()),
        })
    }

    fn reload(&mut self, new: Application) -> Outcome {
        let settings = restart_needed(&self.application, &new);
        if !settings.is_empty() {
            return Err(RestartNeeded { settings }.into());
        }
        self.engine.edit(new.clone());
        self.application = new;
        Ok(json!({}))
    }

    fn status(&self) -> Status {
        let engine = &self.engine;
        let mut status = Status::made_up(engine.world(), engine.now(), engine.epoch());
        status.proxy.port = engine.proxy_port();
        if engine.world().is_paused() {
            status.proxy.traffic = TrafficStatus::Paused;
        }
        status
    }

    fn events(&self, events: Events) -> Value {
        listed(&self.engine.events(events.after.unwrap_or(Seq::START)), events.limit)
    }

    fn plan(&self, release: &ReleaseCall) -> Value {
        let running: BTreeSet<_> = self.engine.world().services().map(|(id, _)| id.clone()).collect();
        planned(&self.application, &running, release)
    }
}

impl Stage for Simulated {
    fn begin(self: Arc<Self>, call: Call, done: Done) {
        let played = self.play(call);
        self.tell(&played.before);
        done.answer(played.outcome);
        self.tell(&played.after);
    }

    /// What stands alone is not simulated, so there is none.
    fn snapshot(&self, of: Snapshot) -> Outcome {
        match of.what {
            What::Status => match self.slot().as_ref() {
                Some(rehearsed) => Ok(json!(rehearsed.status())),
                None => Err(not_open()),
            },
            What::Processes => Ok(json!({ "processes": [] })),
            What::Proxies => Ok(json!({ "proxies": [] })),
            What::Leases => Ok(json!({ "leases": [] })),
        }
    }

    fn end(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.slot().take();
        Box::pin(std::future::ready(()))
    }
}

fn played(scene: Result<Scene, Broken>, said: impl FnOnce(Answer) -> Outcome) -> Played {
    match scene {
        Ok(Scene { events, outcome, aftermath }) => {
            Played { before: events, outcome: said(outcome), after: aftermath }
        }
        Err(broken) => Err(EmbedError::new(Code::Panic, "invariant_broken", broken.to_string())).into(),
    }
}

/// Nothing happens with it.
impl From<Outcome> for Played {
    fn from(outcome: Outcome) -> Self {
        Self { before: Vec::new(), outcome, after: Vec::new() }
    }
}

fn is_of_engine(call: &Call) -> bool {
    matches!(
        call,
        Call::EngineDeploy(_)
            | Call::EngineEvents(_)
            | Call::EnginePause(_)
            | Call::EnginePlan(_)
            | Call::EngineReload(_)
            | Call::EngineRestart(_)
            | Call::EngineResume(())
            | Call::EngineRollback(_)
            | Call::EngineStatus(())
            | Call::EngineStop(_)
    )
}

fn deployed(answer: Answer) -> Result<Deployed, DeployError> {
    Deployed::from_answer(Some(answer))
}

fn unsupported() -> EmbedError {
    let message =
        "in a made-up world there is only an engine: no processes, ports, proxies or health checks alone";
    EmbedError::new(Code::Unsupported, "not_simulated", message)
}
