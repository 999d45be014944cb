//! How a proxy is made.

use std::fmt;
use std::sync::Arc;

use crate::spec::{AccessLogSpec, ProxyLimits, TlsSpec, TrustedFronts};

use super::{TlsNews, UpstreamError};

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
    /// How many threads serve, or tasks accept; see [`ServeOn`]. All accept from one socket. Default 1, which is enough
    /// for most hosts; 0 means 1.
    pub workers: usize,
    /// Where requests are served. Default: on threads of its own.
    pub serve_on: ServeOn,
    /// What it puts up with.
    pub limits: ProxyLimits,
    /// Whose `X-Forwarded-*` fields are believed. Default: this machine and private networks. See
    /// [`DrainingProxy::trust`](super::DrainingProxy::trust).
    pub trusted_fronts: TrustedFronts,
    /// HTTPS instead of HTTP, with these certificates; `None` means HTTP. Needs the feature `tls`, which is on by default.
    pub tls: Option<TlsSpec>,
    /// Whether every connection begins with the PROXY protocol, version 1 or 2, in which a front says who its client is;
    /// default no. Only fronts that are [trusted](Self::trusted_fronts) can do so: anybody else's connection is closed, as
    /// is one that begins otherwise, or takes longer than
    /// [`head_timeout`](crate::ProxyLimits::head_timeout).
    pub proxy_protocol: bool,
    /// Who is told what became of certificates that have changed.
    pub certificates: TlsObserver,
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
            serve_on: ServeOn::default(),
            limits: ProxyLimits::default(),
            trusted_fronts: TrustedFronts::default(),
            tls: None,
            proxy_protocol: false,
            certificates: TlsObserver::default(),
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

    /// Tells `observer` when certificates whose files have changed are served, and when they are not. Called on a thread
    /// of the proxy that serves nobody.
    #[must_use]
    pub fn on_certificates(mut self, observer: impl Fn(&TlsNews) + Send + Sync + 'static) -> Self {
        self.certificates = TlsObserver(Some(Arc::new(observer)));
        self
    }
}

/// Where a proxy serves.
#[derive(Clone, Debug, Default)]
pub enum ServeOn {
    /// On threads of its own, each with a runtime for one thread: whatever the host does, requests do not wait for it.
    #[default]
    OwnThreads,
    /// On this runtime, which needs IO and time: for a host that wants no more threads. Requests share its threads with
    /// everything else on it, and it costs 3 to 8 % more processor time. Connections end with the runtime, uncounted.
    ///
    /// ```
    /// use rollcore::{DrainingProxy, ProxyOptions, ServeOn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let here = ServeOn::Runtime(tokio::runtime::Handle::current());
    /// let proxy = DrainingProxy::bind(ProxyOptions { serve_on: here, ..ProxyOptions::new("127.0.0.1", 0) })?;
    /// proxy.close(std::time::Duration::from_secs(1)).await;
    /// # Ok(())
    /// # }
    /// ```
    Runtime(tokio::runtime::Handle),
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

/// Who is told what became of certificates; nobody by default. Made by [`ProxyOptions::on_certificates`].
#[derive(Clone, Default)]
pub struct TlsObserver(Option<Arc<ToldOfCertificates>>);

type ToldOfCertificates = dyn Fn(&TlsNews) + Send + Sync;

impl TlsObserver {
    #[cfg(feature = "tls")]
    pub(super) fn tell(&self, news: &TlsNews) {
        match news {
            TlsNews::Loaded { names } => tracing::info!(?names, "certificates have changed"),
            TlsNews::Kept { error } => tracing::warn!(%error, "certificates have changed and are not served"),
        }
        if let Some(observer) = &self.0 {
            observer(news);
        }
    }
}

impl fmt::Debug for TlsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "TlsObserver(somebody)" } else { "TlsObserver(nobody)" })
    }
}
