//! What each method takes, as it is written. The schemas that hosts get are made of these types.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// No parameters.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        $(#[$doc])*
        pub(super) struct $name {
            $($(#[$about])* pub(super) $field: $type),*
        }
    )*};
}

params! {
    /// Opens the engine of this handle: binds the proxy, and runs no process yet.
    EngineOpen {
        /// The config, as `rollcore.json` has it. Unknown keys are refused.
        config: Map<String, Value>,
        /// Whether to write down what runs (`statePath` of the config), and to bring back what was active when an earlier
        /// program was killed, unless the config's `restoreOnStart` is false. Default false.
        #[serde(default)]
        keep_state: bool,
    }
    /// A release: a prepared directory and its name.
    ReleaseParams {
        /// Its name: letters, digits, `.`, `_` and `-`.
        release_id: String,
        /// Its directory.
        release_path: String,
        /// What it was built from. Default: its name.
        revision: Option<String>,
    }
    /// A release by name.
    ReleaseName {
        /// Its name. Without it: of a rollback the release before, of a stop the active one.
        release_id: Option<String>,
    }
    /// Which instances to restart, one after the other; nothing given means all but the proxied ones.
    EngineRestart {
        /// A process, which means all its replicas, or one instance: `worker#1`.
        process_id: Option<String>,
        /// Only processes of this policy: `proxied`, `companion`, `singleton` or `service`.
        policy: Option<String>,
    }
    /// A config for the deploys and rollbacks from now on.
    EngineReload {
        /// As for `engine.open`. What a running engine cannot take over is refused: `restart_needed`.
        config: Map<String, Value>,
    }
    /// Which events of the engine.
    EngineEvents {
        /// Only those behind this place: `lastSeq` of an earlier answer.
        after: Option<u64>,
        /// Only so many of the newest.
        limit: Option<usize>,
    }
    /// How long to let requests wait.
    EnginePause {
        /// After how long traffic is resumed by itself; without it, by `engine.resume` alone.
        timeout_ms: Option<u64>,
    }
    /// How to end.
    Shutdown {
        /// Whether requests and tunnels have `proxy.drainTimeoutMs` to end first. Default false.
        #[serde(default)]
        drain: bool,
    }
    /// A process to look after. Whatever else an entry of `processes` in a config may say holds here, too: `cwd`, `env`,
    /// `gracefulStopMs`, `lifecycle`, `memory`, `minUptimeMs`, `outputLines`, `restart`, `restartDelayMs`, `stopSignal`.
    /// Nothing is filled in: `{{port}}` is a text like any other.
    #[schemars(extend("additionalProperties" = true))]
    ProcessDefine {
        /// Its name in this handle. A process of the same name gets what is said here with its next start.
        id: String,
        /// A line for the shell, or a program and its arguments.
        #[expect(dead_code, reason = "for the schema, and to be refused early; the config reads it")]
        command: CommandParam,
    }
    /// A process by name.
    ProcessName {
        /// As it was defined.
        id: String,
    }
    /// A process by name, or all of them.
    ProcessSelect {
        /// As it was defined; without it: all.
        id: Option<String>,
    }
    /// A signal for a process.
    ProcessSignal {
        /// As it was defined.
        id: String,
        /// Such as `SIGHUP`. It goes to everything that the process has started, too.
        signal: String,
    }
    /// Which port.
    PortAcquire {
        /// A port, or `{"from": 18000, "to": 18099}`; 0, the default, lets the system choose.
        #[serde(default)]
        port: PortParam,
        /// Where. Default `127.0.0.1`.
        host: Option<String>,
    }
    /// A lease by name.
    PortRelease {
        /// As `port.acquire` said it.
        lease_id: String,
    }
    /// Whom to ask, until the answer is 2xx.
    HealthCheck {
        /// Such as `http://127.0.0.1:18182/ping`.
        url: Option<String>,
        /// A Unix socket instead of a url.
        socket: Option<String>,
        /// What to ask for at the socket. Default `/ping`.
        path: Option<String>,
        /// How long it may take, after `startDelayMs`. Default 30,000.
        timeout_ms: Option<u64>,
        /// Between two probes. Default 250.
        interval_ms: Option<u64>,
        /// Before the first probe. Default 0.
        start_delay_ms: Option<u64>,
        /// How long one probe may take. Default 5,000.
        probe_timeout_ms: Option<u64>,
    }
    /// A proxy that listens, and answers 503 until it is switched. Whatever else `proxy` in a config may say holds here,
    /// too: `limits`, `tls`, `trustedFronts`, `accessLog`, `upgrades`, `workers`, `proxyProtocol`.
    #[schemars(extend("additionalProperties" = true))]
    ProxyOpen {
        /// Its name in this handle.
        id: String,
        /// Where. Default `127.0.0.1`.
        #[expect(dead_code, reason = "for the schema, and to be refused early; the config reads it")]
        host: Option<String>,
        /// Default 8182; 0 lets the system choose.
        #[expect(dead_code, reason = "for the schema, and to be refused early; the config reads it")]
        port: Option<u16>,
    }
    /// Where requests go from now on.
    ProxySwitch {
        /// The proxy.
        id: String,
        /// Requests go to them in turn. None: they are answered with 503.
        targets: Vec<TargetParam>,
        /// What they are called in the access log.
        name: Option<String>,
    }
    /// How long to wait for those who are still open to where requests went before.
    ProxyDrain {
        /// The proxy.
        id: String,
        /// What is open then is cut, and counted. Default 60,000.
        timeout_ms: Option<u64>,
    }
    /// How to close.
    ProxyClose {
        /// The proxy.
        id: String,
        /// What is open then is cut, and counted. Default 10,000.
        timeout_ms: Option<u64>,
    }
    /// A proxy by name, or all of them.
    ProxySelect {
        /// As it was opened; without it: all.
        id: Option<String>,
    }
    /// When a process has exited, and what its policy is.
    RestartDecide {
        /// When it exited, each time, in milliseconds on one clock; the last one is now. At most 10,000.
        exits_ms: Vec<u64>,
        /// As `restartDelayMs` of a process. Default 1,000.
        restart_delay_ms: Option<u64>,
        /// As `restart` of a process.
        restart: Option<RestartParam>,
    }
}

/// A line for the shell, or a program and its arguments.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CommandParam {
    /// For the shell.
    Line(#[expect(dead_code, reason = "as the command itself")] String),
    /// The program first.
    Words(#[expect(dead_code, reason = "as the command itself")] Vec<String>),
}

/// A port, or a range of them.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum PortParam {
    /// This one; 0 lets the system choose.
    Only(u16),
    /// The lowest that is free.
    Range(RangeParam),
}

impl Default for PortParam {
    fn default() -> Self {
        Self::Only(0)
    }
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeParam {
    /// The lowest.
    pub(super) from: u16,
    /// The highest.
    pub(super) to: u16,
}

/// Where an application listens: `{"port": 18182}`, `{"host": "10.0.0.5", "port": 80}` or `{"socket": "/run/web.sock"}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetParam {
    /// Default `127.0.0.1`.
    pub(super) host: Option<String>,
    /// Its port.
    pub(super) port: Option<u16>,
    /// A Unix socket instead of a port.
    pub(super) socket: Option<String>,
}

/// As `restart` of a process in a config.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RestartParam {
    /// Default: no limit.
    pub(super) max_restarts: Option<u32>,
    /// In which time. Default 0: ever.
    pub(super) window_ms: Option<f64>,
    /// By how much the delay grows. Default 1.
    pub(super) backoff_factor: Option<f64>,
    /// How far. Default 0: no cap.
    pub(super) max_delay_ms: Option<f64>,
}

/// The keys of a process or a proxy that only a config knows.
pub(super) type Spelled = Map<String, Value>;

/// What to look at.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Snapshot {
    /// Default `status`.
    #[serde(default)]
    pub(super) what: What,
}

/// What to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum What {
    /// The engine.
    #[default]
    Status,
    /// The processes that were defined alone.
    Processes,
    /// The proxies that were opened alone.
    Proxies,
    /// The ports that were acquired alone.
    Leases,
}
