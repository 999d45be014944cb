//! A request's head (RFC 9112 §3).

use core::mem::MaybeUninit;

use super::target::is_host;
use super::{Body, Chunks, ConnectionOptions, Field, Known, Refusal, Target, length_of};

/// How many fields a head can have at all, whatever the limit says.
pub(crate) const FIELDS_MAX: usize = 256;

/// Room for the fields of a head.
pub(crate) struct FieldRoom<'b>(pub(super) [MaybeUninit<Field<'b>>; FIELDS_MAX]);

impl FieldRoom<'_> {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; FIELDS_MAX])
    }
}

/// What a request's head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'h, 'b> {
    /// All of it, as it came.
    pub(crate) head: &'b [u8],
    pub(crate) method: &'b str,
    pub(crate) target: Target<'b>,
    /// Of HTTP/1.0, whose connections end with each answer here (compat C-100).
    pub(crate) is_http_10: bool,
    pub(crate) fields: &'h [Field<'b>],
    pub(crate) host: Option<&'b [u8]>,
    /// What follows the head.
    pub(crate) body: Body,
    pub(crate) connection: ConnectionOptions,
    /// What `Upgrade` asks for, if there is exactly one such line.
    pub(crate) upgrade: Option<&'b [u8]>,
    /// Whether the client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
}

impl<'h, 'b> Request<'h, 'b> {
    /// Of a whole head, from its first byte to its empty line.
    ///
    /// # Errors
    /// When it is malformed, too large, or could be understood in two ways.
    pub(crate) fn parse(
        head: &'b [u8],
        fields_max: usize,
        room: &'h mut FieldRoom<'b>,
    ) -> Result<Self, Refusal> {
        let mut parsed = httparse::Request::new(&mut []);
        let room = &mut room.0[..fields_max.min(FIELDS_MAX)];
        match parsed.parse_with_uninit_headers(head, room) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Ok(_) => return Err(Refusal::bad("a head that ends where it should not")),
            Err(error) => return Err(refusal(error)),
        }
        let method = parsed.method.ok_or(Refusal::bad("no method"))?;
        let target = Target::parse(method, parsed.path.ok_or(Refusal::bad("no target"))?)?;
        let is_http_10 = parsed.version == Some(0);
        let facts = Facts::of(parsed.headers)?;
        let host = facts.host(is_http_10, target)?;
        let body = facts.body(is_http_10)?;
        Ok(Self {
            head,
            method,
            target,
            is_http_10,
            fields: parsed.headers,
            host,
            body,
            connection: facts.connection,
            upgrade: facts.upgrade.filter(|_| facts.upgrades == 1),
            expects_continue: facts.expects_continue && !is_http_10,
        })
    }

    /// Whether the client would send another request on its connection (RFC 9112 §9.3).
    pub(crate) fn persists(&self) -> bool {
        !self.is_http_10 && !self.connection.close
    }
}

fn refusal(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::TOO_MANY_FIELDS,
        httparse::Error::Version => Refusal::VERSION,
        httparse::Error::HeaderName => Refusal::bad("a malformed field name"),
        httparse::Error::HeaderValue => Refusal::bad("a malformed field value"),
        _ => Refusal::bad("a malformed head"),
    }
}

#[derive(Default)]
struct Facts<'b> {
    connection: ConnectionOptions,
    hosts: usize,
    host: Option<&'b [u8]>,
    length: Option<u64>,
    is_chunked: bool,
    upgrades: usize,
    upgrade: Option<&'b [u8]>,
    expects_continue: bool,
}

impl<'b> Facts<'b> {
    fn of(fields: &[Field<'b>]) -> Result<Self, Refusal> {
        let mut facts = Self::default();
        for field in fields {
            facts.add(field)?;
        }
        Ok(facts)
    }

    fn add(&mut self, field: &Field<'b>) -> Result<(), Refusal> {
        match Known::of(field.name) {
            Known::Connection => self.connection.add(field.value),
            Known::Host => {
                self.hosts += 1;
                self.host = Some(field.value);
            }
            Known::ContentLength => {
                let length = length_of(field.value).ok_or(Refusal::bad("a malformed Content-Length"))?;
                if self.length.replace(length).is_some() {
                    return Err(Refusal::bad("two Content-Length"));
                }
            }
            Known::TransferEncoding if self.is_chunked => return Err(Refusal::bad("two Transfer-Encoding")),
            Known::TransferEncoding if field.value.eq_ignore_ascii_case(b"chunked") => self.is_chunked = true,
            Known::TransferEncoding => return Err(Refusal::CODING),
            Known::Upgrade => {
                self.upgrades += 1;
                self.upgrade = Some(field.value);
            }
            Known::Expect if field.value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects_continue = true;
            }
            Known::Expect => return Err(Refusal::EXPECTATION),
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 §3.2: exactly one, but HTTP/1.0 may leave it out; and it says the same as an absolute target.
    fn host(&self, is_http_10: bool, target: Target<'_>) -> Result<Option<&'b [u8]>, Refusal> {
        match self.host {
            None if is_http_10 => return Ok(None),
            None => return Err(Refusal::bad("no Host")),
            Some(_) if self.hosts > 1 => return Err(Refusal::bad("two Host")),
            Some(host) if !is_host(host) => return Err(Refusal::bad("a malformed Host")),
            Some(_) => {}
        }
        let differs =
            |authority: &str| !self.host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_bytes()));
        match target.authority.is_some_and(differs) {
            true => Err(Refusal::bad("a Host that is not the target's")),
            false => Ok(self.host),
        }
    }

    /// RFC 9112 §6.1 and §6.3.
    fn body(&self, is_http_10: bool) -> Result<Body, Refusal> {
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            (true, None) if is_http_10 => Err(Refusal::bad("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(Body::Chunked(Chunks::START)),
            (false, length) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Result<Body, u16> {
        let mut room = FieldRoom::new();
        Request::parse(head.as_bytes(), 100, &mut room)
            .map(|request| request.body)
            .map_err(|refusal| refusal.status)
    }

    #[test]
    fn framing_is_one_of_three() {
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Body::NONE));
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"), Ok(Body::Length(7)));
        assert_eq!(
            status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"),
            Ok(Body::Chunked(Chunks::START))
        );
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        for (fields, expected) in [
            ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 400),
            ("Host: a\r\nContent-Length: 1, 1\r\n", 400),
            ("Host: a\r\nContent-Length: +1\r\n", 400),
            ("Host: a\r\nContent-Length:\r\n", 400),
            ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
            ("Host: a\r\nTransfer-Encoding: xchunked\r\n", 501),
            ("Host: a\r\nTransfer-Encoding:\x0bchunked\r\n", 400),
            ("Host: a\r\nTransfer-Encoding : chunked\r\n", 400),
            ("Host: a\r\nX: a\r\n b\r\n", 400),
            ("Host: a\r\n X: a\r\n", 400),
            ("Host: a\r\nX: a\rb\r\n", 400),
            ("Host: a\r\nX: a\0b\r\n", 400),
            ("Host: a\r\nX\r\n", 400),
            ("", 400),
            ("Host: a\r\nHost: a\r\n", 400),
            ("Host: a, b\r\n", 400),
            ("Host: u@a\r\n", 400),
            ("Host: a\r\nExpect: 200-ok\r\n", 417),
        ] {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\n{fields}\r\n")), Err(expected), "{fields:?}");
        }
        assert_eq!(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
        assert_eq!(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Err(505));
        assert_eq!(status("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), Err(400));
        assert_eq!(status("GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Body::NONE));
        let many = "X: y\r\n".repeat(100);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), Err(431));
    }

    #[test]
    fn http_10_may_leave_out_its_host_and_does_not_persist() {
        let mut room = FieldRoom::new();
        let head = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let request = Request::parse(head, 100, &mut room).expect("it is fine");
        assert!(request.is_http_10 && request.host.is_none() && !request.persists());
    }
}
