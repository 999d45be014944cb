//! Which keys an answer may have: those of the contract, and ours, which stand here and nowhere else.

use serde_json::{Map, Value};

/// The keys of one kind of object.
struct Kind {
    name: &'static str,
    required: &'static [&'static str],
    /// Left out when there is no value (C-187).
    optional: &'static [&'static str],
    /// What the contract does not have.
    ours: &'static [&'static str],
}

/// C-186.
const STATUS: Kind = Kind {
    name: "status",
    required: &[
        "status",
        "activeReleaseId",
        "application",
        "control",
        "orphans",
        "proxy",
        "releases",
        "services",
        "singletons",
    ],
    // The library does not know from which file it runs; its daemon does (C-215).
    optional: &["bootstrap", "daemonRuntime"],
    ours: &["busy", "displaced", "starting"],
};
const CONTROL: Kind =
    Kind { name: "control", required: &["path"], optional: &["group", "mode", "owner"], ours: &[] };
const PROXY: Kind = Kind {
    name: "proxy",
    required: &["host", "port", "upstreamHost"],
    optional: &[],
    ours: &[
        "connectionCount",
        "connectionsMax",
        "connectionsRefused",
        "parked",
        "traffic",
        "accessLog",
        "unrouted",
    ],
};
/// C-188.
const RELEASE: Kind = Kind {
    name: "release",
    required: &[
        "connectionCount",
        "connections",
        "ports",
        "processes",
        "releaseId",
        "releasePath",
        "revision",
        "state",
    ],
    optional: &["activatedAt", "drainStartedAt", "stoppedAt"],
    ours: &["sockets", "traffic"],
};
const CONNECTIONS: Kind =
    Kind { name: "connections", required: &["http", "websocket"], optional: &[], ours: &["holders"] };
const HOLDER: Kind = Kind {
    name: "holder",
    required: &["ageMs", "bytes", "kind", "method", "path", "peer"],
    optional: &[],
    ours: &[],
};
const SINGLE: Kind = Kind { name: "single", required: &["id", "process"], optional: &[], ours: &[] };
/// C-190.
const PROCESS: Kind = Kind {
    name: "process",
    required: &["children", "command", "cwd", "id", "logs", "memoryRestarts", "restarts", "state"],
    optional: &[
        "exitCode",
        "exitSignal",
        "lastMemoryRestartAt",
        "lastStartReason",
        "pid",
        "rssBytes",
        "startedAt",
        "uptimeMs",
    ],
    ours: &[],
};
const CHILD: Kind =
    Kind { name: "child", required: &["command", "pid", "rssBytes"], optional: &[], ours: &[] };
const LOG: Kind = Kind { name: "log line", required: &["at", "line", "stream"], optional: &[], ours: &[] };
const ORPHAN: Kind = Kind { name: "orphan", required: &["id", "pid", "releaseId"], optional: &[], ours: &[] };
/// C-170.
const ERROR: Kind = Kind { name: "error", required: &["error", "status"], optional: &[], ours: &["code"] };
/// C-195.
const EVENT: Kind = Kind { name: "event", required: &["at", "data", "message"], optional: &[], ours: &[] };

/// Messages of events that the contract does not have.
pub(crate) const OUR_EVENTS: [&str; 19] = [
    "certificates loaded",
    "certificates not loaded",
    "metrics listening",
    "rollout step",
    "rollout step failed",
    "rollout step undone",
    "rollout undone",
    "rollout stuck",
    "traffic cut",
    "traffic paused",
    "traffic resumed",
    "traffic ended",
    "process survived SIGKILL",
    "state file ignored",
    "orphaned process stopped",
    "orphaned process not stopped",
    "restore starting",
    "release restored",
    "restore failed",
];

/// The data of each event of the contract that these tests see (C-197, C-198): required, and optional.
const EVENT_DATA: [(&str, &[&str], &[&str]); 19] = [
    ("proxy listening", &["host", "port"], &[]),
    ("control socket listening", &["path"], &[]),
    ("deploy starting", &["releaseId", "releasePath"], &["revision"]),
    ("release startup failed", &["error", "phase", "releaseId"], &[]),
    (
        "release startup process status",
        &["command", "exitCode", "exitSignal", "logs", "phase", "pid", "processId", "releaseId", "state"],
        &[],
    ),
    ("deploy failed", &["error", "releaseId"], &[]),
    ("traffic switched", &["previousReleaseId", "releaseId"], &[]),
    ("release drained", &["releaseId"], &[]),
    ("release stopped", &["releaseId"], &[]),
    ("rollback starting", &["releaseId", "releasePath"], &[]),
    ("process restart requested", &["processId"], &[]),
    ("command failed", &["error"], &[]),
    ("control connection error", &["code", "error"], &[]),
    ("external owner retired", &["attestation", "status"], &[]),
    ("proxy error", &["error"], &[]),
    ("process started", &["command", "id", "pid", "processId", "reason", "releaseId"], &[]),
    ("process exited", &["code", "id", "processId", "releaseId", "signal"], &[]),
    ("restart limit reached", &["id", "maxRestarts", "processId", "releaseId", "windowMs"], &[]),
    ("process stop timed out; sending SIGKILL", &["id", "pid", "processId", "releaseId"], &[]),
];

/// Asserts the keys of a whole status.
pub(crate) fn assert_status(status: &Value) {
    assert_kind(status, &STATUS);
    assert_kind(&status["control"], &CONTROL);
    assert_kind(&status["proxy"], &PROXY);
    each(&status["orphans"], |orphan| assert_kind(orphan, &ORPHAN));
    for releases in ["releases", "starting"] {
        each(status.get(releases).unwrap_or(&Value::Array(vec![])), |release| {
            assert_kind(release, &RELEASE);
            assert_kind(&release["connections"], &CONNECTIONS);
            let holders = release["connections"].get("holders");
            each(holders.unwrap_or(&Value::Array(vec![])), |holder| assert_kind(holder, &HOLDER));
            each(&release["processes"], assert_process);
        });
    }
    for singles in ["services", "singletons", "displaced"] {
        each(status.get(singles).unwrap_or(&Value::Array(vec![])), |single| {
            assert_kind(single, &SINGLE);
            assert_process(&single["process"]);
        });
    }
}

fn assert_process(process: &Value) {
    assert_kind(process, &PROCESS);
    each(&process["logs"], |line| assert_kind(line, &LOG));
    each(&process["children"], |child| assert_kind(child, &CHILD));
    let has = |key: &str| process.get(key).is_some();
    assert_eq!(has("exitCode"), has("exitSignal"), "they come together: {process}");
    assert_eq!(has("uptimeMs"), process["state"] == "running", "{process}");
}

/// Asserts the keys of an answer that says no.
pub(crate) fn assert_error(answer: &Value) {
    assert_kind(answer, &ERROR);
}

/// Asserts the keys of an event and of its data.
pub(crate) fn assert_event(event: &Value) {
    assert_kind(event, &EVENT);
    let message = event["message"].as_str().expect("a text");
    let known = EVENT_DATA.iter().find(|(name, ..)| *name == message);
    match known {
        Some((name, required, optional)) => {
            assert_kind(&event["data"], &Kind { name, required, optional, ours: &[] });
        }
        None => assert!(OUR_EVENTS.contains(&message), "neither the contract nor we have {message:?}"),
    }
}

fn each(list: &Value, assert: impl Fn(&Value)) {
    list.as_array().expect("a list").iter().for_each(assert);
}

fn assert_kind(value: &Value, kind: &Kind) {
    let fields = value.as_object().unwrap_or_else(|| panic!("{} is no object: {value}", kind.name));
    let problems = problems(fields, kind);
    assert!(problems.is_empty(), "{}: {}\n{value:#}", kind.name, problems.join(", "));
}

fn problems(fields: &Map<String, Value>, kind: &Kind) -> Vec<String> {
    let known = |key: &str| [kind.required, kind.optional, kind.ours].iter().any(|keys| keys.contains(&key));
    let missing = kind.required.iter().filter(|key| !fields.contains_key(**key));
    let foreign = fields.keys().filter(|key| !known(key));
    missing
        .map(|key| format!("{key} is missing"))
        .chain(foreign.map(|key| format!("{key} is foreign")))
        .collect()
}

#[test]
fn a_key_too_many_and_a_key_too_few_are_named() {
    let fields = |value: Value| value.as_object().expect("an object").clone();
    let found = |value: Value| problems(&fields(value), &CONTROL);
    assert_eq!(found(serde_json::json!({ "path": "/x", "mode": 1 })), [""; 0]);
    assert_eq!(found(serde_json::json!({ "paht": "/x" })), ["path is missing", "paht is foreign"]);
}
