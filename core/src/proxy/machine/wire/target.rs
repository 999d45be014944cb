//! The target of a request (RFC 9112 §3.2).

use super::Refusal;

/// What is asked for, as bytes that are also text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'b> {
    /// Path and query byte by byte as they came (compat C-95), or `*`. An absolute target without a path has `""` or
    /// begins with `?`.
    pub(crate) path: &'b str,
    /// The authority, if it came in absolute form.
    pub(crate) authority: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// Of the second word of a request line.
    ///
    /// # Errors
    /// When it is none of the forms that go with the method, or has a byte that does not belong there.
    pub(crate) fn parse(method: &str, text: &'b str) -> Result<Self, Refusal> {
        if method == "CONNECT" {
            return Err(Refusal::bad("CONNECT"));
        }
        if text.starts_with('/') {
            return Ok(Self { path: checked(text)?, authority: None });
        }
        if text == "*" && method == "OPTIONS" {
            return Ok(Self { path: text, authority: None });
        }
        let rest = without_scheme(text).ok_or(Refusal::bad("a target of an unknown form"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() || !is_host(authority.as_bytes()) {
            return Err(Refusal::bad("a target with a bad authority"));
        }
        Ok(Self { path: checked(path)?, authority: Some(authority) })
    }

    /// What the application is asked for: the two texts make up path and query.
    pub(crate) fn origin_form(&self, method: &str) -> (&'static str, &'b str) {
        match self.path.as_bytes().first() {
            Some(b'/' | b'*') => ("", self.path),
            // RFC 9112 §3.2.4: OPTIONS for a whole server.
            None if method == "OPTIONS" => ("*", ""),
            _ => ("/", self.path),
        }
    }
}

fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

fn checked(path: &str) -> Result<&str, Refusal> {
    let mut part = OF_PATH;
    let is_fine = path.bytes().all(|byte| {
        if byte == b'?' {
            part = OF_QUERY;
        }
        PLACES[usize::from(byte)] & part != 0
    });
    if is_fine { Ok(path) } else { Err(Refusal::bad("a target with a byte that does not belong there")) }
}

const OF_PATH: u8 = 1;
const OF_QUERY: u8 = 2;
const OF_NAME: u8 = 4;

/// Where each byte may be.
const PLACES: [u8; 256] = {
    let mut places = [0; 256];
    let mut byte: u8 = 0;
    loop {
        let place = &mut places[byte as usize];
        *place |= if is_of_path(byte) { OF_PATH } else { 0 };
        *place |= if is_of_query(byte) { OF_QUERY } else { 0 };
        *place |= if is_of_name(byte) { OF_NAME } else { 0 };
        if byte == u8::MAX {
            break places;
        }
        byte += 1;
    }
};

/// RFC 3986 §3.3, and what browsers send without escaping it.
const fn is_of_path(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'<' | b'>' | b'`')
}

const fn is_of_query(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'"' | b'<' | b'>')
}

/// Whether this is a host with or without a port (RFC 9110 §7.2, RFC 3986 §3.2.2, §3.2.3): not empty (RFC 9110 §4.2.1), no
/// user information, no list, and no escapes, which no name has that can be looked up.
pub(crate) fn is_host(text: &[u8]) -> bool {
    let (name, rest) = match text.strip_prefix(b"[") {
        Some(literal) => {
            let (address, rest) = leading(literal, is_of_literal);
            let Some(rest) = rest.strip_prefix(b"]") else { return false };
            (address, rest)
        }
        None => leading(text, |byte| PLACES[usize::from(byte)] & OF_NAME != 0),
    };
    let is_port = match rest.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    !name.is_empty() && is_port
}

/// What is at the begin of the text, and the rest.
fn leading(text: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len()))
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'.' | b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

fn is_of_literal(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(method: &str, text: &str) -> Option<String> {
        let target = Target::parse(method, text).ok()?;
        let (before, path) = target.origin_form(method);
        Some(format!("{before}{path}"))
    }

    #[test]
    fn targets_become_path_and_query() {
        for (text, path) in [
            ("/", "/"),
            ("//a/../b\\c%2f?x=1&&y=//?z", "//a/../b\\c%2f?x=1&&y=//?z"),
            ("http://shop.test/a?b=c", "/a?b=c"),
            ("HTTPS://shop.test:1", "/"),
            ("http://shop.test?b", "/?b"),
            ("http://[::1]:80/", "/"),
        ] {
            assert_eq!(seen("GET", text).as_deref(), Some(path), "{text}");
        }
        assert_eq!(seen("OPTIONS", "*").as_deref(), Some("*"));
        assert_eq!(seen("OPTIONS", "http://shop.test").as_deref(), Some("*"));
    }

    #[test]
    fn other_targets_are_refused() {
        for text in [
            "",
            "*",
            "a",
            "shop.test:80",
            "ftp://shop.test/",
            "http:///a",
            "http://u@shop.test/",
            "http://a,b/",
            "/#top",
            "/a b",
            "/\u{7f}",
            "/ü",
            "/<",
            "http://shop.test/#",
            "http://shop test/",
            "?a",
        ] {
            assert_eq!(seen("GET", text), None, "{text:?}");
        }
        assert_eq!(seen("CONNECT", "shop.test:80"), None);
        assert_eq!(seen("CONNECT", "/"), None);
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in
            ["a", "shop.test", "shop.test:80", "a:", "127.0.0.1:1", "[::1]", "[::ffff:1.2.3.4]:80", "a_b~!"]
        {
            assert!(is_host(host.as_bytes()), "{host:?}");
        }
        for other in [
            "", ":80", "a:b", "a:80:80", "::1", "[::1", "::1]", "[]", "[::1]80", "[::1]:x", "[g]", "a]",
            "u@a", "a,b", "a b", "%41", "a/b", "a?b", "a#b", "a\\b", "\u{e4}",
        ] {
            assert!(!is_host(other.as_bytes()), "{other:?}");
        }
    }
}
