//! The engine of a handle: one at most, and who asks for it while it opens waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::call::{Drain, Events, Open, ReleaseCall};
use super::super::code::{Code, EmbedError};
use super::super::kinds;
use super::super::stage::Outlet;
use super::{Outcome, errors, lock};
use crate::config::{RestartNeeded, restart_needed};
use crate::engine::{Deployed, Engine, Release, Status};
use crate::event::Batch;
use crate::id::{ProcessId, ReleaseId, Seq};
use crate::rollout::{DeployRequest, RestartSelection, RollbackTo, plan, rehearse};
use crate::spec::Application;

/// The place of the one engine.
pub(super) struct EngineSlot {
    state: watch::Sender<State>,
    outlet: Outlet,
}

#[derive(Clone)]
enum State {
    None,
    Opening,
    Open(Opened),
}

/// An engine, what it was opened with, and how far its events have been told.
#[derive(Clone)]
struct Opened {
    engine: Engine,
    application: Arc<Mutex<Arc<Application>>>,
    told: watch::Receiver<Seq>,
}

impl EngineSlot {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { state: watch::Sender::new(State::None), outlet }
    }

    /// Nobody else may open one from now on.
    pub(super) fn reserve(&self) -> Result<(), EmbedError> {
        let reserved = self.state.send_if_modified(|state| {
            let is_free = matches!(state, State::None);
            if is_free {
                *state = State::Opening;
            }
            is_free
        });
        if reserved {
            return Ok(());
        }
        Err(already_open())
    }

    /// After [`reserve`](Self::reserve).
    pub(super) async fn open(&self, open: Open) -> Outcome {
        let reserved = Reserved(&self.state);
        let Open { application, keep_state } = open;
        let application = Arc::new(*application);
        let engine = Engine::start(Application::clone(&application)).await?;
        let (tell, told) = watch::channel(Seq::START);
        tokio::spawn(tell_events(engine.clone(), self.outlet.clone(), tell));
        let address = engine.proxy_addr();
        let opened = Opened { engine: engine.clone(), application: Arc::new(Mutex::new(application)), told };
        let config = Arc::clone(&opened.application);
        engine.reload_with(move || {
            let application = Application::clone(&lock(&config));
            async move { Ok(application) }
        });
        let restored = if keep_state { restore(&engine).await } else { Ok(None) };
        opened.events_told().await;
        reserved.keep(opened);
        let restored = restored.map(|deployed| deployed.map(|deployed| deployed.active))?;
        Ok(json!({ "host": address.ip(), "port": address.port(), "restored": restored }))
    }

    async fn opened(&self) -> Result<Opened, EmbedError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match settled.as_deref() {
            Ok(State::Open(opened)) => Ok(opened.clone()),
            _ => Err(not_open()),
        }
    }

    /// Of an engine that is open already.
    fn now(&self) -> Result<Opened, EmbedError> {
        match &*self.state.borrow() {
            State::Open(opened) => Ok(opened.clone()),
            State::None | State::Opening => Err(not_open()),
        }
    }

    pub(super) async fn deploy(&self, release: Release) -> Outcome {
        let opened = self.opened().await?;
        let deployed = opened.engine.deploy(release).await;
        opened.answer(deployed, |deployed| moved(&deployed)).await
    }

    pub(super) async fn rollback(&self, to: RollbackTo) -> Outcome {
        let opened = self.opened().await?;
        let deployed = opened.engine.rollback(to).await;
        opened.answer(deployed, |deployed| moved(&deployed)).await
    }

    pub(super) async fn stop(&self, release: Option<ReleaseId>) -> Outcome {
        let opened = self.opened().await?;
        let stopped = opened.engine.stop(release).await;
        opened.answer(stopped, |()| json!({})).await
    }

    pub(super) async fn restart(&self, selection: RestartSelection) -> Outcome {
        let opened = self.opened().await?;
        let restarted = opened.engine.restart(selection).await;
        opened.answer(restarted, |instances| json!({ "restarted": instances })).await
    }

    pub(super) async fn pause(&self, timeout: Option<Duration>) -> Outcome {
        let opened = self.opened().await?;
        let paused = opened.engine.pause(timeout).await;
        let status = opened.engine.status();
        opened.answer(paused, |()| flow(&status)).await
    }

    pub(super) async fn resume(&self) -> Outcome {
        let opened = self.opened().await?;
        let resumed = opened.engine.resume().await;
        let status = opened.engine.status();
        opened.answer(resumed, |()| flow(&status)).await
    }

    /// The next one may be opened afterwards.
    pub(super) async fn shutdown(&self, drain: Drain) -> Outcome {
        let opened = self.opened().await?;
        let report = match drain {
            Drain(true) => opened.engine.drain_then_shutdown().await,
            Drain(false) => opened.engine.shutdown().await,
        };
        opened.events_told().await;
        self.state.send_replace(State::None);
        errors::shut_down(report)
    }

    /// How many processes are left.
    pub(super) async fn end(&self, drain: Drain) -> u32 {
        match self.shutdown(drain).await {
            Ok(_) => 0,
            Err(error) => {
                error.detail["survivors"].as_u64().and_then(|left| left.try_into().ok()).unwrap_or(0)
            }
        }
    }

    pub(super) fn status(&self) -> Outcome {
        Ok(json!(self.now()?.engine.status()))
    }

    pub(super) fn events(&self, events: Events) -> Outcome {
        let engine = self.now()?.engine;
        let mut cursor = engine.events(events.after.unwrap_or(Seq::START));
        let mut all = Batch { events: Vec::new(), missed: 0, next: cursor.position() };
        loop {
            let batch = cursor.read();
            if batch.events.is_empty() {
                break;
            }
            all.missed += batch.missed;
            all.events.extend(batch.events);
        }
        Ok(listed(&Batch { next: cursor.position(), ..all }, events.limit))
    }

    /// From the next deploy or rollback on.
    pub(super) fn reload(&self, new: &Application) -> Outcome {
        let opened = self.now()?;
        let mut application = lock(&opened.application);
        let settings = restart_needed(&application, new);
        if !settings.is_empty() {
            return Err(RestartNeeded { settings }.into());
        }
        *application = Arc::new(new.clone());
        Ok(json!({}))
    }

    /// What a deploy would do now, and whether every placeholder has a value.
    pub(super) fn plan(&self, release: &ReleaseCall) -> Outcome {
        let opened = self.now()?;
        let application = Arc::clone(&lock(&opened.application));
        let running = opened.engine.status().services.into_iter().map(|one| one.id).collect();
        Ok(planned(&application, &running, release))
    }
}

impl Opened {
    /// What happened on the way is told before the end.
    async fn answer<T, E>(&self, outcome: Result<T, E>, said: impl FnOnce(T) -> Value) -> Outcome
    where
        EmbedError: From<E>,
    {
        self.events_told().await;
        Ok(said(outcome?))
    }

    /// Waits until everything that has happened so far is in the queue.
    async fn events_told(&self) {
        let newest = self.engine.recent_events(Some(1)).last().map_or(Seq::START, |event| event.seq);
        let mut told = self.told.clone();
        // An error means that the engine has ended, and with it its events.
        let _told_or_ended = told.wait_for(|told| *told >= newest).await;
    }
}

/// Leaves the place free again, unless an engine takes it.
struct Reserved<'a>(&'a watch::Sender<State>);

impl Reserved<'_> {
    fn keep(self, opened: Opened) {
        self.0.send_replace(State::Open(opened));
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| {
            let is_left = matches!(state, State::Opening);
            if is_left {
                *state = State::None;
            }
            is_left
        });
    }
}

pub(in crate::embed) fn already_open() -> EmbedError {
    let message = "this handle has an engine already; shut it down first, or open another handle";
    EmbedError::new(Code::State, "already_open", message)
}

pub(in crate::embed) fn not_open() -> EmbedError {
    EmbedError::new(Code::State, "not_open", "no engine is open in this handle; submit engine.open first")
}

/// As a daemon does it.
async fn restore(engine: &Engine) -> Result<Option<Deployed>, EmbedError> {
    engine.keep_state().await;
    Ok(engine.restore().await?)
}

/// Until the engine has ended.
async fn tell_events(engine: Engine, outlet: Outlet, told: watch::Sender<Seq>) {
    let mut cursor = engine.events(Seq::START);
    drop(engine);
    loop {
        let batch = cursor.next().await;
        let Some(last) = batch.events.last() else { return };
        let last = last.seq;
        outlet.lost(batch.missed);
        for event in &batch.events {
            outlet.tell(kinds::kind(&event.event), kinds::fields(event));
        }
        told.send_replace(last);
    }
}

pub(in crate::embed) fn moved(deployed: &Deployed) -> Value {
    json!({ "activeReleaseId": deployed.active, "previousReleaseId": deployed.previous })
}

/// As the control socket answers.
pub(in crate::embed) fn flow(status: &Status) -> Value {
    let active =
        status.releases.iter().find(|release| Some(&release.release_id) == status.active_release_id.as_ref());
    json!({
        "inFlight": active.map_or(0, |release| release.connections.http),
        "parked": status.proxy.parked,
        "traffic": status.proxy.traffic,
    })
}

/// The newest of these.
pub(in crate::embed) fn listed(batch: &Batch, limit: Option<usize>) -> Value {
    let left_out = batch.events.len().saturating_sub(limit.unwrap_or(usize::MAX));
    let events: Vec<_> = batch.events[left_out..].iter().map(kinds::listed).collect();
    json!({ "events": events, "lastSeq": batch.next, "missed": batch.missed })
}

/// What a deploy would do, and whether every placeholder has a value.
pub(in crate::embed) fn planned(
    application: &Application,
    running: &BTreeSet<ProcessId>,
    release: &ReleaseCall,
) -> Value {
    let steps: Vec<_> = plan(application, running).iter().map(ToString::to_string).collect();
    let request = DeployRequest {
        release: release.id.clone(),
        path: release.path.clone(),
        revision: None,
        application: None,
    };
    let (mut processes, mut problems) = (Vec::new(), Vec::new());
    for (id, run) in rehearse(application, &environment(), &request) {
        match run {
            Ok(run) => processes.push(json!({
                "id": id, "command": run.command.to_string(), "cwd": run.cwd.to_string_lossy(),
            })),
            Err(failure) => problems.push(json!({
                "id": id, "code": failure.code(), "message": failure.message(),
            })),
        }
    }
    json!({ "steps": steps, "processes": processes, "problems": problems })
}

/// What `{{env.NAME}}` stands for. A name or value that is not UTF-8 stands for nothing.
pub(in crate::embed) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
