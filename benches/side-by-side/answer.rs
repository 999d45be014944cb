//! Checks an answer while it comes in: its status, its framing and its length.

use std::fmt;

/// Longer heads than this are taken for something else.
const HEAD_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;

/// Why a request counts as failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    Connect(String),
    Io(String),
    /// The connection ended before the answer did.
    Closed,
    Status(u16),
    /// It came, and was not what was asked for.
    Wrong(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "connect: {error}"),
            Self::Io(error) => f.write_str(error),
            Self::Closed => f.write_str("closed before the end of the answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

enum At {
    Head,
    /// This many bytes are left.
    Sized(u64),
    Chunked(Chunk),
    End,
}

/// Where in a chunked body the next byte belongs.
enum Chunk {
    Size(u64),
    SizeLf(u64),
    Data(u64),
    /// After the data of a chunk, this many bytes of CRLF are left.
    DataEnd(u8),
    /// After the last chunk; trailers are not expected.
    LastEnd(u8),
}

/// An answer under way.
pub struct Answer {
    at: At,
    head: Vec<u8>,
    body: u64,
    status: u16,
}

impl Answer {
    pub fn new() -> Self {
        Self { at: At::Head, head: Vec::new(), body: 0, status: 0 }
    }

    /// For the next one on the same connection.
    pub fn reset(&mut self) {
        *self = Self { head: std::mem::take(&mut self.head), ..Self::new() };
        self.head.clear();
    }

    /// The length of the body so far.
    pub fn body(&self) -> u64 {
        self.body
    }

    /// Takes what came, and says whether the answer is complete.
    ///
    /// # Errors
    /// When it is not what was expected, or more came than belongs to it.
    pub fn take(&mut self, mut bytes: &[u8], expected_status: u16) -> Result<bool, Failure> {
        while !bytes.is_empty() {
            bytes = match &mut self.at {
                At::Head => self.take_head(bytes, expected_status)?,
                At::Sized(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    self.body += taken as u64;
                    if *left == 0 {
                        self.at = At::End;
                    }
                    &bytes[taken..]
                }
                At::Chunked(_) => self.take_chunked(bytes)?,
                At::End => return Err(Failure::Wrong("more bytes than the answer has")),
            };
        }
        Ok(matches!(self.at, At::End))
    }

    fn take_head<'b>(&mut self, bytes: &'b [u8], expected_status: u16) -> Result<&'b [u8], Failure> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(&self.head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.head.len() < HEAD_MAX => return Ok(&[]),
            _ => return Err(Failure::Wrong("no HTTP")),
        };
        self.status = response.code.unwrap_or_default();
        if self.status != expected_status {
            return Err(Failure::Status(self.status));
        }
        self.at = framing(self.status, response.headers)?;
        Ok(&bytes[length - before..])
    }

    fn take_chunked<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Failure> {
        let At::Chunked(chunk) = &mut self.at else { return Ok(bytes) };
        let (first, rest) = bytes.split_first().expect("only called with bytes");
        let next = match (&*chunk, *first) {
            (Chunk::Size(size), b'\r') => Chunk::SizeLf(*size),
            (Chunk::Size(size), digit) => {
                let digit = char::from(digit).to_digit(16).ok_or(Failure::Wrong("a bad chunk size"))?;
                Chunk::Size(size * 16 + u64::from(digit))
            }
            (Chunk::SizeLf(0), b'\n') => Chunk::LastEnd(2),
            (Chunk::SizeLf(size), b'\n') => Chunk::Data(*size),
            (Chunk::Data(left), _) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                self.body += taken as u64;
                *chunk = match *left - taken as u64 {
                    0 => Chunk::DataEnd(2),
                    left => Chunk::Data(left),
                };
                return Ok(&bytes[taken..]);
            }
            (Chunk::DataEnd(2), b'\r') => Chunk::DataEnd(1),
            (Chunk::DataEnd(1), b'\n') => Chunk::Size(0),
            (Chunk::LastEnd(2), b'\r') => Chunk::LastEnd(1),
            (Chunk::LastEnd(1), b'\n') => {
                self.at = At::End;
                return Ok(rest);
            }
            _ => return Err(Failure::Wrong("a bad chunk")),
        };
        *chunk = next;
        Ok(rest)
    }
}

fn framing(status: u16, fields: &[httparse::Header<'_>]) -> Result<At, Failure> {
    if status == 101 {
        return Ok(At::End);
    }
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            return match length.ok_or(Failure::Wrong("a bad length"))? {
                0 => Ok(At::End),
                length => Ok(At::Sized(length)),
            };
        }
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(At::Chunked(Chunk::Size(0)));
        }
    }
    Err(Failure::Wrong("neither a length nor chunks"))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Failure};

    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";

    /// However it is cut, it is complete with its last byte and not before.
    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        for (bytes, body) in [(SIZED, 5), (CHUNKED, 19)] {
            for cut in 1..bytes.len() {
                let mut answer = Answer::new();
                assert_eq!(answer.take(&bytes[..cut], 200), Ok(false), "{cut}");
                assert_eq!(answer.take(&bytes[cut..], 200), Ok(true), "{cut}");
                assert_eq!(answer.body(), body);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_a_failure() {
        let of = |bytes: &[u8]| Answer::new().take(bytes, 200);
        assert_eq!(of(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), Err(Failure::Status(502)));
        assert!(matches!(of(b"HTTP/1.1 200 OK\r\n\r\n"), Err(Failure::Wrong(_))));
        assert!(matches!(of(&[SIZED, b"!"].concat()), Err(Failure::Wrong(_))));
        assert!(matches!(of(&[&CHUNKED[..55], b"zz"].concat()), Err(Failure::Wrong(_))));
    }
}
