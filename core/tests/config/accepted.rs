//! What a config may say, and what holds where it says nothing.

use std::time::Duration;

use rollcore::{
    CommandSpec, ControlSpec, DeployStrategy, KillAfter, LegacyMatcher, LegacyTakeover, ListenAt, MemorySpec,
    OwnerName, PortRange, ProcessPolicy, RestartDecision, RestartHistory, Signal, StateSpec, StopWith,
    TrustedFronts,
};
use serde_json::json;

use super::{assert_issue, merge, read, valid, with_top, with_web, with_worker};

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

    assert_eq!((cron.policy, cron.min_uptime), (ProcessPolicy::Singleton, Duration::from_secs(1)));
    assert_eq!(cron.stop.with, StopWith::Run("s".to_owned()));
    assert!(cable.is_handoff_service());
    assert_eq!((cable.min_uptime, &cable.health), (Duration::from_millis(10), &None));
}

/// C-16, C-17: what follows from the name and the host, and every way to write a mode.
#[test]
fn defaults_follow_the_name_and_the_host() {
    for (host, upstream) in
        [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1")]
    {
        assert_eq!(valid(&with_top(&json!({ "proxy": { "host": host } }))).proxy.upstream_host, upstream);
    }
    let both = json!({ "proxy": { "host": "0.0.0.0", "upstreamHost": "10.0.0.1" } });
    assert_eq!(valid(&with_top(&both)).proxy.upstream_host, "10.0.0.1");
    let control = |fields| valid(&with_top(&json!({ "application": "demo", "control": fields }))).control;
    for mode in [json!("660"), json!("0660"), json!("0o660"), json!(0o660)] {
        let spec = control(json!({ "mode": mode }));
        assert_eq!(
            (spec.path.to_str(), spec.mode),
            (Some("/tmp/rollbridge-demo.sock"), Some(0o660)),
            "{mode}"
        );
    }
    assert_eq!(control(json!({ "owner": 0, "group": "www" })).owner, Some(OwnerName::Id(0)));
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

/// C-14.
#[test]
fn empty_strings_are_strings() {
    let mut config = with_web(&json!({ "cwd": "", "command": "", "health": { "path": "" } }));
    merge(&mut config, &json!({ "application": "", "proxy": { "host": "" }, "control": { "path": "" } }));
    assert_eq!(valid(&config).name, "");
    // Without an id the rules of C-27 about that process do not apply.
    valid(&with_worker(&json!({ "id": "", "nonBlockingDrain": true, "policy": "service" })));
}

/// Beyond C-21: each replica is a step of every rollout.
#[test]
fn a_thousand_replicas_are_enough() {
    assert!(
        valid(&with_worker(&json!({ "replicas": 1_000 })))
            .processes
            .iter()
            .any(|spec| spec.replicas == 1_000)
    );
    assert_issue(
        &with_worker(&json!({ "replicas": 1_001 })),
        "Process \"worker\" asks for 1001 replicas, more than 1000",
        "Set the replicas of \"worker\" to 1000 at most.",
    );
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

/// C-15, C-19, C-26.
#[test]
fn memory_state_and_legacy_processes_have_their_defaults() {
    let memory = valid(&with_web(&json!({ "memory": { "limitBytes": 512 } }))).proxied().memory;
    assert_eq!(memory, Some(MemorySpec::limit(512)));
    let memory = json!({ "limitBytes": 512, "warnBytes": 256, "checkIntervalMs": 10 });
    let expected =
        MemorySpec { limit_bytes: 512, warn_bytes: 256, check_interval: Duration::from_millis(10) };
    assert_eq!(valid(&with_web(&json!({ "memory": memory }))).proxied().memory, Some(expected));

    assert_eq!(valid(&with_web(&json!({}))).state, None);
    assert_eq!(valid(&with_top(&json!({ "statePath": "" }))).state, None);
    let state = |restore| Some(StateSpec { path: "/var/state.json".into(), restore_on_start: restore });
    assert_eq!(valid(&with_top(&json!({ "statePath": "/var/state.json" }))).state, state(true));
    let off = json!({ "statePath": "/var/state.json", "restoreOnStart": false });
    assert_eq!(valid(&with_top(&off)).state, state(false));

    let legacy = json!({ "screens": ["old"], "processes": [{ "includes": ["node", "app.js"] }] });
    let takeover = LegacyTakeover {
        force_stop_timeout: Duration::from_secs(10),
        screens: vec!["old".to_owned()],
        processes: vec![LegacyMatcher {
            name: "legacy process 1".to_owned(),
            includes: vec!["node".to_owned(), "app.js".to_owned()],
        }],
    };
    assert_eq!(valid(&with_top(&json!({ "legacyTakeover": legacy }))).legacy, Some(takeover));
}

/// Beyond C-17: whose forwarded fields are believed.
#[test]
fn fronts_are_addresses_or_ranges() {
    let fronts =
        |fronts| valid(&with_top(&json!({ "proxy": { "trustedFronts": fronts } }))).proxy.trusted_fronts;
    assert_eq!(fronts(json!(null)), TrustedFronts::default());
    assert_eq!(fronts(json!([])), TrustedFronts::none());
    let only = TrustedFronts::from_texts(["192.0.2.7", "2001:db8::/32"]).expect("addresses");
    assert_eq!(fronts(json!(["192.0.2.7", "2001:db8::/32"])), only);
    assert_issue(
        &with_top(&json!({ "proxy": { "trustedFronts": ["nginx"] } })),
        "proxy.trustedFronts[0] must be an IP address or a range of them",
        "Set proxy.trustedFronts[0] to an IP address or a range such as \"10.0.0.0/8\".",
    );
    assert_issue(
        &with_top(&json!({ "proxy": { "trustedFronts": "127.0.0.1" } })),
        "proxy.trustedFronts must be an array",
        "Set proxy.trustedFronts to a list of addresses, e.g. [\"10.0.0.0/8\"].",
    );
}

/// Rollbridge hands times to timers that take 31 bits at most: a longer one fires after a millisecond.
#[test]
fn a_timeout_may_be_longer_than_a_month() {
    let config = with_top(
        &json!({ "proxy": { "drainTimeoutMs": 4_294_967_296_u64, "healthTimeoutMs": 2_147_483_648_u64 } }),
    );
    let application = valid(&config);
    assert_eq!(application.proxy.drain_timeout, Duration::from_millis(1 << 32));
    assert_eq!(
        application.proxied().health.as_ref().map(|health| health.timeout),
        Some(Duration::from_millis(1 << 31))
    );
}

/// Beyond C-21: a process may listen at a Unix socket instead.
#[test]
fn a_process_may_listen_at_a_socket() {
    let mut config = with_web(&json!({ "socket": true, "port": null }));
    config["processes"].as_array_mut().expect("a list").push(json!(
        { "id": "jobs", "command": "jobs", "policy": "service", "deployStrategy": "handoff", "socket": true }
    ));
    let application = valid(&config);
    assert_eq!(read(&config).expect("valid").warnings(), []);
    assert_eq!(application.proxied().listen_at(), Some(ListenAt::Socket));
    assert!(application.processes[1].is_handoff_service());
    let plain = valid(&with_web(&json!({ "socket": false })));
    assert_eq!(plain.proxied().listen_at(), Some(ListenAt::Port(PortRange::only(18_000))));
    assert_eq!(valid(&with_worker(&json!({ "socket": null }))).processes[1].listen_at(), None);
    for (config, message, fix) in [
        (
            with_web(&json!({ "socket": true })),
            "Process \"web\" sets both port and socket, but it listens at one of them",
            "Drop port from \"web\" to listen at {{socket}}, or socket to listen at {{port}}.",
        ),
        (
            with_web(&json!({ "socket": "/run/web.sock" })),
            "processes[0].socket must be a boolean",
            "Set processes[0].socket to true or false.",
        ),
        (
            with_web(&json!({ "port": null, "socket": false })),
            "Proxied process web must define a port range",
            "Add a port range to the proxied process \"web\"",
        ),
        (
            with_worker(&json!({ "socket": true, "replicas": 2 })),
            "Process \"worker\" can only set replicas > 1 on a companion process without a port",
            "Run replicas (2) only on a companion process without a port",
        ),
    ] {
        assert_issue(&config, message, fix);
    }
}
