//! A line of the access log.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::time::WallTime;

/// Longer methods, targets, hosts and so on are cut to this many bytes.
pub(crate) const LINE_TEXT_BYTES_MAX: usize = 2048;

/// A request that has ended, as it is written down. What did not happen is left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'l> {
    /// When it ended.
    pub at: WallTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<&'l str>,
    pub peer: IpAddr,
    pub method: &'l str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub host: &'l str,
    pub path: &'l str,
    pub protocol: &'l str,
    pub status: Option<u16>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_ms: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub connect_failures: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub resets: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    #[serde(skip_serializing_if = "is_false")]
    pub tunnel: bool,
    /// Unless it was answered to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub request_id: &'l str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub user_agent: &'l str,
}

/// Says how many lines are missing here.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MissingLines {
    pub at: WallTime,
    pub dropped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Milliseconds, as exact as they are measured: to the microsecond.
pub(crate) fn ms(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
    let us = duration.as_micros() as f64;
    us / 1000.0
}

/// Appends a line of JSON, its end included. No byte of it can steer a terminal: control characters are escaped, also
/// those that JSON allows.
pub(crate) fn append_line(to: &mut Vec<u8>, line: &impl Serialize) {
    let mut serializer = Serializer::with_formatter(&mut *to, Harmless);
    line.serialize(&mut serializer).expect("a vector takes every byte, and every key is text");
    to.push(b'\n');
}

/// JSON in which no control character is left as it is.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            CompactFormatter.write_string_fragment(to, &rest[..at])?;
            let unsafe_one = rest[at..].chars().next().expect("`find` points at a character");
            let mut units = [0; 2];
            for unit in unsafe_one.encode_utf16(&mut units) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = &rest[at + unsafe_one.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(to, rest)
    }
}

/// Control characters, and what turns the direction of text or ends a line for some readers (Unicode, categories Cc, Zl,
/// Zp and the bidirectional controls).
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What of a request target is written: the path, with its query if that is wanted, and never who says it is
/// (`http://user:password@host/path`).
pub(crate) fn shown_target(target: &[u8], query: bool) -> &[u8] {
    let path = match target.windows(3).position(|window| window == b"://") {
        Some(scheme) if !target.starts_with(b"/") => {
            let rest = &target[scheme + 3..];
            rest.iter().position(|byte| matches!(byte, b'/' | b'?')).map_or(&b"/"[..], |at| &rest[at..])
        }
        _ => target,
    };
    let shown = match path.iter().position(|byte| *byte == b'?') {
        Some(at) if !query => &path[..at],
        _ => path,
    };
    within(shown)
}

/// No more than is kept of a text.
pub(crate) fn within(text: &[u8]) -> &[u8] {
    &text[..text.len().min(LINE_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            at: WallTime::from_unix_ms(1_763_000_000_123),
            release: Some("v1"),
            peer: IpAddr::from([127, 0, 0, 1]),
            method: "GET",
            host: "shop.test",
            path,
            protocol: "HTTP/1.1",
            status: Some(200),
            bytes_in: 0,
            bytes_out: 5,
            duration_ms: ms(Duration::from_micros(1234)),
            first_byte_ms: Some(1.0),
            parked_ms: None,
            connect_failures: 0,
            resets: 0,
            retries: 0,
            tunnel: false,
            ending: None,
            request_id: "",
            user_agent: "",
        }
    }

    fn text(line: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        append_line(&mut bytes, line);
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn a_line_says_what_happened_and_nothing_else() {
        assert_eq!(
            text(&line("/cart")),
            "{\"at\":\"2025-11-13T02:13:20.123Z\",\"release\":\"v1\",\"peer\":\"127.0.0.1\",\"method\":\"GET\",\
             \"host\":\"shop.test\",\"path\":\"/cart\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytesIn\":0,\
             \"bytesOut\":5,\"durationMs\":1.234,\"firstByteMs\":1.0}\n"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let line = text(&line("/\n\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\"\\é"));
        assert!(line.contains(r#""path":"/\n\u001b[2J\u007f\u009b2J\u202e\"\\é""#), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn queries_are_secret_unless_they_are_asked_for_and_passwords_always() {
        for (target, without, with) in [
            ("/a/b?token=1", "/a/b", "/a/b?token=1"),
            ("/", "/", "/"),
            ("*", "*", "*"),
            ("http://user:secret@shop.test/a?b", "/a", "/a?b"),
            ("http://user:secret@shop.test", "/", "/"),
            ("http://shop.test?b", "", "?b"),
            ("/to?next=http://x/y", "/to", "/to?next=http://x/y"),
            ("/at/http://x/y", "/at/http://x/y", "/at/http://x/y"),
        ] {
            assert_eq!(shown_target(target.as_bytes(), false), without.as_bytes(), "{target}");
            assert_eq!(shown_target(target.as_bytes(), true), with.as_bytes(), "{target}");
        }
        assert_eq!(shown_target(&[b'x'; 9000], false).len(), LINE_TEXT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_is_one_line_that_reads_as_it_was_said(path in any::<String>()) {
            let line = text(&line(&path));
            prop_assert!(line.ends_with('\n') && !line[..line.len() - 1].chars().any(is_unsafe));
            let read: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
            prop_assert_eq!(read["path"].as_str(), Some(path.as_str()));
        }

        #[test]
        fn no_target_makes_it_panic(target in prop::collection::vec(any::<u8>(), 0..60), query: bool) {
            let shown = shown_target(&target, query);
            prop_assert!(query || !shown.contains(&b'?'));
        }
    }
}
