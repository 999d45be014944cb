//! `proxy.admin` and `proxy.accessLog`: what was sent is what is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Place, ROLLCORE, SOON, get, until};

const CLIENTS: u64 = 6;
const REQUESTS: u64 = 40;

/// The shop, with two threads for traffic and these keys under `proxy`.
fn shop(proxy: &Value) -> Place {
    let place = Place::new();
    let mut config = json!({
        "application": "shop",
        "control": { "path": place.path("control.sock") },
        "proxy": { "port": 0, "workers": 2 },
        "processes": [
            { "id": "web", "policy": "proxied", "port": 0, "command": [ROLLCORE, "sample-app"],
              "health": { "timeoutMs": 10_000, "intervalMs": 20 } },
        ],
    });
    for (key, value) in proxy.as_object().expect("keys") {
        config["proxy"][key] = value.clone();
    }
    place.write("rollcore.json", &config.to_string());
    place
}

fn port(of: &Value) -> u16 {
    u16::try_from(of["port"].as_u64().expect("a port")).expect("a port")
}

/// Sends requests on one connection, each with a body of one byte; every tenth is for something that is not there.
fn send(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    for number in 0..REQUESTS {
        let path = if number % 10 == 0 { "/gone" } else { "/echo" };
        let head = format!("POST {path}?token=7 HTTP/1.1\r\nHost: shop\r\nContent-Length: 1\r\n\r\nx");
        stream.write_all(head.as_bytes()).expect("the proxy reads");
        let mut answer = Vec::new();
        // Both answers are short, and come with a length.
        while !ends(&answer) {
            let mut more = [0; 512];
            let count = stream.read(&mut more).expect("the proxy answers");
            assert!(count > 0, "an answer is whole");
            answer.extend_from_slice(&more[..count]);
        }
    }
}

fn ends(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() == length.unwrap_or(0)
}

fn crowd(port: u16) {
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| send(port));
        }
    });
}

/// The head and the text of an answer.
fn ask(port: u16, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and closes");
    let (head, text) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_lowercase(), text.to_owned())
}

/// The samples by name and labels. Each belongs to a family that was declared, once; and none is there twice.
fn samples(port: u16) -> BTreeMap<String, f64> {
    let (head, text) = ask(port, "GET /metrics");
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let mut families = Vec::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let name = declared.split(' ').next().expect("a name");
            assert!(!families.contains(&name), "{name} twice");
            families.push(name);
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let family = families.last().expect("a family comes first");
            assert!(name.starts_with(family) && name.starts_with("rollcore_"), "{line} in {family}");
            let twice = samples.insert(name.to_owned(), value.parse().expect("a number"));
            assert_eq!(twice, None, "{name} is there twice");
        }
    }
    samples
}

fn deploy(place: &Place, id: &str) {
    let release = place.release(id, "ok");
    place.json(&["deploy", "--release-path", &release, "--release-id", id]);
}

#[test]
fn what_was_sent_is_what_the_metrics_tell() {
    let place = shop(&json!({ "admin": { "port": 0 } }));
    let daemon = place.daemon();
    let metrics = port(&daemon_said(&place, "metrics listening"));
    let proxy = port(&place.json(&["status"])["proxy"]);
    assert_eq!(ask(proxy, "GET /\r\nX: y").0.split("\r\n").next(), Some("http/1.1 400 bad request"));

    deploy(&place, "v1");
    crowd(proxy);
    deploy(&place, "v2");
    crowd(proxy);
    place.json(&["rollback"]);
    crowd(proxy);

    let sent = (CLIENTS * REQUESTS) as f64;
    // Whoever has the last byte of an answer may be faster than its count.
    let answered = |told: &BTreeMap<String, f64>| -> f64 {
        told.iter()
            .filter(|(name, _)| name.starts_with("rollcore_requests_total{"))
            .map(|(_, count)| count)
            .sum()
    };
    until(|| answered(&samples(metrics)) >= 3.0 * sent + 1.0);
    let told = samples(metrics);
    let of = |name: &str| *told.get(name).unwrap_or_else(|| panic!("{name} is not in {told:#?}"));
    for (release, times) in [("v1", 2.0), ("v2", 1.0)] {
        let requests =
            |class: &str| of(&format!("rollcore_requests_total{{release=\"{release}\",class=\"{class}\"}}"));
        assert_eq!(requests("2xx"), times * sent * 0.9, "{release}");
        assert_eq!(requests("4xx"), times * sent * 0.1, "{release}");
        assert_eq!(requests("5xx") + requests("none") + requests("1xx") + requests("3xx"), 0.0, "{release}");
        let labelled = |name: &str| of(&format!("rollcore_{name}{{release=\"{release}\"}}"));
        assert_eq!(labelled("received_bytes_total"), times * sent, "{release}");
        assert_eq!(labelled("sent_bytes_total"), times * sent * (0.9 + 0.1 * 10.0), "{release}");
        assert_eq!(labelled("request_duration_seconds_count"), times * sent, "{release}");
        assert!(labelled("request_duration_seconds_sum") > 0.0, "{release}");
        let bucket = |le: &str| {
            of(&format!("rollcore_request_duration_seconds_bucket{{le=\"{le}\",release=\"{release}\"}}"))
        };
        assert_eq!((bucket("+Inf"), bucket("1073.741824")), (times * sent, times * sent), "{release}");
        assert!(bucket("0.000008") < bucket("+Inf"), "{release}");
        for name in [
            "retries_total",
            "upstream_resets_total",
            "upstream_connect_failures_total",
            "requests_cut_total",
        ] {
            assert_eq!(labelled(name), 0.0, "{release}: {name}");
        }
        assert_eq!(labelled("requests_in_flight"), 0.0, "{release}");
    }
    assert_eq!(of("rollcore_requests_total{release=\"\",class=\"4xx\"}"), 1.0, "what nobody understood");
    assert_eq!(of("rollcore_active_release_info{release=\"v1\"}"), 1.0);
    assert_eq!(of("rollcore_traffic_paused"), 0.0);
    assert!(of("rollcore_processes{state=\"running\"}") >= 1.0);
    assert!(of("rollcore_connections_max") > 0.0);
    drop(daemon);
}

/// What the daemon has said already, by its events.
fn daemon_said(place: &Place, message: &str) -> Value {
    let events = place.json(&["events", "--json"]);
    let said = events.as_array().expect("a list").iter().find(|event| event["message"] == message);
    said.unwrap_or_else(|| panic!("no event {message:?}"))["data"].clone()
}

#[test]
fn nothing_else_is_told() {
    let place = shop(&json!({ "admin": { "port": 0 } }));
    let _daemon = place.daemon();
    let metrics = port(&daemon_said(&place, "metrics listening"));
    let (head, text) = ask(metrics, "GET /healthz");
    assert!(head.starts_with("http/1.1 200 ok\r\n") && text == "ok\n", "{head}{text}");
    let (head, text) = ask(metrics, "HEAD /metrics");
    assert!(head.starts_with("http/1.1 200 ok\r\n") && text.is_empty(), "{head}{text}");
    for line in ["GET /", "GET /metrics/", "POST /metrics", "DELETE /healthz", "GET /status"] {
        assert!(ask(metrics, line).0.starts_with("http/1.1 404 not found\r\n"), "{line}");
    }
}

/// Whoever says nothing is sent away, and nobody else waits for him longer than that.
#[test]
fn clients_who_say_nothing_do_not_stay() {
    let place = shop(&json!({ "admin": { "port": 0 } }));
    let _daemon = place.daemon();
    let metrics = port(&daemon_said(&place, "metrics listening"));
    let silent: Vec<_> = (0..rollcore::ADMIN_CONNECTIONS_MAX)
        .map(|_| TcpStream::connect(("127.0.0.1", metrics)).expect("somebody listens"))
        .collect();
    // It has to wait until one of them is gone.
    assert!(!samples(metrics).is_empty());
    for mut client in silent {
        client.set_read_timeout(Some(SOON)).expect("it is not zero");
        assert_eq!(client.read(&mut [0]).expect("it is closed, not reset"), 0);
    }
    assert_eq!(get(&place.json(&["status"])), "503 No active release");
}

#[test]
fn an_address_that_is_taken_is_an_error_before_anything_runs() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = other.local_addr().expect("it is bound").port();
    let place = shop(&json!({ "admin": { "port": taken } }));
    assert_eq!(
        place.failure(&["daemon"]),
        format!(
            "Error: cannot listen on 127.0.0.1:{taken} for metrics (proxy.admin): Address already in use (os error 98)\n"
        )
    );
    let doctor = place.run(&["doctor"]);
    assert!(
        doctor.stdout.contains(&format!("127.0.0.1:{taken} is unavailable (EADDRINUSE)")),
        "{}",
        doctor.stdout
    );
}

/// Also when the daemon writes it while clients come and go, and after a rotation and a change of the config.
#[test]
fn every_request_has_its_line() {
    let place = shop(&json!({ "accessLog": { "path": "access.log" } }));
    let log = place.path("access.log");
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(place.path("rollcore.json")).expect("it is there"))
            .expect("it is JSON");
    config["proxy"]["accessLog"]["path"] = json!(log);
    place.write("rollcore.json", &config.to_string());
    let _daemon = place.daemon();
    let proxy = port(&place.json(&["status"])["proxy"]);
    deploy(&place, "v1");
    crowd(proxy);
    let rotated = place.path("access.log.1");
    std::fs::rename(&log, &rotated).expect("it is there");
    crowd(proxy);
    until(|| place.json(&["status"])["proxy"]["accessLog"]["written"] == json!(2 * CLIENTS * REQUESTS));
    // The file is made anew by itself.
    until(|| log.exists());
    crowd(proxy);
    until(|| place.json(&["status"])["proxy"]["accessLog"]["written"] == json!(3 * CLIENTS * REQUESTS));
    assert_eq!(log.metadata().expect("it is there").permissions().mode() & 0o777, 0o640);

    let lines = |path: &std::path::Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).expect("it is there");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    };
    let (old, new) = (lines(&rotated), lines(&log));
    assert!(new.len() as u64 >= CLIENTS * REQUESTS, "what came after the rotation");
    let all: Vec<_> = old.into_iter().chain(new).collect();
    assert_eq!(all.len() as u64, 3 * CLIENTS * REQUESTS);
    for line in &all {
        assert_eq!(line["release"], "v1");
        assert_eq!(
            (&line["method"], &line["host"], &line["peer"]),
            (&json!("POST"), &json!("shop"), &json!("127.0.0.1"))
        );
        assert_eq!((&line["bytesIn"], &line["protocol"]), (&json!(1), &json!("HTTP/1.1")));
        assert!(line["durationMs"].as_f64() >= line["firstByteMs"].as_f64(), "{line}");
        assert!(line.get("userAgent").is_none() && !line.to_string().contains("token"), "{line}");
    }
    let of = |path: &str, status: u16| {
        all.iter().filter(|line| line["path"] == path && line["status"] == status).count() as u64
    };
    assert_eq!(of("/echo", 200), 3 * CLIENTS * REQUESTS / 10 * 9);
    assert_eq!(of("/gone", 404), 3 * CLIENTS * REQUESTS / 10);

    // The config is read with each deploy: no log from now on.
    config["proxy"].as_object_mut().expect("keys").remove("accessLog");
    place.write("rollcore.json", &config.to_string());
    deploy(&place, "v2");
    crowd(proxy);
    assert_eq!(place.json(&["status"])["proxy"].get("accessLog"), None);
    assert_eq!((lines(&rotated).len() + lines(&log).len()) as u64, 3 * CLIENTS * REQUESTS);

    let other = place.path("other.log");
    config["proxy"]["accessLog"] = json!({ "path": other, "query": true });
    place.write("rollcore.json", &config.to_string());
    deploy(&place, "v3");
    crowd(proxy);
    until(|| place.json(&["status"])["proxy"]["accessLog"]["written"] == json!(CLIENTS * REQUESTS));
    let told = lines(&other);
    assert_eq!(told.len() as u64, CLIENTS * REQUESTS);
    assert!(told.iter().all(|line| line["path"].as_str().is_some_and(|path| path.ends_with("?token=7"))));
    assert!(told.iter().all(|line| line["release"] == "v3"));
}
