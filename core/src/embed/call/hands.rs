//! What each hand alone is asked for.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::code::EmbedError;
use super::super::{json, params as p};
use super::engine::config;
use super::{Checked, invalid};
use crate::exit::Signal;
use crate::health::{HealthSchedule, HttpProbe};
use crate::proxy::Backend;
use crate::restart::RestartPolicy;
use crate::spec::{Application, Command, CommandSpec, PortRange, ProcessSpec, ProxySpec, Readiness, RunSpec};
use crate::time::Instant;

/// What only makes sense in a rollout.
const NOT_ALONE: [&str; 6] = ["deployStrategy", "health", "nonBlockingDrain", "policy", "port", "replicas"];

/// How many exits `restart.decide` looks at; more are refused.
const EXITS_MAX: usize = 10_000;

/// `process.define`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct Define {
    pub(in crate::embed) id: String,
    pub(in crate::embed) spec: RunSpec,
}

/// `port.acquire`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct Acquire {
    pub(in crate::embed) host: String,
    pub(in crate::embed) range: PortRange,
}

/// `proxy.open`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct OpenProxy {
    pub(in crate::embed) id: String,
    pub(in crate::embed) spec: ProxySpec,
}

/// `proxy.switch`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct Switch {
    pub(in crate::embed) id: String,
    pub(in crate::embed) backends: Vec<Backend>,
    pub(in crate::embed) name: Option<String>,
}

/// `restart.decide`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct Decide {
    pub(in crate::embed) policy: RestartPolicy,
    pub(in crate::embed) exits: Vec<Instant>,
}

/// A name that a host gives to something of its handle.
pub(super) fn name(id: String) -> Checked<String> {
    if id.is_empty() || id.len() > 200 || id.contains(char::is_control) {
        return Err(invalid("id must have 1 to 200 bytes and no control characters"));
    }
    Ok(id)
}

pub(super) fn process(params: p::ProcessName) -> Checked<String> {
    name(params.id)
}

pub(super) fn process_select(params: p::ProcessSelect) -> Checked<Option<String>> {
    params.id.map(name).transpose()
}

pub(super) fn proxy_select(params: p::ProxySelect) -> Checked<Option<String>> {
    params.id.map(name).transpose()
}

pub(super) fn signal(params: p::ProcessSignal) -> Checked<(String, Signal)> {
    let signal = params.signal.parse::<Signal>().map_err(|error| invalid(error.to_string()))?;
    Ok((name(params.id)?, signal))
}

/// The spelling of a process is that of a config.
pub(super) fn define(params: p::Spelled) -> Checked<Box<Define>> {
    let known: p::ProcessDefine = json::read_value(&without_others(&params, &["id", "command"]))?;
    let id = name(known.id)?;
    Ok(Box::new(Define { id, spec: run_spec(process_spec(params)?) }))
}

pub(super) fn process_spec(params: p::Spelled) -> Checked<ProcessSpec> {
    if let Some(key) = NOT_ALONE.into_iter().find(|key| params.contains_key(*key)) {
        return Err(invalid(format!("unknown field `{key}`: it has no meaning for a process alone")));
    }
    let beside = json!({ "id": "__proxied", "policy": "proxied", "command": ["true"], "port": 0 });
    let config = json!({ "proxy": {}, "processes": [params, beside] });
    let application = config_alone(&config, "processes[0]")?;
    Ok(application.processes.into_iter().next().expect("there were two"))
}

/// A config that was made around one section, which its issues are about.
pub(super) fn config_alone(whole: &Value, section: &str) -> Checked<Application> {
    let whole = whole.as_object().expect("it is written as an object");
    config(whole.clone()).map_err(|error| {
        let shorter = |text: &str| text.replace(&format!("{section}."), "");
        let detail = shorter(&error.detail.to_string());
        let detail = serde_json::from_str(&detail).unwrap_or_else(|_| json!({}));
        EmbedError { message: shorter(&error.message), detail, ..error }
    })
}

pub(super) fn run_spec(process: ProcessSpec) -> RunSpec {
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
pub(super) fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

pub(super) fn without_others(params: &p::Spelled, keys: &[&str]) -> Value {
    let kept = params.iter().filter(|(key, _)| keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into()
}

pub(super) fn acquire(params: p::PortAcquire) -> Checked<Acquire> {
    let range = match params.port {
        p::PortParam::Only(0) => PortRange::EPHEMERAL,
        p::PortParam::Only(port) => PortRange::only(port),
        p::PortParam::Range(p::RangeParam { from, to }) => {
            PortRange::new(from, to).map_err(|error| invalid(error.to_string()))?
        }
    };
    Ok(Acquire { host: params.host.unwrap_or_else(|| "127.0.0.1".to_owned()), range })
}

pub(super) fn release_port(params: p::PortRelease) -> Checked<String> {
    name(params.lease_id)
}

pub(super) fn health(params: p::HealthCheck) -> Checked<(HttpProbe, HealthSchedule)> {
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

pub(super) fn open_proxy(mut params: p::Spelled) -> Checked<Box<OpenProxy>> {
    let known: p::ProxyOpen = json::read_value(&without_others(&params, &["id", "host", "port"]))?;
    params.remove("id");
    let proxied = json!({ "id": "web", "policy": "proxied", "command": ["true"], "port": 0 });
    let application = config_alone(&json!({ "proxy": params, "processes": [proxied] }), "proxy")?;
    Ok(Box::new(OpenProxy { id: name(known.id)?, spec: application.proxy }))
}

pub(super) fn switch(params: p::ProxySwitch) -> Checked<Switch> {
    let backends = params.targets.into_iter().map(backend).collect::<Checked<Vec<_>>>()?;
    Ok(Switch { id: name(params.id)?, backends, name: params.name })
}

pub(super) fn backend(target: p::TargetParam) -> Checked<Backend> {
    match (target.host, target.port, target.socket) {
        (host, Some(port), None) => Ok((host.unwrap_or_else(|| "127.0.0.1".to_owned()), port).into()),
        (None, None, Some(socket)) => Ok(Backend::Unix(socket.into())),
        _ => Err(invalid("a target has a port and perhaps a host, or a socket")),
    }
}

pub(super) fn drain(params: p::ProxyDrain) -> Checked<(String, Duration)> {
    Ok((name(params.id)?, Duration::from_millis(params.timeout_ms.unwrap_or(60_000))))
}

pub(super) fn close(params: p::ProxyClose) -> Checked<(String, Duration)> {
    Ok((name(params.id)?, Duration::from_millis(params.timeout_ms.unwrap_or(10_000))))
}

pub(super) fn decide(params: p::RestartDecide) -> Checked<Decide> {
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
