//! The stage on this machine: an engine, and each hand alone.

mod change;
pub(super) mod engine;
pub(super) mod errors;
mod health;
mod port;
mod process;
mod proxy;
pub(super) mod restart;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, Drain};
use super::code::{Code, EmbedError};
use super::params::{Snapshot, What};
use super::stage::{Done, Outlet, Stage};

use engine::EngineSlot;
use port::Ports;
use process::Processes;
use proxy::Proxies;

/// Real processes, real ports.
pub(super) struct Real {
    engine: EngineSlot,
    processes: Processes,
    ports: Ports,
    proxies: Proxies,
}

/// What a method comes to.
type Outcome = Result<Value, EmbedError>;

impl Real {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self {
            engine: EngineSlot::new(outlet.clone()),
            processes: Processes::new(outlet),
            ports: Ports::default(),
            proxies: Proxies::default(),
        }
    }

    /// What only has to be remembered or looked up is done at once, so that the next call finds it done.
    fn at_once(&self, call: &Call) -> Option<Outcome> {
        Some(match call {
            Call::EngineStatus(()) => self.engine.status(),
            Call::EngineEvents(events) => self.engine.events(*events),
            Call::EngineReload(application) => self.engine.reload(application),
            Call::EnginePlan(release) => self.engine.plan(release),
            Call::ProcessDefine(define) => self.processes.define(define),
            Call::ProcessStatus(id) => self.processes.status(id.as_deref()),
            Call::PortRelease(id) => self.ports.release(id),
            Call::ProxySwitch(switch) => self.proxies.switch(switch),
            Call::ProxyStatus(id) => self.proxies.status(id.as_deref()),
            Call::RestartDecide(decide) => Ok(restart::decide(decide)),
            _ => return None,
        })
    }

    async fn in_time(self: Arc<Self>, call: Call) -> Outcome {
        match call {
            Call::EngineOpen(open) => self.engine.open(open).await,
            Call::EngineDeploy(release) => self.engine.deploy(release.release).await,
            Call::EngineRollback(to) => self.engine.rollback(to).await,
            Call::EngineStop(release) => self.engine.stop(release).await,
            Call::EngineRestart(selection) => self.engine.restart(selection).await,
            Call::EnginePause(timeout) => self.engine.pause(timeout).await,
            Call::EngineResume(()) => self.engine.resume().await,
            Call::EngineShutdown(drain) => self.engine.shutdown(drain).await,
            Call::ProcessStart(id) => self.processes.start(&id).await,
            Call::ProcessStop(id) => self.processes.stop(&id).await,
            Call::ProcessRestart(id) => self.processes.restart(&id).await,
            Call::ProcessSignal((id, signal)) => self.processes.signal(&id, signal).await,
            Call::ProcessRemove(id) => self.processes.remove(&id).await,
            Call::PortAcquire(acquire) => self.ports.acquire(acquire).await,
            Call::HealthCheck((probe, schedule)) => health::check(probe, schedule).await,
            Call::ProxyOpen(open) => self.proxies.open(*open).await,
            Call::ProxyDrain((id, budget)) => self.proxies.drain(&id, budget).await,
            Call::ProxyClose((id, budget)) => self.proxies.close(&id, budget).await,
            Call::Shutdown(drain) => Ok(self.shut_down(drain).await),
            // Everything else is done at once.
            other => Err(EmbedError::new(Code::Panic, "panic", format!("nobody carries out {other:?}"))),
        }
    }

    /// The engine, then what stands alone, then what others may have leased for it.
    async fn shut_down(&self, drain: Drain) -> Value {
        let (engine, alone) = tokio::join!(self.engine.end(drain), self.processes.end());
        self.proxies.end().await;
        self.ports.end();
        json!({ "survivors": engine + alone })
    }
}

impl Stage for Real {
    fn begin(self: Arc<Self>, call: Call, done: Done) {
        if let Some(outcome) = self.at_once(&call) {
            return done.answer(outcome);
        }
        // From here on whoever asks the engine for something waits for it.
        if matches!(call, Call::EngineOpen(_))
            && let Err(error) = self.engine.reserve()
        {
            return done.answer(Err(error));
        }
        tokio::spawn(done.answer_with(self.in_time(call)));
    }

    fn snapshot(&self, of: Snapshot) -> Outcome {
        match of.what {
            What::Status => self.engine.status(),
            What::Processes => self.processes.status(None),
            What::Proxies => self.proxies.status(None),
            What::Leases => Ok(self.ports.status()),
        }
    }

    fn end(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _survivors = self.shut_down(Drain(false)).await;
        })
    }
}

/// What is kept under it is whole after every statement, so a panic has not hurt it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
