//! How much of what comes is the body of the message at hand (RFC 9112 §6.3).

use super::{BadChunk, Chunks, Piece};

/// The rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes; none at all when it is 0.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection ends.
    UntilClose,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyPart {
    /// How many of them belong to the body.
    pub(crate) len: usize,
    /// How many of those are content and not framing.
    pub(crate) content: usize,
    /// Whether the body ends with them.
    pub(crate) ends: bool,
}

impl Body {
    /// No body.
    pub(crate) const NONE: Self = Self::Length(0);

    /// Whether nothing more of it comes.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over(),
            Self::UntilClose => false,
        }
    }

    /// How many of the next bytes belong to it; it goes on after those.
    ///
    /// # Errors
    /// When chunks are malformed. Nothing that follows can be understood.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<BodyPart, BadChunk> {
        match self {
            Self::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= len as u64;
                Ok(BodyPart { len, content: len, ends: *left == 0 })
            }
            Self::Chunked(chunks) => {
                let (mut len, mut content) = (0, 0);
                while len < bytes.len() && !chunks.is_over() {
                    let piece = chunks.next(&bytes[len..])?;
                    len += piece.len();
                    if let Piece::Content(bytes) = piece {
                        content += bytes;
                    }
                }
                Ok(BodyPart { len, content, ends: chunks.is_over() })
            }
            Self::UntilClose => Ok(BodyPart { len: bytes.len(), content: bytes.len(), ends: false }),
        }
    }

    /// The next bytes as pieces of content and of framing, for whoever needs the content itself.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn next_piece(&mut self, bytes: &[u8]) -> Result<Piece, BadChunk> {
        match self {
            Self::Chunked(chunks) => chunks.next(bytes),
            Self::Length(_) | Self::UntilClose => Ok(Piece::Content(self.take(bytes)?.len)),
        }
    }
}
