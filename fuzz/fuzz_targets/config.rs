//! Any text is a config that keeps its promises, or a list of what is wrong with it.
//!
//! Bytes that begin with a zero, with which no JSON begins, spell a config of known keys instead of a text.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use rollcore::{
    Application, CommandSpec, Config, ConfigError, Defaults, Issue, ProcessPolicy, ProcessSpec, Step, plan,
    restart_needed,
};
use rollcore_fuzz::Bytes;

/// A plan with more instances than this is not looked at, for it would take too long.
const INSTANCES_MAX: u64 = 10_000;

fuzz_target!(|data: &[u8]| {
    let answer = read(data);
    match &answer {
        Ok(config) => keeps_its_promises(config),
        Err(error) => is_explained(error),
    }
    assert_eq!(answer, read(data), "the same text is another config the second time");
});

fn read(data: &[u8]) -> Result<Config, ConfigError> {
    match data.split_first() {
        Some((0, spelling)) => {
            Config::from_value(rollcore_fuzz::config(&mut Bytes::new(spelling)), &Defaults::default())
        }
        _ => Config::from_json(&String::from_utf8_lossy(data)),
    }
}

fn is_explained(error: &ConfigError) {
    assert!(!error.issues().is_empty(), "it is refused for nothing");
    have_fixes(error.issues());
    have_fixes(error.warnings());
    let text = error.to_string();
    assert!(error.issues().iter().all(|issue| text.contains(&issue.message)), "{text}");
    assert!(matches!(error.code(), "config_not_json" | "config_invalid"));
}

fn have_fixes(issues: &[Issue]) {
    for issue in issues {
        assert!(!issue.message.is_empty() && !issue.fix.is_empty(), "{issue:?}");
    }
}

fn keeps_its_promises(config: &Config) {
    let application = config.application();
    have_fixes(config.warnings());
    let proxied = application.processes.iter().filter(|process| process.policy == ProcessPolicy::Proxied);
    assert_eq!(proxied.count(), 1);
    assert!(application.proxied().port.is_some(), "the traffic has nowhere to go");
    // The contract looks at no process without a name (C-27).
    let named = application.processes.iter().filter(|process| !process.id.as_str().is_empty());
    let mut seen = BTreeSet::new();
    assert!(named.clone().all(|process| seen.insert(process.id.as_str())), "two processes share an id");
    assert!(named.clone().all(|process| !process.id.as_str().contains('#')), "an id reads like a replica's");
    named.for_each(is_possible);
    assert!(restart_needed(application, application).is_empty(), "it differs from itself");
    let instances: u64 = application.processes.iter().map(|process| u64::from(process.replicas)).sum();
    if instances <= INSTANCES_MAX {
        is_a_whole_plan(application);
    }
}

fn is_possible(process: &ProcessSpec) {
    assert!(process.replicas >= 1 && process.output_lines_max >= 1, "{process:?}");
    let may_have_replicas = process.policy == ProcessPolicy::Companion && process.port.is_none();
    assert!(process.replicas == 1 || may_have_replicas, "{process:?}");
    assert!(!process.non_blocking_drain || process.policy == ProcessPolicy::Companion, "{process:?}");
    assert!(process.health.is_none() || process.policy == ProcessPolicy::Proxied, "{process:?}");
    assert!(!process.is_handoff_service() || process.port.is_some_and(|port| port.len() > 1), "{process:?}");
    assert!(process.stop.hooks.drain.is_none() || !process.stop.drain_timeout.is_zero(), "{process:?}");
    let words: Vec<&str> = match &process.command {
        CommandSpec::Shell(line) => vec![line],
        CommandSpec::Exec(words) => words.iter().map(String::as_str).collect(),
    };
    assert!(
        !words.is_empty() && words.iter().all(|word| !word.contains('\0')),
        "no system runs this: {words:?}"
    );
}

fn is_a_whole_plan(application: &Application) {
    let steps = plan(application, &BTreeSet::new());
    let count = |is_one: fn(&Step) -> bool| steps.iter().filter(|step| is_one(step)).count();
    assert_eq!(count(|step| *step == Step::Switch), 1, "{steps:?}");
    let started =
        count(|step| matches!(step, Step::Start(_) | Step::StartService(_) | Step::ReplaceSingleton(_)));
    let instances: usize = application.processes.iter().map(|process| process.instances().count()).sum();
    assert_eq!(started, instances, "each instance is started once: {steps:?}");
}
