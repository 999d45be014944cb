//! The whole application: its proxy, its control socket, its processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{AccessLogSpec, AdminSpec, LegacyTakeover, ProcessSpec, ProxyLimits, TlsSpec, TrustedFronts};

/// Everything that one engine looks after.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Its name, in `ROLLCORE_APPLICATION` and in messages.
    pub name: String,
    /// Where traffic comes in.
    pub proxy: ProxySpec,
    /// Where commands come in.
    pub control: ControlSpec,
    /// What runs, in config order. Exactly one process is proxied, and it has a port.
    pub processes: Vec<ProcessSpec>,
    /// Which stopped releases are remembered.
    pub retention: Retention,
    /// Where what runs is written down, for the next daemon; `None` means nowhere.
    pub state: Option<StateSpec>,
    /// What is stopped before the first deploy, if anything.
    pub legacy: Option<LegacyTakeover>,
    /// What the config, being a program, changed in its environment (compat C-3): the new values, and `None` for what
    /// it removed. On top of the environment of this program, for placeholders and for processes.
    pub environment: BTreeMap<String, Option<String>>,
}

/// Where what runs is written down (compat C-201), so that nothing is lost when the program is killed.
///
/// Written by an engine from [`Engine::keep_state`](crate::Engine::keep_state) on, and read by the next one and by
/// [`Recovery`](crate::Recovery). Put it where nobody else may write: it says what is stopped and what is run. One that is
/// a link, belongs to another user, or may be written by everybody is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSpec {
    /// The file; `statePath` in the config.
    pub path: PathBuf,
    /// Whether [`Engine::restore`](crate::Engine::restore) brings back the release that was active when an earlier daemon was
    /// killed. Default yes: otherwise requests get 503 until somebody deploys.
    pub restore_on_start: bool,
}

/// Where traffic comes in and how it leaves (compat C-17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySpec {
    /// The address to listen on. Default `127.0.0.1`.
    pub host: String,
    /// The port to listen on; 0 takes a free one. Default 8182.
    pub port: u16,
    /// The address at which the processes of a release listen. Default: `host`, or `127.0.0.1` when that is a
    /// wildcard.
    pub upstream_host: String,
    /// How long requests and tunnels of an old release may go on. Default 60 s.
    pub drain_timeout: Duration,
    /// How long a process may take to end when nothing else is said: the default of `gracefulStopMs`. Default 10 s.
    pub force_stop_timeout: Duration,
    /// Whose `X-Forwarded-*` fields are believed. Default: this machine and private networks.
    pub trusted_fronts: TrustedFronts,
    /// HTTPS instead of HTTP, with these certificates. Default: HTTP.
    pub tls: Option<TlsSpec>,
    /// Whether every connection begins with the PROXY protocol. Default no. See
    /// [`ProxyOptions::proxy_protocol`](crate::ProxyOptions::proxy_protocol).
    pub proxy_protocol: bool,
    /// How many threads serve. Default 1, which is enough for most hosts.
    pub workers: usize,
    /// The protocols that a connection may be upgraded to, as `Upgrade` names them. Default `websocket`.
    pub upgrades: Vec<String>,
    /// What the proxy puts up with.
    pub limits: ProxyLimits,
    /// A line for each request. Default: none.
    pub access_log: Option<AccessLogSpec>,
    /// Where the numbers can be read. Default: nowhere.
    pub admin: Option<AdminSpec>,
}

/// Where commands come in (compat C-16).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlSpec {
    /// The Unix socket.
    pub path: PathBuf,
    /// Its permissions; `None` means only the owner may connect.
    pub mode: Option<u32>,
    /// Its owner; `None` means whoever runs the daemon.
    pub owner: Option<OwnerName>,
    /// Its group; `None` means that of whoever runs the daemon.
    pub group: Option<OwnerName>,
}

/// A user or group, as the config names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerName {
    /// By number.
    Id(u32),
    /// By name, looked up when the socket is bound.
    Name(String),
}

/// Which stopped releases are remembered for a rollback (compat C-18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many; older ones are forgotten. Default 10.
    pub keep: usize,
    /// For how long; `None` means for ever.
    pub max_age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep: 10, max_age: None }
    }
}

impl Default for ProxySpec {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8182,
            upstream_host: "127.0.0.1".to_owned(),
            drain_timeout: Duration::from_secs(60),
            force_stop_timeout: Duration::from_secs(10),
            trusted_fronts: TrustedFronts::default(),
            tls: None,
            proxy_protocol: false,
            workers: 1,
            upgrades: vec!["websocket".to_owned()],
            limits: ProxyLimits::default(),
            access_log: None,
            admin: None,
        }
    }
}

impl Application {
    /// These processes, with every default but the control socket's path, which only a config has.
    #[must_use]
    pub fn new(name: impl Into<String>, processes: Vec<ProcessSpec>) -> Self {
        Self {
            name: name.into(),
            proxy: ProxySpec::default(),
            control: ControlSpec::default(),
            processes,
            retention: Retention::default(),
            state: None,
            legacy: None,
            environment: BTreeMap::new(),
        }
    }

    /// The process that traffic goes to.
    ///
    /// # Panics
    /// When there is none; config refuses such an application.
    #[must_use]
    pub fn proxied(&self) -> &ProcessSpec {
        self.processes
            .iter()
            .find(|process| process.policy == super::ProcessPolicy::Proxied)
            .expect("an application has exactly one proxied process")
    }
}
