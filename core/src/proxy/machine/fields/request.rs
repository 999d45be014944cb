//! A request's head as the application gets it: one hop further.

use super::forwarded::{Hop, Said, write_forwarded};
use super::lines::Lines;
use crate::proxy::machine::wire::{Body, Known, Request, decimal};

/// Writes the head. `upgrade`: what the connection is to become, if the request may ask for that.
///
/// The framing is written anew, whatever the client's was spelled like; everything else passes as it came, but for what
/// concerns the client's connection only.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    request: &Request<'_, '_>,
    hop: Hop<'_>,
    upgrade: Option<&[u8]>,
) {
    let (before, path) = request.target.origin_form(request.method);
    for text in [request.method, " ", before, path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(text.as_bytes());
    }
    let host = request.host.unwrap_or(hop.own_host.as_bytes());
    if request.host.is_none() {
        // HTTP/1.0 may leave it out, HTTP/1.1 may not.
        out.extend_from_slice(b"Host: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
    }
    let (mut has_length, mut is_forwarded) = (false, false);
    let mut lines = Lines::of(request.head);
    for field in request.fields {
        let known = Known::of(field.name);
        has_length |= known == Known::ContentLength;
        is_forwarded |= known.is_of_a_front();
        if passes(known) && !request.connection.names(field.name, request.fields) {
            lines.pass(out, field);
        }
    }
    lines.end(out);
    match request.body {
        Body::Chunked(_) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Body::Length(length) if has_length => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(decimal(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Body::Length(_) | Body::UntilClose => {}
    }
    // Most clients say nothing of the kind, and nothing has to be looked for.
    let fields = if is_forwarded { request.fields } else { &[] };
    let said = Said { fields, connection: request.connection, is_front: hop.is_front };
    write_forwarded(out, hop, host, &said, upgrade.is_some());
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// What is neither of one connection only nor written by us.
fn passes(known: Known) -> bool {
    let is_ours = known == Known::ContentLength || known.is_of_a_front();
    !known.is_hop_by_hop() && !is_ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::machine::wire::FieldRoom;

    fn written(head: &str, hop: Hop<'_>, upgrade: Option<&str>) -> String {
        let mut room = FieldRoom::new();
        let request = Request::parse(head.as_bytes(), 100, &mut room).expect("it is fine");
        let mut out = Vec::new();
        write_request(&mut out, &request, hop, upgrade.map(str::as_bytes));
        String::from_utf8(out).expect("text")
    }

    const HOP: Hop<'static> = Hop {
        address: b"10.0.0.7",
        is_front: false,
        is_tls: false,
        own_host: "127.0.0.1:8182",
        request_id: b"id-1",
    };

    #[test]
    fn a_request_goes_one_hop_further() {
        let head = "POST /a?b HTTP/1.1\r\nHost: shop:81\r\nConnection: x-mine\r\nX-Mine: 1\r\nContent-Length: 007\r\nCookie: c\r\n\
                    X-Forwarded-For: 6.6.6.6\r\nX-Request-Id: forged\r\nForwarded: for=6.6.6.6\r\n\r\n";
        assert_eq!(
            written(head, HOP, None),
            "POST /a?b HTTP/1.1\r\nHost: shop:81\r\nCookie: c\r\nContent-Length: 7\r\nX-Forwarded-For: 10.0.0.7\r\n\
             X-Forwarded-Port: 81\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop:81\r\n\
             Forwarded: for=10.0.0.7;host=\"shop:81\";proto=http\r\nX-Request-Id: id-1\r\n\r\n"
        );
    }

    #[test]
    fn a_front_is_believed() {
        let head = "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
                    X-Forwarded-Proto: https\r\nX-Forwarded-Host: www\r\nX-Request-Id: theirs\r\nForwarded: for=6.6.6.6\r\n\r\n";
        let hop = Hop { address: b"::1", is_front: true, is_tls: true, ..HOP };
        assert_eq!(
            written(head, hop, None),
            "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 6.6.6.6,7.7.7.7,::1\r\nX-Forwarded-Port: 443\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: www\r\n\
             Forwarded: for=6.6.6.6, for=\"[::1]\";host=\"shop\";proto=https\r\nX-Request-Id: theirs\r\n\r\n"
        );
    }

    #[test]
    fn an_upgrade_is_asked_for_by_us() {
        let head =
            "GET /s HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let out = written(head, HOP, Some("websocket"));
        assert!(out.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "{out}");
        assert!(out.contains("X-Forwarded-Proto: ws\r\n") && !out.contains("X-Forwarded-Host"), "{out}");
        assert!(!written(head, HOP, None).contains("pgrade"));
    }

    #[test]
    fn an_old_client_gets_a_host() {
        let out = written("GET / HTTP/1.0\r\n\r\n", HOP, None);
        assert!(out.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:8182\r\n"), "{out}");
    }
}
