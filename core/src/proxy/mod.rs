//! Switch traffic from one release to the next, and drain the old one.
//!
//! ```text
//!   client ──▶ workers ──▶ relay ──▶ upstream
//!              accept        │ ticket
//!                            ▼
//!                          route ◀── switch_to: the old one becomes Draining
//! ```
//!
//! Nothing in this folder knows processes or ports: it gets addresses.

#[cfg(feature = "internals")]
mod alone;
mod book;
mod clients;
mod draining;
mod error;
mod hold;
mod inherit;
pub(crate) mod machine;
mod options;
mod parking;
mod record;
mod relay;
mod route;
mod shared;
mod stream;
mod sync;
mod workers;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::clock;
use crate::id::Generation;
use crate::report::{BackendState, DrainReport};
use crate::spec::{ProxyLimits, TrustedFronts};

#[cfg(feature = "internals")]
pub use alone::LoneProxy;
use clients::lock;
pub use draining::Draining;
pub use error::{BindError, UpstreamError};
pub use machine::{Latency, ParkCounts, StatusCounts, TrafficCounts};
pub use options::{ErrorObserver, ProxyOptions};
pub use route::{Backend, Counts, Traffic};
use shared::{Phase, Shared};
use tokio::sync::mpsc;
use workers::WorkerThread;

/// An HTTP/1.1 reverse proxy that changes where requests go between two requests.
///
/// The release is chosen for each request when its head is there (compat C-88), so an idle keep-alive client belongs to
/// none, and a switch loses nothing: requests under way finish where they began. It serves on threads of its own, so a
/// busy host or a slow deploy touches no request.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use std::time::Duration;
/// use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TcpListener::bind("127.0.0.1:0")?;
/// let address = app.local_addr()?;
/// std::thread::spawn(move || {
///     let (mut connection, _) = app.accept()?;
///     let _ = connection.read(&mut [0; 1024])?;
///     connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
/// });
///
/// let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0))?;
/// assert!(proxy.switch_to(Traffic::to(Generation(1), [address])).is_none());
///
/// let mut client = TcpStream::connect(proxy.local_addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("hello"));
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// runtime.block_on(async {
///     let old = proxy.switch_to(Traffic::none()).expect("there was a release");
///     let report = old.drained(Duration::from_secs(60)).await;
///     assert_eq!(report.requests_cut, 0);
///     proxy.close(Duration::from_secs(1)).await;
/// });
/// # Ok(())
/// # }
/// ```
///
/// Dropping it without [`close`](Self::close) ends it at once: connections are cut, and the threads end on their own
/// shortly after.
pub struct DrainingProxy {
    shared: Arc<Shared>,
    address: OnceLock<SocketAddr>,
    /// The listening socket, until nobody new is let in: the workers have copies.
    listener: Mutex<Option<TcpListener>>,
    threads: Mutex<Vec<WorkerThread>>,
}

/// How long a client that says nothing is waited for once it could go elsewhere: what it sends meanwhile is answered,
/// and then its connection is closed. As long as others keep an idle connection.
const LEAVE_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

impl DrainingProxy {
    /// Listens and serves; every request is answered with 503 until traffic is switched. A host given by name is looked
    /// up here, which may block.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the threads cannot be started.
    pub fn bind(options: ProxyOptions) -> Result<Self, BindError> {
        let proxy = Self::unbound(options);
        proxy.listen()?;
        Ok(proxy)
    }

    /// A proxy that does not listen yet: traffic can be switched before the first client comes. See
    /// [`listen`](Self::listen) and [`listen_on`](Self::listen_on).
    #[must_use]
    pub fn unbound(options: ProxyOptions) -> Self {
        Self {
            shared: Shared::new(options),
            address: OnceLock::new(),
            listener: Mutex::default(),
            threads: Mutex::default(),
        }
    }

    /// Listens on the address of its options, and serves from now on.
    ///
    /// # Errors
    /// When the address cannot be listened on, the threads cannot be started, or it listens already.
    pub fn listen(&self) -> Result<SocketAddr, BindError> {
        self.serve_on(workers::listen(&self.shared.options)?)
    }

    /// Serves from now on whoever comes to a socket that listens already, such as one that another process has
    /// [left](Self::leave).
    ///
    /// # Errors
    /// [`BindError::NotOurs`] when it is no listening TCP socket on the address of its options; otherwise as
    /// [`listen`](Self::listen).
    pub fn listen_on(&self, listener: TcpListener) -> Result<SocketAddr, BindError> {
        inherit::check(&listener, &self.shared.options)?;
        self.serve_on(listener)
    }

    fn serve_on(&self, listener: TcpListener) -> Result<SocketAddr, BindError> {
        let options = &self.shared.options;
        let failed = |source| BindError::new(&options.host, options.port, source);
        let address = listener.local_addr().map_err(failed)?;
        let mut threads = lock(&self.threads);
        if self.address.set(address).is_err() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        *threads = workers::start(&listener, self.shared.workers()).map_err(BindError::Threads)?;
        *lock(&self.listener) = Some(listener);
        Ok(address)
    }

    /// Where it listens; port 0 of no address while it does not yet.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address.get().copied().unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// Sends every request from now on to `traffic`, and returns the release that had it until now, if there was one.
    pub fn switch_to(&self, traffic: Traffic) -> Option<Draining> {
        self.shared.switch_to(traffic)
    }

    /// From now on new connections from `fronts`, and from nobody else, may say whose requests they bring.
    ///
    /// Of a trusted front's request `X-Forwarded-For` and `-Port` are continued, `-Host` is kept, and `-Proto` is passed
    /// on as it is: one value, which says how the client came. Of anybody else's they are replaced by what is seen here.
    pub fn trust(&self, fronts: TrustedFronts) {
        self.shared.trusted.store(Arc::new(fronts));
    }

    /// From now on new connections and new requests are held to `limits`.
    pub fn set_limits(&self, limits: ProxyLimits) {
        self.shared.set_limits(limits);
    }

    /// The release that requests go to.
    #[must_use]
    pub fn active(&self) -> Option<Generation> {
        self.shared.active.load().as_ref().map(|route| route.ledger.generation)
    }

    /// What is open of a release, active or draining (compat C-105).
    #[must_use]
    pub fn counts(&self, generation: Generation) -> Counts {
        self.shared.counts(generation)
    }

    /// What came of a release's requests so far; `None` when it never had traffic here, or that was long ago: of releases
    /// without traffic the last 32 are remembered.
    #[must_use]
    pub fn traffic(&self, generation: Generation) -> Option<TrafficCounts> {
        self.shared.traffic(generation)
    }

    /// What came of the requests that no release was chosen for: those that could not be understood, and those that came
    /// while there was no active release.
    #[must_use]
    pub fn unrouted_traffic(&self) -> TrafficCounts {
        self.shared.unrouted.read()
    }

    /// From now on requests wait, in their order, until [`resume`](Self::resume): for a migration that the application
    /// should not see, for example. What is under way goes on. A switch changes nothing about it.
    ///
    /// Each waits at most [`ProxyLimits::park_timeout`](crate::ProxyLimits), and then is answered with 503; so is one more
    /// than [`parked_max`](crate::ProxyLimits) or [`parked_bytes_max`](crate::ProxyLimits). A proxy that leaves or closes
    /// resumes by itself.
    pub fn pause(&self) {
        self.shared.gate.pause();
    }

    /// Sends whoever waits since [`pause`](Self::pause) to the release that is active now, in the order in which they
    /// came. Without a pause it does nothing.
    pub fn resume(&self) {
        self.shared.gate.resume();
    }

    /// Whether requests wait since a [`pause`](Self::pause).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.gate.is_paused()
    }

    /// How many requests wait, and what became of others that did.
    #[must_use]
    pub fn parked(&self) -> ParkCounts {
        self.shared.gate.counts()
    }

    /// Tells how the process behind a backend is (counted from 0, in the order of [`Traffic::to`]). While none of a
    /// release runs and one of them is started again, requests wait, at most
    /// [`ProxyLimits::park_timeout`](crate::ProxyLimits); once it runs, one request after the other is sent until the first
    /// has a connection, and then all others, in the order in which they came.
    ///
    /// Only about the active release, and only if it is [`supervised`](Traffic::supervised); anything else is ignored. After
    /// a switch every backend counts as running.
    pub fn backend_is(&self, generation: Generation, backend: usize, state: BackendState) {
        self.shared.gate.backend_is(generation, backend, state);
    }

    /// Lets nobody new in, and returns when no thread listens any more. Whoever is there is served on, and told to go
    /// with his next answer (`Connection: close`), so that no request meets a closed connection.
    ///
    /// Without `handover` whoever has connected and waits is still served, once, and the socket is closed. With it they
    /// go on waiting in the socket that is returned: for whoever [listens on](Self::listen_on) it next, in this process
    /// or another one. [`close`](Self::close) is still to be called. `None` when it did not listen.
    ///
    /// # Cancel safety
    /// It stops listening all the same; a socket that was to be handed over is closed, and whoever waits in it is lost.
    pub async fn leave(&self, handover: bool) -> Option<TcpListener> {
        let listener = lock(&self.listener).take();
        self.shared.enter(Phase::Leaving { handover });
        let deaf: Vec<_> = lock(&self.threads)
            .iter_mut()
            .map(|thread| std::mem::replace(&mut thread.deaf, mpsc::channel(1).1))
            .collect();
        for mut deaf in deaf {
            let _ = deaf.recv().await;
        }
        listener.filter(|_| handover)
    }

    /// Ends it: nothing new is accepted, idle clients are closed, requests under way and tunnels may finish within
    /// `budget`; what is left then is cut, and counted in the report. When this returns the socket is closed and the
    /// threads are gone. A second call returns at once with nothing to report. Needs a tokio runtime with time.
    ///
    /// After [`leave`](Self::leave), idle clients have 5 s of the budget for another request.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the proxy closing without a budget; dropping the proxy then ends it.
    pub async fn close(&self, budget: Duration) -> DrainReport {
        let began = clock::now();
        let ledgers = self.shared.ledgers();
        let open_at_start = ledgers.iter().map(|ledger| ledger.counts().total()).sum();
        let (requests_before, tunnels_before) = cut_in(&ledgers);
        drop(lock(&self.listener).take());
        self.shared.enter(Phase::Closing);
        let mut threads = std::mem::take(&mut *lock(&self.threads));

        if tokio::time::timeout(budget, self.all_left(&mut threads)).await.is_err() {
            // Without a release first: what is cut must not find its route again.
            drop(self.shared.active.swap(None));
            for ledger in &ledgers {
                self.shared.clients.cut(ledger);
            }
            let idle_too = tokio::time::timeout(machine::CUT_TIMEOUT, all_idle(&ledgers));
            let _ = idle_too.await;
            self.shared.enter(Phase::Ending);
            all_ended(&mut threads).await;
        }
        for WorkerThread { thread, .. } in threads {
            // Its last act was to say that it ends. A panic of a worker has been told by the panic itself.
            let _ = thread.join();
        }
        let (requests_cut, tunnels_cut) = cut_in(&ledgers);
        DrainReport {
            open_at_start,
            requests_cut: requests_cut - requests_before,
            tunnels_cut: tunnels_cut - tunnels_before,
            took: clock::now() - began,
        }
    }

    /// Ends it at once: connections are cut, and the threads end on their own shortly after.
    pub(crate) fn end(&self) {
        drop(lock(&self.listener).take());
        self.shared.enter(Phase::Ending);
    }

    async fn all_left(&self, threads: &mut [WorkerThread]) {
        if self.shared.is_leaving()
            && tokio::time::timeout(LEAVE_IDLE_TIMEOUT, all_ended(threads)).await.is_err()
        {
            // Whoever was answered since was closed with his answer: these have been idle all the time, or are busy.
            self.shared.clients.close();
        }
        all_ended(threads).await;
    }
}

async fn all_ended(threads: &mut [WorkerThread]) {
    for thread in threads {
        let _ = thread.ended.recv().await;
    }
}

async fn all_idle(ledgers: &[Arc<route::Ledger>]) {
    for ledger in ledgers {
        ledger.gone().await;
    }
}

fn cut_in(ledgers: &[Arc<route::Ledger>]) -> (u64, u64) {
    ledgers.iter().map(|ledger| ledger.cut()).fold((0, 0), |sum, cut| (sum.0 + cut.0, sum.1 + cut.1))
}

impl Drop for DrainingProxy {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for DrainingProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainingProxy")
            .field("address", &self.local_addr())
            .field("active", &self.active())
            .finish()
    }
}
