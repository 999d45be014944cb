//! A response's head (RFC 9112 §4).

use super::request::{FIELDS_MAX, FieldRoom};
use super::{Body, Chunks, ConnectionOptions, Field, Known, length_of};

/// What a response's head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'h, 'b> {
    pub(crate) status: u16,
    /// The status line after its version, from its space on.
    pub(crate) status_line: &'b [u8],
    pub(crate) fields: &'h [Field<'b>],
    /// What follows the head.
    pub(crate) body: Body,
    pub(crate) connection: ConnectionOptions,
    /// `Keep-Alive`.
    pub(crate) keep_alive: Option<&'b [u8]>,
    /// What `Upgrade` agrees to, if there is exactly one such line.
    pub(crate) upgrade: Option<&'b [u8]>,
    /// Whether it is a stream of server-sent events.
    pub(crate) is_events: bool,
    /// Whether the head may pass as it is: nothing in it concerns one connection only.
    pub(crate) is_plain: bool,
    /// Whether the connection can carry another request.
    pub(crate) persists: bool,
}

/// A response that cannot be understood, or could be in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadResponse(pub(crate) &'static str);

impl<'h, 'b> Response<'h, 'b> {
    /// Of a whole head, from its first byte to its empty line; `to_head`: the request was HEAD.
    ///
    /// # Errors
    /// When it is malformed, or could be understood in two ways.
    pub(crate) fn parse(
        head: &'b [u8],
        to_head: bool,
        fields_max: usize,
        room: &'h mut FieldRoom<'b>,
    ) -> Result<Self, BadResponse> {
        let mut parsed = httparse::Response::new(&mut []);
        let room = &mut room.0[..fields_max.min(FIELDS_MAX)];
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, head, room) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Ok(_) => return Err(BadResponse("a head that ends where it should not")),
            Err(httparse::Error::TooManyHeaders) => return Err(BadResponse("too many fields")),
            Err(_) => return Err(BadResponse("a malformed head")),
        }
        let status = parsed.code.filter(|code| (100..1000).contains(code)).ok_or(BadResponse("no status"))?;
        let is_http_10 = parsed.version == Some(0);
        let facts = Facts::of(parsed.headers)?;
        let body = facts.body(status, to_head, is_http_10)?;
        // RFC 9110 §8.6, RFC 9112 §6.1: neither belongs there, and a reader that believed it would take the next answer
        // for a body.
        let is_framed = facts.is_chunked || facts.length.is_some();
        let has_odd_framing = is_framed && (status < 200 || status == 204);
        let has_two_framings = facts.is_chunked && facts.length.is_some();
        let line_end = memchr::memchr(b'\r', head).ok_or(BadResponse("no status line"))?;
        Ok(Self {
            status,
            status_line: head.get(8..line_end).ok_or(BadResponse("no status line"))?,
            fields: parsed.headers,
            body,
            connection: facts.connection,
            keep_alive: facts.keep_alive,
            upgrade: facts.upgrade.filter(|_| facts.upgrades == 1),
            is_events: facts.is_events,
            is_plain: facts.is_plain && !is_http_10 && !has_odd_framing && !has_two_framings,
            persists: facts.persists(is_http_10, &body),
        })
    }

    /// Whether its content is what the body says, and not compressed or otherwise coded.
    pub(crate) fn is_readable(&self) -> bool {
        self.fields.iter().all(|field| {
            !field.name.eq_ignore_ascii_case("content-encoding")
                || field.value.trim_ascii().eq_ignore_ascii_case(b"identity")
        })
    }

    /// Whether another head follows this one (RFC 9110 §15.2); 101 is the last.
    pub(crate) fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Whether the head's status can begin with a one, without understanding the rest: `HTTP/1.1 1`.
pub(crate) fn may_be_interim(head: &[u8]) -> bool {
    const CLASS: usize = b"HTTP/1.1 ".len();
    head.get(CLASS) == Some(&b'1')
}

struct Facts<'b> {
    connection: ConnectionOptions,
    length: Option<u64>,
    is_chunked: bool,
    keep_alive: Option<&'b [u8]>,
    upgrades: usize,
    upgrade: Option<&'b [u8]>,
    is_events: bool,
    is_plain: bool,
}

impl<'b> Facts<'b> {
    fn of(fields: &[Field<'b>]) -> Result<Self, BadResponse> {
        let mut facts = Self {
            connection: ConnectionOptions::default(),
            length: None,
            is_chunked: false,
            keep_alive: None,
            upgrades: 0,
            upgrade: None,
            is_events: false,
            is_plain: true,
        };
        for field in fields {
            facts.add(field)?;
        }
        Ok(facts)
    }

    fn add(&mut self, field: &Field<'b>) -> Result<(), BadResponse> {
        match Known::of(field.name) {
            Known::ContentLength => {
                let length = length_of(field.value).ok_or(BadResponse("a malformed Content-Length"))?;
                if self.length.replace(length).is_some() {
                    return Err(BadResponse("two Content-Length"));
                }
            }
            Known::TransferEncoding if self.is_chunked => return Err(BadResponse("two Transfer-Encoding")),
            Known::TransferEncoding if field.value.eq_ignore_ascii_case(b"chunked") => self.is_chunked = true,
            Known::TransferEncoding => return Err(BadResponse("a transfer coding but chunked")),
            Known::ContentType => self.is_events = is_event_stream(field.value),
            Known::Connection => {
                self.connection.add(field.value);
                self.is_plain = false;
            }
            Known::KeepAlive => {
                self.keep_alive = Some(field.value);
                self.is_plain = false;
            }
            Known::Upgrade => {
                self.upgrades += 1;
                self.upgrade = Some(field.value);
                self.is_plain = false;
            }
            known => self.is_plain &= !known.is_hop_by_hop(),
        }
        Ok(())
    }

    /// RFC 9112 §6.3. With both framings the chunks count, the length goes no further, and the connection is not used again.
    fn body(&self, status: u16, to_head: bool, is_http_10: bool) -> Result<Body, BadResponse> {
        if self.is_chunked && is_http_10 {
            return Err(BadResponse("Transfer-Encoding in HTTP/1.0"));
        }
        if to_head || status < 200 || status == 204 || status == 304 {
            return Ok(Body::NONE);
        }
        Ok(match (self.is_chunked, self.length) {
            (true, _) => Body::Chunked(Chunks::START),
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::UntilClose,
        })
    }

    fn persists(&self, is_http_10: bool, body: &Body) -> bool {
        let has_two_framings = self.is_chunked && self.length.is_some();
        !is_http_10 && !self.connection.close && !has_two_framings && *body != Body::UntilClose
    }
}

fn is_event_stream(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (u16, Body, bool, bool);

    fn seen(head: &str, to_head: bool) -> Result<Seen, &'static str> {
        let mut room = FieldRoom::new();
        Response::parse(head.as_bytes(), to_head, 100, &mut room)
            .map(|response| (response.status, response.body, response.is_plain, response.persists))
            .map_err(|bad| bad.0)
    }

    #[test]
    fn framing_is_one_of_four() {
        let chunked = Body::Chunked(Chunks::START);
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (200, Body::Length(5), true, true)),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", (200, chunked, true, true)),
            ("HTTP/1.1 200 OK\r\n\r\n", (200, Body::UntilClose, true, false)),
            ("HTTP/1.1 204 No\r\n\r\n", (204, Body::NONE, true, true)),
            ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", (304, Body::NONE, true, true)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", (200, Body::Length(5), false, false)),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
                (200, Body::Length(5), false, false),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                (200, chunked, false, false),
            ),
            ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", (204, Body::NONE, false, true)),
            ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", (204, Body::NONE, false, true)),
            ("HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n", (103, Body::NONE, false, true)),
        ] {
            assert_eq!(seen(head, false), Ok(expected), "{head:?}");
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
        assert_eq!(seen(head, true), Ok((200, Body::NONE, true, true)));
    }

    #[test]
    fn bad_responses_are_told() {
        for head in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        ] {
            assert!(seen(head, false).is_err(), "{head:?}");
        }
    }
}
