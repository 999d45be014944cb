//! The spelling of the config (compat C-15 to C-26), and the defaults.
//!
//! This folder is the only place that knows the keys. Fields are read in the order in which the contract reports
//! their issues (C-29).

mod control;
mod limits;
mod memory;
mod process;
mod stop;
mod takeover;
mod tls;
mod traffic;
mod upgrades;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::spec::{Application, ControlSpec, LegacyTakeover, ProxySpec, Retention, StateSpec, TrustedFronts};

use super::Defaults;
use super::read::{Field, Notes, Section};

pub(super) use process::ProcessDraft;

/// An application that may still contradict itself across processes.
pub(super) struct Draft {
    name: String,
    proxy: ProxySpec,
    control: ControlSpec,
    retention: Retention,
    state: Option<StateSpec>,
    legacy: Option<LegacyTakeover>,
    pub(super) processes: Vec<ProcessDraft>,
}

impl Draft {
    pub(super) fn into_application(self) -> Application {
        Application {
            name: self.name,
            proxy: self.proxy,
            control: self.control,
            processes: self.processes.into_iter().map(|process| process.spec).collect(),
            retention: self.retention,
            state: self.state,
            legacy: self.legacy,
            environment: BTreeMap::new(),
        }
    }
}

/// Reads everything, with a default wherever something is missing or wrong.
pub(super) fn read(config: &Value, defaults: &Defaults) -> (Draft, Notes) {
    let mut notes = Notes::default();
    if !config.is_object() {
        notes.issue(
            "Config must be an object",
            "Export a default config object with application, proxy, and processes keys; in JSON, begin with {.",
        );
    }
    let mut root = Section::root(config);
    let [application, proxy, control, processes, takeover, retention, state_path, restore] = [
        root.field("application"),
        root.field("proxy"),
        root.field("control"),
        root.field("processes"),
        root.field("legacyTakeover"),
        root.field("releaseRetention"),
        root.field("statePath"),
        root.field("restoreOnStart"),
    ];
    root.close(&mut notes);

    let name = application.text(&mut notes);
    let name = application.as_name(name, &mut notes).unwrap_or_else(|| defaults.application_name.clone());
    let proxy = proxy_section(&proxy, &mut notes);
    let control = section_or_empty(&control, &mut notes);
    let processes = process_list(&processes, &mut notes);

    let (proxy, inherited) = read_proxy(proxy, &mut notes);
    let control = control::read(control, &name, &mut notes);
    let processes = processes.iter().map(|process| process::read(process, &inherited, &mut notes)).collect();
    let legacy = takeover::read(&takeover, inherited.force_stop_timeout, &mut notes);
    let retention = read_retention(&retention, &mut notes);
    let state = read_state(&state_path, &restore, &mut notes);
    (Draft { name, proxy, control, retention, state, legacy, processes }, notes)
}

/// What a process takes from `proxy` when it says nothing itself.
pub(super) struct Inherited {
    health_path: String,
    health_timeout: Duration,
    force_stop_timeout: Duration,
}

fn read_proxy(mut proxy: Section<'_>, notes: &mut Notes) -> (ProxySpec, Inherited) {
    let ms = Duration::from_millis;
    let access_log = traffic::access_log(&proxy.field("accessLog"), notes);
    let admin = traffic::admin(&proxy.field("admin"), notes);
    let host = proxy.field("host").text(notes).unwrap_or_else(|| "127.0.0.1".to_owned());
    let drain_timeout = proxy.field("drainTimeoutMs").duration(ms(60_000), notes);
    let force_stop_timeout = proxy.field("forceStopTimeoutMs").duration(ms(10_000), notes);
    let health_path = proxy.field("healthPath").text(notes).unwrap_or_else(|| "/ping".to_owned());
    let health_timeout = proxy.field("healthTimeoutMs").duration(ms(30_000), notes);
    let limits = limits::read(&proxy.field("limits"), notes);
    let port = any_port(&proxy.field("port"), 8182, notes).unwrap_or(8182);
    let proxy_protocol = flag(&proxy.field("proxyProtocol"), false, notes);
    let tls = tls::read(&proxy.field("tls"), notes);
    let trusted_fronts = trusted_fronts(&proxy.field("trustedFronts"), notes);
    let upgrades = upgrades::read(&proxy.field("upgrades"), ProxySpec::default().upgrades, notes);
    let upstream_host = proxy.field("upstreamHost").text(notes);
    let workers = workers(&proxy.field("workers"), notes);
    proxy.close(notes);

    let upstream_host = upstream_host.unwrap_or_else(|| reachable(&host).to_owned());
    let spec = ProxySpec {
        host,
        port,
        upstream_host,
        drain_timeout,
        force_stop_timeout,
        trusted_fronts,
        tls,
        proxy_protocol,
        workers,
        upgrades,
        limits,
        access_log,
        admin,
    };
    (spec, Inherited { health_path, health_timeout, force_stop_timeout })
}

/// More threads than any machine has cores for would be a slip of the finger.
const WORKERS_MAX: u64 = 1_024;

fn workers(field: &Field<'_>, notes: &mut Notes) -> usize {
    let fix = format!("Set {} to a positive integer number of threads, e.g. 1.", field.key);
    let workers = field.whole(1, WORKERS_MAX, "must be a positive integer", fix, notes);
    workers.map_or(1, |workers| usize::try_from(workers).expect("`whole` refuses larger ones"))
}

fn trusted_fronts(field: &Field<'_>, notes: &mut Notes) -> TrustedFronts {
    let list = match field.set() {
        None => return TrustedFronts::default(),
        Some(Value::Array(list)) => elements(field, list),
        Some(_) => {
            let fix = format!("Set {} to a list of addresses, e.g. [\"10.0.0.0/8\"].", field.key);
            field.refuse("must be an array", fix, notes);
            return TrustedFronts::default();
        }
    };
    let texts: Vec<String> = list.iter().filter_map(|front| front_text(front, notes)).collect();
    TrustedFronts::from_texts(texts.iter().map(String::as_str)).expect("each was looked at")
}

fn front_text(front: &Field<'_>, notes: &mut Notes) -> Option<String> {
    let text = front.required_text(notes)?;
    if TrustedFronts::from_texts([text.as_str()]).is_err() {
        let fix = format!("Set {} to an IP address or a range such as \"10.0.0.0/8\".", front.key);
        front.refuse("must be an IP address or a range of them", fix, notes);
        return None;
    }
    Some(text)
}

/// Where processes listen when the proxy listens on `host`: nobody can connect to a wildcard.
fn reachable(host: &str) -> &str {
    if matches!(host, "0.0.0.0" | "::") { "127.0.0.1" } else { host }
}

fn any_port(field: &Field<'_>, example: u16, notes: &mut Notes) -> Option<u16> {
    field.number(notes)?;
    let port = field.set().and_then(super::read::whole_number).and_then(|port| u16::try_from(port).ok());
    if port.is_none() {
        field.refuse(
            "must be a whole number from 0 to 65535",
            format!("Set {} to a port, e.g. {example}, or to 0 for a free one.", field.key),
            notes,
        );
    }
    port
}

fn read_retention(field: &Field<'_>, notes: &mut Notes) -> Retention {
    let mut retention = section_or_empty(field, notes);
    let default = Retention::default();

    let keep = retention.field("keep");
    let fix = format!("Set {} to a non-negative integer, e.g. {}.", keep.key, default.keep);
    let keep = keep.whole(0, usize::MAX as u64, "must be a non-negative integer", fix, notes);

    let max_age = retention.field("maxAgeMs").duration(Duration::ZERO, notes);
    retention.close(notes);
    Retention {
        keep: keep.map_or(default.keep, |keep| usize::try_from(keep).unwrap_or(usize::MAX)),
        max_age: (!max_age.is_zero()).then_some(max_age),
    }
}

fn read_state(path: &Field<'_>, restore: &Field<'_>, notes: &mut Notes) -> Option<StateSpec> {
    let restore_on_start = flag(restore, true, notes);
    let path = path.text(notes).filter(|path| !path.is_empty())?;
    Some(StateSpec { path: PathBuf::from(path), restore_on_start })
}

/// The time here, if any, which is more than none; `example` is for whoever wrote something else.
fn positive_time(field: &Field<'_>, example: Duration, notes: &mut Notes) -> Option<Duration> {
    field.set()?;
    let example_ms = example.as_millis();
    let fix = format!("Set {} to a positive number of milliseconds, e.g. {example_ms}.", field.key);
    let time = field.duration_or_fix(example, &fix, notes);
    if time.is_zero() {
        field.refuse("must be a positive number", fix, notes);
        return None;
    }
    Some(time)
}

fn flag(field: &Field<'_>, default: bool, notes: &mut Notes) -> bool {
    match field.set() {
        None => default,
        Some(Value::Bool(value)) => *value,
        Some(_) => {
            field.refuse("must be a boolean", format!("Set {} to true or false.", field.key), notes);
            default
        }
    }
}

fn proxy_section<'v>(field: &Field<'v>, notes: &mut Notes) -> Section<'v> {
    if field.set().is_none() {
        field.refuse("is required", "Add a proxy mapping to the config.", notes);
    }
    section_or_empty(field, notes)
}

fn section_or_empty<'v>(field: &Field<'v>, notes: &mut Notes) -> Section<'v> {
    let fix = format!("Set {} to a mapping.", field.key);
    field.section(fix, notes).unwrap_or_else(|| field.empty_section())
}

fn process_list<'v>(field: &Field<'v>, notes: &mut Notes) -> Vec<Field<'v>> {
    match field.set().and_then(Value::as_array) {
        Some(list) => elements(field, list),
        None => {
            field.refuse("must be an array", "Set processes to a list of process definitions.", notes);
            Vec::new()
        }
    }
}

fn elements<'v>(field: &Field<'_>, list: &'v [Value]) -> Vec<Field<'v>> {
    list.iter().enumerate().map(|(index, value)| Field::element(&field.key, index, value)).collect()
}
