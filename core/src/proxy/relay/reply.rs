//! The way of an answer to the client.

mod events;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::proxy::machine::fields::{Rewrite, write_response};
use crate::proxy::machine::wire::{Body, FieldRoom, Piece, Response, may_be_interim};
use crate::proxy::machine::{Events, idle_limit, is_switched};

use super::alarm::Alarm;
use super::buffer::{Buffer, poll_fill};
use super::client_stream::ClientStream;
use super::flight::{Expired, Flight, end_of};
use super::plan::Plan;
use super::upstream::Upstream;
use events::events_of;

/// An answer whose head has been read.
pub(super) struct Reply {
    /// What goes to the client first: the head when it is not the application's own, or content that was framed anew.
    front: Option<Buffer>,
    /// So many bytes of `answer` go to the client as they are.
    ready: usize,
    /// What is still to come of the body.
    body: Body,
    framing: Framing,
    /// Whether the application ended its connection, and the answer with it.
    has_ended: bool,
    /// Whether the client's connection ends with this answer.
    pub(super) closes: bool,
    /// Whether the client takes the end of its connection for the end of the answer.
    pub(super) is_close_delimited: bool,
    /// Whether the application's connection can carry another request, by its own word.
    pub(super) persists: bool,
    pub(super) status: u16,
    /// How long it may be idle then.
    pub(super) idle_limit: Duration,
    /// Where it is in its events, when it is a stream of them that can be ended early.
    events: Option<Events>,
    /// Whether it was asked to go, and ended after a whole event.
    pub(super) was_ended_early: bool,
}

/// How the client's framing differs from the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Not at all.
    Same,
    /// Chunks are made of what goes on until the end of the connection.
    AddChunks,
    /// The content of chunks (compat C-100).
    RemoveChunks,
    /// Other chunks than the application's, so that they can end elsewhere.
    OwnChunks,
}

/// How an answer begins.
pub(super) enum Begun {
    Reply(Reply),
    /// An upgrade was agreed to; this goes to the client first.
    Tunnel(Buffer),
}

/// How an answer ended.
#[derive(Debug)]
pub(super) enum ReplyEnd {
    Whole,
    /// The application ended it early, with these words of compat C-92.
    BrokeOff(String),
    ClientGone,
}

impl Reply {
    /// Understands the head at the begin of `answer`. `closes`: the client's connection is to end anyway.
    ///
    /// # Errors
    /// What is wrong with it, for the observer of errors.
    pub(super) fn begin(
        plan: &Plan,
        closes: bool,
        flight: &mut Flight<'_>,
        head: usize,
    ) -> Result<Begun, String> {
        let answer = flight.answer.as_mut().ok_or("no answer")?;
        let mut room = FieldRoom::new();
        let bytes = &answer.filled()[..head];
        let response = Response::parse(bytes, plan.to_head, flight.limits.head_fields_max, &mut room)
            .map_err(|bad| format!("Parse Error: {}", bad.0))?;
        if response.status == 101 {
            return tunnel(plan, &response).map(|front| {
                answer.consume(head);
                Begun::Tunnel(front)
            });
        }
        let framing = match response.body {
            Body::UntilClose if !plan.is_http_10 => Framing::AddChunks,
            Body::Chunked(_) if plan.is_http_10 => Framing::RemoveChunks,
            _ => Framing::Same,
        };
        // Compat C-101: an application that does not agree to an upgrade ends the connection.
        let closes = closes || !plan.persists || plan.upgrade.is_some();
        let rewrite = Rewrite {
            close: closes,
            add_chunks: framing == Framing::AddChunks,
            remove_chunks: framing == Framing::RemoveChunks,
        };
        let mut reply = Self {
            front: None,
            ready: 0,
            body: response.body,
            framing,
            has_ended: false,
            closes,
            is_close_delimited: plan.is_http_10 && !matches!(response.body, Body::Length(_)),
            persists: response.persists,
            status: response.status,
            idle_limit: idle_limit(flight.limits.upstream_idle_timeout, response.keep_alive),
            events: events_of(&response),
            was_ended_early: false,
        };
        if rewrite.is_verbatim(&response) {
            reply.ready = head;
        } else {
            let mut front = Buffer::new();
            write_response(front.bytes(), &response, rewrite, None);
            reply.front = Some(front);
            answer.consume(head);
        }
        reply.take(flight).map_err(|()| "Parse Error: malformed chunks".to_owned())?;
        Ok(Begun::Reply(reply))
    }

    /// What goes to the client when the head is that of an interim answer; `None` when it is not one.
    pub(super) fn interim(plan: &Plan, flight: &mut Flight<'_>, head: usize) -> Option<Option<Buffer>> {
        let answer = flight.answer.as_mut()?;
        let mut room = FieldRoom::new();
        let bytes = &answer.filled()[..head];
        if !may_be_interim(bytes) {
            return None;
        }
        let response = Response::parse(bytes, plan.to_head, flight.limits.head_fields_max, &mut room).ok()?;
        if !response.is_interim() {
            return None;
        }
        // 100 was ours to say (compat C-99), and HTTP/1.0 knows none of them (RFC 9110 §15.2).
        let passes = response.status != 100 && !plan.is_http_10;
        let front = passes.then(|| {
            let mut front = Buffer::new();
            write_response(front.bytes(), &response, Rewrite::default(), None);
            front
        });
        answer.consume(head);
        Some(front)
    }

    /// Whether all of it has come from the application.
    pub(super) fn has_come(&self) -> bool {
        self.body.is_over() || self.has_ended
    }

    /// Whether more has come than belongs to it.
    pub(super) fn has_surplus(&self, flight: &Flight<'_>) -> bool {
        flight.answer.as_ref().is_some_and(|answer| answer.filled().len() > self.ready)
    }

    /// Finds out what of the new bytes belongs to it.
    fn take(&mut self, flight: &mut Flight<'_>) -> Result<(), ()> {
        if self.events.is_some() {
            return self.take_events(flight);
        }
        let Some(answer) = &mut flight.answer else { return Ok(()) };
        match self.framing {
            Framing::Same => {
                let part = self.body.take(&answer.filled()[self.ready..]).map_err(|_| ())?;
                self.ready += part.len;
                flight.account.bytes_out += part.content as u64;
                self.join(answer);
            }
            Framing::AddChunks => {
                let front = self.front.get_or_insert_with(Buffer::new).bytes();
                flight.account.bytes_out += answer.filled().len() as u64;
                if !answer.is_empty() {
                    front.extend_from_slice(format!("{:x}\r\n", answer.filled().len()).as_bytes());
                    front.extend_from_slice(answer.filled());
                    front.extend_from_slice(b"\r\n");
                    answer.consume(answer.filled().len());
                }
            }
            Framing::RemoveChunks | Framing::OwnChunks => {
                let front = self.front.get_or_insert_with(Buffer::new).bytes();
                while !answer.is_empty() && !self.body.is_over() {
                    let piece = self.body.next_piece(answer.filled()).map_err(|_| ())?;
                    if let Piece::Content(len) = piece {
                        flight.account.bytes_out += len as u64;
                        front.extend_from_slice(&answer.filled()[..len]);
                    }
                    answer.consume(piece.len());
                }
            }
        }
        Ok(())
    }

    /// A short body leaves together with its head, in one write.
    fn join(&mut self, answer: &mut Buffer) {
        if let Some(front) = &mut self.front
            && front.has_room_for(self.ready)
        {
            front.bytes().extend_from_slice(&answer.filled()[..self.ready]);
            answer.consume(self.ready);
            self.ready = 0;
        }
    }

    /// Passes on what comes, until the end. `upstream` is gone when all has come.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
        alarm: &mut Alarm,
        flight: &mut Flight<'_>,
        upstream: &mut Option<Upstream>,
    ) -> Poll<ReplyEnd> {
        if let (Some(upstream), false) = (&mut *upstream, flight.is_sent())
            && flight.poll_request(cx, client, upstream).is_err()
        {
            return Poll::Ready(ReplyEnd::ClientGone);
        }
        if let Poll::Ready(end) = self.poll_pass(cx, client, flight, upstream) {
            return Poll::Ready(end);
        }
        if flight.poll_client(cx, client).is_err() {
            return Poll::Ready(ReplyEnd::ClientGone);
        }
        match flight.poll_times(cx, alarm) {
            None => Poll::Pending,
            Some(Expired::Client) => Poll::Ready(ReplyEnd::ClientGone),
            Some(Expired::Answer) => Poll::Ready(ReplyEnd::BrokeOff("the answer took too long".to_owned())),
        }
    }

    fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
        flight: &mut Flight<'_>,
        upstream: &mut Option<Upstream>,
    ) -> Poll<ReplyEnd> {
        loop {
            if self.end_if_asked(flight).is_err() {
                return Poll::Ready(ReplyEnd::BrokeOff("Parse Error: malformed chunks".to_owned()));
            }
            flight.account.set_finished(self.has_come());
            match self.poll_write(cx, client, flight) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(ReplyEnd::ClientGone),
                Poll::Pending => {
                    flight.account.set_finished(false);
                    flight.forget_request();
                    flight.client_awaited();
                    return Poll::Pending;
                }
            }
            let Some(from) = upstream.as_mut().filter(|_| !self.has_come()) else {
                return Poll::Ready(ReplyEnd::Whole);
            };
            let left = if let Body::Length(left) = self.body { left } else { 0 };
            match poll_fill(&mut flight.answer, cx, &mut from.stream, left) {
                Poll::Ready(Ok(1..)) => {
                    flight.times.upstream_moved();
                    if flight.client_takes_it() {
                        from.widen();
                    }
                }
                Poll::Ready(Ok(0)) if self.body == Body::UntilClose => self.end_with_connection(),
                Poll::Ready(result) => return Poll::Ready(ReplyEnd::BrokeOff(end_of(&result))),
                Poll::Pending => {
                    flight.forget_request();
                    flight.upstream_awaited(false);
                    return Poll::Pending;
                }
            }
            if self.take(flight).is_err() {
                return Poll::Ready(ReplyEnd::BrokeOff("Parse Error: malformed chunks".to_owned()));
            }
        }
    }

    fn end_with_connection(&mut self) {
        self.has_ended = true;
        if self.framing == Framing::AddChunks {
            self.front.get_or_insert_with(Buffer::new).bytes().extend_from_slice(b"0\r\n\r\n");
        }
    }

    /// Writes all that is ready.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
        flight: &mut Flight<'_>,
    ) -> Poll<Result<(), ()>> {
        loop {
            let written = if let Some(front) = self.front.as_mut().filter(|front| !front.is_empty()) {
                front.poll_drain(front.filled().len(), |bytes| client.poll_send(cx, bytes))
            } else if let (Some(answer), 1..) = (&mut flight.answer, self.ready) {
                let written = answer.poll_drain(self.ready, |bytes| client.poll_send(cx, bytes));
                if let Poll::Ready(Ok(written)) = written {
                    self.ready -= written;
                }
                written
            } else {
                self.front = None;
                // What is encrypted may lie in a buffer below us.
                return Pin::new(client).poll_flush(cx).map_err(|_| ());
            };
            match written {
                Poll::Ready(Ok(1..)) => flight.client_took(),
                Poll::Ready(_) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The head for a client whose upgrade was agreed to, if it was asked for and is the one that was asked for.
fn tunnel(plan: &Plan, response: &Response<'_, '_>) -> Result<Buffer, String> {
    let Some(asked) = &plan.upgrade else { return Err("unexpected 101 Switching Protocols".to_owned()) };
    let agreed = response.upgrade.filter(|agreed| is_switched(101, [*agreed], [&**asked]));
    let Some(agreed) = agreed else {
        return Err(format!("101 without Upgrade: {}", String::from_utf8_lossy(asked)));
    };
    let mut front = Buffer::new();
    write_response(front.bytes(), response, Rewrite::default(), Some(agreed));
    Ok(front)
}
