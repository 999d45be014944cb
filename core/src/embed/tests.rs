//! A handle as a Rust program has it. What C programs see of it is tested in `ffi/`.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use super::*;

const SOON: Option<Duration> = Some(Duration::from_secs(30));

fn open() -> Embedded {
    Embedded::open("").expect("a handle")
}

fn begin(handle: &Embedded, method: &str, params: &str) -> u64 {
    handle.submit(method, params, 0).unwrap_or_else(|error| panic!("{method} {params}: {}", error.to_json()))
}

/// Its completion, from among everything else.
fn completion(handle: &Embedded, op: u64) -> QueuedEvent {
    match handle.wait(op, SOON) {
        Ok(Next::Event(event)) => event,
        other => panic!("operation {op}: {other:?}"),
    }
}

fn done(handle: &Embedded, method: &str, params: &str) -> Value {
    let event = completion(handle, begin(handle, method, params));
    let result = event.outcome().unwrap_or_else(|error| panic!("{method} {params}: {error}"));
    serde_json::from_str(result).expect("it is JSON")
}

fn failed(handle: &Embedded, method: &str, params: &str) -> (Code, Value) {
    let event = completion(handle, begin(handle, method, params));
    let error = event.outcome().expect_err("it fails");
    (event.status, serde_json::from_str(error).expect("it is JSON"))
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut one = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut one, PollTimeout::ZERO).expect("it can be polled") == 1
}

fn drained(handle: &Embedded) -> Vec<QueuedEvent> {
    let mut all = Vec::new();
    while let Next::Event(event) = handle.next_event(Some(Duration::ZERO)) {
        all.push(event);
    }
    all
}

const CONFIG: &str = r#"{ "application": "shop", "proxy": { "port": 0 }, "processes": [
    { "id": "web", "policy": "proxied", "command": ["sleep", "60"], "port": 0, "health": false }
] }"#;

fn with_engine() -> Embedded {
    let handle = open();
    let opened = done(&handle, "engine.open", &format!(r#"{{ "config": {CONFIG} }}"#));
    assert_ne!(opened["port"], 0);
    handle
}

#[test]
fn what_happens_in_an_operation_is_told_before_its_end() {
    let handle = with_engine();
    drained(&handle);
    begin(&handle, "engine.deploy", r#"{ "releaseId": "v1", "releasePath": "/" }"#);
    let mut kinds = Vec::new();
    while let Next::Event(event) = handle.next_event(SOON) {
        let json: Value = serde_json::from_str(&event.json).expect("it is JSON");
        assert_eq!(json["type"], event.kind);
        assert!(event_types().contains(&event.kind.as_str()), "{}", event.kind);
        kinds.push(event.kind.clone());
        if event.kind == "op.done" {
            break;
        }
        assert!(json["at"].is_string() && json["data"].is_object() && json["seq"].is_u64(), "{json}");
    }
    assert_eq!(kinds.first().map(String::as_str), Some("rollout.started"));
    assert!(kinds.contains(&"process.started".to_owned()) && kinds.contains(&"traffic.switched".to_owned()));
    assert!(kinds.iter().filter(|kind| *kind == "rollout.step").count() >= 4, "{kinds:?}");
    assert!(is_quiet(&handle));
}

/// Whether nothing more comes for a moment, but for the end of an older release.
fn is_quiet(handle: &Embedded) -> bool {
    drained(handle).iter().all(|event| event.kind != "op.done")
}

#[test]
fn an_engine_is_asked_for_what_it_can() {
    let handle = with_engine();
    let release = |id: &str| format!(r#"{{ "releaseId": "{id}", "releasePath": "/" }}"#);
    let plan = done(&handle, "engine.plan", &release("v1"));
    assert_eq!(plan["steps"][0], "preflight");
    assert_eq!(plan["processes"][0]["command"], "sleep 60");
    assert_eq!(done(&handle, "engine.deploy", &release("v1"))["activeReleaseId"], "v1");
    assert_eq!(done(&handle, "engine.deploy", &release("v2"))["previousReleaseId"], "v1");
    assert_eq!(done(&handle, "engine.rollback", "{}")["activeReleaseId"], "v1");
    assert_eq!(done(&handle, "engine.pause", r#"{ "timeoutMs": 60000 }"#)["traffic"], "paused");
    assert_eq!(done(&handle, "engine.resume", "")["traffic"], "flowing");
    assert_eq!(done(&handle, "engine.status", "")["activeReleaseId"], "v1");
    let snapshot: Value = serde_json::from_str(&handle.snapshot("").expect("it is open")).expect("JSON");
    assert_eq!(snapshot["activeReleaseId"], "v1");
    let events = done(&handle, "engine.events", r#"{ "limit": 2 }"#);
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2));
    let after = done(&handle, "engine.events", &format!(r#"{{ "after": {} }}"#, events["lastSeq"]));
    assert!(after["events"].as_array().is_some_and(|later| later.len() < 3), "{after}");

    let (code, error) = failed(&handle, "engine.rollback", r#"{ "releaseId": "v9" }"#);
    assert_eq!((code, &error["code"]), (Code::NotFound, &Value::from("not_retained")));
    let (code, error) = failed(&handle, "engine.open", &format!(r#"{{ "config": {CONFIG} }}"#));
    assert_eq!((code, &error["code"]), (Code::State, &Value::from("already_open")));
    let moved = CONFIG.replace(r#""port": 0 }, "proc"#, r#""port": 1 }, "proc"#);
    let (code, error) = failed(&handle, "engine.reload", &format!(r#"{{ "config": {moved} }}"#));
    assert_eq!((code, &error["detail"]["settings"][0]), (Code::Config, &Value::from("proxy.port")));
    let slower = CONFIG.replace("60", "61");
    done(&handle, "engine.reload", &format!(r#"{{ "config": {slower} }}"#));
    done(&handle, "engine.deploy", &release("v3"));
    let status = done(&handle, "engine.status", "");
    let active = status["releases"].as_array().into_iter().flatten().find(|one| one["releaseId"] == "v3");
    assert_eq!(active.map(|one| &one["processes"][0]["command"]), Some(&Value::from("sleep 61")));

    done(&handle, "engine.stop", "");
    assert_eq!(done(&handle, "engine.shutdown", "")["survivors"], 0);
    let (code, error) = failed(&handle, "engine.deploy", &release("v4"));
    assert_eq!((code, &error["code"]), (Code::State, &Value::from("not_open")));
    done(&handle, "engine.open", &format!(r#"{{ "config": {CONFIG} }}"#));
}

#[test]
fn whoever_asks_an_engine_that_opens_waits_for_it() {
    let handle = open();
    begin(&handle, "engine.open", &format!(r#"{{ "config": {CONFIG} }}"#));
    let deploy = begin(&handle, "engine.deploy", r#"{ "releaseId": "v1", "releasePath": "/" }"#);
    assert_eq!(completion(&handle, deploy).status, Code::Ok);
}

#[test]
fn a_deploy_that_fails_says_what_and_leaves_the_engine_as_it_was() {
    let handle = open();
    let config =
        CONFIG.replace(r#""sleep", "60""#, r#""cat", "missing", "{{releasePath}}/../../../dev/full""#);
    done(&handle, "engine.open", &format!(r#"{{ "config": {config} }}"#));
    let release = r#"{ "releaseId": "v1", "releasePath": "/nowhere" }"#;
    let (code, error) = failed(&handle, "engine.deploy", release);
    assert_eq!(code, Code::Failed);
    assert_eq!(error["detail"]["outcome"], "undone");
    assert_eq!(error["detail"]["releaseId"], "v1");
}

#[test]
fn a_process_alone_is_started_signalled_restarted_and_stopped() {
    let handle = open();
    done(
        &handle,
        "process.define",
        r#"{ "id": "a", "command": "trap 'echo hup' HUP; while :; do sleep 0.05; done" }"#,
    );
    let first = done(&handle, "process.start", r#"{ "id": "a" }"#);
    assert!(first["pid"].is_u64());
    done(&handle, "process.signal", r#"{ "id": "a", "signal": "SIGURG" }"#);
    let second = done(&handle, "process.restart", r#"{ "id": "a" }"#);
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(done(&handle, "process.status", r#"{ "id": "a" }"#)["state"], "running");
    assert_eq!(done(&handle, "process.stop", r#"{ "id": "a" }"#)["exitSignal"], "SIGTERM");
    let (code, error) = failed(&handle, "process.signal", r#"{ "id": "a", "signal": "SIGHUP" }"#);
    assert_eq!((code, &error["code"]), (Code::State, &Value::from("not_running")));
    done(&handle, "process.remove", r#"{ "id": "a" }"#);
    assert_eq!(failed(&handle, "process.start", r#"{ "id": "a" }"#).0, Code::NotFound);
    let kinds: Vec<_> = drained(&handle).into_iter().map(|event| event.kind).collect();
    for kind in ["process.started", "process.ready", "process.exit", "process.stopped"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind} is not in {kinds:?}");
    }
}

#[test]
fn each_hand_works_alone() {
    let handle = open();
    let lease = done(&handle, "port.acquire", "");
    assert_eq!(lease["host"], "127.0.0.1");
    let leases: Value =
        serde_json::from_str(&handle.snapshot(r#"{ "what": "leases" }"#).expect("it is known"))
            .expect("JSON");
    assert_eq!(leases["leases"][0], lease);
    done(&handle, "port.release", &format!(r#"{{ "leaseId": {} }}"#, lease["leaseId"]));
    assert_eq!(failed(&handle, "port.release", r#"{ "leaseId": "lease-1" }"#).0, Code::NotFound);

    let proxy = done(&handle, "proxy.open", r#"{ "id": "p", "port": 0, "limits": { "parkedMax": 7 } }"#);
    let url = format!("http://127.0.0.1:{}/", proxy["port"]);
    let check = format!(r#"{{ "url": "{url}", "timeoutMs": 50, "intervalMs": 10 }}"#);
    let (code, error) = failed(&handle, "health.check", &check);
    assert_eq!((code, &error["code"]), (Code::Failed, &Value::from("health_check_failed")));
    assert_eq!(error["detail"]["reason"], "HTTP 503");
    let switched = done(
        &handle,
        "proxy.switch",
        &format!(r#"{{ "id": "p", "targets": [{{ "port": {} }}] }}"#, lease["port"]),
    );
    assert_eq!((&switched["generation"], &switched["previousGeneration"]), (&Value::from(1), &Value::Null));
    assert_eq!(done(&handle, "proxy.switch", r#"{ "id": "p", "targets": [] }"#)["previousGeneration"], 1);
    assert_eq!(done(&handle, "proxy.drain", r#"{ "id": "p", "timeoutMs": 1000 }"#)["requestsCut"], 0);
    assert_eq!(done(&handle, "proxy.status", r#"{ "id": "p" }"#)["port"], proxy["port"]);
    assert_eq!(failed(&handle, "proxy.open", r#"{ "id": "p", "port": 0 }"#).1["code"], "already_open");
    done(&handle, "proxy.close", r#"{ "id": "p" }"#);

    let decide = |exits: &str| {
        done(
            &handle,
            "restart.decide",
            &format!(
                r#"{{ "exitsMs": {exits}, "restartDelayMs": 100, "restart": {{ "maxRestarts": 2, "windowMs": 1000, "backoffFactor": 2 }} }}"#
            ),
        )
    };
    assert_eq!(decide("[5]"), serde_json::json!({ "decision": "restart", "afterMs": 100 }));
    assert_eq!(decide("[5, 10]"), serde_json::json!({ "decision": "restart", "afterMs": 200 }));
    assert_eq!(decide("[5, 10, 20]")["decision"], "giveUp");
    assert_eq!(decide("[5, 10, 2000]")["afterMs"], 100);
}

#[test]
fn what_makes_no_sense_is_refused_at_once() {
    let handle = open();
    for (method, params, code, word) in [
        ("engine.dance", "{}", Code::Argument, "unknown_method"),
        ("engine.status", r#"{ "colour": 1 }"#, Code::Argument, "invalid_params"),
        (
            "engine.open",
            r#"{ "config": { "proxy": {}, "processes": [], "colour": 1 } }"#,
            Code::Config,
            "config_invalid",
        ),
        (
            "engine.open",
            &format!(r#"{{ "config": {CONFIG}, "keepState": true }}"#),
            Code::Argument,
            "invalid_params",
        ),
        ("engine.deploy", r#"{ "releaseId": "../x", "releasePath": "/" }"#, Code::Argument, "unsafe_name"),
        ("engine.pause", r#"{ "timeoutMs": 0 }"#, Code::Argument, "invalid_field"),
        ("engine.restart", r#"{ "policy": "lazy" }"#, Code::Argument, "invalid_params"),
        ("process.define", r#"{ "id": "", "command": "true" }"#, Code::Argument, "invalid_params"),
        (
            "process.define",
            r#"{ "id": "a", "command": "true", "memory": {} }"#,
            Code::Config,
            "config_invalid",
        ),
        ("process.signal", r#"{ "id": "a", "signal": "SIGNONSENSE" }"#, Code::Argument, "invalid_params"),
        ("port.acquire", r#"{ "port": { "from": 9, "to": 3 } }"#, Code::Argument, "invalid_params"),
        ("health.check", r#"{}"#, Code::Argument, "invalid_params"),
        (
            "proxy.open",
            r#"{ "id": "p", "port": 0, "limits": { "colour": 1 } }"#,
            Code::Config,
            "config_invalid",
        ),
        ("restart.decide", r#"{ "exitsMs": [] }"#, Code::Argument, "invalid_params"),
        ("restart.decide", r#"{ "exitsMs": [2, 1] }"#, Code::Argument, "invalid_params"),
    ] {
        let error = handle.submit(method, params, 0).expect_err(method);
        assert_eq!((error.code, error.error.as_str()), (code, word), "{method} {params}: {}", error.message);
    }
    let error = handle.submit("engine.open", r#"{ "config": { "proxy": {}, "processes": [] } }"#, 0);
    let told = "Invalid config:\n  - Config must define exactly one proxied process; found 0";
    assert_eq!(error.expect_err("nothing gets traffic").message, told);
    let error = handle.submit("process.define", r#"{ "id": "a", "command": "true", "restrat": {} }"#, 0);
    let error = error.expect_err("a slip of the finger");
    assert!(
        error.message.contains("restrat") && !error.message.contains("processes[0]"),
        "{}",
        error.message
    );
    assert_eq!(drained(&handle), [], "no event follows");
}

#[test]
fn every_method_has_a_schema_and_validates_what_it_takes() {
    assert!(methods().len() > 25);
    for name in methods().iter().chain(&["options", "subscribe", "snapshot"]) {
        let schema: Value = serde_json::from_str(&schema(name).expect(name)).expect("it is JSON");
        assert_eq!(schema["type"], "object", "{name}");
    }
    let define: Value = serde_json::from_str(&schema("process.define").expect("it is there")).expect("JSON");
    assert_eq!(define["required"], serde_json::json!(["id", "command"]));
    assert_eq!(schema("weather"), None);
    assert_eq!(validate("config", CONFIG), Ok(()));
    assert_eq!(validate("config", "{}").map_err(|error| error.code), Err(Code::Config));
    assert_eq!(validate("engine.status", ""), Ok(()));
    assert_eq!(validate("weather", "").map_err(|error| error.code), Err(Code::Argument));
}

#[test]
fn what_is_cancelled_ends_and_what_is_over_stays_over() {
    let handle = open();
    let op = begin(&handle, "health.check", r#"{ "url": "http://127.0.0.1:1/", "timeoutMs": 60000 }"#);
    assert_eq!(handle.wait(op, Some(Duration::ZERO)), Ok(Next::TimedOut));
    handle.cancel(op).expect("it is under way");
    handle.cancel(op).expect("it may be asked for twice");
    let event = completion(&handle, op);
    assert_eq!((event.status, event.outcome().is_err()), (Code::Cancelled, true));
    assert_eq!(handle.cancel(op).map_err(|error| error.code), Err(Code::NotFound));
    assert_eq!(handle.wait(op, SOON).map_err(|error| error.code), Err(Code::NotFound));
}

#[test]
fn closing_answers_what_is_under_way_and_then_says_closed() {
    let handle = open();
    let op = begin(&handle, "health.check", r#"{ "url": "http://127.0.0.1:1/", "timeoutMs": 60000 }"#);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                match handle.next_event(None) {
                    Next::Event(event) => assert_eq!((event.op, event.status), (op, Code::Closed)),
                    other => return other,
                }
            }
        });
        handle.end().expect("this is no thread of the library");
        assert_eq!(waiting.join().expect("it does not panic"), Next::Closed);
    });
    assert_eq!(handle.submit("engine.status", "", 0).map_err(|error| error.code), Err(Code::Closed));
    assert!(is_readable(handle.event_fd()), "whoever polls looks, and sees that it is closed");
}

#[test]
fn a_panic_ends_its_operation_and_nothing_else() {
    let handle = Embedded::open(r#"{ "log": "warn" }"#).expect("a handle");
    let op = begin(&handle, "rollcore_panic", "{}");
    assert_eq!(completion(&handle, op).status, Code::Panic);
    done(&handle, "process.status", "");
}

#[test]
fn a_hint_comes_with_the_first_event_and_never_after_it_was_taken_away() {
    let handle = open();
    let (tell, told) = mpsc::channel();
    handle
        .set_wakeup(Some(Box::new(move || {
            let _the_test_is_over = tell.send(());
        })))
        .expect("a thread");
    begin(&handle, "process.status", "");
    told.recv_timeout(Duration::from_secs(10)).expect("a hint");
    handle.set_wakeup(None).expect("this is no thread of the library");
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[test]
fn wake_pipes_are_readable_while_the_queue_is_not_empty() {
    use std::os::fd::AsFd;
    let handle = open();
    let pipe = handle.wake_pipe().expect("a pipe");
    assert!(!is_readable(pipe.as_fd()) && !is_readable(handle.event_fd()));
    done(&handle, "process.status", "");
    let op = begin(&handle, "process.status", "");
    assert!(matches!(handle.next_event(SOON), Next::Event(event) if event.op == op));
    assert!(!is_readable(pipe.as_fd()) && !is_readable(handle.event_fd()));
    assert_ne!(pipe.as_raw_fd(), handle.event_fd().as_raw_fd());
}

#[test]
fn a_log_is_told_only_when_it_was_asked_for() {
    let logs = |options: &str| {
        let handle = Embedded::open(options).expect("a handle");
        done(
            &handle,
            "process.define",
            r#"{ "id": "a", "command": "true", "restart": { "maxRestarts": 0 } }"#,
        );
        done(&handle, "process.start", r#"{ "id": "a" }"#);
        drained(&handle).iter().filter(|event| event.kind == "log").count()
    };
    assert_eq!(logs(""), 0);
    assert!(logs(r#"{ "log": "debug" }"#) > 0);
}
