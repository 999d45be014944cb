//! How an engine begins, and where it begins to listen.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use crate::config::Bootstrap;
use crate::event::Event;
use crate::id::Pid;
use crate::proxy::{BindError, DrainingProxy, ProxyOptions, ServeOn};
use crate::rollout::World;
use crate::spec::Application;

use super::calendar::Calendar;
use super::certificates;
use super::conductor::Conductor;
use super::error::EngineStartError;
use super::events::EventHub;
use super::journal::Journal;
use super::lease::Leasing;
use super::perform::HandedOver;
use super::status::Published;
use super::{Engine, Shared};

/// How many questions may wait for the conductor; the next one waits with its asker.
const COMMANDS_MAX: usize = 256;

/// What else an engine is started with.
///
/// ```
/// use rollcore::EngineOptions;
/// assert!(!EngineOptions::default().listens_later);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// The release that the host will deploy first; for the status only (compat C-162).
    pub bootstrap: Option<Bootstrap>,
    /// Whether the proxy's address is left alone until [`Engine::listen`] or [`Engine::listen_on`]: for an engine that
    /// takes over from another one that still has it. Default no.
    pub listens_later: bool,
    /// A socket that listens on the proxy's address already, from a service manager for instance. Default: none, the
    /// proxy opens its own. Not looked at when it listens later.
    pub listener: Option<Arc<TcpListener>>,
    /// Where requests are served. Default: on threads of their own.
    pub serve_on: ServeOn,
    /// How many descriptors a process may have, for a host that has raised its own limit: see
    /// [`RunSpec::descriptors_max`](crate::RunSpec::descriptors_max). Default: as many as the host.
    pub child_descriptors_max: Option<u64>,
}

impl EngineOptions {
    /// For an engine that takes over, see [`take_over`](crate::take_over).
    #[must_use]
    pub fn taking_over(self) -> Self {
        Self { listens_later: true, ..self }
    }
}

impl Engine {
    /// Binds the proxy and starts the conductor on the current tokio runtime. No process runs yet.
    ///
    /// With a state file, what an earlier daemon left running is told of first, and not touched (compat C-207). Writing it
    /// begins with [`keep_state`](Self::keep_state).
    ///
    /// # Errors
    /// [`EngineStartError`] when the proxy's address cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time.
    ///
    /// # Cancel safety
    /// Nothing is left behind when the future is dropped.
    pub async fn start(application: impl Into<Application>) -> Result<Self, EngineStartError> {
        Self::start_with(application, EngineOptions::default()).await
    }

    /// As [`Engine::start`], with more to say.
    ///
    /// # Errors
    /// As [`Engine::start`].
    ///
    /// # Panics
    /// As [`Engine::start`].
    ///
    /// # Cancel safety
    /// As [`Engine::start`].
    pub async fn start_with(
        application: impl Into<Application>,
        options: EngineOptions,
    ) -> Result<Self, EngineStartError> {
        let EngineOptions { bootstrap, listens_later, listener, serve_on, child_descriptors_max } = options;
        let application: Application = application.into();
        let events = EventHub::default();
        let journal = Journal::open(&application, &events, listens_later).await;
        let failed = events.clone();
        let options = ProxyOptions {
            serve_on,
            trusted_fronts: application.proxy.trusted_fronts.clone(),
            limits: application.proxy.limits.clone(),
            workers: application.proxy.workers,
            upgrades: application.proxy.upgrades.clone(),
            access_log: application.proxy.access_log.clone(),
            tls: application.proxy.tls.clone(),
            proxy_protocol: application.proxy.proxy_protocol,
            ..ProxyOptions::new(application.proxy.host.clone(), application.proxy.port)
        };
        let options = options
            .on_error(move |error| failed.record(Event::ProxyRequestFailed { error: error.to_string() }));
        let told = events.clone();
        let options = options.on_certificates(move |news| certificates::record(&told, news));
        let proxy = Arc::new(DrainingProxy::unbound(options));
        // Whoever takes over learns that it cannot before it has.
        proxy.load_certificates().map_err(|error| EngineStartError::Bind(error.into()))?;
        let host = application.proxy.host.clone();
        if !listens_later {
            proxy_bound(&events, &host, listen(&proxy, listener.as_deref()))?;
        }
        let leasing = Leasing::of(&application);
        leasing.sweep().await;
        let world = World::new(Arc::new(application), host_env());
        let published = ArcSwap::from_pointee(Published::of(&world, &BTreeMap::new(), &BTreeMap::new()));
        let shared = Arc::new(Shared {
            published,
            events,
            proxy,
            host,
            handed_over: HandedOver::default(),
            bootstrap,
            ops: AtomicU64::new(0),
            reload: OnceLock::new(),
            runtime: OnceLock::new(),
            calendar: Calendar::default(),
            journal,
            restoring: watch::Sender::new(None),
            survivors: OnceLock::new(),
        });
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let conductor = Conductor::new(world, Arc::clone(&shared), leasing, asked);
        conductor.limit_descriptors(child_descriptors_max).spawn();
        Ok(Self { shared, commands })
    }

    /// From now on the state file may be ours although its last writer, this one, still lives: it writes no more.
    pub(crate) fn follows(&self, predecessor: Pid) {
        self.shared.journal.follows(predecessor);
    }

    /// Listens on the proxy's address, for an engine that was started without it.
    ///
    /// # Errors
    /// [`EngineStartError`] when the address cannot be bound, or it listens already; it may be tried again.
    pub fn listen(&self) -> Result<SocketAddr, EngineStartError> {
        proxy_bound(&self.shared.events, &self.shared.host, self.shared.proxy.listen())
    }

    /// As [`Engine::listen`], on a socket that listens already: who waits in it is served.
    ///
    /// # Errors
    /// [`EngineStartError`] when it is no listening socket on the proxy's address, or the engine listens already.
    pub fn listen_on(&self, listener: TcpListener) -> Result<SocketAddr, EngineStartError> {
        proxy_bound(&self.shared.events, &self.shared.host, self.shared.proxy.listen_on(listener))
    }
}

fn listen(proxy: &DrainingProxy, passed: Option<&TcpListener>) -> Result<SocketAddr, BindError> {
    match passed {
        Some(passed) => proxy.listen_on(passed.try_clone().map_err(BindError::Threads)?),
        None => proxy.listen(),
    }
}

fn proxy_bound(
    events: &EventHub,
    host: &str,
    bound: Result<SocketAddr, BindError>,
) -> Result<SocketAddr, EngineStartError> {
    let address = bound.map_err(EngineStartError::Bind)?;
    events.record(Event::ProxyBound { host: host.to_owned(), port: address.port() });
    Ok(address)
}

/// What `{{env.NAME}}` stands for. A name or value that is not UTF-8 stands for nothing.
pub(super) fn host_env() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
