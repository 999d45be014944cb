//! What the relay does with the bytes of one message, one step per function, so that each can be timed.

use std::time::Duration;

use crate::proxy::machine::fields::{Hop, Rewrite, write_request, write_response};
use crate::proxy::machine::wire::{Body, Chunks, FieldRoom, HeadEnd, Known, Request, Response};
use crate::proxy::machine::{Idle, Reuse, may_reuse};

/// The default of `head_fields_max`.
const HEAD_FIELDS_MAX: usize = 100;

/// How long the head at the begin of `bytes` is; `None` when it is not whole or malformed.
#[must_use]
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    HeadEnd::default().find(bytes).ok().flatten()
}

/// Whether this is the head of a request that is served.
#[must_use]
pub fn read_request(head: &[u8]) -> bool {
    Request::parse(head, HEAD_FIELDS_MAX, &mut FieldRoom::new()).is_ok()
}

/// Reads the head of a request, and writes the one for the application: a stranger's, or one that a trusted front passes
/// on. Whether it is served.
pub fn pass_request(head: &[u8], is_front: bool, out: &mut Vec<u8>) -> bool {
    let mut room = FieldRoom::new();
    let Ok(request) = Request::parse(head, HEAD_FIELDS_MAX, &mut room) else { return false };
    let hop = Hop {
        address: b"192.0.2.7",
        is_front,
        is_tls: false,
        own_host: "127.0.0.1",
        request_id: b"0123456789abcdef0123456789abcdef",
    };
    write_request(out, &request, hop, None);
    true
}

/// Reads the head of a response, and writes the one for the client: as it came where that may be, unless the client is to
/// be told that its connection ends. Whether it is passed on.
pub fn pass_response(head: &[u8], close: bool, out: &mut Vec<u8>) -> bool {
    let mut room = FieldRoom::new();
    let Ok(response) = Response::parse(head, false, HEAD_FIELDS_MAX, &mut room) else { return false };
    let rewrite = Rewrite { close, ..Rewrite::default() };
    match rewrite.is_verbatim(&response) {
        true => out.extend_from_slice(head),
        false => write_response(out, &response, rewrite, None),
    }
    true
}

/// How many of `bytes` belong to the chunked body at their begin, and whether it ends there; `None` when it is malformed.
#[must_use]
pub fn scan_chunks(bytes: &[u8]) -> Option<(usize, bool)> {
    let part = Body::Chunked(Chunks::START).take(bytes).ok()?;
    Some((part.len, part.ends))
}

/// Whether a field of this name concerns one connection only.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    Known::of(name).is_hop_by_hop()
}

/// Whether a connection that has been idle for so long, of at most 4 s, may carry a request; `repeatable`: one that may be
/// sent again.
#[must_use]
pub fn may_carry(idle: Duration, served: u32, repeatable: bool) -> bool {
    may_reuse(Idle { idle, limit: Duration::from_secs(4), served }, repeatable) == Reuse::Yes
}
