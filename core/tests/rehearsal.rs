//! The simulated engine that is asked by hand: what bindings and scripts are tested with.

use std::collections::BTreeMap;
use std::time::Duration;

use rollcore::simulate::{Answer, Refusal, Rehearsal, Scene};
use rollcore::{
    Application, Config, EVENTS_MAX_DEFAULT, ReleaseId, RestartSelection, RollbackTo, Seq, StampedEvent,
};

/// One process of each policy, and every time a config can say.
const SHOP: &str = r#"{
    "application": "shop", "proxy": { "port": 0, "drainTimeoutMs": 5000 },
    "releaseRetention": { "keep": 2 },
    "processes": [
        { "id": "web", "policy": "proxied", "command": "./serve", "port": { "from": 18182, "to": 18189 },
          "health": { "path": "/ping", "timeoutMs": 3000 } },
        { "id": "worker", "policy": "companion", "command": "./work", "replicas": 2 },
        { "id": "cron", "policy": "singleton", "command": "./cron" },
        { "id": "broker", "policy": "service", "command": "./broker", "port": { "from": 19000, "to": 19009 } }
    ]
}"#;

fn application(json: &str) -> Application {
    Config::from_json(json).expect("the config is right").into_application()
}

fn id(release: &str) -> ReleaseId {
    ReleaseId::new(release).expect("a safe id")
}

fn deploy(engine: &mut Rehearsal, release: &str) -> Scene {
    let path = format!("/releases/{release}");
    engine.deploy(id(release), path, None).unwrap_or_else(|broken| {
        panic!("{broken}\n{}", engine.story().join("\n"));
    })
}

fn told(events: &[StampedEvent]) -> Vec<String> {
    events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")).collect()
}

fn messages(events: &[StampedEvent]) -> Vec<String> {
    events.iter().map(|event| event.event.message().into_owned()).collect()
}

/// What every host plays.
fn story(seed: u64) -> (Vec<String>, Vec<Answer>) {
    let mut engine = Rehearsal::new(application(SHOP), seed).broken([id("v3")]);
    let mut outcomes: Vec<Answer> =
        ["v1", "v2", "v3"].into_iter().map(|release| deploy(&mut engine, release).outcome).collect();
    outcomes.push(engine.rollback(RollbackTo::Previous).expect("no invariant breaks").outcome);
    outcomes.push(engine.shutdown(false).expect("no invariant breaks").outcome);
    (told(&engine.events(Seq::START).events), outcomes)
}

#[test]
fn the_same_seed_is_the_same_events_to_the_millisecond() {
    let (events, outcomes) = story(1);
    assert_eq!(story(1), (events.clone(), outcomes.clone()));
    let (others, same) = story(2);
    assert_ne!(others, events, "nothing is left to chance");
    assert_eq!(same, outcomes, "the outcome of the story is not left to chance");
    assert!(events.len() < EVENTS_MAX_DEFAULT.get());
    assert!(events[0].contains(r#""message":"proxy listening""#), "{}", events[0]);
}

#[test]
fn a_broken_release_is_undone_and_the_old_one_serves_on() {
    let mut engine = Rehearsal::new(application(SHOP), 1).broken([id("v3")]);
    let _ = deploy(&mut engine, "v1");
    let second = deploy(&mut engine, "v2");
    assert_eq!(second.outcome, Answer::Deployed { active: id("v2"), previous: Some(id("v1")) });
    assert!(messages(&second.events).contains(&"traffic switched".to_owned()));
    // What goes on behind the answer is told behind it.
    assert!(!messages(&second.events).contains(&"release drained".to_owned()));
    assert!(messages(&second.aftermath).contains(&"release drained".to_owned()));

    let third = deploy(&mut engine, "v3");
    let Answer::Undone { release, step, cause } = &third.outcome else { panic!("{:?}", third.outcome) };
    assert_eq!((release.as_str(), step.to_string().as_str()), ("v3", "await ready web"));
    assert_eq!(cause.code(), "exited_before_ready");
    let first_line = cause.message().lines().next().unwrap_or_default();
    assert_eq!(first_line, "process \"web\" exited with code 1 before it was ready; it printed last:");
    let events = messages(&third.events);
    assert!(events.contains(&"rollout undone".to_owned()), "{events:?}");
    assert!(!events.contains(&"traffic switched".to_owned()), "{events:?}");
    assert_eq!(engine.active(), Some(&id("v2")));

    let back = engine.rollback(RollbackTo::Previous).expect("no invariant breaks");
    assert_eq!(back.outcome, Answer::Deployed { active: id("v1"), previous: Some(id("v2")) });
}

#[test]
fn a_broken_release_whose_health_nobody_asks_does_not_start() {
    let config = r#"{ "application": "shop", "proxy": { "port": 1 }, "processes": [
        { "id": "web", "policy": "proxied", "command": "./serve", "port": 0, "health": false }] }"#;
    let mut engine = Rehearsal::new(application(config), 1).broken([id("v2")]);
    assert!(matches!(deploy(&mut engine, "v1").outcome, Answer::Deployed { .. }));
    let second = deploy(&mut engine, "v2").outcome;
    assert!(matches!(&second, Answer::Undone { step, .. } if step.to_string() == "start web"), "{second:?}");
    assert_eq!(engine.active(), Some(&id("v1")));
}

#[test]
fn after_a_shutdown_everything_is_refused_and_it_may_be_asked_again() {
    let mut engine = Rehearsal::new(application(SHOP), 1);
    let _ = deploy(&mut engine, "v1");
    for _ in 0..2 {
        let end = engine.shutdown(false).expect("no invariant breaks");
        assert_eq!(end.outcome, Answer::ShutDown { survivors: 0 });
    }
    assert_eq!(deploy(&mut engine, "v2").outcome, Answer::Refused(Refusal::ShuttingDown));
}

#[test]
fn a_crash_is_followed_by_a_restart() {
    let mut engine = Rehearsal::new(application(SHOP), 1);
    let _ = deploy(&mut engine, "v1");
    let (before, events) = (engine.elapsed(), engine.crash("web").expect("no invariant breaks"));
    assert_eq!(messages(&events), ["process exited", "process started"]);
    assert!(engine.elapsed() - before >= Duration::from_secs(1), "a restart has its delay");
    assert_eq!(messages(&engine.crash("nobody").expect("no invariant breaks")), [""; 0]);
}

#[test]
fn a_pause_ends_with_the_time_that_later_questions_take() {
    let mut engine = Rehearsal::new(application(SHOP), 1);
    let _ = deploy(&mut engine, "v1");
    let paused = engine.pause(Some(Duration::from_millis(1))).expect("no invariant breaks");
    assert_eq!(paused.outcome, Answer::TrafficPaused);
    assert_eq!(messages(&paused.aftermath), [""; 0], "no time has passed");
    assert!(messages(&deploy(&mut engine, "v2").events).contains(&"traffic resumed".to_owned()));
    let resumed = engine.resume().expect("no invariant breaks");
    assert_eq!(resumed.outcome, Answer::TrafficResumed);
}

#[test]
fn what_the_config_names_is_what_is_asked_for() {
    let mut engine = Rehearsal::with_env(
        application(&SHOP.replace("./cron", "{{env.CRON}}")),
        BTreeMap::from([("CRON".to_owned(), "/usr/sbin/cron".to_owned())]),
        1,
    );
    let events = told(&deploy(&mut engine, "v1").events).join("\n");
    assert!(events.contains(r#""command":"/usr/sbin/cron""#), "{events}");
    let selection = RestartSelection { process: Some("worker".to_owned()), policy: None };
    let restarted = engine.restart(selection).expect("no invariant breaks").outcome;
    let Answer::Restarted(instances) = restarted else { panic!("{restarted:?}") };
    let instances: Vec<String> = instances.iter().map(ToString::to_string).collect();
    assert_eq!(instances, ["worker#0", "worker#1"]);

    engine.edit(application(&SHOP.replace("./cron", "./clock")));
    let events = told(&deploy(&mut engine, "v2").events).join("\n");
    assert!(events.contains(r#""command":"./clock""#), "{events}");
}

/// Without faults, whatever is asked in whatever order: an invariant that breaks would be an error.
#[test]
fn an_engine_without_faults_breaks_no_invariant() {
    let mut deployed = 0;
    for seed in 0..200 {
        let mut state: u64 = seed;
        let mut engine = Rehearsal::new(application(SHOP), seed);
        for _ in 0..30 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (what, which) = ((state >> 33) % 9, (state >> 40) % 4);
            let done = match what {
                0..=3 => engine.deploy(id(&format!("v{which}")), "/r", None).map(|scene| scene.outcome),
                4 => engine.rollback(RollbackTo::Previous).map(|scene| scene.outcome),
                5 => engine.restart(RestartSelection::default()).map(|scene| scene.outcome),
                6 => engine.stop(None).map(|scene| scene.outcome),
                7 => engine.pause(Some(Duration::from_secs(which))).map(|scene| scene.outcome),
                _ => engine.resume().map(|scene| scene.outcome),
            };
            let done = done.unwrap_or_else(|broken| panic!("{broken}\n{}", engine.story().join("\n")));
            assert!(!matches!(done, Answer::Undone { .. } | Answer::Stuck { .. }), "seed {seed}: {done:?}");
            deployed += u32::from(matches!(done, Answer::Deployed { .. }));
        }
        assert_eq!(
            engine.shutdown(seed % 2 == 0).expect("no invariant breaks").outcome,
            Answer::ShutDown { survivors: 0 }
        );
    }
    assert!(deployed > 2_000, "only {deployed} deploys");
}

/// Whoever tests a long-running host deploys for a long time.
#[test]
fn a_long_rehearsal_keeps_no_more_than_it_needs() {
    let mut engine = Rehearsal::new(application(SHOP), 1);
    for number in 0..1_000 {
        let _ = deploy(&mut engine, &format!("v{number}"));
    }
    assert!(engine.story().len() <= 10_000 + 500, "{}", engine.story().len());
    assert!(engine.events(Seq::START).events.len() == EVENTS_MAX_DEFAULT.get());
}

#[test]
fn where_the_system_chooses_a_port_there_is_one() {
    let mut engine = Rehearsal::new(application(&SHOP.replace(r#"{ "from": 18182, "to": 18189 }"#, "0")), 1);
    let _ = deploy(&mut engine, "v1");
    assert!(matches!(deploy(&mut engine, "v2").outcome, Answer::Deployed { .. }));
}

/// What the hosts print in `examples/story.txt`, told from the same events that they get.
#[test]
fn the_story_of_the_examples_is_what_happens() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let read = |file| std::fs::read_to_string(examples.join(file)).expect("the example is there");
    let mut engine = Rehearsal::new(application(&read("releases/rollcore.json")), 1).broken([id("v3")]);
    let mut lines = vec!["start      shop runs nothing yet".to_owned()];
    for release in ["v1", "v2", "v3"] {
        let scene = deploy(&mut engine, release);
        lines.extend(tell(&format!("deploy {release}"), &scene, engine.active()));
    }
    let scene = engine.rollback(RollbackTo::Previous).expect("no invariant breaks");
    lines.extend(tell("rollback", &scene, engine.active()));
    let end = engine.shutdown(false).expect("no invariant breaks").outcome;
    assert_eq!(end, Answer::ShutDown { survivors: 0 });
    lines.push("shutdown   nothing is left".to_owned());
    assert_eq!(lines.join("\n") + "\n", read("story.txt"));
}

fn tell(verb: &str, scene: &Scene, active: Option<&ReleaseId>) -> Vec<String> {
    let named = |message: &str, field: &str| {
        let of = |event: &&StampedEvent| event.event.message() == message;
        let name = |event: &StampedEvent| event.event.data()[field].as_str().map(str::to_owned);
        scene.events.iter().filter(of).filter_map(name).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![format!("{verb:<10} {}", named("rollout step", "step"))];
    let active = active.map_or_else(String::new, ToString::to_string);
    let drained = scene.aftermath.iter().find(|event| event.event.message() == "release drained");
    let gone = drained.map(|event| event.event.data()["releaseId"].as_str().map(str::to_owned));
    if let Answer::Undone { cause, .. } = &scene.outcome {
        let undone = named("rollout step undone", "undo");
        lines.push(format!("{:10} {}; undone: {undone}", "", cause.code()));
    }
    let gone =
        gone.flatten().map_or_else(String::new, |gone| format!("; {gone} has answered its last request"));
    lines.push(format!("{:10} {active} is active{gone}", ""));
    lines
}
