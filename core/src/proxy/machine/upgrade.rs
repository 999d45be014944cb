//! Which requests become tunnels (compat C-101..C-104, RFC 9110 §7.8).

use super::lists::tokens;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// An answer. An `Upgrade` to anything but what is allowed is ignored, as RFC 9110 §7.8 allows: the request is
    /// answered without it (better than compat C-104, which closes the connection).
    No,
    /// A tunnel, such as a WebSocket, if the application agrees.
    WebSocket,
}

/// What a request without a body asks for, when connections may be upgraded to `allowed`.
pub(crate) fn upgrade_of<'a>(
    method: &str,
    connection: impl IntoIterator<Item = &'a [u8]>,
    upgrade: impl IntoIterator<Item = &'a [u8]>,
    allowed: &[String],
) -> Upgrade {
    let asked = method == "GET"
        && names(connection, b"upgrade")
        && only(upgrade).is_some_and(|protocol| is_allowed(protocol, allowed));
    if asked { Upgrade::WebSocket } else { Upgrade::No }
}

/// Whether an answer is the agreement to what was `asked`. Only then do bytes pass unread: an application that says 101 to
/// something else, or nothing about what it switched to, must not open a way around the proxy.
pub(crate) fn is_switched<'a>(
    status: u16,
    upgrade: impl IntoIterator<Item = &'a [u8]>,
    asked: impl IntoIterator<Item = &'a [u8]>,
) -> bool {
    let is_agreed = |(agreed, asked): (&[u8], &[u8])| agreed.eq_ignore_ascii_case(asked);
    status == 101 && only(upgrade).zip(only(asked)).is_some_and(is_agreed)
}

/// HTTP/2 in the clear is never one: its requests would pass unread.
fn is_allowed(protocol: &[u8], allowed: &[String]) -> bool {
    let is_it = |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(protocol);
    !protocol.eq_ignore_ascii_case(b"h2c") && allowed.iter().any(is_it)
}

fn names<'a>(list: impl IntoIterator<Item = &'a [u8]>, wanted: &[u8]) -> bool {
    tokens(list).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// The only element of a list.
fn only<'a>(list: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut tokens = tokens(list);
    let first = tokens.next()?;
    tokens.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, connection: &str, upgrade: &str) -> Upgrade {
        of_allowed(method, connection, upgrade, &["websocket"])
    }

    fn of_allowed(method: &str, connection: &str, upgrade: &str, allowed: &[&str]) -> Upgrade {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        upgrade_of(method, [connection.as_bytes()], [upgrade.as_bytes()], &allowed)
    }

    #[test]
    fn only_a_get_for_websocket_becomes_a_tunnel() {
        assert_eq!(of("GET", "Upgrade", "websocket"), Upgrade::WebSocket);
        assert_eq!(of("GET", "keep-alive, upgrade", "WebSocket"), Upgrade::WebSocket);
        for (method, connection, upgrade) in [
            ("POST", "Upgrade", "websocket"),
            ("get", "Upgrade", "websocket"),
            ("GET", "keep-alive", "websocket"),
            ("GET", "Upgrade", "h2c"),
            ("GET", "Upgrade", "websocket, h2c"),
            ("GET", "Upgrade", ""),
        ] {
            assert_eq!(of(method, connection, upgrade), Upgrade::No, "{method} {connection} {upgrade}");
        }
    }

    #[test]
    fn what_is_allowed_is_a_list_without_h2c() {
        let allowed = ["websocket", "TLS/1.3", "h2c"];
        assert_eq!(of_allowed("GET", "upgrade", "tls/1.3", &allowed), Upgrade::WebSocket);
        assert_eq!(of_allowed("GET", "upgrade", "h2c", &allowed), Upgrade::No);
        assert_eq!(of_allowed("GET", "upgrade", "H2C", &allowed), Upgrade::No);
        assert_eq!(of_allowed("GET", "upgrade", "websocket", &[]), Upgrade::No);
    }

    #[test]
    fn only_a_101_that_names_what_was_asked_is_an_agreement() {
        let asked = || [&b"websocket"[..]];
        assert!(is_switched(101, [&b"WebSocket"[..]], asked()));
        assert!(!is_switched(101, [&b"h2c"[..]], asked()));
        assert!(!is_switched(101, [&b"websocket"[..], b"h2c"], asked()));
        assert!(!is_switched(101, [], asked()));
        assert!(!is_switched(200, asked(), asked()));
    }
}
