//! The PROXY protocol: who a connection is from, in the words of the front that brings it
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! Ours, because the crates there are take an address that has come by half for a wrong one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The longest introduction: of the binary form (§2.2), whose addresses and extras we let have 2 KiB. One that is longer is
/// wrong. Extras are the certificate of a client at most, of which nothing is read here.
pub(crate) const INTRODUCTION_BYTES_MAX: usize = V2_HEAD_BYTES + 2048;

/// §2.1: the longest line.
const V1_BYTES_MAX: usize = 107;
const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// The begin of an introduction, all of them.
    Begun,
    /// One that is whole, and takes the first `bytes` of them.
    Whole {
        bytes: usize,
        /// `None` when the front speaks for itself (`LOCAL`), or does not know (`UNKNOWN`).
        client: Option<SocketAddr>,
    },
    /// None at all, for this reason.
    Wrong(&'static str),
}

use Introduction::{Begun, Whole, Wrong};

/// Reads the first bytes of a connection.
pub(crate) fn introduction(bytes: &[u8]) -> Introduction {
    match bytes.first() {
        None => Begun,
        Some(b'P') => v1(bytes),
        Some(b'\r') => v2(bytes),
        Some(_) => Wrong("it does not begin with a PROXY header"),
    }
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let common = bytes.len().min(with.len());
    bytes[..common] == with[..common]
}

/// §2.1: `PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n`.
fn v1(bytes: &[u8]) -> Introduction {
    if !begins(bytes, V1_BEGIN) {
        return Wrong("it does not begin with a PROXY header");
    }
    let seen = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = seen.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if bytes.len() < V1_BYTES_MAX { Begun } else { Wrong("its PROXY line does not end") };
    };
    match (seen[end], seen.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if bytes.len() < V1_BYTES_MAX => return Begun,
        _ => return Wrong("its PROXY line does not end with CR and LF"),
    }
    let Some(line) = seen.get(V1_BEGIN.len()..end).and_then(|line| std::str::from_utf8(line).ok()) else {
        return Wrong("its PROXY line is no text");
    };
    match v1_client(line) {
        Some(client) => Whole { bytes: end + 2, client },
        None => Wrong("its PROXY line makes no sense"),
    }
}

/// `None` for a line that makes no sense.
fn v1_client(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let protocol = words.next()?;
    // §2.1: whatever follows UNKNOWN is to be ignored.
    if protocol == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination, source_port, destination_port] =
        [words.next()?, words.next()?, words.next()?, words.next()?];
    if words.next().is_some() {
        return None;
    }
    let source = match protocol {
        "TCP4" => both::<Ipv4Addr>(source, destination)?.into(),
        "TCP6" => both::<Ipv6Addr>(source, destination)?.into(),
        _ => return None,
    };
    port(destination_port)?;
    Some(Some(SocketAddr::new(source, port(source_port)?)))
}

/// The first of two addresses, both of which must be one.
fn both<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<A> {
    destination.parse::<A>().ok()?;
    source.parse().ok()
}

/// Digits without a leading zero.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// §2.2: a signature, version and command, family and protocol, a length, and that many bytes.
fn v2(bytes: &[u8]) -> Introduction {
    if !begins(bytes, V2_BEGIN) {
        return Wrong("it does not begin with a PROXY header");
    }
    let &[.., command, family, high, low] = (match bytes.get(..V2_HEAD_BYTES) {
        Some(head) => head,
        None => return Begun,
    }) else {
        return Begun;
    };
    let length = V2_HEAD_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if length > INTRODUCTION_BYTES_MAX {
        return Wrong("its PROXY header is too long");
    }
    if !matches!(command, 0x20 | 0x21) {
        return Wrong("its PROXY header has another version or command");
    }
    let Some(rest) = bytes.get(V2_HEAD_BYTES..length) else { return Begun };
    let client = match (command, family) {
        // LOCAL: the front's own connection, such as a health check.
        (0x20, _) => None,
        (_, 0x11) => match rest.first_chunk::<12>() {
            Some(rest) => Some(v2_address(Ipv4Addr::from(part::<4>(rest, 0)), part::<2>(rest, 8))),
            None => return Wrong("its PROXY header is too short for its addresses"),
        },
        (_, 0x21) => match rest.first_chunk::<36>() {
            Some(rest) => Some(v2_address(Ipv6Addr::from(part::<16>(rest, 0)), part::<2>(rest, 32))),
            None => return Wrong("its PROXY header is too short for its addresses"),
        },
        // §2.2: what is known but not of use here counts as unspecified: UDP, and Unix sockets.
        (_, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        _ => return Wrong("its PROXY header has another family of addresses"),
    };
    Whole { bytes: length, client }
}

fn v2_address(address: impl Into<IpAddr>, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(address.into(), u16::from_be_bytes(port))
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the caller has seen that many bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from(client: &str, bytes: usize) -> Introduction {
        Whole { bytes, client: Some(client.parse().expect(client)) }
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [V2_BEGIN, &[command, family], &length, rest].concat()
    }

    const FOUR: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc8, 0x22, 0x01, 0xbb];

    #[test]
    fn a_line_says_who_the_client_is() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n", "192.0.2.7:51234"),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n", "[2001:db8::7]:0"),
        ] {
            let with_more = format!("{line}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(introduction(with_more.as_bytes()), from(client, line.len()), "{line:?}");
        }
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f:ffff x 65535 y\r\n"] {
            assert_eq!(introduction(line.as_bytes()), Whole { bytes: line.len(), client: None }, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_wrong() {
        for line in [
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443 1\r\n",
            "PROXY TCP4  192.0.2.7 198.51.100.1 51234 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443 \r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 051 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +51 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51 65536\r\n",
            "PROXY TCP4 192.0.02.7 198.51.100.1 51 443\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 51 443\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 51 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\rX",
            "PROXY UNIX a b 1 2\r\n",
            "proxy UNKNOWN\r\n",
            "PROXY UNKNOWN \u{7f}\nX",
        ] {
            assert!(matches!(introduction(line.as_bytes()), Wrong(_)), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(93));
        assert!(matches!(introduction(long.as_bytes()), Wrong(_)), "107 bytes without an end");
        assert_eq!(introduction(&long.as_bytes()[..106]), Begun);
    }

    #[test]
    fn the_binary_form_says_who_the_client_is() {
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        six[15] = 7;
        six[33] = 80;
        assert_eq!(introduction(&binary(0x21, 0x11, &FOUR)), from("192.0.2.7:51234", 28));
        assert_eq!(introduction(&binary(0x21, 0x21, &six)), from("[2001:db8::7]:80", 52));
        let with_extras = binary(0x21, 0x11, &[&FOUR[..], &[0x04, 0, 1, 0]].concat());
        assert_eq!(introduction(&with_extras), from("192.0.2.7:51234", 32));
        for (command, family) in [(0x20, 0x11), (0x20, 0xff), (0x21, 0x00), (0x21, 0x12), (0x21, 0x31)] {
            let bytes = binary(command, family, &FOUR);
            assert_eq!(introduction(&bytes), Whole { bytes: 28, client: None }, "{command:x} {family:x}");
        }
    }

    #[test]
    fn a_binary_form_that_makes_no_sense_is_wrong() {
        for (command, family) in [(0x11, 0x11), (0x22, 0x11), (0x21, 0x41), (0x21, 0x13), (0x21, 0x10)] {
            let found = introduction(&binary(command, family, &FOUR));
            assert!(matches!(found, Wrong(_)), "{command:x} {family:x}: {found:?}");
        }
        assert!(matches!(introduction(&binary(0x21, 0x11, &FOUR[..11])), Wrong(_)));
        assert!(matches!(introduction(&binary(0x21, 0x21, &FOUR)), Wrong(_)));
        let long = binary(0x21, 0x11, &[0; 2049]);
        assert!(matches!(introduction(&long[..16]), Wrong(_)), "known by its length alone");
        assert!(matches!(introduction(&binary(0x21, 0x11, &[0; 2048])), Whole { bytes: 2064, .. }));
        assert!(matches!(introduction(b"\r\n\r\nGET"), Wrong(_)));
    }

    proptest! {
        /// Wherever it is cut, the begin is a begin, and what follows changes nothing.
        #[test]
        fn any_split_means_the_same(cut in 0_usize..=64, rest in proptest::collection::vec(any::<u8>(), 0..64)) {
            let line: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n";
            for whole in [line.to_vec(), binary(0x21, 0x11, &FOUR), binary(0x20, 0, &[])] {
                let found = introduction(&whole);
                let is_whole = matches!(found, Whole { .. });
                prop_assert!(is_whole, "{:?}", found);
                let cut = cut.min(whole.len() - 1);
                prop_assert_eq!(introduction(&whole[..cut]), Begun);
                prop_assert_eq!(introduction(&[&whole[..], &rest].concat()), found);
            }
        }

        /// It never asks for more than its limit, and never takes what is not there.
        #[test]
        fn nothing_makes_it_panic_or_wait_for_ever(
            form in 0_u8..3, bytes in proptest::collection::vec(any::<u8>(), 0..3000)
        ) {
            let begin: &[u8] = match form { 0 => b"", 1 => V1_BEGIN, _ => V2_BEGIN };
            let bytes = [begin, &bytes].concat();
            match introduction(&bytes) {
                Begun => prop_assert!(bytes.len() < INTRODUCTION_BYTES_MAX),
                Whole { bytes: taken, .. } => prop_assert!(taken <= bytes.len()),
                Wrong(_) => {}
            }
        }
    }
}
