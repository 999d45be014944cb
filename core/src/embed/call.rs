//! The methods by name: what they are called, what they take, and what that means.
//!
//! This is the only table of methods. A text becomes a [`Call`] here, or is refused at once: whoever carries it out sees
//! values that make sense.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::code::{Code, EmbedError};
use super::filter::Filter;
use super::json;
use super::options::Options;
use super::params as p;
use crate::config::{Config, ConfigError, Defaults};
use crate::engine::{PAUSE_TIMEOUT_MAX, Release};
use crate::exit::Signal;
use crate::health::{HealthSchedule, HttpProbe};
use crate::id::{ReleaseId, Seq, UnsafeName};
use crate::proxy::Backend;
use crate::restart::RestartPolicy;
use crate::rollout::{RestartSelection, RollbackTo};
use crate::spec::{
    Application, Command, CommandSpec, PortRange, ProcessPolicy, ProcessSpec, ProxySpec, Readiness, RunSpec,
};
use crate::time::Instant;

/// How many exits `restart.decide` looks at; more are refused.
const EXITS_MAX: usize = 10_000;

macro_rules! methods {
    ($($name:literal => $variant:ident($params:ty), $check:path => $value:ty;)*) => {
        /// What a host wants, checked.
        #[derive(Clone, Debug)]
        pub(super) enum Call {
            $($variant($value),)*
        }

        /// Every method.
        pub(super) const METHODS: &[&str] = &[$($name,)*];

        impl Call {
            /// What `method` with these parameters means.
            pub(super) fn read(method: &str, params: &str) -> Result<Self, EmbedError> {
                match method {
                    $($name => $check(json::read::<$params>(params)?).map(Self::$variant),)*
                    _ => Err(unknown(method)),
                }
            }
        }

        fn schema_of(method: &str) -> Option<schemars::Schema> {
            match method {
                $($name => Some(schemars::schema_for!($params)),)*
                _ => None,
            }
        }
    };
}

methods! {
    "engine.open" => EngineOpen(p::EngineOpen), open => Open;
    "engine.plan" => EnginePlan(p::ReleaseParams), release => ReleaseCall;
    "engine.deploy" => EngineDeploy(p::ReleaseParams), release => ReleaseCall;
    "engine.rollback" => EngineRollback(p::ReleaseName), rollback => RollbackTo;
    "engine.stop" => EngineStop(p::ReleaseName), stop => Option<ReleaseId>;
    "engine.restart" => EngineRestart(p::EngineRestart), restart => RestartSelection;
    "engine.reload" => EngineReload(p::EngineReload), reload => Box<Application>;
    "engine.status" => EngineStatus(p::Nothing), nothing => ();
    "engine.events" => EngineEvents(p::EngineEvents), events => Events;
    "engine.pause" => EnginePause(p::EnginePause), pause => Option<Duration>;
    "engine.resume" => EngineResume(p::Nothing), nothing => ();
    "engine.shutdown" => EngineShutdown(p::Shutdown), shutdown => Drain;
    "process.define" => ProcessDefine(p::Spelled), define => Box<Define>;
    "process.start" => ProcessStart(p::ProcessName), process => String;
    "process.stop" => ProcessStop(p::ProcessName), process => String;
    "process.restart" => ProcessRestart(p::ProcessName), process => String;
    "process.signal" => ProcessSignal(p::ProcessSignal), signal => (String, Signal);
    "process.status" => ProcessStatus(p::ProcessSelect), process_select => Option<String>;
    "process.remove" => ProcessRemove(p::ProcessName), process => String;
    "port.acquire" => PortAcquire(p::PortAcquire), acquire => Acquire;
    "port.release" => PortRelease(p::PortRelease), release_port => String;
    "health.check" => HealthCheck(p::HealthCheck), health => (HttpProbe, HealthSchedule);
    "proxy.open" => ProxyOpen(p::Spelled), open_proxy => Box<OpenProxy>;
    "proxy.switch" => ProxySwitch(p::ProxySwitch), switch => Switch;
    "proxy.drain" => ProxyDrain(p::ProxyDrain), drain => (String, Duration);
    "proxy.close" => ProxyClose(p::ProxyClose), close => (String, Duration);
    "proxy.status" => ProxyStatus(p::ProxySelect), proxy_select => Option<String>;
    "restart.decide" => RestartDecide(p::RestartDecide), decide => Decide;
    "shutdown" => Shutdown(p::Shutdown), shutdown => Drain;
}

/// `engine.open`.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) application: Box<Application>,
    pub(super) keep_state: bool,
}

/// A release, as it is deployed or planned.
#[derive(Clone, Debug)]
pub(super) struct ReleaseCall {
    pub(super) id: ReleaseId,
    pub(super) path: String,
    pub(super) release: Release,
}

/// `engine.events`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    pub(super) after: Option<Seq>,
    pub(super) limit: Option<usize>,
}

/// Whether to drain first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain(pub(super) bool);

/// `process.define`.
#[derive(Clone, Debug)]
pub(super) struct Define {
    pub(super) id: String,
    pub(super) spec: RunSpec,
}

/// `port.acquire`.
#[derive(Clone, Debug)]
pub(super) struct Acquire {
    pub(super) host: String,
    pub(super) range: PortRange,
}

/// `proxy.open`.
#[derive(Clone, Debug)]
pub(super) struct OpenProxy {
    pub(super) id: String,
    pub(super) spec: ProxySpec,
}

/// `proxy.switch`.
#[derive(Clone, Debug)]
pub(super) struct Switch {
    pub(super) id: String,
    pub(super) backends: Vec<Backend>,
    pub(super) name: Option<String>,
}

/// `restart.decide`.
#[derive(Clone, Debug)]
pub(super) struct Decide {
    pub(super) policy: RestartPolicy,
    pub(super) exits: Vec<Instant>,
}

type Checked<T> = Result<T, EmbedError>;

fn invalid(message: impl Into<String>) -> EmbedError {
    EmbedError::new(Code::Argument, "invalid_params", message)
}

fn unknown(method: &str) -> EmbedError {
    // Whatever it is, it is compared with short names.
    let shown: String = method.chars().take(100).collect();
    let alike =
        |one: &&&str, other: &&&str| strsim::jaro(&shown, one).total_cmp(&strsim::jaro(&shown, other));
    let nearest = METHODS.iter().max_by(alike).expect("there are methods");
    let message = format!("unknown method {shown:?}; did you mean {nearest:?}?");
    EmbedError::new(Code::Argument, "unknown_method", message)
}

impl From<UnsafeName> for EmbedError {
    fn from(error: UnsafeName) -> Self {
        Self::new(Code::Argument, "unsafe_name", error.to_string())
    }
}

fn nothing(_: p::Nothing) -> Checked<()> {
    Ok(())
}

/// A config in which an unknown key is a mistake.
fn config(config: Map<String, Value>) -> Checked<Application> {
    let config = Config::from_value(Value::Object(config), &Defaults::default());
    let config = config.map_err(|error| config_error(&error))?;
    if config.warnings().is_empty() {
        return Ok(config.into_application());
    }
    let lines: Vec<_> = config.warnings().iter().map(|issue| format!("\n  - {issue}")).collect();
    let message = format!("Invalid config:{}", lines.concat());
    Err(EmbedError::new(Code::Config, "config_invalid", message)
        .with_detail(json!({ "issues": config.warnings() })))
}

fn config_error(error: &ConfigError) -> EmbedError {
    let issues: Vec<_> = error.issues().iter().chain(error.warnings()).collect();
    EmbedError::new(Code::Config, error.code(), error.to_string()).with_detail(json!({ "issues": issues }))
}

fn open(params: p::EngineOpen) -> Checked<Open> {
    let application = Box::new(config(params.config)?);
    if params.keep_state && application.state.is_none() {
        return Err(invalid("keepState needs a statePath in the config"));
    }
    Ok(Open { application, keep_state: params.keep_state })
}

fn release(params: p::ReleaseParams) -> Checked<ReleaseCall> {
    let p::ReleaseParams { release_id, release_path, revision } = params;
    if release_path.is_empty() || release_path.contains('\0') {
        return Err(invalid("releasePath must be the path of a directory"));
    }
    let release = Release::new(&release_id, release_path.clone())?;
    let release = match revision {
        Some(revision) => release.revision(&revision)?,
        None => release,
    };
    Ok(ReleaseCall { id: ReleaseId::new(release_id)?, path: release_path, release })
}

fn rollback(params: p::ReleaseName) -> Checked<RollbackTo> {
    Ok(stop(params)?.map_or(RollbackTo::Previous, RollbackTo::Release))
}

fn stop(params: p::ReleaseName) -> Checked<Option<ReleaseId>> {
    Ok(params.release_id.map(ReleaseId::new).transpose()?)
}

fn restart(params: p::EngineRestart) -> Checked<RestartSelection> {
    use ProcessPolicy::{Companion, Proxied, Service, Singleton};
    let known = [Proxied, Companion, Singleton, Service];
    let named = |name: String| {
        let found = known.into_iter().find(|policy| policy.as_str() == name);
        found.ok_or_else(|| {
            invalid(format!("policy must be one of: {}", known.map(ProcessPolicy::as_str).join(", ")))
        })
    };
    Ok(RestartSelection { process: params.process_id, policy: params.policy.map(named).transpose()? })
}

fn reload(params: p::EngineReload) -> Checked<Box<Application>> {
    Ok(Box::new(config(params.config)?))
}

#[expect(clippy::unnecessary_wraps, reason = "every check has the same shape")]
fn events(params: p::EngineEvents) -> Checked<Events> {
    Ok(Events { after: params.after.map(Seq), limit: params.limit })
}

fn pause(params: p::EnginePause) -> Checked<Option<Duration>> {
    let timeout = params.timeout_ms.map(Duration::from_millis);
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > PAUSE_TIMEOUT_MAX) {
        let message = format!("timeoutMs must be between 1 and {}", PAUSE_TIMEOUT_MAX.as_millis());
        return Err(EmbedError::new(Code::Argument, "invalid_field", message));
    }
    Ok(timeout)
}

#[expect(clippy::unnecessary_wraps, reason = "every check has the same shape")]
fn shutdown(params: p::Shutdown) -> Checked<Drain> {
    Ok(Drain(params.drain))
}

/// A name that a host gives to something of its handle.
fn name(id: String) -> Checked<String> {
    if id.is_empty() || id.len() > 200 || id.contains(char::is_control) {
        return Err(invalid("id must have 1 to 200 bytes and no control characters"));
    }
    Ok(id)
}

fn process(params: p::ProcessName) -> Checked<String> {
    name(params.id)
}

fn process_select(params: p::ProcessSelect) -> Checked<Option<String>> {
    params.id.map(name).transpose()
}

fn proxy_select(params: p::ProxySelect) -> Checked<Option<String>> {
    params.id.map(name).transpose()
}

fn signal(params: p::ProcessSignal) -> Checked<(String, Signal)> {
    let signal = params.signal.parse::<Signal>().map_err(|error| invalid(error.to_string()))?;
    Ok((name(params.id)?, signal))
}

/// What only makes sense in a rollout.
const NOT_ALONE: [&str; 6] = ["deployStrategy", "health", "nonBlockingDrain", "policy", "port", "replicas"];

/// The spelling of a process is that of a config.
fn define(params: p::Spelled) -> Checked<Box<Define>> {
    let known: p::ProcessDefine = json::read_value(&without_others(&params, &["id", "command"]))?;
    let id = name(known.id)?;
    Ok(Box::new(Define { id, spec: run_spec(process_spec(params)?) }))
}

fn process_spec(params: p::Spelled) -> Checked<ProcessSpec> {
    if let Some(key) = NOT_ALONE.into_iter().find(|key| params.contains_key(*key)) {
        return Err(invalid(format!("unknown field `{key}`: it has no meaning for a process alone")));
    }
    let beside = json!({ "id": "__proxied", "policy": "proxied", "command": ["true"], "port": 0 });
    let config = json!({ "proxy": {}, "processes": [params, beside] });
    let application = config_alone(&config, "processes[0]")?;
    Ok(application.processes.into_iter().next().expect("there were two"))
}

/// A config that was made around one section, which its issues are about.
fn config_alone(whole: &Value, section: &str) -> Checked<Application> {
    let whole = whole.as_object().expect("it is written as an object");
    config(whole.clone()).map_err(|error| {
        let shorter = |text: &str| text.replace(&format!("{section}."), "");
        let detail = shorter(&error.detail.to_string());
        let detail = serde_json::from_str(&detail).unwrap_or_else(|_| json!({}));
        EmbedError { message: shorter(&error.message), detail, ..error }
    })
}

fn run_spec(process: ProcessSpec) -> RunSpec {
    let command = match process.command {
        CommandSpec::Shell(line) => Command::Shell(line),
        CommandSpec::Exec(words) => {
            let mut words = words.into_iter();
            Command::Exec { program: words.next().unwrap_or_default(), args: words.collect() }
        }
    };
    let readiness = match process.min_uptime {
        Duration::ZERO => Readiness::WhenSpawned,
        uptime => Readiness::AfterUptime(uptime),
    };
    RunSpec {
        env: process.env,
        stop: process.stop,
        restart: process.restart,
        readiness,
        output_lines_max: process.output_lines_max,
        memory: process.memory,
        ..RunSpec::new(command, process.cwd.map_or_else(here, PathBuf::from))
    }
}

/// Where the host is, as for anything that it would start itself.
fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

fn without_others(params: &p::Spelled, keys: &[&str]) -> Value {
    let kept = params.iter().filter(|(key, _)| keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into()
}

fn acquire(params: p::PortAcquire) -> Checked<Acquire> {
    let range = match params.port {
        p::PortParam::Only(0) => PortRange::EPHEMERAL,
        p::PortParam::Only(port) => PortRange::only(port),
        p::PortParam::Range(p::RangeParam { from, to }) => {
            PortRange::new(from, to).map_err(|error| invalid(error.to_string()))?
        }
    };
    Ok(Acquire { host: params.host.unwrap_or_else(|| "127.0.0.1".to_owned()), range })
}

fn release_port(params: p::PortRelease) -> Checked<String> {
    name(params.lease_id)
}

fn health(params: p::HealthCheck) -> Checked<(HttpProbe, HealthSchedule)> {
    let probe = match (params.url, params.socket, params.path) {
        (Some(url), None, None) => HttpProbe::get(url),
        (None, Some(socket), path) => HttpProbe::get_at(socket, path.as_deref().unwrap_or("/ping")),
        _ => return Err(invalid("give a url, or a socket and its path")),
    };
    let default = HealthSchedule::default();
    let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
    let schedule = HealthSchedule {
        timeout: or(params.timeout_ms, default.timeout),
        interval: or(params.interval_ms, default.interval),
        start_delay: or(params.start_delay_ms, default.start_delay),
        probe_timeout: or(params.probe_timeout_ms, default.probe_timeout),
    };
    Ok((probe, schedule))
}

fn open_proxy(mut params: p::Spelled) -> Checked<Box<OpenProxy>> {
    let known: p::ProxyOpen = json::read_value(&without_others(&params, &["id", "host", "port"]))?;
    params.remove("id");
    let proxied = json!({ "id": "web", "policy": "proxied", "command": ["true"], "port": 0 });
    let application = config_alone(&json!({ "proxy": params, "processes": [proxied] }), "proxy")?;
    Ok(Box::new(OpenProxy { id: name(known.id)?, spec: application.proxy }))
}

fn switch(params: p::ProxySwitch) -> Checked<Switch> {
    let backends = params.targets.into_iter().map(backend).collect::<Checked<Vec<_>>>()?;
    Ok(Switch { id: name(params.id)?, backends, name: params.name })
}

fn backend(target: p::TargetParam) -> Checked<Backend> {
    match (target.host, target.port, target.socket) {
        (host, Some(port), None) => Ok((host.unwrap_or_else(|| "127.0.0.1".to_owned()), port).into()),
        (None, None, Some(socket)) => Ok(Backend::Unix(socket.into())),
        _ => Err(invalid("a target has a port and perhaps a host, or a socket")),
    }
}

fn drain(params: p::ProxyDrain) -> Checked<(String, Duration)> {
    Ok((name(params.id)?, Duration::from_millis(params.timeout_ms.unwrap_or(60_000))))
}

fn close(params: p::ProxyClose) -> Checked<(String, Duration)> {
    Ok((name(params.id)?, Duration::from_millis(params.timeout_ms.unwrap_or(10_000))))
}

fn decide(params: p::RestartDecide) -> Checked<Decide> {
    let exits = params.exits_ms;
    if exits.is_empty() || exits.len() > EXITS_MAX || !exits.is_sorted() {
        return Err(invalid(format!("exitsMs must hold 1 to {EXITS_MAX} times, the oldest first")));
    }
    let mut spelled = Map::new();
    spelled.insert("id".to_owned(), json!("it"));
    spelled.insert("command".to_owned(), json!("true"));
    spelled.extend(params.restart_delay_ms.map(|ms| ("restartDelayMs".to_owned(), json!(ms))));
    spelled.extend(params.restart.map(|restart| ("restart".to_owned(), restart.spelled())));
    let exits = exits.into_iter().map(|ms| Instant::from_origin(Duration::from_millis(ms))).collect();
    Ok(Decide { policy: process_spec(spelled)?.restart, exits })
}

impl p::RestartParam {
    fn spelled(&self) -> Value {
        json!({
            "maxRestarts": self.max_restarts,
            "windowMs": self.window_ms,
            "backoffFactor": self.backoff_factor,
            "maxDelayMs": self.max_delay_ms,
        })
    }
}

/// The schema of what `name` takes: a method, or `options`, `subscribe` or `snapshot`.
pub(super) fn schema(name: &str) -> Option<schemars::Schema> {
    match name {
        "options" => Some(schemars::schema_for!(Options)),
        "subscribe" => Some(schemars::schema_for!(Filter)),
        "snapshot" => Some(schemars::schema_for!(p::Snapshot)),
        // What only a config spells out is open to it; what is known here is written down.
        "process.define" => Some(schemars::schema_for!(p::ProcessDefine)),
        "proxy.open" => Some(schemars::schema_for!(p::ProxyOpen)),
        method => schema_of(method),
    }
}

/// Whether `text` would be understood, as what `kind` names: what a schema has, or `config`.
pub(super) fn validate(kind: &str, text: &str) -> Checked<()> {
    match kind {
        "options" => Options::read(text).map(drop),
        "subscribe" => json::read::<Filter>(text).map(drop),
        "snapshot" => json::read::<p::Snapshot>(text).map(drop),
        "config" => json::read::<Map<String, Value>>(text).and_then(config).map(drop),
        method => Call::read(method, text).map(drop),
    }
}
