//! What a config must not say, in the words of the contract.

use serde_json::{Value, json};

use super::{assert_issue, issues, merge, with_top, with_web, with_worker};

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

/// Beyond the contract: names stand in file names, in variables and in lines of a log.
#[test]
fn names_with_control_characters_are_refused_and_with_anything_else_they_are_not() {
    for bad in ["a\nb", "a\tb", "\u{1b}[31m", "a\u{7f}", "\u{85}"] {
        assert_issue(
            &with_top(&json!({ "application": bad })),
            "application must not contain control characters",
            "Remove line breaks and other control characters from application.",
        );
        let config = with_worker(&json!({ "id": bad }));
        assert_issue(
            &config,
            "processes[1].id must not contain control characters",
            "Remove line breaks and other control characters from processes[1].id.",
        );
        assert_eq!(issues(&config).len(), 1);
    }
    let odd = "Größe 1/2; $(x) {{port}} \"'";
    let config = super::valid(&with_top(&json!({ "application": odd })));
    assert_eq!(config.name, odd);
    assert_eq!(super::valid(&with_worker(&json!({ "id": odd }))).processes[1].id.as_str(), odd);
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
