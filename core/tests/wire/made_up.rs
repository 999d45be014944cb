//! Requests and responses out of dice: mostly right, often a little wrong. The same seed is the same bytes.

use fastrand::Rng;

const METHODS: [&str; 10] =
    ["GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get", "X-OWN", "CONNECT"];

const TARGETS: [&str; 16] = [
    "/",
    "/",
    "/a/b?c=d&e",
    "//x/../y\\z",
    "/%2f%00",
    "/{a}|^\"",
    "/?`{}|\\^",
    "*",
    "http://shop.test/",
    "http://shop.test",
    "http://shop.test:80?q",
    "https://[::1]:8080/x",
    "HTTP://SHOP.TEST/",
    "http://a:b:c/",
    "http://[a/",
    "shop.test:80",
];

const VERSIONS: [&str; 8] =
    ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1"];

const FIELDS: [&str; 40] = [
    "Host: shop.test",
    "Host: shop.test:80",
    "host: [::1]:8080",
    "Host:",
    "Host: a, b",
    "HOST: u@a",
    "Content-Length: 5",
    "content-length: 0",
    "Content-Length: 005",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 18446744073709551615",
    "Content-Length: 99999999999999999999",
    "Content-Length:\t5 ",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "transfer-encoding: xchunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding:",
    "Transfer-Encoding: identity",
    "Transfer_Encoding: chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade, x-own",
    "Connection:",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: nothing",
    "TE: trailers",
    "X-Own: a b\tc",
    "X-Own:\u{e4}\u{f6}",
    "X-Empty:",
    "X-Space : y",
    " X-Fold: y",
    "x!#$%&'*+-.^_`|~: z",
    "Keep-Alive: timeout=5",
    "Cookie: a=b; c=\"d\"",
];

/// What a reader may stumble over.
const BYTES: [u8; 22] = *b"\r\n\0 \t:,;/?#%0159afGX\x7f\xff";

const STATUSES: [&str; 14] = [
    "200 OK",
    "200",
    "200 ",
    "204 No Content",
    "304 Not Modified",
    "100 Continue",
    "103 Early Hints",
    "101 Switching Protocols",
    "404 Not\tFound",
    "500 \u{e4}",
    "99 Low",
    "1000 High",
    "600 Odd",
    "2x0 OK",
];

fn one<'a>(dice: &mut Rng, of: &[&'a str]) -> &'a str {
    of[dice.usize(..of.len())]
}

/// Some requests on one connection.
pub(crate) fn requests(seed: u64) -> Vec<u8> {
    let mut dice = Rng::with_seed(seed);
    let mut bytes = Vec::new();
    for _ in 0..dice.usize(1..4) {
        request(&mut dice, &mut bytes);
    }
    spoil(&mut dice, &mut bytes);
    bytes
}

/// How many requests those are, before something happens to them.
pub(crate) fn requests_in(seed: u64) -> usize {
    Rng::with_seed(seed).usize(1..4)
}

/// The answer to one request, with what may come in front of it and behind.
pub(crate) fn response(seed: u64) -> Vec<u8> {
    let mut dice = Rng::with_seed(seed);
    let mut bytes = Vec::new();
    while dice.u8(..8) == 0 {
        bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    }
    let version = one(&mut dice, &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    let status = if dice.bool() { "200 OK" } else { one(&mut dice, &STATUSES) };
    bytes.extend_from_slice(format!("{version} {status}\r\n").as_bytes());
    fields_and_body(&mut dice, &mut bytes);
    spoil(&mut dice, &mut bytes);
    bytes
}

fn request(dice: &mut Rng, bytes: &mut Vec<u8>) {
    if dice.u8(..16) == 0 {
        bytes.extend_from_slice(b"\r\n");
    }
    let method = one(dice, &METHODS);
    let target = if dice.bool() { "/" } else { one(dice, &TARGETS) };
    let version = if dice.bool() { "HTTP/1.1" } else { one(dice, &VERSIONS) };
    bytes.extend_from_slice(format!("{method} {target} {version}\r\n").as_bytes());
    if dice.u8(..16) > 0 {
        bytes.extend_from_slice(b"Host: shop.test\r\n");
    }
    fields_and_body(dice, bytes);
}

fn fields_and_body(dice: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..dice.usize(..4) {
        let odd = dice.u8(..6) == 0;
        let field =
            if odd { one(dice, &FIELDS) } else { one(dice, &["X-Own: y", "Accept: */*", "Cookie: a=b"]) };
        bytes.extend_from_slice(field.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    match dice.u8(..5) {
        0 => {
            let content = content(dice);
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
            bytes.extend_from_slice(&content);
        }
        1 | 2 => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            chunks(dice, bytes);
        }
        _ => bytes.extend_from_slice(b"\r\n"),
    }
}

fn content(dice: &mut Rng) -> Vec<u8> {
    match dice.u8(..3) {
        0 => b"GET /hidden HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec(),
        1 => b"0\r\n\r\n".to_vec(),
        _ => (0..dice.usize(1..40)).map(|_| dice.u8(..)).collect(),
    }
}

/// A chunked body.
pub(crate) fn chunks(dice: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..dice.usize(..4) {
        let content = content(dice);
        let size = match dice.u8(..4) {
            0 => format!("{:X}", content.len()),
            1 => format!("00{:x}", content.len()),
            _ => format!("{:x}", content.len()),
        };
        let odd = ["; a=b", ";a=\"b;c\"", ";", ";a", " ", " ;a", "\t", ";a=\u{e4}"];
        let extension = if dice.u8(..4) == 0 { one(dice, &odd) } else { "" };
        bytes.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(one(dice, &["0\r\n", "0\r\n", "000\r\n", "0;x\r\n"]).as_bytes());
    while dice.u8(..4) == 0 {
        bytes.extend_from_slice(
            one(dice, &["A: b\r\n", "Host: b\r\n", "A:\r\n", "A : b\r\n", "A\r\n"]).as_bytes(),
        );
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Half of the time nothing; otherwise a few things that happen to bytes.
fn spoil(dice: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..dice.usize(..5).saturating_sub(2) {
        let at = dice.usize(..bytes.len().max(1)).min(bytes.len());
        let odd = BYTES[dice.usize(..BYTES.len())];
        match dice.u8(..8) {
            0 => bytes.truncate(at),
            1 | 2 => bytes.insert(at, odd),
            3 if at < bytes.len() => bytes[at] = odd,
            4 if at < bytes.len() => drop(bytes.remove(at)),
            5 => {
                let field = one(dice, &FIELDS);
                let line = format!("\r\n{field}");
                let end = bytes[at..].iter().position(|byte| *byte == b'\r').map_or(at, |offset| at + offset);
                bytes.splice(end..end, line.bytes());
            }
            6 => {
                let end = (at + dice.usize(..20)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                if let Some(offset) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") {
                    bytes.splice(at + offset..at + offset + 2, *b"\n");
                }
            }
        }
    }
}
