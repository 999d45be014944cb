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

mod accept;
mod access;
#[cfg(feature = "internals")]
mod alone;
mod book;
mod clients;
mod connect;
mod door;
mod draining;
mod ending;
mod error;
mod hold;
mod holders;
#[cfg(feature = "tls")]
mod http2;
mod inherit;
mod look;
pub(crate) mod machine;
mod options;
mod parking;
mod record;
mod relay;
mod route;
mod shared;
mod stream;
mod sync;
mod tls;
mod unsent;
mod wind_down;
mod workers;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock};

use crate::id::Generation;
use crate::report::BackendState;
use crate::spec::{AccessLogSpec, ProxyLimits, TlsSpec, TrustedFronts};

pub use accept::Admissions;
use access::AccessLog;
pub use access::AccessLogCounts;
#[cfg(feature = "internals")]
pub use alone::LoneProxy;
use clients::lock;
pub use draining::Draining;
pub use error::{BindError, UpstreamError};
pub use holders::{HOLDER_PATH_BYTES_MAX, HOLDERS_MAX, Holder, HolderKind};
pub use machine::{Latency, ParkCounts, StatusCounts, TrafficCounts};
pub use options::{ErrorObserver, ProxyOptions, ServeOn, TlsObserver};
pub use route::{Backend, Counts, Traffic};
use shared::Shared;
pub(crate) use tls::rehearse as rehearse_tls;
pub use tls::{TlsError, TlsNews};
use workers::Server;

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
    servers: Mutex<Vec<Server>>,
}

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
            servers: Mutex::default(),
        }
    }

    /// Listens on the address of its options, and serves from now on.
    ///
    /// # Errors
    /// When the address cannot be listened on, the threads cannot be started, or it listens already.
    pub fn listen(&self) -> Result<SocketAddr, BindError> {
        self.shared.load_certificates()?;
        self.serve_on(workers::listen(&self.shared.options)?)
    }

    /// Serves from now on whoever comes to a socket that listens already, such as one that another process has
    /// [left](Self::leave).
    ///
    /// # Errors
    /// [`BindError::NotOurs`] when it is no listening TCP socket on the address of its options; otherwise as
    /// [`listen`](Self::listen).
    pub fn listen_on(&self, listener: TcpListener) -> Result<SocketAddr, BindError> {
        self.shared.load_certificates()?;
        inherit::check(&listener, &self.shared.options)?;
        self.serve_on(listener)
    }

    fn serve_on(&self, listener: TcpListener) -> Result<SocketAddr, BindError> {
        let options = &self.shared.options;
        let failed = |source| BindError::new(&options.host, options.port, source);
        let address = listener.local_addr().map_err(failed)?;
        let mut servers = lock(&self.servers);
        unsent::bound(&listener, self.shared.limits().client_unsent_bytes_max);
        if self.address.set(address).is_err() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        self.log_to(options.access_log.clone()).map_err(BindError::Threads)?;
        *servers = workers::start(&listener, &options.serve_on, self.shared.workers())
            .map_err(BindError::Threads)?;
        *lock(&self.listener) = Some(listener);
        let (configured, possible) = (options.limits.connections_max, self.shared.connections_max());
        if possible < configured {
            tracing::warn!(
                configured,
                possible,
                "there are descriptors for fewer connections than may be open"
            );
        }
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

    /// Reads its certificates now, and not only when it begins to listen. Reads files, and so may block.
    ///
    /// # Errors
    /// When they cannot be served; it may be tried again.
    pub fn load_certificates(&self) -> Result<(), TlsError> {
        self.shared.load_certificates()
    }

    /// Reads the files of its certificates anew, whether they have changed or not, and says for which names they are.
    /// Connections that are there stay as they are; new ones get what the files hold now. Reads files, and so may block.
    ///
    /// # Errors
    /// When the files make no sense, or it does not serve TLS; everything stays as it is.
    pub fn reload_certificates(&self) -> Result<Vec<String>, TlsError> {
        let front = self.shared.tls.get().ok_or(TlsError::NoCertificates)?;
        front.follow(front.spec())
    }

    /// As [`reload_certificates`](Self::reload_certificates), but with other files and limits.
    ///
    /// # Errors
    /// As [`reload_certificates`](Self::reload_certificates).
    pub fn serve_certificates(&self, tls: TlsSpec) -> Result<Vec<String>, TlsError> {
        self.shared.tls.get().ok_or(TlsError::NoCertificates)?.follow(tls)
    }

    /// From now on new connections and new requests are held to `limits`; what is under way keeps what it began with.
    pub fn set_limits(&self, limits: ProxyLimits) {
        if let Some(listener) = &*lock(&self.listener) {
            unsent::bound(listener, limits.client_unsent_bytes_max);
        }
        self.shared.set_limits(limits);
    }

    /// The release that requests go to.
    #[must_use]
    pub fn active(&self) -> Option<Generation> {
        self.shared.active.load().as_ref().map(|route| route.ledger.generation)
    }

    /// What `generation` is called in the access log; its number when nothing was said before traffic went to it.
    pub fn name_release(&self, generation: Generation, name: &str) {
        self.shared.name_release(generation, name);
    }

    /// From now on a line for each request goes there, or nowhere. Nothing happens when it goes there already.
    ///
    /// A thread of its own writes; a request never waits for it. A file that cannot be opened, a full disk and a pipe that
    /// nobody reads are waited for, and what has no room meanwhile is dropped and counted: 8192 lines have. A file that was
    /// moved away is made anew within a second.
    ///
    /// # Errors
    /// When the thread cannot be started; then it stays as it was.
    pub fn log_to(&self, spec: Option<AccessLogSpec>) -> std::io::Result<()> {
        let is_same = self.shared.access_log().map(|log| log.spec().clone()) == spec;
        if !is_same {
            let log = spec.map(AccessLog::start).transpose()?;
            drop(self.shared.log_to(log));
        }
        Ok(())
    }

    /// How the access log is; `None` when there is none.
    #[must_use]
    pub fn access_log(&self) -> Option<AccessLogCounts> {
        self.shared.access_log().map(|log| log.counts())
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
