//! Chunks (RFC 9112 §7.1): where each begins and ends. Nothing is copied.

/// How many bytes the extensions of one chunk may have. They mean nothing to anybody and cost.
const EXTENSION_BYTES_MAX: u16 = 1024;
/// How many bytes all trailer fields together may have.
const TRAILER_BYTES_MAX: u16 = 16 * 1024;

/// A place in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// What is left of the chunk, or what its size is so far.
    left: u64,
    /// Digits of a size, bytes of an extension, bytes of the trailers.
    count: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeEnd,
    Content,
    ContentReturn,
    ContentEnd,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Over,
}

/// Chunks that are not as they must be. Lenient readers disagree about such bodies, which is how requests are smuggled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes of framing.
    Framing(usize),
    /// So many bytes of content.
    Content(usize),
}

impl Piece {
    /// How many bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Framing(len) | Self::Content(len) => len,
        }
    }
}

impl Chunks {
    /// The begin of a body.
    pub(crate) const START: Self = Self { state: State::Size, left: 0, count: 0 };

    /// Whether the last chunk and its trailers have passed.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// What has to follow before somebody else may begin a chunk of his own here; `None` in the middle of one.
    pub(crate) fn owed(&self) -> Option<&'static [u8]> {
        match self.state {
            State::Size if self.count == 0 => Some(b""),
            State::ContentReturn => Some(b"\r\n"),
            State::ContentEnd => Some(b"\n"),
            _ => None,
        }
    }

    /// What the next bytes are, at least one of them; `bytes` is not empty and the body not over.
    ///
    /// # Errors
    /// When they are not as they must be.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Piece, BadChunk> {
        if self.state == State::Content {
            let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= len as u64;
            if self.left == 0 {
                self.state = State::ContentReturn;
            }
            return Ok(Piece::Content(len));
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.step(*byte)?;
            if matches!(self.state, State::Content | State::Over) {
                return Ok(Piece::Framing(at + 1));
            }
        }
        Ok(Piece::Framing(bytes.len()))
    }

    fn step(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.state = match (self.state, byte) {
            (State::Size, b'\r' | b';') if self.count == 0 => return Err(BadChunk),
            (State::Size, b'\r') => State::SizeEnd,
            (State::Size, b';') => {
                self.count = 0;
                State::Extension
            }
            (State::Size, digit) => return self.digit(digit),
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, byte) if is_text(byte) => return self.counted(EXTENSION_BYTES_MAX),
            (State::SizeEnd, b'\n') => {
                self.count = 0;
                if self.left == 0 { State::TrailerStart } else { State::Content }
            }
            (State::ContentReturn, b'\r') => State::ContentEnd,
            (State::ContentEnd, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::LastEnd,
            (State::TrailerStart, byte) if is_of_name(byte) => {
                self.state = State::TrailerName;
                return self.counted(TRAILER_BYTES_MAX);
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerName, byte) if is_of_name(byte) => return self.counted(TRAILER_BYTES_MAX),
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, byte) if is_text(byte) => return self.counted(TRAILER_BYTES_MAX),
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::LastEnd, b'\n') => State::Over,
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn digit(&mut self, digit: u8) -> Result<(), BadChunk> {
        let value = char::from(digit).to_digit(16).ok_or(BadChunk)?;
        if self.count == 16 {
            return Err(BadChunk);
        }
        self.left = self.left << 4 | u64::from(value);
        self.count += 1;
        Ok(())
    }

    fn counted(&mut self, max: u16) -> Result<(), BadChunk> {
        self.count += 1;
        if self.count > max { Err(BadChunk) } else { Ok(()) }
    }
}

/// RFC 9110 §5.5, obs-text included.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// RFC 9110 §5.6.2.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::machine::wire::body::{Body, BodyPart};

    fn content(mut bytes: &[u8]) -> Result<(Vec<u8>, usize), BadChunk> {
        let (mut chunks, mut found, all) = (Chunks::START, Vec::new(), bytes.len());
        while !chunks.is_over() && !bytes.is_empty() {
            let piece = chunks.next(bytes)?;
            if let Piece::Content(len) = piece {
                found.extend_from_slice(&bytes[..len]);
            }
            bytes = &bytes[piece.len()..];
        }
        if chunks.is_over() { Ok((found, all - bytes.len())) } else { Err(BadChunk) }
    }

    #[test]
    fn content_is_found_and_the_end_is_exact() {
        for (text, expected) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("5;a=\"b\r\r\nhello\r\n0\r\n\r\n", ""),
            ("5;a=b;c\r\nhello\r\n1\r\n!\r\n000\r\nTrailer: x\r\nB:\r\n\r\n", "hello!"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ] {
            if expected.is_empty() && text.len() > 5 {
                assert_eq!(content(text.as_bytes()), Err(BadChunk), "{text:?}");
                continue;
            }
            let with_rest = format!("{text}GET /");
            assert_eq!(
                content(with_rest.as_bytes()),
                Ok((expected.as_bytes().to_vec(), text.len())),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_readers_could_disagree_about_is_refused() {
        let sixteen_fs = "f".repeat(17);
        for text in [
            "\r\n",
            ";\r\n",
            " 5\r\nhello",
            "5 \r\nhello",
            "5\nhello",
            "5\rhello",
            "0x5\r\nhello",
            "+5\r\nhello",
            "-1\r\n",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "5\r\nhello\r0",
            "5\r\nhello0\r\n\r\n",
            "g\r\n",
            sixteen_fs.as_str(),
            "5;\n",
            "5;a\0\r\n",
            "0\r\n \r\n",
            "0\r\nA\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\n\n",
            "0\r\nA: \0\r\n\r\n",
        ] {
            assert_eq!(content(text.as_bytes()), Err(BadChunk), "{text:?}");
        }
        let extension = format!("1;{}\r\n", "x".repeat(2000));
        assert_eq!(content(extension.as_bytes()), Err(BadChunk));
        let trailer = format!("0\r\nA: {}\r\n\r\n", "x".repeat(17_000));
        assert_eq!(content(trailer.as_bytes()), Err(BadChunk));
    }

    #[test]
    fn any_split_finds_the_same() {
        let text = b"5;x\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\nrest";
        let whole = text.len() - 4;
        for cut in 0..text.len() {
            let mut body = Body::Chunked(Chunks::START);
            let first = body.take(&text[..cut]).expect("it is fine");
            let second = body.take(&text[cut..]).expect("it is fine");
            assert_eq!(first.len + second.len, whole, "{cut}");
            assert!(body.is_over());
        }
    }

    #[test]
    fn a_length_is_counted_down() {
        let mut body = Body::Length(5);
        assert_eq!(body.take(b"abc"), Ok(BodyPart { len: 3, content: 3, ends: false }));
        assert_eq!(body.take(b"defg"), Ok(BodyPart { len: 2, content: 2, ends: true }));
        assert!(body.is_over() && Body::NONE.is_over() && !Body::UntilClose.is_over());
    }
}
