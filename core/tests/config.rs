//! The config: what it accepts, what it refuses and in which words (compat C-9 to C-32).

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use proptest::prelude::*;
use rollcore::{
    Application, CommandSpec, Config, ConfigError, ControlSpec, Defaults, DeployStrategy, Issue, KillAfter,
    OwnerName, PortRange, ProcessPolicy, RestartDecision, RestartHistory, RestartNeeded, Signal, StopWith,
    restart_needed,
};
use serde_json::{Value, json};

fn defaults() -> Defaults {
    Defaults::beside(Path::new("/srv/shop/rollbridge.js"))
}

fn read(config: &Value) -> Result<Config, ConfigError> {
    Config::from_value(config, &defaults())
}

fn valid(config: &Value) -> Application {
    read(config).unwrap_or_else(|error| panic!("{config}\n{error}")).into_application()
}

fn issues(config: &Value) -> Vec<Issue> {
    read(config).expect_err("it is broken").issues().to_vec()
}

/// A valid config whose only process is `web` with these fields on top.
fn with_web(fields: &Value) -> Value {
    let mut web = json!({ "id": "web", "policy": "proxied", "port": 18_000, "command": "serve" });
    merge(&mut web, fields);
    json!({ "proxy": {}, "processes": [web] })
}

/// A valid config with a second process, `worker`, with these fields.
fn with_worker(fields: &Value) -> Value {
    let mut config = with_web(&json!({}));
    let mut worker = json!({ "id": "worker", "command": "work" });
    merge(&mut worker, fields);
    config["processes"].as_array_mut().expect("a list").push(worker);
    config
}

/// A valid config with these fields at the top.
fn with_top(fields: &Value) -> Value {
    let mut config = with_web(&json!({}));
    merge(&mut config, fields);
    config
}

fn merge(into: &mut Value, fields: &Value) {
    let into = into.as_object_mut().expect("an object");
    into.extend(fields.as_object().expect("an object").clone());
}

#[track_caller]
fn assert_issue(config: &Value, message: &str, fix_start: &str) {
    let found = issues(config);
    assert!(
        found.iter().any(|issue| issue.message == message && issue.fix.starts_with(fix_start)),
        "{config}\nexpected: {message}\n     fix: {fix_start}\nfound: {found:#?}"
    );
}

/// C-9 to C-29, whole: every message with its fix, in order. `UPDATE=1` rewrites the expectations.
#[test]
fn broken_configs_are_explained() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 6, "the inputs are gone");
    for input in inputs {
        let text = fs::read_to_string(&input).expect("it can be read");
        let explained = explain(&Config::from_json_with(&text, &defaults()));
        let golden = input.with_extension("txt");
        if env::var_os("UPDATE").is_some() {
            fs::write(&golden, &explained).expect("it can be written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(explained, expected, "{} (UPDATE=1 rewrites it)", golden.display());
    }
}

/// The way `validate` says it (C-249).
fn explain(read: &Result<Config, ConfigError>) -> String {
    let (issues, warnings) = match read {
        Ok(config) => (&[][..], config.warnings()),
        Err(error) => (error.issues(), error.warnings()),
    };
    let mut text = String::new();
    for (heading, list) in [("Issues", issues), ("Warnings", warnings)] {
        text.push_str(&format!("{heading}: {}\n", list.len()));
        for (index, issue) in list.iter().enumerate() {
            text.push_str(&format!("\n{}. {}\n   Fix: {}\n", index + 1, issue.message, issue.fix));
        }
        text.push('\n');
    }
    text
}

/// C-9.
#[test]
fn the_error_lists_every_message() {
    let error = read(&json!({ "proxy": {}, "processes": 1 })).expect_err("it is broken");
    assert_eq!(
        error.to_string(),
        "Invalid Rollbridge config:\n  - processes must be an array\n  \
         - Config must define exactly one proxied process; found 0"
    );
    assert_eq!(error.code(), "config_invalid");
}

#[test]
fn text_that_is_not_json_is_placed() {
    let error = Config::from_json("{\n  \"proxy\": oops\n}").expect_err("it is no JSON");
    assert_eq!(error.to_string(), "Config is not valid JSON: expected value at line 2 column 12");
    assert_eq!(error.issues()[0].fix, "Correct the JSON at line 2, column 12.");
    assert_eq!(error.code(), "config_not_json");
}

/// C-15, C-16, C-17, C-18, C-21, C-23.
#[test]
fn everything_but_the_processes_has_a_default() {
    let application = valid(&with_web(&json!({})));
    assert_eq!(application.name, "shop");
    let proxy = &application.proxy;
    assert_eq!((proxy.host.as_str(), proxy.port), ("127.0.0.1", 8182));
    assert_eq!((proxy.upstream_host.as_str(), proxy.drain_timeout), ("127.0.0.1", Duration::from_secs(60)));
    let control = ControlSpec { path: "/tmp/rollbridge-shop.sock".into(), ..ControlSpec::default() };
    assert_eq!(application.control, control);
    assert_eq!((application.retention.keep, application.retention.max_age), (10, None));

    let web = application.proxied();
    assert_eq!(web.command, CommandSpec::Shell("serve".to_owned()));
    assert_eq!((web.strategy, web.cwd.as_deref(), web.env.len()), (DeployStrategy::Persistent, None, 0));
    assert_eq!(web.port, Some(PortRange::only(18_000)));
    assert_eq!((web.replicas, web.output_lines_max, web.non_blocking_drain), (1, 50, false));
    assert_eq!(web.stop.with, StopWith::Signal(Signal::TERM));
    assert_eq!(web.stop.kill_after, KillAfter::Grace(Duration::from_secs(10)));
    assert_eq!((web.stop.drain_timeout, web.stop.hooks.quiet.as_deref()), (Duration::ZERO, None));
    assert_eq!((web.restart.delay(), web.restart.max_restarts()), (Duration::from_secs(1), None));
    let health = web.health.as_ref().expect("a proxied process is asked");
    assert_eq!((health.path.as_str(), health.timeout), ("/ping", Duration::from_secs(30)));
    assert_eq!((health.interval, health.start_delay), (Duration::from_millis(250), Duration::ZERO));
    assert_eq!(web.min_uptime, Duration::ZERO);
}

/// C-15 to C-25: what is set is used.
#[test]
fn every_field_is_read() {
    let config = json!({
        "application": "demo",
        "control": { "path": "/run/demo.sock", "mode": "0o660", "owner": 1000, "group": "www" },
        "proxy": {
            "host": "0.0.0.0", "port": 0, "healthPath": "/up", "healthTimeoutMs": 4000, "drainTimeoutMs": 1.5,
            "forceStopTimeoutMs": 2000
        },
        "releaseRetention": { "keep": 0, "maxAgeMs": 5000 },
        "processes": [
            {
                "id": "web", "policy": "proxied", "command": ["./serve", "--port", "{{port}}", ""],
                "cwd": "{{releasePath}}/app", "env": { "A": "b" }, "port": { "from": 18_000, "to": 18_099 },
                "health": { "intervalMs": 100, "startDelayMs": 50 }
            },
            {
                "id": "worker", "command": "work", "replicas": 3, "nonBlockingDrain": true, "outputLines": 5,
                "gracefulStopMs": "indefinite", "stopSignal": "SIGINT", "restartDelayMs": 100,
                "restart": { "maxRestarts": 2, "windowMs": 60_000, "backoffFactor": 3, "maxDelayMs": 200 },
                "lifecycle": { "quietCommand": "q", "drainCommand": "d", "drainTimeoutMs": 700 }
            },
            { "id": "cron", "policy": "singleton", "command": "cron", "lifecycle": { "stopCommand": "s" } },
            {
                "id": "cable", "policy": "service", "deployStrategy": "handoff", "command": "cable",
                "port": { "from": 19_000, "to": 19_009 }, "minUptimeMs": 10, "health": { "path": "/unused" }
            }
        ]
    });
    let application = valid(&config);
    assert_eq!(read(&config).expect("valid").warnings(), []);
    assert_eq!((application.name.as_str(), application.proxy.port), ("demo", 0));
    assert_eq!(application.proxy.upstream_host, "127.0.0.1");
    assert_eq!(application.proxy.drain_timeout, Duration::from_micros(1_500));
    assert_eq!(
        (application.control.path.to_str(), application.control.mode),
        (Some("/run/demo.sock"), Some(0o660))
    );
    assert_eq!(application.control.owner, Some(OwnerName::Id(1000)));
    assert_eq!(application.control.group, Some(OwnerName::Name("www".to_owned())));
    assert_eq!(
        (application.retention.keep, application.retention.max_age),
        (0, Some(Duration::from_secs(5)))
    );

    let [web, worker, cron, cable] = &application.processes[..] else { panic!("four processes") };
    let arguments = ["./serve", "--port", "{{port}}", ""].map(str::to_owned).to_vec();
    assert_eq!(web.command, CommandSpec::Exec(arguments));
    assert_eq!((web.cwd.as_deref(), web.env["A"].as_str()), (Some("{{releasePath}}/app"), "b"));
    let health = web.health.as_ref().expect("a proxied process is asked");
    assert_eq!((health.path.as_str(), health.timeout), ("/up", Duration::from_secs(4)));
    assert_eq!(
        (health.interval, health.start_delay),
        (Duration::from_millis(100), Duration::from_millis(50))
    );
    assert_eq!(web.stop.kill_after, KillAfter::Grace(Duration::from_secs(2)));

    assert_eq!((worker.replicas, worker.non_blocking_drain, worker.output_lines_max), (3, true, 5));
    assert_eq!(worker.stop.kill_after, KillAfter::Never);
    assert_eq!(worker.stop.with, StopWith::Signal(Signal::INT));
    assert_eq!(worker.stop.hooks.quiet.as_deref(), Some("q"));
    assert_eq!(worker.stop.hooks.drain.as_deref(), Some("d"));
    assert_eq!(worker.stop.drain_timeout, Duration::from_millis(700));
    assert_eq!((worker.restart.max_restarts(), worker.restart.window()), (Some(2), Duration::from_secs(60)));

    assert_eq!((cron.policy, cron.min_uptime), (ProcessPolicy::Singleton, Duration::from_millis(250)));
    assert_eq!(cron.stop.with, StopWith::Run("s".to_owned()));
    assert!(cable.is_handoff_service());
    assert_eq!((cable.min_uptime, &cable.health), (Duration::from_millis(10), &None));
}

/// C-25, C-76: without a limit the window still says which restarts make the delay grow.
#[test]
fn a_restart_window_without_a_limit_resets_the_backoff() {
    let restart = json!({ "windowMs": 1000, "backoffFactor": 2 });
    let policy = valid(&with_web(&json!({ "restart": restart }))).proxied().restart.clone();
    let mut history = RestartHistory::default();
    let after = |seconds| rollcore::Instant::from_origin(Duration::from_secs(seconds));
    for (now, delay) in [(0, 1), (0, 2), (9, 1)] {
        let expected = RestartDecision::RestartAfter(Duration::from_secs(delay));
        assert_eq!(policy.decide(&mut history, after(now)), expected);
    }
}

/// C-11.
#[test]
fn unknown_keys_are_accepted_and_named() {
    let config =
        read(&with_top(&json!({ "colour": "red", "aplication": "x" }))).expect("unknown keys are accepted");
    let messages: Vec<_> = config.warnings().iter().map(|issue| issue.message.as_str()).collect();
    assert_eq!(messages, ["Unknown key aplication", "Unknown key colour"]);
    assert!(config.warnings()[0].fix.starts_with("Did you mean application?"));
    assert!(config.warnings()[1].fix.contains("Known here: application, control,"));
}

/// C-12: null is "unset", but not everywhere.
#[test]
fn null_means_unset_except_where_it_says_something() {
    let nulls = json!({
        "application": null, "control": null, "releaseRetention": null, "statePath": null, "legacyTakeover": null,
    });
    assert_eq!(valid(&with_top(&nulls)), valid(&with_web(&json!({}))));
    let nulls = json!({
        "deployStrategy": null, "env": null, "gracefulStopMs": null, "lifecycle": null, "memory": null,
        "minUptimeMs": null, "nonBlockingDrain": null, "outputLines": null, "replicas": null, "restart": null,
        "restartDelayMs": null, "stopSignal": null,
    });
    assert_eq!(valid(&with_web(&nulls)), valid(&with_web(&json!({}))));
    for health in [json!(null), json!(false)] {
        assert_eq!(valid(&with_web(&json!({ "health": health }))).proxied().health, None);
    }
    for (fields, key) in [
        (json!({ "cwd": null }), "cwd"),
        (json!({ "env": { "A": null } }), "env.A"),
        (json!({ "lifecycle": { "quietCommand": null } }), "lifecycle.quietCommand"),
        (json!({ "lifecycle": { "drainCommand": null } }), "lifecycle.drainCommand"),
        (json!({ "lifecycle": { "stopCommand": null } }), "lifecycle.stopCommand"),
    ] {
        let key = format!("processes[0].{key}");
        assert_issue(
            &with_web(&fields),
            &format!("{key} is required"),
            &format!("Set {key} to a string value."),
        );
    }
}

/// C-13: the root is no mapping, and the later checks still run.
#[test]
fn a_config_that_is_no_mapping_is_also_told_what_is_missing() {
    for config in [json!(null), json!([]), json!(3), json!("x")] {
        let found = issues(&config);
        let messages: Vec<_> = found.iter().map(|issue| issue.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "Config must be an object",
                "proxy is required",
                "processes must be an array",
                "Config must define exactly one proxied process; found 0",
            ]
        );
        assert!(
            found[0]
                .fix
                .starts_with("Export a default config object with application, proxy, and processes keys")
        );
    }
}

/// C-14.
#[test]
fn empty_strings_are_strings() {
    let mut config = with_web(&json!({ "cwd": "", "command": "", "health": { "path": "" } }));
    merge(&mut config, &json!({ "application": "", "proxy": { "host": "" }, "control": { "path": "" } }));
    assert_eq!(valid(&config).name, "");
    // Without an id the rules of C-27 about that process do not apply.
    valid(&with_worker(&json!({ "id": "", "nonBlockingDrain": true, "policy": "service" })));
}

/// C-13, C-15 to C-18.
#[test]
fn the_top_of_the_config_is_checked() {
    for (fields, message, fix) in [
        (json!({ "application": 1 }), "application must be a string", "Set application to a string value."),
        (json!({ "proxy": null }), "proxy is required", "Add a proxy mapping to the config."),
        (json!({ "proxy": [] }), "proxy must be an object", "Set proxy to a mapping."),
        (json!({ "control": 1 }), "control must be an object", "Set control to a mapping."),
        (
            json!({ "releaseRetention": [] }),
            "releaseRetention must be an object",
            "Set releaseRetention to a mapping.",
        ),
        (
            json!({ "processes": {} }),
            "processes must be an array",
            "Set processes to a list of process definitions.",
        ),
        (
            json!({ "proxy": { "port": "80" } }),
            "proxy.port must be a number",
            "Set proxy.port to a finite number.",
        ),
        (
            json!({ "control": { "mode": "1000" } }),
            "control.mode must be an octal file mode between 0 and 0o777",
            "Set control.mode to an octal permission string like \"660\"",
        ),
        (
            json!({ "control": { "owner": 1.5 } }),
            "control.owner must be a non-negative integer id or a name",
            "Set control.owner to a non-negative integer id or a user/group name",
        ),
        (
            json!({ "releaseRetention": { "keep": 1.5 } }),
            "releaseRetention.keep must be a non-negative integer",
            "Set releaseRetention.keep to a non-negative integer, e.g. 10.",
        ),
        (
            json!({ "releaseRetention": { "maxAgeMs": -1 } }),
            "releaseRetention.maxAgeMs must be a non-negative number",
            "Set releaseRetention.maxAgeMs to a non-negative number, e.g. 0.",
        ),
    ] {
        assert_issue(&with_top(&fields), message, fix);
    }
}

/// C-19.
#[test]
fn a_takeover_is_checked_before_it_is_refused() {
    for (takeover, message) in [
        (json!(1), "legacyTakeover must be an object"),
        (json!({}), "legacyTakeover must define at least one screen or process matcher"),
        (
            json!({ "forceStopTimeoutMs": -1 }),
            "legacyTakeover.forceStopTimeoutMs must be a non-negative number",
        ),
        (json!({ "screens": 1 }), "legacyTakeover.screens must be an array"),
        (json!({ "screens": [""] }), "legacyTakeover.screens[0] must be a non-empty string"),
        (json!({ "processes": 1 }), "legacyTakeover.processes must be an array"),
        (json!({ "processes": [1] }), "legacyTakeover.processes[0] must be an object"),
        (
            json!({ "processes": [{}] }),
            "legacyTakeover.processes[0].includes must contain at least one matcher",
        ),
        (
            json!({ "processes": [{ "includes": [1] }] }),
            "legacyTakeover.processes[0].includes[0] must be a non-empty string",
        ),
        (
            json!({ "processes": [{ "includes": ["a"], "name": 1 }] }),
            "legacyTakeover.processes[0].name must be a string",
        ),
    ] {
        assert_issue(&with_top(&json!({ "legacyTakeover": takeover })), message, "Set legacyTakeover");
    }
}

/// C-13, C-20 to C-26, C-28: one mistake, one issue.
#[test]
fn a_process_is_checked() {
    for (fields, problem, fix) in [
        (json!({ "id": 1 }), "id must be a string", "id to a string value."),
        (json!({ "command": null }), "command is required", "command to a string value."),
        (json!({ "command": [] }), "command must begin with the name of a program", "command to a list"),
        (json!({ "command": ["a", 1] }), "command[1] must be a string", "command[1] to a string value."),
        (
            json!({ "policy": 1 }),
            "policy must be one of: proxied, companion, singleton, service",
            "policy to one of: proxied, companion, singleton, service.",
        ),
        (
            json!({ "deployStrategy": "x" }),
            "deployStrategy must be one of: persistent, handoff",
            "deployStrategy to \"persistent\" or \"handoff\".",
        ),
        (json!({ "env": [] }), "env must be an object", "env to a mapping of string environment values."),
        (json!({ "env": { "A": 1 } }), "env.A must be a string", "env.A to a string value."),
        (
            json!({ "port": -1 }),
            "port must be a positive port or valid {from, to} range",
            "port to a positive port number or a {from, to} range.",
        ),
        (
            json!({ "port": "1" }),
            "port must be a positive port or valid {from, to} range",
            "port to a port number or {from, to} range.",
        ),
        (
            json!({ "port": { "from": 2, "to": 1 } }),
            "port must be a positive port or valid {from, to} range",
            "port.from and processes[1].port.to to a positive ascending range",
        ),
        (json!({ "health": true }), "health must be an object", "health to a mapping with path"),
        (
            json!({ "health": { "startDelayMs": -1 } }),
            "health.startDelayMs must be a non-negative number",
            "health.startDelayMs to a non-negative number of milliseconds",
        ),
        (
            json!({ "gracefulStopMs": -1 }),
            "gracefulStopMs must be a non-negative number",
            "gracefulStopMs to a non-negative number, e.g. 10000.",
        ),
        (
            json!({ "gracefulStopMs": "forever" }),
            "gracefulStopMs must be a number",
            "gracefulStopMs to a finite number.",
        ),
        (
            json!({ "stopSignal": "SIGNONE" }),
            "stopSignal must be a valid signal name",
            "stopSignal to a signal name such as \"SIGTERM\"",
        ),
        (
            json!({ "lifecycle": 1 }),
            "lifecycle must be an object",
            "lifecycle to a mapping with quietCommand",
        ),
        (
            json!({ "nonBlockingDrain": 1 }),
            "nonBlockingDrain must be a boolean",
            "nonBlockingDrain to true or false.",
        ),
        (
            json!({ "outputLines": 0 }),
            "outputLines must be a positive integer",
            "outputLines to a positive integer number of lines",
        ),
        (
            json!({ "replicas": 0 }),
            "replicas must be a positive integer",
            "replicas to a positive integer number of replicas",
        ),
        (
            json!({ "restartDelayMs": "1" }),
            "restartDelayMs must be a number",
            "restartDelayMs to a finite number.",
        ),
        (json!({ "restart": 1 }), "restart must be an object", "restart to a mapping with maxRestarts"),
        (
            json!({ "restart": { "maxRestarts": 0.5 } }),
            "restart.maxRestarts must be a non-negative integer",
            "restart.maxRestarts to a non-negative integer (0 disables automatic restarts)",
        ),
        (
            json!({ "restart": { "windowMs": -1 } }),
            "restart.windowMs must be a non-negative number",
            "restart.windowMs to a non-negative number, e.g. 0.",
        ),
        (
            json!({ "restart": { "backoffFactor": 0.9 } }),
            "restart.backoffFactor must be a number greater than or equal to 1",
            "restart.backoffFactor to a number >= 1",
        ),
        (
            json!({ "restart": { "maxDelayMs": -1 } }),
            "restart.maxDelayMs must be a non-negative number",
            "restart.maxDelayMs to a non-negative number, e.g. 0.",
        ),
        (json!({ "memory": 1 }), "memory must be an object", "memory to a mapping with limitBytes"),
        (
            json!({ "memory": {} }),
            "memory.limitBytes must be a positive integer",
            "memory.limitBytes to a positive integer number of bytes",
        ),
        (
            json!({ "memory": { "limitBytes": 1, "warnBytes": 0.5 } }),
            "memory.warnBytes must be a non-negative integer",
            "memory.warnBytes to a non-negative integer number of bytes below limitBytes",
        ),
        (
            json!({ "memory": { "limitBytes": 1, "checkIntervalMs": 0 } }),
            "memory.checkIntervalMs must be a positive number",
            "memory.checkIntervalMs to a positive number of milliseconds",
        ),
        (
            json!({ "minUptimeMs": -1 }),
            "minUptimeMs must be a non-negative number",
            "minUptimeMs to a non-negative number, e.g. 0.",
        ),
    ] {
        let config = with_worker(&fields);
        assert_issue(&config, &format!("processes[1].{problem}"), &format!("Set processes[1].{fix}"));
        assert_eq!(issues(&config).len(), 1, "{fields} has one mistake: {:#?}", issues(&config));
    }
    let config = with_worker(&json!({ "lifecycle": { "drainCommand": "d" } }));
    assert_issue(
        &config,
        "processes[1].lifecycle.drainCommand requires a positive processes[1].lifecycle.drainTimeoutMs",
        "Set processes[1].lifecycle.drainTimeoutMs to a positive number to bound processes[1].lifecycle.drainCommand",
    );
    let config = json!({ "proxy": {}, "processes": [null] });
    assert_issue(&config, "processes[0] must be an object", "Define processes[0] as a mapping");
}

/// C-22.
#[test]
fn ports_are_ranges() {
    for (port, range) in [
        (json!(0), Some((0, 0))),
        (json!(18_000.0), Some((18_000, 18_000))),
        (json!({ "from": 5 }), Some((5, 5))),
        (json!({ "to": 5 }), Some((0, 5))),
        (json!({}), Some((0, 0))),
        (json!(null), None),
    ] {
        let found = valid(&with_worker(&json!({ "port": port }))).processes[1].port;
        assert_eq!(found.map(|range| (range.first(), range.last())), range, "{port}");
    }
}

/// C-27.
#[test]
fn processes_are_checked_against_each_other() {
    let handoff = |fields: Value| {
        let mut worker = json!({ "deployStrategy": "handoff", "policy": "service" });
        merge(&mut worker, &fields);
        worker
    };
    for (fields, message, fix) in [
        (json!({ "id": "web" }), "Duplicate process id: web", "Give each process a unique id; \"web\""),
        (
            json!({ "id": "a#b" }),
            "Process id \"a#b\" must not contain \"#\"",
            "Remove \"#\" from the process id \"a#b\"",
        ),
        (
            json!({ "replicas": 2, "port": 1 }),
            "Process \"worker\" can only set replicas > 1 on a companion process without a port",
            "Run replicas (2) only on a companion",
        ),
        (
            json!({ "replicas": 2, "policy": "singleton" }),
            "Process \"worker\" can only set replicas > 1 on a companion process without a port",
            "Run replicas (2) only on a companion",
        ),
        (
            json!({ "nonBlockingDrain": true, "policy": "service" }),
            "Process \"worker\" can only set nonBlockingDrain on a companion process",
            "Set nonBlockingDrain only on a companion process; \"worker\" is service",
        ),
        (
            json!({ "deployStrategy": "handoff" }),
            "Process \"worker\" can only set deployStrategy: \"handoff\" on a service process",
            "Set deployStrategy: \"handoff\" only on service processes; \"worker\" is companion",
        ),
        (
            handoff(json!({})),
            "Handoff service \"worker\" must define a port range",
            "Add a port range to hand off service \"worker\"",
        ),
        (
            handoff(json!({ "port": 18_000 })),
            "Handoff service \"worker\" must use a multi-port range",
            "Set service \"worker\" to a multi-port range, e.g. port: {from: 18000, to: 18099}",
        ),
        (
            json!({ "stopSignal": "SIGINT", "lifecycle": { "stopCommand": "s" } }),
            "Process \"worker\" sets both lifecycle.stopCommand and a custom stopSignal, but stopCommand replaces \
             stopSignal",
            "Drop the custom stopSignal \"SIGINT\" or lifecycle.stopCommand from \"worker\"",
        ),
        (
            json!({ "policy": "proxied", "port": 1 }),
            "Config must define exactly one proxied process; found 2",
            "Mark exactly one process with policy: proxied",
        ),
    ] {
        let config = with_worker(&fields);
        assert_issue(&config, message, fix);
        assert_eq!(issues(&config).len(), 1, "{fields} has one mistake: {:#?}", issues(&config));
    }
    for (id, name) in [("web", "web"), ("", "(unnamed)")] {
        assert_issue(
            &with_web(&json!({ "id": id, "port": null })),
            &format!("Proxied process {name} must define a port range"),
            &format!(
                "Add a port range to the proxied process \"{name}\", e.g. port: {{from: 18000, to: 18099}}."
            ),
        );
    }
}

/// What is valid there and not acted on here is refused, never ignored.
#[test]
fn what_is_not_supported_yet_is_refused() {
    for (config, key) in [
        (with_top(&json!({ "statePath": "/var/state.json" })), "statePath"),
        (with_top(&json!({ "legacyTakeover": { "screens": ["a"] } })), "legacyTakeover"),
        (with_web(&json!({ "memory": { "limitBytes": 1 } })), "processes[0].memory"),
    ] {
        assert_issue(&config, &format!("{key} is not supported yet"), &format!("Remove {key}; "));
        assert_eq!(issues(&config).len(), 1);
    }
}

/// C-32.
#[test]
fn changes_that_need_a_new_daemon_are_named_in_order() {
    let old = valid(&with_worker(&json!({ "port": 5 })));
    let changed = |change: &dyn Fn(&mut Application)| {
        let mut new = old.clone();
        change(&mut new);
        restart_needed(&old, &new)
    };
    assert_eq!(changed(&|_| {}), [""; 0]);
    assert_eq!(changed(&|new| new.processes.reverse()), [""; 0]);
    assert_eq!(
        changed(&|new| {
            new.proxy.drain_timeout = Duration::ZERO;
            new.processes[1].command = CommandSpec::Shell("other".to_owned());
        }),
        [""; 0]
    );
    assert_eq!(changed(&|new| new.control.mode = Some(0o600)), ["control"]);
    assert_eq!(changed(&|new| drop(new.processes.pop())), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].port = None), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].replicas = 2), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].policy = ProcessPolicy::Service), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].strategy = DeployStrategy::Handoff), ["processes"]);
    let settings = changed(&|new| {
        new.processes.clear();
        new.proxy.port = 1;
        new.proxy.upstream_host.clear();
        new.proxy.host.clear();
        new.name.clear();
    });
    assert_eq!(
        RestartNeeded { settings }.to_string(),
        "Config changes to application, proxy.host, proxy.port, proxy.upstreamHost, processes cannot be applied live; \
         restart the Rollbridge daemon before deploying."
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z#\\PC]{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["proxied", "service", "handoff", "indefinite", "SIGINT", "660"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// Mostly keys that mean something, so that the values get looked at.
fn any_key() -> impl Strategy<Value = String> {
    let known = "application control proxy processes releaseRetention legacyTakeover statePath path mode owner group \
                 host port upstreamHost healthPath healthTimeoutMs drainTimeoutMs forceStopTimeoutMs keep maxAgeMs id \
                 command policy deployStrategy cwd env health gracefulStopMs stopSignal lifecycle nonBlockingDrain \
                 outputLines replicas restartDelayMs restart memory minUptimeMs from to timeoutMs intervalMs startDelayMs \
                 quietCommand drainCommand stopCommand maxRestarts windowMs backoffFactor maxDelayMs limitBytes \
                 warnBytes checkIntervalMs screens includes name";
    prop_oneof![
        9 => prop::sample::select(known.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
        1 => any::<String>(),
    ]
}

fn any_fields() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(any_key(), any_json(), 0..8)
        .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>()))
}

/// What holds for every answer.
fn assert_sound(answer: &Result<Config, ConfigError>) {
    match answer {
        Ok(config) => {
            let proxied = config.application().proxied();
            assert!(proxied.port.is_some());
        }
        Err(error) => {
            assert!(!error.issues().is_empty());
            assert!(error.issues().iter().all(|issue| !issue.fix.is_empty() && !issue.message.is_empty()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_it_panic(config in any_json()) {
        assert_sound(&read(&config));
    }

    #[test]
    fn no_fields_make_it_panic(top in any_fields(), web in any_fields(), worker in any_fields()) {
        let mut config = with_web(&web);
        config["processes"].as_array_mut().expect("a list").push(worker);
        assert_sound(&read(&config));
        merge(&mut config, &top);
        assert_sound(&read(&config));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        assert_sound(&Config::from_json(&text));
    }
}
