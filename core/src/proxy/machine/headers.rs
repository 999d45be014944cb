//! Which header fields pass (RFC 9110 §7.6.1), and what is added for the application (compat C-93, C-102).

use core::net::IpAddr;

/// The elements of comma-separated field values (RFC 9110 §5.6.1), without spaces and empty ones.
pub(crate) fn tokens<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values
        .into_iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether a field concerns one connection only, whatever `Connection` says. `name` is in lower case.
///
/// `Expect` is among them because the proxy itself answers `100 Continue` (compat C-99).
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade" | "expect"
    )
}

/// Whether a field goes when `Connection` names it. A few are never connection options (RFC 9110 §7.6.1), and a client
/// that names them wants to confuse.
pub(crate) fn may_be_named(name: &str) -> bool {
    !matches!(name, "host" | "content-length" | "content-type" | "authorization" | "cookie")
}

/// `existing` values with `added` at their end: what an `X-Forwarded-*` field becomes. Joined with `,` and no space
/// (compat C-93). Several lines of a client are one list (RFC 9110 §5.3).
pub(crate) fn appended<'a>(existing: impl IntoIterator<Item = &'a [u8]>, added: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(64);
    for value in existing {
        list.extend_from_slice(value);
        list.push(b',');
    }
    list.extend_from_slice(added);
    list
}

/// The port in a `Host` field, or `default`: 80, with TLS 443 (compat C-93).
pub(crate) fn host_port(host: Option<&[u8]>, default: u16) -> u16 {
    host.and_then(|host| std::str::from_utf8(host).ok())
        .and_then(|host| host.rsplit_once(':'))
        // The last colon of `[::1]` is not in front of a port.
        .filter(|(name, _)| !name.contains(':') || name.ends_with(']'))
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(default)
}

/// The client as the application sees it: an IPv4 client of an IPv6 listener is an IPv4 client.
pub(crate) fn client_address(peer: IpAddr) -> String {
    peer.to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_lines() {
        let lines: [&[u8]; 3] = [b"close , X-Secret", b"", b",keep-alive,"];
        let found: Vec<_> = tokens(lines).map(|token| String::from_utf8_lossy(token).into_owned()).collect();
        assert_eq!(found, ["close", "X-Secret", "keep-alive"]);
    }

    #[test]
    fn forwarded_values_are_appended_without_a_space() {
        assert_eq!(appended([], b"127.0.0.1"), b"127.0.0.1");
        assert_eq!(appended([&b"9.9.9.9"[..]], b"127.0.0.1"), b"9.9.9.9,127.0.0.1");
        assert_eq!(appended([&b"a, b"[..], b"c"], b"d"), b"a, b,c,d");
    }

    #[test]
    fn the_port_is_the_one_of_host_or_80() {
        let cases: [(&[u8], u16); 7] = [
            (b"shop.test:8182", 8182),
            (b"shop.test", 80),
            (b"[::1]:8182", 8182),
            (b"[::1]", 80),
            (b"::1", 80),
            (b"shop.test:99999", 80),
            (b"\xff:1", 80),
        ];
        for (host, port) in cases {
            assert_eq!(host_port(Some(host), 80), port, "{}", String::from_utf8_lossy(host));
        }
        assert_eq!(host_port(None, 443), 443);
    }

    #[test]
    fn mapped_clients_are_ipv4_clients() {
        assert_eq!(client_address("::ffff:10.0.0.7".parse().expect("an address")), "10.0.0.7");
        assert_eq!(client_address("::1".parse().expect("an address")), "::1");
    }
}
