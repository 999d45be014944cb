//! The numbers of a daemon that has taken the place of another are told where those of the other were.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use super::stage::{attestation, begun, shop};
use crate::support::{Place, SOON, get, until};

#[test]
fn the_address_of_the_numbers_is_taken_over() {
    let place = shop();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    with_admin(&place, port);
    for release in ["v1", "v2"] {
        place.release(release, "ok");
    }
    let mut owner = begun(&place, "v1", &["--boot-attestation", &attestation('1')]);
    assert_eq!(get(&place.json(&["status"])), "200 v1");
    let told = metrics(port).expect("somebody listens");
    assert!(told.contains("release=\"v1\"") && !told.contains("release=\"v2\""), "{told}");

    let words = ["--boot-attestation", &attestation('2'), "--takeover-owner"];
    let _successor = begun(&place, "v2", &words);
    assert_eq!(get(&place.json(&["status"])), "200 v2");
    assert_eq!(owner.code(), Some(0));
    until(|| metrics(port).is_some_and(|told| told.contains("release=\"v2\"")));
    let told = metrics(port).expect("somebody listens");
    assert!(!told.contains("release=\"v1\""), "these are the numbers of the one who has gone: {told}");
}

fn with_admin(place: &Place, port: u16) {
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
    config["proxy"]["admin"] = json!({ "port": port });
    place.write("rollcore.json", &config.to_string());
}

/// `None` while nobody listens.
fn metrics(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200 ").then_some(answer)
}
