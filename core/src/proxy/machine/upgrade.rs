//! Which requests become tunnels (compat C-101..C-104, RFC 9110 §7.8).

use super::headers::tokens;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// An answer. An `Upgrade` to anything but `websocket` is ignored, as RFC 9110 §7.8 allows: the request is
    /// answered without it (better than compat C-104, which closes the connection).
    No,
    /// A WebSocket, if the application agrees.
    WebSocket,
}

/// What a request without a body asks for.
pub(crate) fn upgrade_of<'a>(
    method: &str,
    connection: impl IntoIterator<Item = &'a [u8]>,
    upgrade: impl IntoIterator<Item = &'a [u8]>,
) -> Upgrade {
    let asked = method == "GET" && names(connection, b"upgrade") && is_only_websocket(upgrade);
    if asked { Upgrade::WebSocket } else { Upgrade::No }
}

/// Whether an answer is the agreement to a WebSocket. Only then do bytes pass unread: an application that says 101 to
/// something else, or nothing about what it switched to, must not open a way around the proxy.
pub(crate) fn is_switched<'a>(status: u16, upgrade: impl IntoIterator<Item = &'a [u8]>) -> bool {
    status == 101 && is_only_websocket(upgrade)
}

fn names<'a>(list: impl IntoIterator<Item = &'a [u8]>, wanted: &[u8]) -> bool {
    tokens(list).any(|token| token.eq_ignore_ascii_case(wanted))
}

fn is_only_websocket<'a>(list: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut tokens = tokens(list);
    tokens.next().is_some_and(|token| token.eq_ignore_ascii_case(b"websocket")) && tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, connection: &str, upgrade: &str) -> Upgrade {
        upgrade_of(method, [connection.as_bytes()], [upgrade.as_bytes()])
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
    fn only_a_101_that_names_websocket_is_an_agreement() {
        assert!(is_switched(101, [&b"websocket"[..]]));
        assert!(!is_switched(101, [&b"h2c"[..]]));
        assert!(!is_switched(101, []));
        assert!(!is_switched(200, [&b"websocket"[..]]));
    }
}
