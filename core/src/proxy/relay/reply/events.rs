//! A stream of events on its way: one that is asked to go ends after a whole event, with a proper end.
//!
//! Until then its bytes pass as they are. To end it, chunks of our own take over between two of the application's: its
//! chunk may be longer than the event.

use crate::proxy::machine::Events;
use crate::proxy::machine::wire::{Body, Piece, Response};

use super::super::buffer::Buffer;
use super::super::flight::Flight;
use super::{Framing, Reply};

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Where a stream of events is in them. With a Content-Length it cannot end early; what is compressed cannot be read.
pub(super) fn events_of(response: &Response<'_, '_>) -> Option<Events> {
    let may_end = !matches!(response.body, Body::Length(_)) && response.is_readable();
    (response.is_events && may_end).then_some(Events::START)
}

impl Reply {
    /// Whether it is a stream of events that can be ended early.
    pub(in super::super) fn is_stream(&self) -> bool {
        self.events.is_some()
    }

    /// New bytes have come.
    pub(super) fn take_events(&mut self, flight: &mut Flight<'_>) -> Result<(), ()> {
        match self.framing {
            Framing::Same => self.take_as_they_are(flight),
            Framing::AddChunks | Framing::RemoveChunks | Framing::OwnChunks => self.take_content(flight),
        }
    }

    /// Ends it if it was asked to go and nothing is half said.
    pub(super) fn end_if_asked(&mut self, flight: &mut Flight<'_>) -> Result<(), ()> {
        if self.events.is_none() || self.has_come() || !flight.account.is_to_go() {
            return Ok(());
        }
        if self.framing == Framing::Same && !self.take_over(flight) {
            return Ok(());
        }
        self.take_content(flight)?;
        if !self.has_come() && self.events.is_some_and(|events| events.is_between()) {
            self.end_early();
        }
        Ok(())
    }

    /// As they are; of a stream that is to go, no further than the end of a chunk.
    fn take_as_they_are(&mut self, flight: &mut Flight<'_>) -> Result<(), ()> {
        let is_to_go = flight.account.is_to_go();
        let (Some(answer), Some(events)) = (&mut flight.answer, &mut self.events) else { return Ok(()) };
        while self.ready < answer.filled().len() && !self.body.is_over() {
            let rest = &answer.filled()[self.ready..];
            let piece = self.body.next_piece(rest).map_err(|_| ())?;
            if let Piece::Content(len) = piece {
                events.pass(&rest[..len]);
                flight.account.bytes_out += len as u64;
            }
            self.ready += piece.len();
            if is_to_go && owed(&self.body).is_some() {
                break;
            }
        }
        if !is_to_go {
            self.join(answer);
        }
        Ok(())
    }

    /// From here on the framing is ours; `false` while a chunk is under way.
    fn take_over(&mut self, flight: &mut Flight<'_>) -> bool {
        let Some((owed, framing)) = owed(&self.body) else { return false };
        let front = self.front.get_or_insert_with(Buffer::new).bytes();
        if let Some(answer) = &mut flight.answer {
            front.extend_from_slice(&answer.filled()[..self.ready]);
            answer.consume(self.ready);
            self.ready = 0;
        }
        front.extend_from_slice(owed);
        self.framing = framing;
        true
    }

    /// The content, in our own framing; of a stream that is to go, no further than the end of an event.
    fn take_content(&mut self, flight: &mut Flight<'_>) -> Result<(), ()> {
        let is_to_go = flight.account.is_to_go();
        let (Some(answer), Some(events)) = (&mut flight.answer, &mut self.events) else { return Ok(()) };
        let front = self.front.get_or_insert_with(Buffer::new).bytes();
        while !answer.is_empty() && !self.body.is_over() {
            let piece = self.body.next_piece(answer.filled()).map_err(|_| ())?;
            if let Piece::Content(len) = piece {
                let content = &answer.filled()[..len];
                let end = if is_to_go { events.pass_to_end(content) } else { None };
                if !is_to_go {
                    events.pass(content);
                }
                let pass = end.unwrap_or(len);
                append(front, self.framing, &content[..pass]);
                flight.account.bytes_out += pass as u64;
                if end.is_some() {
                    flight.answer = None;
                    self.end_early();
                    return Ok(());
                }
            }
            answer.consume(piece.len());
        }
        if self.body.is_over() && self.framing == Framing::OwnChunks {
            front.extend_from_slice(LAST_CHUNK);
        }
        Ok(())
    }

    /// What the application still says goes nowhere, so its connection cannot be used again.
    fn end_early(&mut self) {
        self.has_ended = true;
        self.was_ended_early = true;
        self.persists = false;
        if matches!(self.framing, Framing::AddChunks | Framing::OwnChunks) {
            self.front.get_or_insert_with(Buffer::new).bytes().extend_from_slice(LAST_CHUNK);
        }
    }
}

/// What has to follow before the framing can be ours, and what that is then.
fn owed(body: &Body) -> Option<(&'static [u8], Framing)> {
    match body {
        Body::Chunked(chunks) => chunks.owed().map(|owed| (owed, Framing::OwnChunks)),
        Body::UntilClose => Some((b"", Framing::RemoveChunks)),
        Body::Length(_) => None,
    }
}

fn append(front: &mut Vec<u8>, framing: Framing, content: &[u8]) {
    let is_chunked = framing != Framing::RemoveChunks;
    if is_chunked && !content.is_empty() {
        front.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
        front.extend_from_slice(content);
        front.extend_from_slice(b"\r\n");
    } else {
        front.extend_from_slice(content);
    }
}
