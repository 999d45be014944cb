//! Who is behind a control socket, as a value.

use std::path::Path;

use serde_json::{Map, Value};

use crate::spec::{Application, ProxySpec};

/// Who answers on the control socket of an application; [`control_presence`](crate::control_presence) asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlPresence {
    /// Nobody: a daemon may bind it.
    Nobody,
    /// A daemon.
    Daemon(DaemonSeen),
    /// Somebody who is no daemon.
    Stranger,
    /// Nobody; but what is at the path is not ours to remove, such as `a regular file`.
    Taken(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// A daemon, as it tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSeen {
    /// Whose it is.
    pub application: String,
    /// What it serves.
    pub active: Option<ReleaseSeen>,
    /// The address it listens on, as configured.
    pub proxy_host: String,
    /// The port it listens on.
    pub proxy_port: Option<u16>,
    /// Where it expects the processes of a release.
    pub upstream_host: String,
}

/// A release that a daemon serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSeen {
    /// Its name.
    pub id: String,
    /// Its directory; empty when the daemon does not say.
    pub path: String,
}

impl DaemonSeen {
    /// Reads the answer to `status` (compat C-186); `None` when it is not one.
    #[must_use]
    pub fn from_status(status: &Map<String, Value>) -> Option<Self> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let proxy = |key: &str| status.get("proxy").and_then(|proxy| proxy.get(key));
        let active = text(status.get("activeReleaseId")).map(|id| {
            let releases = status.get("releases").and_then(Value::as_array).into_iter().flatten();
            let mut of_it = releases.filter(|release| release["releaseId"] == id.as_str());
            let path = of_it.find_map(|release| text(release.get("releasePath"))).unwrap_or_default();
            ReleaseSeen { id, path }
        });
        Some(Self {
            application: text(status.get("application"))?,
            active,
            proxy_host: text(proxy("host")).unwrap_or_default(),
            proxy_port: proxy("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()),
            upstream_host: text(proxy("upstreamHost")).unwrap_or_default(),
        })
    }

    /// Whether it is the daemon of this application.
    #[must_use]
    pub fn is_of(&self, application: &Application) -> bool {
        self.application == application.name
    }

    /// Whether it listens where `proxy` says. A port that the system chooses is any port.
    #[must_use]
    pub fn listens_on(&self, proxy: &ProxySpec) -> bool {
        self.proxy_host == proxy.host && (proxy.port == 0 || self.proxy_port == Some(proxy.port))
    }

    /// Whether it serves a release where this application wants to be served: then it may stay (compat C-225).
    #[must_use]
    pub fn serves(&self, application: &Application) -> bool {
        let proxy = &application.proxy;
        self.active.is_some()
            && self.is_of(application)
            && self.listens_on(proxy)
            && self.upstream_host == proxy.upstream_host
    }
}

impl ControlPresence {
    /// Whether that is in order, and how it is told (compat C-233).
    pub(super) fn verdict(&self, application: &Application, path: &Path) -> (bool, String) {
        let path = path.display();
        match self {
            Self::Nobody => (true, format!("no daemon running; {path} is free to bind")),
            Self::Daemon(daemon) if daemon.is_of(application) => {
                (true, format!("Rollbridge daemon for \"{}\" is running on {path}", daemon.application))
            }
            Self::Daemon(daemon) => (
                false,
                format!(
                    "a Rollbridge daemon for \"{}\" is already running on {path}; stop it before starting another",
                    daemon.application
                ),
            ),
            Self::Stranger => (
                false,
                format!("another process is already listening on {path}; the daemon would fail to bind it"),
            ),
            Self::Taken(what) => {
                (false, format!("{path} is taken by {what}; the daemon would fail to bind it"))
            }
            Self::Unknown(error) => (false, format!("could not probe {path}: {error}")),
        }
    }

    /// The daemon of this application, if it is that.
    pub(super) fn own_daemon(&self, application: &Application) -> Option<&DaemonSeen> {
        match self {
            Self::Daemon(daemon) if daemon.is_of(application) => Some(daemon),
            _ => None,
        }
    }
}
