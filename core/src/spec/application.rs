//! The whole application: its proxy, its control socket, its processes.

use std::path::PathBuf;
use std::time::Duration;

use super::ProcessSpec;

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

impl Application {
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
