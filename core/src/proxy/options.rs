//! How a proxy is made: every limit by name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::spec::TrustedFronts;

use super::UpstreamError;

/// How a proxy listens and what it puts up with. Each limit says what follows when it is reached.
///
/// ```
/// use rollcore::ProxyOptions;
/// let options = ProxyOptions { workers: 2, ..ProxyOptions::new("127.0.0.1", 0) };
/// assert_eq!(options.upstream_connect_timeout.as_secs(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// The address or name to listen on. A name is looked up once, when the proxy is bound.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// How many threads serve. All accept from one socket. Default 1, which is enough for most hosts; 0 means 1.
    pub workers: usize,
    /// How many clients may be connected. More wait in the socket's queue until one leaves. Default 16 384.
    pub connections_max: usize,
    /// How long a client may take to send a whole request head, counted from its connection or the end of the last
    /// answer; so an idle client is closed after it, too. Default 60 s (compat C-107).
    pub head_timeout: Duration,
    /// The largest request head, in bytes. A larger one is answered with 431. Default 64 KiB.
    pub head_bytes_max: usize,
    /// How long a client that has closed its sending side is still answered while nothing can be sent to it; then it
    /// is taken to be gone and its request is dropped. A client that is really gone says so when something is sent to
    /// it. Default 5 s; zero drops the request at once.
    pub half_close_timeout: Duration,
    /// How long a connection to the application may take; then the answer is 502. Default 5 s.
    pub upstream_connect_timeout: Duration,
    /// How long a connection to the application is kept for the next request; then it is closed. When the application
    /// says `Keep-Alive: timeout=…`, one second less than that if it is sooner. Default 4 s: Node closes after 5.
    pub upstream_idle_timeout: Duration,
    /// How many idle connections to the application one worker keeps; more are closed. Default 256.
    pub upstream_idle_max: usize,
    /// How long a tunnel of which one side has ended may pass no byte; then it is closed. A tunnel that is open on both
    /// sides may be silent for ever (compat C-107). Default 5 s: a WebSocket ends on both sides (RFC 6455 §7.1.1).
    pub tunnel_half_close_timeout: Duration,
    /// Whose `X-Forwarded-*` fields are believed. Default: this machine and private networks. See
    /// [`DrainingProxy::trust`](super::DrainingProxy::trust).
    pub trusted_fronts: TrustedFronts,
    /// Who is told when an application fails a request (compat C-91).
    pub errors: ErrorObserver,
}

impl ProxyOptions {
    /// Every default, on this address.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            workers: 1,
            connections_max: 16_384,
            head_timeout: Duration::from_secs(60),
            head_bytes_max: 64 * 1024,
            half_close_timeout: Duration::from_secs(5),
            upstream_connect_timeout: Duration::from_secs(5),
            upstream_idle_timeout: Duration::from_secs(4),
            upstream_idle_max: 256,
            tunnel_half_close_timeout: Duration::from_secs(5),
            trusted_fronts: TrustedFronts::default(),
            errors: ErrorObserver::default(),
        }
    }

    /// Tells `observer` about each request that an application failed. Called on the worker's thread, between other
    /// requests: it must not block.
    #[must_use]
    pub fn on_error(mut self, observer: impl Fn(&UpstreamError) + Send + Sync + 'static) -> Self {
        self.errors = ErrorObserver(Some(Arc::new(observer)));
        self
    }
}

/// Who is told about failures of the application; nobody by default. Made by [`ProxyOptions::on_error`].
#[derive(Clone, Default)]
pub struct ErrorObserver(Option<Arc<Observer>>);

type Observer = dyn Fn(&UpstreamError) + Send + Sync;

impl ErrorObserver {
    pub(super) fn tell(&self, error: &UpstreamError) {
        tracing::debug!(%error, generation = error.generation.0, "upstream failed");
        if let Some(observer) = &self.0 {
            observer(error);
        }
    }
}

impl fmt::Debug for ErrorObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ErrorObserver(somebody)" } else { "ErrorObserver(nobody)" })
    }
}
