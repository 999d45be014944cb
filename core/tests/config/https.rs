//! `proxy.tls` and `proxy.proxyProtocol`.

use std::time::Duration;

use rollcore::{CertificateFiles, Http2Limits, TlsSpec};
use serde_json::{Value, json};

use super::{assert_issue, issues, read, valid, with_top};

fn with_tls(tls: &Value) -> Value {
    with_top(&json!({ "proxy": { "tls": tls } }))
}

fn with_http2(http2: &Value) -> Value {
    with_tls(&json!({ "certificates": [{ "certPath": "/c", "keyPath": "/k" }], "http2": http2 }))
}

#[test]
fn every_field_is_read() {
    let config = with_tls(&json!({
        "certificates": [{ "certPath": "/a.pem", "keyPath": "/a.key" }, { "certPath": "/b.pem", "keyPath": "/b.key" }],
        "handshakeTimeoutMs": 1,
        "http2": {
            "streamsMax": 2, "resetsMax": 3, "streamWindowBytes": 65_536, "connectionWindowBytes": 65_537,
            "pingIntervalMs": 6, "pingTimeoutMs": 7
        }
    }));
    let ms = Duration::from_millis;
    assert_eq!(read(&config).expect("it is valid").warnings(), []);
    let http2 = Http2Limits {
        streams_max: 2,
        resets_max: 3,
        stream_window_bytes: 65_536,
        connection_window_bytes: 65_537,
        ping_interval: ms(6),
        ping_timeout: ms(7),
    };
    let certificates =
        vec![CertificateFiles::new("/a.pem", "/a.key"), CertificateFiles::new("/b.pem", "/b.key")];
    let tls = TlsSpec { certificates, handshake_timeout: ms(1), http2: Some(http2) };
    assert_eq!(valid(&config).proxy.tls, Some(tls));
    assert!(valid(&with_top(&json!({ "proxy": { "proxyProtocol": true } }))).proxy.proxy_protocol);
}

#[test]
fn without_a_word_there_is_none_and_the_defaults_hold() {
    for proxy in [json!({}), json!({ "tls": null, "proxyProtocol": null })] {
        let proxy = valid(&with_top(&json!({ "proxy": proxy }))).proxy;
        assert_eq!((proxy.tls, proxy.proxy_protocol), (None, false));
    }
    let default = TlsSpec::new(CertificateFiles::new("/c", "/k"));
    for http2 in [json!(null), json!(true), json!({})] {
        assert_eq!(valid(&with_http2(&http2)).proxy.tls.as_ref(), Some(&default), "{http2}");
    }
    let without = TlsSpec { http2: None, ..default };
    assert_eq!(valid(&with_http2(&json!(false))).proxy.tls, Some(without));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let list = "Set proxy.tls.certificates to a list";
    let at_least_one = "proxy.tls.certificates must be an array with at least one certificate";
    for tls in [json!({}), json!({ "certificates": [] }), json!({ "certificates": {} })] {
        assert_issue(&with_tls(&tls), at_least_one, list);
    }
    assert_issue(&with_tls(&json!("on")), "proxy.tls must be an object", "Set proxy.tls to a mapping");
    let one = |files: Value| with_tls(&json!({ "certificates": [files] }));
    for files in [json!(null), json!("/c")] {
        let fix = "Set proxy.tls.certificates[0] to a mapping";
        assert_issue(&one(files), "proxy.tls.certificates[0] must be an object", fix);
    }
    assert_issue(
        &one(json!({ "certPath": "/c" })),
        "proxy.tls.certificates[0].keyPath is required",
        "Set proxy.tls.certificates[0].keyPath to a string value.",
    );
    assert_issue(
        &with_http2(&json!("yes")),
        "proxy.tls.http2 must be a boolean or an object",
        "Set proxy.tls.http2 to true",
    );
    for (key, problem) in [
        ("streamsMax", "must be a positive integer"),
        ("resetsMax", "must be a positive integer"),
        ("streamWindowBytes", "must be an integer of at least 65535"),
        ("connectionWindowBytes", "must be an integer of at least 65535"),
        ("pingIntervalMs", "must be a positive number"),
        ("pingTimeoutMs", "must be a positive number"),
    ] {
        let place = format!("proxy.tls.http2.{key}");
        let message = format!("{place} {problem}");
        assert_issue(&with_http2(&json!({ key: 0 })), &message, &format!("Set {place} to "));
    }
    let never = with_tls(
        &json!({ "certificates": [{ "certPath": "/c", "keyPath": "/k" }], "handshakeTimeoutMs": 0 }),
    );
    assert_issue(&never, "proxy.tls.handshakeTimeoutMs must be a positive number", "Set proxy.tls.handshake");
    assert_eq!(issues(&with_top(&json!({ "proxy": { "proxyProtocol": "v2" } }))).len(), 1);
}

#[test]
fn a_key_that_means_nothing_is_named() {
    let files = json!({ "certPath": "/c", "keyPath": "/k", "keypath": "/k" });
    let warnings = read(&with_tls(&json!({ "certificates": [files], "http": false }))).expect("valid");
    let messages: Vec<_> = warnings.warnings().iter().map(|issue| issue.message.as_str()).collect();
    assert_eq!(messages, ["Unknown key proxy.tls.certificates[0].keypath", "Unknown key proxy.tls.http"]);
}
