//! The engine of a handle in a made-up world: the same answers and events as the real one, in no time.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcore::embed::{Code, EmbedError, Embedded, Next, QueuedEvent};
use serde_json::{Value, json};

const SIMULATED: &str = r#"{"simulate":{"seed":1,"broken":["v3"]}}"#;

/// Works with the real engine, too: nobody asks it for its health, and it needs nothing.
fn config() -> Value {
    json!({ "config": {
        "application": "shop",
        "proxy": { "port": 0 },
        "processes": [
            { "id": "web", "policy": "proxied", "command": ["sleep", "600"], "port": 0, "health": false },
            { "id": "worker", "policy": "companion", "command": ["sleep", "600"], "replicas": 2 },
            { "id": "broker", "policy": "service", "command": ["sleep", "600"], "port": 0 },
            { "id": "cron", "policy": "singleton", "command": ["sleep", "600"], "minUptimeMs": 10 },
        ],
    } })
}

fn release(id: &str) -> Value {
    json!({ "releaseId": id, "releasePath": "/" })
}

fn next(handle: &Embedded, within: Duration) -> Option<QueuedEvent> {
    match handle.next_event(Some(within)) {
        Next::Event(event) => Some(event),
        Next::TimedOut => None,
        other => panic!("{other:?}"),
    }
}

/// Submits, and takes everything up to the completion: the events, and the completion.
fn ask(handle: &Embedded, method: &str, params: &Value) -> (Vec<Value>, Value) {
    let op = handle.submit(method, &params.to_string(), 7).expect("it makes sense");
    let mut events = Vec::new();
    loop {
        let event = next(handle, Duration::from_secs(60)).expect("every operation ends");
        let json: Value = serde_json::from_str(&event.json).expect("an event is JSON");
        if event.op == op {
            assert_eq!((event.kind.as_str(), event.tag), ("op.done", 7));
            return (events, json);
        }
        events.push(json);
    }
}

fn done(handle: &Embedded, method: &str, params: &Value) -> Value {
    let (_, completion) = ask(handle, method, params);
    assert_eq!(completion["ok"], true, "{completion}");
    completion["result"].clone()
}

fn failed(handle: &Embedded, method: &str, params: &Value) -> Value {
    let (_, completion) = ask(handle, method, params);
    assert_eq!(completion["ok"], false, "{completion}");
    completion["error"].clone()
}

fn refused(result: Result<u64, EmbedError>) -> (Code, String) {
    let error = result.expect_err("it makes no sense");
    (error.code, error.error)
}

fn rest(handle: &Embedded) -> Vec<Value> {
    let all = std::iter::from_fn(|| next(handle, Duration::ZERO));
    all.map(|event| serde_json::from_str(&event.json).expect("an event is JSON")).collect()
}

fn until(handle: &Embedded, kind: &str, told: &mut Vec<Value>) {
    loop {
        let event = next(handle, Duration::from_secs(60)).expect("it comes to that");
        told.push(serde_json::from_str(&event.json).expect("an event is JSON"));
        if event.kind == kind {
            return;
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// Every path of an object, such as `releases[].processes[].state`.
fn shape(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            // Names of processes are no fields.
            let key = if at.ends_with(".ports") { "*" } else { key };
            shape(value, &format!("{at}.{key}"), found);
        }),
        Value::Array(values) => values.iter().for_each(|value| shape(value, &format!("{at}[]"), found)),
        _ => drop(found.insert(at.to_owned())),
    }
}

fn shapes<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for value in values {
        let name = value["type"].as_str().unwrap_or_default().to_owned();
        shape(value, &name, &mut found);
    }
    found
}

/// All of the life of an engine; what it said on the way.
fn life(options: &str) -> (Vec<Value>, Vec<Value>) {
    let handle = Embedded::open(options).expect("the options are right");
    let (mut answers, mut told) = (Vec::new(), Vec::new());
    for (method, params) in [
        ("engine.open", config()),
        ("engine.plan", release("v1")),
        ("engine.deploy", release("v1")),
        ("engine.deploy", release("v2")),
        ("engine.status", json!({})),
        ("engine.rollback", json!({})),
        ("engine.rollback", json!({ "releaseId": "v9" })),
        ("engine.restart", json!({ "processId": "worker" })),
        ("engine.restart", json!({ "processId": "nobody" })),
        ("engine.pause", json!({ "timeoutMs": 3_600_000 })),
        ("engine.resume", json!({})),
        ("engine.reload", config()),
        ("engine.stop", json!({})),
        ("engine.shutdown", json!({})),
        ("shutdown", json!({})),
    ] {
        let (events, mut completion) = ask(&handle, method, &params);
        completion["type"] = json!(method);
        told.extend(events);
        // An old release drains behind the answer.
        if completion["result"]["previousReleaseId"].is_string() {
            until(&handle, "release.drained", &mut told);
        }
        answers.push(completion);
    }
    (answers, told)
}

/// Whoever writes against one of them can run with the other.
#[test]
fn answers_and_events_have_the_fields_of_the_real_engine() {
    let ((real, real_events), (made_up, made_up_events)) = (life(""), life(SIMULATED));
    for (real, made_up) in real.iter().zip(&made_up) {
        let (wanted, seen) = (shapes([real]), shapes([made_up]));
        // Nothing prints here, and no request was counted.
        let is_of_traffic = |path: &&String| path.contains(".traffic.") || path.contains(".logs");
        let missing: Vec<_> = wanted.difference(&seen).filter(|path| !is_of_traffic(path)).collect();
        assert!(missing.is_empty(), "{missing:?}\nreal {real}\nmade up {made_up}");
        assert_eq!(seen.difference(&wanted).collect::<Vec<_>>(), [""; 0], "{made_up}");
        assert_eq!((&real["ok"], &real["error"]["code"]), (&made_up["ok"], &made_up["error"]["code"]));
    }
    let (wanted, seen) = (shapes(&real_events), shapes(&made_up_events));
    assert_eq!(seen, wanted);
    // What belongs to a rollout comes in its order; when an old process is gone is left to chance.
    let steps = |events: &[Value]| {
        let of_rollout = |kind: &&str| kind.starts_with("rollout.") || kind.starts_with("traffic.");
        types(events).into_iter().filter(of_rollout).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(steps(&made_up_events), steps(&real_events));
}

#[test]
fn the_same_seed_is_the_same_text() {
    assert_eq!(life(SIMULATED), life(SIMULATED));
    assert_ne!(life(SIMULATED).1, life(r#"{"simulate":{"seed":2}}"#).1);
}

#[test]
fn what_leads_to_an_answer_is_told_before_it_and_what_follows_behind_it() {
    let handle = Embedded::open(SIMULATED).expect("the options are right");
    let opened = done(&handle, "engine.open", &config());
    assert_eq!(opened, json!({ "host": "127.0.0.1", "port": 8080, "restored": null }));
    done(&handle, "engine.deploy", &release("v1"));
    let (events, completion) = ask(&handle, "engine.deploy", &release("v2"));
    assert_eq!(completion["result"], json!({ "activeReleaseId": "v2", "previousReleaseId": "v1" }));
    assert!(types(&events).contains(&"traffic.switched"), "{events:?}");
    assert!(!types(&events).contains(&"release.drained"), "{events:?}");
    assert!(types(&rest(&handle)).contains(&"release.drained"));

    let (events, completion) = ask(&handle, "engine.deploy", &release("v3"));
    assert_eq!(completion["error"]["detail"]["outcome"], "undone", "{completion}");
    assert!(types(&events).contains(&"rollout.undone"), "{events:?}");
    let status: Value = serde_json::from_str(&handle.snapshot("").expect("it is open")).expect("it is JSON");
    assert_eq!(status["activeReleaseId"], "v2");
    assert_eq!(status, done(&handle, "engine.status", &json!({})));

    let listed = done(&handle, "engine.events", &json!({ "limit": 1 }));
    assert_eq!(listed["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["missed"], 0);
    let newest = listed["lastSeq"].clone();
    assert_eq!(done(&handle, "engine.events", &json!({ "after": newest }))["events"], json!([]));
}

#[test]
fn one_engine_at_a_time_and_none_before_or_after() {
    let handle = Embedded::open(SIMULATED).expect("the options are right");
    assert_eq!(failed(&handle, "engine.deploy", &release("v1"))["code"], "not_open");
    assert_eq!(handle.snapshot("").expect_err("nothing is open").code, Code::State);
    for _ in 0..2 {
        done(&handle, "engine.open", &config());
        assert_eq!(failed(&handle, "engine.open", &config())["code"], "already_open");
        done(&handle, "engine.deploy", &release("v1"));
        assert_eq!(done(&handle, "engine.shutdown", &json!({})), json!({ "survivors": 0 }));
        assert_eq!(failed(&handle, "engine.status", &json!({}))["code"], "not_open");
    }
    done(&handle, "engine.open", &config());
    handle.close();
}

#[test]
fn what_stands_alone_is_not_simulated_but_decisions_are() {
    let handle = Embedded::open(SIMULATED).expect("the options are right");
    for (method, params) in [
        ("process.define", json!({ "id": "p", "command": "true" })),
        ("port.acquire", json!({})),
        ("health.check", json!({ "url": "http://127.0.0.1:1/" })),
        ("proxy.open", json!({ "id": "p" })),
    ] {
        assert_eq!(failed(&handle, method, &params)["code"], "not_simulated", "{method}");
    }
    assert_eq!(done(&handle, "restart.decide", &json!({ "exitsMs": [5] }))["decision"], "restart");
    let none: Value = serde_json::from_str(&handle.snapshot(r#"{"what":"leases"}"#).expect("it is known"))
        .expect("it is JSON");
    assert_eq!(none, json!({ "leases": [] }));
    assert_eq!(refused(handle.submit("engine.dance", "", 0)), (Code::Argument, "unknown_method".to_owned()));
    let unsafe_id = Embedded::open(r#"{"simulate":{"broken":["v 3"]}}"#).map(drop);
    assert_eq!(unsafe_id.expect_err("no release has such a name").error, "unsafe_name");
}

#[test]
fn a_config_is_taken_over_or_refused_as_a_real_engine_does() {
    let handle = Embedded::open(SIMULATED).expect("the options are right");
    done(&handle, "engine.open", &config());
    let mut other = config();
    other["config"]["proxy"]["port"] = json!(8_181);
    assert_eq!(failed(&handle, "engine.reload", &other)["code"], "restart_needed");
    let mut other = config();
    other["config"]["processes"][0]["command"] = json!(["sleep", "601"]);
    done(&handle, "engine.reload", &other);
    let (events, _) = ask(&handle, "engine.deploy", &release("v1"));
    let commands: Vec<_> = events.iter().filter_map(|event| event["data"]["command"].as_str()).collect();
    assert!(commands.contains(&"sleep 601"), "{commands:?}");
}
