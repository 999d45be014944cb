//! The conductor: where the hands meet.
//!
//! One task owns the world. Each turn it takes one input, asks the world what to do, and begins it; what takes time
//! runs as a task of its own and comes back as an input. So status, shutdown and crashes never wait behind a slow
//! health check.

mod bootstrap;
mod budget;
mod calendar;
mod certificates;
mod conductor;
mod doctor;
mod error;
mod events;
mod journal;
mod lease;
mod legacy;
#[cfg(feature = "metrics")]
mod numbers;
mod orphan;
mod perform;
mod recover;
mod release;
mod reload;
mod restore;
mod runtime;
mod start;
mod status;
mod traffic;

use std::future::Future;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Bootstrap;
use crate::event::{Event, StampedEvent};
use crate::id::{Attestation, InstanceId, OpId, ReleaseId, Seq};
use crate::proxy::DrainingProxy;
use crate::rollout::{Answer, Command, DeployRequest, Ending, RestartSelection, RollbackTo};
use crate::spec::Application;

use calendar::Calendar;
use conductor::Asked;
#[cfg(not(feature = "embed"))]
use error::FromAnswer;
use error::Retired;
use events::EventHub;
use journal::Journal;
use perform::HandedOver;
use reload::Reload;
use status::Published;

pub use bootstrap::find_release;
pub use budget::{longest_shutdown, longest_stop};
pub use doctor::{Check, ControlPresence, DaemonSeen, ReleaseSeen, doctor};
#[cfg(feature = "embed")]
pub(crate) use error::FromAnswer;
pub use error::{DeployError, EngineStartError, RestartError, RetireError, StopError, Stuck, TrafficError};
pub use events::EventCursor;
pub use legacy::{LegacyError, LegacyProcess, stop_legacy};
#[cfg(feature = "metrics")]
pub(crate) use numbers::{AccessLogCounts, Numbers, TrafficCounts};
pub use recover::{RecoverError, Recovered, Recovery};
pub use release::{Deployed, Release, ShutdownReport};
pub use restore::RestoreError;
pub use runtime::{RUNTIME_FORMAT, RuntimeIdentity};
pub use start::EngineOptions;
pub use status::{
    ChildStatus, ConnectionCounts, ControlStatus, InstanceStatus, LogLine, ProxyStatus, ReleaseStatus,
    SingleStatus, Status, TrafficStatus,
};
pub use traffic::PAUSE_TIMEOUT_MAX;

/// Looks after one application: its processes, its ports, its traffic.
///
/// A handle: clones are the same engine. When the last one is dropped, the engine shuts down by itself as
/// [`Engine::shutdown`] does, as long as its runtime lives.
///
/// ```no_run
/// use rollcore::{Config, Engine, Release, RollbackTo, Seq};
///
/// # async fn story(text: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::start(Config::from_json(text)?.into_application()).await?;
/// let deployed = engine.deploy(Release::new("v2", "/srv/shop/v2")?).await?;
/// println!("{} replaced {:?}", deployed.active, deployed.previous);
/// engine.rollback(RollbackTo::Previous).await?;
/// engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Asked>,
}

/// What handles and the conductor both see.
#[derive(Debug)]
struct Shared {
    published: ArcSwap<Published>,
    events: EventHub,
    proxy: Arc<DrainingProxy>,
    /// As configured, for the event that tells of the socket.
    host: String,
    handed_over: HandedOver,
    bootstrap: Option<Bootstrap>,
    ops: AtomicU64,
    reload: OnceLock<Reload>,
    runtime: OnceLock<RuntimeIdentity>,
    calendar: Calendar,
    journal: Journal,
    /// The release that is being brought back; every operation that does not end the engine waits for that.
    restoring: watch::Sender<Option<ReleaseId>>,
    /// Of the shutdown, once it is over.
    survivors: OnceLock<u32>,
}

impl Shared {
    fn status(&self) -> Status {
        let published = self.published.load();
        let mut status = published.status(&self.proxy, self.calendar.epoch());
        status.bootstrap = self.bootstrap.clone();
        status.daemon_runtime = self.runtime.get().cloned();
        status.orphans = self.journal.orphans.seen();
        if let Some(release) = self.restoring.borrow().as_ref() {
            status.busy = Some(format!("restore {release}"));
        }
        status
    }
}

impl Engine {
    /// Moves to a release: starts it, waits until it is ready, switches traffic, replaces the singletons.
    ///
    /// Answers then; the old release drains and retires behind it. A failure on the way leaves everything as it was.
    ///
    /// # Errors
    /// [`DeployError`]; only `Stuck` means that something is not as it was.
    ///
    /// # Cancel safety
    /// The deploy goes on when the future is dropped (compat C-124); only its answer is lost.
    pub async fn deploy(&self, release: Release) -> Result<Deployed, DeployError> {
        let release = DeployRequest::from(release);
        self.move_to(move |application| {
            Command::Deploy(DeployRequest { application: application.or(release.application), ..release })
        })
        .await
    }

    /// Moves back to a release that was there before, with a deploy of it.
    ///
    /// # Errors
    /// As [`Engine::deploy`], and when there is no such release.
    ///
    /// # Cancel safety
    /// As [`Engine::deploy`].
    pub async fn rollback(&self, to: RollbackTo) -> Result<Deployed, DeployError> {
        self.move_to(move |application| Command::Rollback { to, application }).await
    }

    /// From now on `load` is asked for the configuration before every deploy and rollback (compat C-30). Only the first
    /// call has an effect.
    ///
    /// What it says in an error is the error of that deploy; nothing is touched then. It must come to an end by itself:
    /// until it does, that deploy waits, and nothing else.
    pub fn reload_with<F, L>(&self, load: F)
    where
        F: Fn() -> L + Send + Sync + 'static,
        L: Future<Output = Result<Application, String>> + Send + 'static,
    {
        let _first_one_stays = self.shared.reload.set(Reload::new(load));
    }

    /// A task of its own, so that the deploy goes on when nobody waits for it.
    async fn move_to(
        &self,
        command: impl FnOnce(Option<Arc<Application>>) -> Command + Send + 'static,
    ) -> Result<Deployed, DeployError> {
        let engine = self.clone();
        let moving = tokio::spawn(async move {
            let application = match engine.shared.reload.get() {
                Some(reload) => Some(reload.load().await?),
                None => None,
            };
            FromAnswer::from_answer(engine.ask(command(application)).await)
        });
        // A config source that panicked has touched nothing.
        moving.await.unwrap_or(Err(DeployError::Ended))
    }

    /// Stops a release at once: the given one, or the active one, after which requests get 503 (compat C-139).
    ///
    /// # Errors
    /// [`StopError`] when there is no such release, another operation is under way, or a process outlives SIGKILL.
    ///
    /// # Cancel safety
    /// The stop goes on when the future is dropped.
    pub async fn stop(&self, release: Option<ReleaseId>) -> Result<(), StopError> {
        FromAnswer::from_answer(self.ask(Command::Stop(release)).await)
    }

    /// Restarts instances in place, one after the other, and names them (compat C-142).
    ///
    /// # Errors
    /// [`RestartError`] when it names the proxied process or none, or when a restart fails.
    ///
    /// # Cancel safety
    /// The restart goes on when the future is dropped.
    pub async fn restart(&self, selection: RestartSelection) -> Result<Vec<InstanceId>, RestartError> {
        FromAnswer::from_answer(self.ask(Command::Restart(selection)).await)
    }

    /// Stops every process, then the proxy. Whatever is under way is answered with an error first.
    ///
    /// May be called again, by several at once and after the end: everybody gets the same answer.
    ///
    /// # Cancel safety
    /// The shutdown goes on when the future is dropped.
    pub async fn shutdown(&self) -> ShutdownReport {
        match self.ask(Command::Shutdown).await {
            Some(Answer::ShutDown { survivors }) => ShutdownReport { survivors },
            _ => ShutdownReport { survivors: self.shared.survivors.get().copied().unwrap_or(0) },
        }
    }

    /// Begins to write down what runs, if the application has a state file: now, every 5 s, and whenever a process is
    /// started or ends (compat C-201). Returns when that was done once, or failed, which is an event. To be called before
    /// the first deploy, by whoever is sure to be the only one who runs this application.
    ///
    /// A daemon that starts after this program was killed finds every process that was started by it. A
    /// [`shutdown`](Self::shutdown) removes the file (compat C-206).
    ///
    /// # Panics
    /// Outside of the engine's runtime.
    ///
    /// # Cancel safety
    /// It goes on when the future is dropped.
    pub async fn keep_state(&self) {
        Journal::begin(&self.shared).await;
    }

    /// As [`Engine::shutdown`], but lets nobody new in and gives requests and tunnels `proxy.drainTimeoutMs` to end before
    /// the processes are stopped. A [`Engine::shutdown`] meanwhile stops them at once.
    ///
    /// # Cancel safety
    /// The shutdown goes on when the future is dropped.
    pub async fn drain_then_shutdown(&self) -> ShutdownReport {
        match self.ask_now(Command::DrainThenShutdown).await {
            Some(Answer::ShutDown { survivors }) => ShutdownReport { survivors },
            _ => ShutdownReport { survivors: 0 },
        }
    }

    /// Makes room for another engine, which has its release running already (compat C-165).
    ///
    /// Whatever is under way is answered with an error, no process takes new work any more (their quiet commands have
    /// ended), and nobody new is let in: then this returns. What was begun goes on: requests and tunnels for
    /// `proxy.drainTimeoutMs`, then the processes with their normal stop, services last. The engine [ends](Self::ended)
    /// when nothing is left.
    ///
    /// With `handover` the proxy's listening socket is kept for [`Engine::take_listener`], with everybody who has connected
    /// and waits in it; without, they are served once, and it is closed.
    ///
    /// # Errors
    /// [`RetireError`] when the engine is on its way out already.
    ///
    /// # Cancel safety
    /// The retirement goes on when the future is dropped.
    pub async fn retire(&self, attestation: Attestation, handover: bool) -> Result<(), RetireError> {
        let answer = self.ask_now(Command::RetireOwner { attestation, handover }).await;
        let retired = Retired::from_answer(answer).map(drop);
        if retired.is_ok() {
            // Nothing is written any more when the other one hears of it.
            let _nothing_can_fail = self.shared.journal.end(journal::Ending::HandedOver).await;
        }
        retired
    }

    /// The listening socket that a retired engine has left for the next one's [`Engine::listen_on`], once. It is closed
    /// with the engine when nobody takes it.
    #[must_use = "dropping it loses whoever has connected"]
    pub fn take_listener(&self) -> Option<TcpListener> {
        self.shared.handed_over.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the engine has ended: after a shutdown, or when everything is gone after a retirement.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// How the engine ends, once that is decided: whoever keeps its state elsewhere leaves it to the next one after
    /// [`Ending::Retired`].
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.shared.published.load().ending()
    }

    /// Whether it ends, and still gives open requests time ([`Engine::drain_then_shutdown`], [`Engine::retire`]). Then a
    /// [`Engine::shutdown`] makes it faster; later it does not.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.published.load().is_draining()
    }

    /// How everything is, right now. Never waits.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Says which program this is, for [`Status::daemon_runtime`]. Only the first call has an effect.
    pub fn runtime(&self, runtime: RuntimeIdentity) {
        let _first_one_stays = self.shared.runtime.set(runtime);
    }

    /// The events after `after`, and then each new one.
    #[must_use]
    pub fn events(&self, after: Seq) -> EventCursor {
        self.shared.events.cursor(after)
    }

    /// The newest `limit` events, the oldest first; all that are held when `limit` is `None`.
    #[must_use]
    pub fn recent_events(&self, limit: Option<usize>) -> Vec<StampedEvent> {
        self.shared.events.recent(limit)
    }

    /// Adds an event of the host's own doors, such as the control socket's.
    pub fn record(&self, event: Event) {
        self.shared.events.record(event);
    }

    /// The address that the proxy listens on.
    #[must_use]
    pub fn proxy_addr(&self) -> std::net::SocketAddr {
        self.shared.proxy.local_addr()
    }

    /// `None` when the engine has ended.
    async fn ask(&self, command: Command) -> Option<Answer> {
        let ends_all =
            matches!(command, Command::Shutdown | Command::DrainThenShutdown | Command::RetireOwner { .. });
        if !ends_all {
            let mut restoring = self.shared.restoring.subscribe();
            let _it_is_over = restoring.wait_for(Option::is_none).await;
        }
        self.ask_now(command).await
    }

    /// As [`ask`](Self::ask), while a release is being brought back.
    async fn ask_now(&self, command: Command) -> Option<Answer> {
        let op = OpId(self.shared.ops.fetch_add(1, Ordering::Relaxed) + 1);
        let (answer, mut answered) = oneshot::channel();
        self.commands.send(Asked { op, command, answer }).await.ok()?;
        // A question that comes in while the conductor ends may stay in its channel, unheard and undropped.
        tokio::select! {
            answer = &mut answered => answer.ok(),
            () = self.commands.closed() => answered.try_recv().ok(),
        }
    }
}
