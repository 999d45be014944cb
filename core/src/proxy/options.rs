//! How a proxy is made.

use std::fmt;
use std::sync::Arc;

use crate::spec::{AccessLogSpec, ProxyLimits, TrustedFronts};

use super::UpstreamError;

/// How a proxy listens and what it puts up with.
///
/// ```
/// use rollcore::ProxyOptions;
/// let options = ProxyOptions { workers: 2, ..ProxyOptions::new("127.0.0.1", 0) };
/// assert_eq!(options.limits.upstream_connect_timeout.as_secs(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// The address or name to listen on. A name is looked up once, when the proxy is bound.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// How many threads serve. All accept from one socket. Default 1, which is enough for most hosts; 0 means 1.
    pub workers: usize,
    /// What it puts up with.
    pub limits: ProxyLimits,
    /// Whose `X-Forwarded-*` fields are believed. Default: this machine and private networks. See
    /// [`DrainingProxy::trust`](super::DrainingProxy::trust).
    pub trusted_fronts: TrustedFronts,
    /// The protocols that a connection may be upgraded to (RFC 9110 §7.8), as `Upgrade` names them; case does not matter.
    /// A request for another one is answered without it. Default `websocket`.
    pub upgrades: Vec<String>,
    /// A line for each request. Default: none. See [`DrainingProxy::log_to`](super::DrainingProxy::log_to).
    pub access_log: Option<AccessLogSpec>,
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
            limits: ProxyLimits::default(),
            trusted_fronts: TrustedFronts::default(),
            upgrades: vec!["websocket".to_owned()],
            access_log: None,
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
