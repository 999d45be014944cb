//! What the proxy puts up with, and with how many threads (`proxy.limits`, `proxy.workers`, `proxy.upgrades`).

use std::time::Duration;

use rollcore::{ProxyLimits, restart_needed};
use serde_json::{Value, json};

use super::{assert_issue, issues, read, valid, with_top};

fn with_limits(limits: &Value) -> Value {
    with_top(&json!({ "proxy": { "limits": limits } }))
}

/// Every key, and what it is read into: a field that has no key does not compile here, a key that is not read fails.
#[test]
fn every_limit_has_a_key() {
    let config = with_limits(&json!({
        "connectionsMax": 1, "connectionsPerPeerMax": 2, "headTimeoutMs": 3, "idleTimeoutMs": 4, "headBytesMax": 5000,
        "headFieldsMax": 6, "bodyBytesMax": 7, "clientStallTimeoutMs": 8, "halfCloseTimeoutMs": 9,
        "upstreamConnectTimeoutMs": 10, "upstreamFirstByteTimeoutMs": 11, "upstreamSilenceTimeoutMs": 12,
        "requestTimeoutMs": 13, "upstreamIdleTimeoutMs": 14, "upstreamIdleMax": 15, "tunnelIdleTimeoutMs": 16,
        "tunnelHalfCloseTimeoutMs": 17, "parkTimeoutMs": 18, "parkedMax": 19, "parkedBytesMax": 20,
        "keptBodyBytesMax": 21, "upstreamConnectsMax": 22, "windDownWindowMs": 23, "tunnelCloseTimeoutMs": 24,
        "clientUnsentBytesMax": 25_000
    }));
    let ms = Duration::from_millis;
    assert_eq!(read(&config).expect("it is valid").warnings(), []);
    assert_eq!(
        valid(&config).proxy.limits,
        ProxyLimits {
            connections_max: 1,
            connections_per_peer_max: Some(2),
            head_timeout: ms(3),
            idle_timeout: ms(4),
            head_bytes_max: 5000,
            head_fields_max: 6,
            body_bytes_max: Some(7),
            client_stall_timeout: ms(8),
            half_close_timeout: ms(9),
            upstream_connect_timeout: ms(10),
            upstream_first_byte_timeout: Some(ms(11)),
            upstream_silence_timeout: Some(ms(12)),
            request_timeout: Some(ms(13)),
            upstream_idle_timeout: ms(14),
            upstream_idle_max: 15,
            tunnel_idle_timeout: Some(ms(16)),
            tunnel_half_close_timeout: ms(17),
            park_timeout: ms(18),
            parked_max: 19,
            parked_bytes_max: 20,
            kept_body_bytes_max: 21,
            upstream_connects_max: 22,
            wind_down_window: ms(23),
            tunnel_close_timeout: ms(24),
            client_unsent_bytes_max: 25_000,
        }
    );
}

#[test]
fn without_a_word_the_defaults_hold() {
    let defaults = valid(&with_top(&json!({}))).proxy;
    assert_eq!(defaults.limits, ProxyLimits::default());
    assert_eq!((defaults.workers, defaults.upgrades), (1, vec!["websocket".to_owned()]));
    let nulls = json!({ "limits": null, "workers": null, "upgrades": null });
    assert_eq!(valid(&with_top(&json!({ "proxy": nulls }))).proxy.limits, ProxyLimits::default());
    let nulls = json!({ "requestTimeoutMs": null, "connectionsMax": null, "bodyBytesMax": null });
    assert_eq!(valid(&with_limits(&nulls)).proxy.limits, ProxyLimits::default());
}

/// Where none is as good as any.
#[test]
fn some_limits_may_be_zero() {
    let zeros = json!({
        "halfCloseTimeoutMs": 0, "upstreamIdleTimeoutMs": 0, "upstreamIdleMax": 0, "tunnelHalfCloseTimeoutMs": 0,
        "parkTimeoutMs": 0, "parkedMax": 0, "parkedBytesMax": 0, "keptBodyBytesMax": 0, "bodyBytesMax": 0,
        "windDownWindowMs": 0
    });
    let limits = valid(&with_limits(&zeros)).proxy.limits;
    assert_eq!((limits.parked_max, limits.body_bytes_max), (0, Some(0)));
    assert_eq!((limits.half_close_timeout, limits.upstream_idle_timeout), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn limits_are_checked() {
    let expect = |fields: Value, problem: &str, fix: &str| {
        let config = with_limits(&fields);
        assert_issue(&config, &format!("proxy.limits.{problem}"), &format!("Set proxy.limits.{fix}"));
        assert_eq!(issues(&config).len(), 1, "{fields}: {:?}", issues(&config));
    };
    expect(
        json!({ "connectionsMax": 0 }),
        "connectionsMax must be a positive integer",
        "connectionsMax to a positive integer, e.g. 16384.",
    );
    expect(
        json!({ "connectionsPerPeerMax": 1.5 }),
        "connectionsPerPeerMax must be a positive integer",
        "connectionsPerPeerMax to a positive integer, e.g. 64.",
    );
    expect(
        json!({ "headTimeoutMs": 0 }),
        "headTimeoutMs must be a positive number",
        "headTimeoutMs to a positive number of milliseconds, e.g. 60000.",
    );
    expect(
        json!({ "idleTimeoutMs": -1 }),
        "idleTimeoutMs must be a non-negative number",
        "idleTimeoutMs to a positive number of milliseconds, e.g. 60000.",
    );
    expect(
        json!({ "requestTimeoutMs": "1s" }),
        "requestTimeoutMs must be a number",
        "requestTimeoutMs to a finite number.",
    );
    expect(
        json!({ "headBytesMax": 10 }),
        "headBytesMax must be an integer of at least 1024",
        "headBytesMax to 1024 or more, e.g. 65536.",
    );
    expect(
        json!({ "headBytesMax": 1_048_577 }),
        "headBytesMax must be at most 1048576",
        "headBytesMax to 1048576 or less.",
    );
    expect(
        json!({ "clientUnsentBytesMax": 1000 }),
        "clientUnsentBytesMax must be an integer of at least 4096",
        "clientUnsentBytesMax to 4096 or more, e.g. 262144.",
    );
    expect(
        json!({ "headFieldsMax": 257 }),
        "headFieldsMax must be at most 256",
        "headFieldsMax to 256 or less.",
    );
    expect(
        json!({ "bodyBytesMax": -1 }),
        "bodyBytesMax must be a non-negative integer",
        "bodyBytesMax to a non-negative integer, e.g. 10485760.",
    );
    assert_issue(
        &with_limits(&json!([])),
        "proxy.limits must be an object",
        "Set proxy.limits to a mapping of limits, e.g. {connectionsMax: 1000}.",
    );
    let misspelled = read(&with_limits(&json!({ "conectionsMax": 1 }))).expect("unknown keys are accepted");
    assert_eq!(misspelled.warnings()[0].message, "Unknown key proxy.limits.conectionsMax");
    assert!(misspelled.warnings()[0].fix.starts_with("Did you mean proxy.limits.connectionsMax?"));
}

#[test]
fn threads_and_protocols_are_checked() {
    let proxy = |fields: Value| with_top(&json!({ "proxy": fields }));
    let read = valid(&proxy(json!({ "workers": 4, "upgrades": ["websocket", "TLS/1.3", "irc"] }))).proxy;
    assert_eq!((read.workers, read.upgrades.join(" ")), (4, "websocket TLS/1.3 irc".to_owned()));
    assert_eq!(valid(&proxy(json!({ "upgrades": [] }))).proxy.upgrades, [""; 0]);
    for (fields, message, fix) in [
        (
            json!({ "workers": 0 }),
            "proxy.workers must be a positive integer",
            "Set proxy.workers to a positive integer number of threads, e.g. 1.",
        ),
        (
            json!({ "workers": 1025 }),
            "proxy.workers must be at most 1024",
            "Set proxy.workers to 1024 or less.",
        ),
        (
            json!({ "upgrades": "websocket" }),
            "proxy.upgrades must be an array",
            "Set proxy.upgrades to a list of protocols, e.g. [\"websocket\"].",
        ),
        (
            json!({ "upgrades": ["websocket", "H2C"] }),
            "proxy.upgrades[1] must not be \"h2c\"",
            "Remove proxy.upgrades[1]: HTTP/2 in the clear would pass unread.",
        ),
        (
            json!({ "upgrades": ["a, b"] }),
            "proxy.upgrades[0] must be the name of a protocol",
            "Set proxy.upgrades[0] to the name of a protocol, e.g. \"websocket\".",
        ),
        (json!({ "upgrades": ["a/b/c"] }), "proxy.upgrades[0] must be the name of a protocol", "Set proxy."),
        (json!({ "upgrades": [""] }), "proxy.upgrades[0] must be the name of a protocol", "Set proxy."),
        (json!({ "upgrades": [1] }), "proxy.upgrades[0] must be a string", "Set proxy.upgrades[0]"),
    ] {
        assert_issue(&proxy(fields), message, fix);
    }
}

/// Threads and protocols belong to the listening proxy; limits are looked up for each request.
#[test]
fn limits_can_be_changed_while_it_runs() {
    let old = valid(&with_top(&json!({})));
    let changed = |proxy: Value| restart_needed(&old, &valid(&with_top(&json!({ "proxy": proxy }))));
    assert_eq!(changed(json!({ "limits": { "headTimeoutMs": 1, "connectionsMax": 1 } })), [""; 0]);
    assert_eq!(changed(json!({ "workers": 2, "upgrades": [] })), ["proxy.workers", "proxy.upgrades"]);
}
