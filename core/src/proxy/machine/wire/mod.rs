//! HTTP/1.1 as it is on the wire (RFC 9110, RFC 9112), more strictly than most read it: what two readers could understand
//! differently is refused. Pure: bytes in, facts out.
//!
//! ```text
//!   bytes ──▶ HeadEnd ──▶ Request / Response ──▶ Body: None, Length, Chunked, UntilClose
//!             where the    what the head says     how many of the next bytes are its body
//!             head ends
//! ```

mod body;
mod chunks;
mod connection;
mod end;
mod known;
mod number;
mod refusal;
mod request;
mod response;
mod target;

pub(crate) use body::Body;
pub(crate) use chunks::{BadChunk, Chunks, Piece};
pub(crate) use connection::ConnectionOptions;
pub(crate) use end::{HeadEnd, empty_lines};
pub(crate) use known::Known;
pub(crate) use number::{decimal, length_of};
pub(crate) use refusal::Refusal;
pub(crate) use request::{FieldRoom, Request};
pub(crate) use response::{Response, may_be_interim};
pub(crate) use target::Target;

/// A field as it came.
pub(crate) type Field<'b> = httparse::Header<'b>;
