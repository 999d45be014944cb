//! A config that mostly means something: known keys, and values that come near to what belongs there.

use serde_json::{Map, Value};

use crate::Bytes;

const TOP: [&str; 10] = [
    "restoreOnStart",
    "application",
    "proxy",
    "control",
    "processes",
    "releaseRetention",
    "legacyTakeover",
    "statePath",
    "Proxy",
    "x",
];

const PROCESS: [&str; 21] = [
    "id",
    "command",
    "policy",
    "deployStrategy",
    "cwd",
    "env",
    "port",
    "socket",
    "health",
    "gracefulStopMs",
    "stopSignal",
    "lifecycle",
    "nonBlockingDrain",
    "outputLines",
    "replicas",
    "restartDelayMs",
    "restart",
    "memory",
    "minUptimeMs",
    "comand",
    "x",
];

const INSIDE: [&str; 43] = [
    "path",
    "mode",
    "owner",
    "group",
    "host",
    "port",
    "upstreamHost",
    "healthPath",
    "healthTimeoutMs",
    "drainTimeoutMs",
    "forceStopTimeoutMs",
    "keep",
    "maxAgeMs",
    "from",
    "to",
    "timeoutMs",
    "intervalMs",
    "startDelayMs",
    "quietCommand",
    "drainCommand",
    "stopCommand",
    "maxRestarts",
    "windowMs",
    "backoffFactor",
    "maxDelayMs",
    "limitBytes",
    "trustedFronts",
    "limits",
    "workers",
    "upgrades",
    "connectionsMax",
    "headTimeoutMs",
    "headBytesMax",
    "requestTimeoutMs",
    "warnBytes",
    "checkIntervalMs",
    "screens",
    "includes",
    "name",
    "processes",
    "A",
    "PATH",
    "x",
];

const TEXTS: [&str; 24] = [
    "web",
    "worker",
    "cron",
    "broker",
    "",
    "#",
    "web#1",
    "serve {{port}}",
    "{{ports.web}}",
    "{{env.PATH}}",
    "{{",
    "proxied",
    "companion",
    "singleton",
    "service",
    "persistent",
    "handoff",
    "indefinite",
    "SIGINT",
    "SIGKILL",
    "0o660",
    "777",
    "a\0b",
    "ä",
];

const NUMBERS: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    2.0,
    5.5,
    0.1,
    -1.0,
    18_000.0,
    18_099.0,
    65_535.0,
    65_536.0,
    250.0,
    30_000.0,
    511.0,
    512.0,
    4_294_967_295.0,
    4_294_967_296.0,
    9_007_199_254_740_992.0,
    18_446_744_073_709_549_568.0,
    18_446_744_073_709_551_615.0,
    1e300,
    -1e300,
];

/// How deep lists and mappings are nested.
const DEPTH_MAX: u32 = 3;

/// The config that these bytes spell.
pub fn config(bytes: &mut Bytes<'_>) -> Value {
    let mut top = Map::new();
    if !bytes.rarely() {
        top.insert("proxy".into(), mapping(bytes, &INSIDE, DEPTH_MAX));
    }
    let count = bytes.below(5);
    let processes = (0..count).map(|place| process(bytes, place)).collect();
    top.insert("processes".into(), Value::Array(processes));
    while bytes.rarely() {
        top.insert(bytes.one_of(&TOP).into(), any(bytes, &INSIDE, DEPTH_MAX));
    }
    Value::Object(top)
}

fn process(bytes: &mut Bytes<'_>, place: usize) -> Value {
    let mut process = Map::new();
    process.insert("id".into(), ["web", "worker", "cron", "broker", ""][place].into());
    process.insert("command".into(), "serve --port {{port}}".into());
    let policy = ["proxied", "companion", "singleton", "service"][bytes.below(4).max(usize::from(place > 0))];
    process.insert("policy".into(), policy.into());
    if policy == "proxied" || bytes.rarely() {
        process.insert("port".into(), 18_000.into());
    }
    for _ in 0..bytes.below(6) {
        process.insert(bytes.one_of(&PROCESS).into(), any(bytes, &INSIDE, DEPTH_MAX));
    }
    Value::Object(process)
}

fn mapping(bytes: &mut Bytes<'_>, keys: &[&str], depth: u32) -> Value {
    let count = bytes.below(4);
    Value::Object((0..count).map(|_| (bytes.one_of(keys).to_owned(), any(bytes, keys, depth - 1))).collect())
}

fn any(bytes: &mut Bytes<'_>, keys: &[&str], depth: u32) -> Value {
    match bytes.below(8) {
        0 => Value::Null,
        1 => bytes.rarely().into(),
        2 | 3 => bytes.one_of(&NUMBERS).into(),
        4 => bytes.below(65_536).into(),
        6 if depth > 0 => mapping(bytes, keys, depth),
        7 if depth > 0 => (0..bytes.below(3)).map(|_| any(bytes, keys, depth - 1)).collect(),
        _ => bytes.one_of(&TEXTS).into(),
    }
}
