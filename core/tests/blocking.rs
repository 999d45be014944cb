//! The engine without somebody else's runtime, with real processes.
#![expect(clippy::disallowed_methods, reason = "a test measures how long it was held up")]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rollcore::blocking::{Engine, StartError};
use rollcore::{Config, DeployError, Release, RestartSelection, RollbackTo, Seq};
use serde_json::{Value, json};

/// Nothing that these tests wait for takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

fn shop(worker: &str) -> Config {
    let config = json!({
        "application": "shop",
        "proxy": { "port": 0, "drainTimeoutMs": 2_000 },
        "processes": [
            { "id": "web", "policy": "proxied", "command": ["sleep", "600"], "port": 0, "health": false },
            { "id": "worker", "command": worker, "gracefulStopMs": "indefinite" },
        ],
    });
    Config::from_json(&config.to_string()).expect("the config is valid")
}

fn open() -> Engine {
    Engine::start(shop("exec sleep 600")).expect("the engine starts")
}

fn release(id: &str) -> Release {
    Release::new(id, "/").expect("a safe id")
}

fn pids(engine: &Engine) -> BTreeSet<u32> {
    let releases = engine.status().releases;
    releases.iter().flat_map(|release| &release.processes).filter_map(|process| process.pid).collect()
}

fn is_there(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Reads events until one is `wanted`.
fn until(engine: &Engine, wanted: impl Fn(&str, &Value) -> bool) -> Duration {
    let began = Instant::now();
    let mut place = Seq::START;
    while began.elapsed() < DEADLINE {
        let batch = engine.events(place, DEADLINE);
        place = batch.next;
        if batch.events.iter().any(|stamped| wanted(&stamped.event.message(), &stamped.event.data())) {
            return began.elapsed();
        }
    }
    panic!("it never came to that: {:?}", engine.recent_events(None));
}

#[test]
fn every_verb_does_what_it_says() {
    let engine = open();
    assert_eq!(engine.deploy(release("v1")).expect("v1 is deployed").previous, None);
    let first = pids(&engine);
    assert_eq!(first.len(), 2);

    let second = engine.deploy(release("v2")).expect("v2 is deployed");
    assert_eq!((second.active.as_str(), second.previous.is_some()), ("v2", true));
    until(&engine, |message, data| message == "release drained" && data["releaseId"] == "v1");
    assert!(first.iter().all(|pid| !is_there(*pid)), "v1 is gone");

    let back = engine.rollback(RollbackTo::Previous).expect("v1 is remembered");
    assert_eq!(back.active.as_str(), "v1");
    let restarted = engine.restart(RestartSelection::default()).expect("the worker restarts");
    assert_eq!(restarted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["worker"]);

    engine.stop(None).expect("the active release stops");
    assert_eq!(engine.status().active_release_id, None);
    let last = pids(&engine);
    assert_eq!(engine.shutdown().survivors, 0);
    assert!(last.iter().all(|pid| !is_there(*pid)));
    assert!(TcpStream::connect(engine.proxy_addr()).is_err(), "the proxy still listens");
}

#[test]
fn after_the_shutdown_everything_is_an_error_and_nothing_hangs() {
    let engine = open();
    engine.shutdown();
    assert_eq!(engine.deploy(release("v1")), Err(DeployError::Ended));
    assert_eq!(engine.rollback(RollbackTo::Previous), Err(DeployError::Ended));
    assert_eq!(engine.stop(None).expect_err("it has ended").code(), "shutting_down");
    assert_eq!(
        engine.restart(RestartSelection::default()).expect_err("it has ended").code(),
        "shutting_down"
    );
    assert_eq!(engine.shutdown().survivors, 0);
}

#[test]
fn an_address_in_use_is_an_error() {
    let engine = open();
    let mut application = shop("true").into_application();
    application.proxy.port = engine.proxy_addr().port();
    let error = Engine::start(application).expect_err("somebody listens there");
    assert!(matches!(error, StartError::Engine(_)), "{error:?}");
    assert_eq!(error.code(), "proxy_address_in_use");
}

#[test]
fn several_threads_may_use_it_at_once() {
    let engine = Arc::new(open());
    let together = Arc::new(Barrier::new(3));
    let deploys: Vec<_> = ["a", "b", "c"]
        .map(|id| {
            let (engine, together) = (Arc::clone(&engine), Arc::clone(&together));
            thread::spawn(move || {
                together.wait();
                engine.deploy(release(id))
            })
        })
        .into_iter()
        .map(|deploy| deploy.join().expect("it does not panic"))
        .collect();
    assert!(deploys.iter().any(Result::is_ok), "{deploys:?}");
    let refused = |error: &DeployError| matches!(error, DeployError::Busy { .. });
    assert!(deploys.iter().filter_map(|deploy| deploy.as_ref().err()).all(refused), "{deploys:?}");
}

#[test]
fn events_come_when_they_happen_and_an_empty_batch_when_they_do_not() {
    let engine = Arc::new(open());
    let place = engine.events(Seq::START, DEADLINE).next;
    let began = Instant::now();
    let nothing = engine.events(place, Duration::from_millis(50));
    assert_eq!((nothing.events.len(), nothing.next), (0, place));
    assert!(began.elapsed() >= Duration::from_millis(50));

    let reader = Arc::clone(&engine);
    let waiting = thread::spawn(move || reader.events(place, DEADLINE));
    engine.deploy(release("v1")).expect("v1 is deployed");
    let batch = waiting.join().expect("it does not panic");
    assert_eq!(batch.events[0].event.message(), "deploy starting");
}

#[test]
fn dropping_it_stops_its_processes() {
    let engine = open();
    engine.deploy(release("v1")).expect("v1 is deployed");
    let pids = pids(&engine);
    drop(engine);
    assert_eq!(pids.into_iter().filter(|pid| is_there(*pid)).count(), 0);
}

#[test]
fn a_process_that_takes_longer_than_the_drop_may_is_killed() {
    // Says so once it does not care about SIGTERM any more, and may take for ever.
    let stubborn = shop("trap '' TERM; echo deaf; while :; do sleep 600; done");
    let engine = Engine::start(stubborn).expect("the engine starts").drop_timeout(Duration::from_millis(300));
    engine.deploy(release("v1")).expect("v1 is deployed");
    let deadline = Instant::now() + DEADLINE;
    let is_deaf = || {
        let releases = engine.status().releases;
        let lines = releases.iter().flat_map(|release| &release.processes).flat_map(|process| &process.logs);
        lines.into_iter().any(|log| log.line == "deaf")
    };
    while !is_deaf() {
        assert!(Instant::now() < deadline, "the worker never said that it is deaf");
        thread::yield_now();
    }
    let pids = pids(&engine);
    let began = Instant::now();
    drop(engine);
    assert!(began.elapsed() < Duration::from_secs(10), "the drop is bounded: {:?}", began.elapsed());
    assert_eq!(pids.into_iter().filter(|pid| is_there(*pid)).count(), 0, "nobody is left behind");
}

/// All of it, as somebody would who does not know that he is inside a runtime.
fn a_whole_life() {
    let engine = open();
    engine.deploy(release("v1")).expect("v1 is deployed");
    assert!(engine.events(Seq::START, Duration::ZERO).events.len() > 2);
    engine.shutdown();
    drop(engine);
}

#[tokio::test(flavor = "current_thread")]
async fn inside_a_runtime_of_one_thread_it_works_and_does_not_panic() {
    a_whole_life();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn inside_a_runtime_of_several_threads_it_works_and_does_not_panic() {
    tokio::spawn(async { a_whole_life() }).await.expect("it does not panic");
}

#[test]
fn its_threads_have_names_and_every_signal_blocked() {
    let engine = open();
    engine.deploy(release("v1")).expect("v1 is deployed");
    let mut seen = 0;
    for task in fs::read_dir("/proc/self/task").expect("this is Linux") {
        let task = task.expect("it can be listed").path();
        // A thread of another test may be gone by now.
        let read = |file| fs::read_to_string(task.join(file)).unwrap_or_default();
        // The kernel keeps the first 15 characters.
        if !read("comm").starts_with("rollcore-engine") {
            continue;
        }
        let status = read("status");
        let Some(blocked) = status.lines().find_map(|line| line.strip_prefix("SigBlk:")) else { continue };
        let blocked = u64::from_str_radix(blocked.trim(), 16).expect("a mask");
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGPIPE, libc::SIGUSR1] {
            assert_ne!(blocked & 1 << (signal - 1), 0, "signal {signal} is not blocked");
        }
        seen += 1;
    }
    assert!(seen >= 2, "only {seen} threads with that name");
}
