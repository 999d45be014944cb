//! One request on its way: what the client sends goes up, until the answer's head has come.
//!
//! ```text
//!   client ──▶ input ──▶ out (head, and a body small enough to be kept) ──▶ upstream
//!                 └────────────── the rest of a long body ──────────────────▶
//! ```

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::proxy::error::errno_name;
use crate::proxy::machine::Sent;
use crate::proxy::machine::wire::{Body, HeadEnd, Refusal};
use crate::spec::ProxyLimits;
use crate::time::Instant;

use super::account::Account;
use super::alarm::Alarm;
use super::asked::Asked;
use super::buffer::{Buffer, Source, poll_fill};
use super::client_stream::ClientStream;
use super::moment;
use super::upstream::Upstream;

/// More than the socket of a client that never reads takes: Linux begins with 128 KiB (`net.ipv4.tcp_rmem`).
const CLIENT_SOCKET_BYTES: u64 = 256 * 1024;

/// A request, and what has come of it.
pub(super) struct Flight<'c> {
    pub(super) account: Account<'c>,
    pub(super) limits: Arc<ProxyLimits>,
    pub(super) times: Times,
    /// What the client has sent and is not on its way yet; after the body, the begin of its next request.
    pub(super) input: Option<Buffer>,
    /// The head for the application, and its body as far as it is kept.
    pub(super) out: Buffer,
    pub(super) out_sent: usize,
    /// What is still to come of the body.
    pub(super) body: Body,
    /// So many bytes of `input` belong to the body.
    pub(super) body_ready: usize,
    /// How much `out` may hold; no body is kept beyond that.
    pub(super) kept_max: usize,
    /// Whether `out` holds all that was sent.
    pub(super) is_kept: bool,
    /// What the application has sent and is not on its way yet.
    pub(super) answer: Option<Buffer>,
    pub(super) half_closed: HalfClosed,
}

/// What is running out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The end of `request_timeout`.
    pub(super) total: Option<Instant>,
    /// The application is waited for since.
    upstream: Option<Instant>,
    /// The client is waited for since.
    client: Option<Instant>,
}

/// What has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// The application has been silent for too long, or the whole took too long.
    Answer,
    /// The client has neither sent nor taken anything for too long, or is gone.
    Client,
}

impl Times {
    pub(super) fn new(limits: &ProxyLimits, began: Instant) -> Self {
        Self { total: limits.request_timeout.map(|timeout| began + timeout), upstream: None, client: None }
    }

    /// The application has sent something, or has to send nothing yet.
    pub(super) fn upstream_moved(&mut self) {
        self.upstream = None;
    }

    /// The application is waited for, for so long.
    fn upstream_awaited(&mut self, limit: Option<Duration>) {
        if let (Some(limit), None) = (limit, self.upstream) {
            self.upstream = Some(moment::now() + limit);
        }
    }

    /// The client has sent or taken something.
    pub(super) fn client_moved(&mut self) {
        self.client = None;
    }

    /// The client has to send or to take something.
    fn client_awaited(&mut self, limit: Duration) {
        if self.client.is_none() {
            self.client = Some(moment::now() + limit);
        }
    }

    /// What has run out, at this time.
    fn expired(&self, half_closed: Option<Instant>, now: Instant) -> Option<Expired> {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_over(self.client) || is_over(half_closed) {
            Some(Expired::Client)
        } else if is_over(self.total) || is_over(self.upstream) {
            Some(Expired::Answer)
        } else {
            None
        }
    }
}

/// Whether the client has closed its sending side, and how long it is still answered while it takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HalfClosed {
    No,
    Until(Instant),
}

/// How the wait for an answer ended.
#[derive(Debug)]
pub(super) enum Met {
    /// The head is in `answer`, and so long.
    Head(usize),
    /// The connection to the application ended.
    Died { answered: bool, message: String },
    /// The application sent something that is no head.
    Unreadable(&'static str),
    /// The client is gone, or its request broke off: there is nobody to answer.
    ClientGone,
    /// The request cannot be forwarded to its end.
    Refused(Refusal),
    /// Something has run out.
    Expired(Expired),
}

/// Why a request cannot be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    ClientGone,
    Refused(Refusal),
}

impl<'c> Flight<'c> {
    /// A request of which `input` has come.
    pub(super) fn new(account: Account<'c>, input: Buffer, limits: Arc<ProxyLimits>) -> Self {
        Self {
            times: Times::new(&limits, account.began),
            limits,
            account,
            input: Some(input),
            kept_max: 0,
            out: Buffer::none(),
            out_sent: 0,
            body: Body::NONE,
            body_ready: 0,
            is_kept: true,
            answer: None,
            half_closed: HalfClosed::No,
        }
    }

    /// Its head is understood: `out` is the one for the application, and the body begins in what has come.
    pub(super) fn departs(&mut self, out: Buffer, body: Body) {
        self.kept_max = out.filled().len() + self.limits.kept_body_bytes_max;
        self.out = out;
        self.body = body;
    }

    /// Whether the client has closed its sending side.
    pub(super) fn is_half_closed(&self) -> bool {
        self.half_closed != HalfClosed::No
    }

    /// Whether all of the request has come and is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.body.is_over() && self.body_ready == 0 && self.out_sent == self.out.filled().len()
    }

    /// Whether the client has sent all of its request.
    pub(super) fn has_come(&self) -> bool {
        self.body.is_over() && self.body_ready == 0
    }

    /// Whether the client has begun to send the body.
    pub(super) fn has_begun_to_come(&self) -> bool {
        self.account.bytes_in > 0 || self.input.as_ref().is_some_and(|input| !input.is_empty())
    }

    /// Whether the body is known to be too large before it has come.
    pub(super) fn announces_too_much(&self) -> bool {
        let max = self.limits.body_bytes_max;
        matches!(self.body, Body::Length(length) if max.is_some_and(|max| length > max))
    }

    /// Whether the connection can carry another request after this one.
    pub(super) fn leaves_reusable(&self, upstream: &Upstream) -> bool {
        self.is_sent() && !upstream.is_deaf()
    }

    /// Lets go of the head and of what was kept of the body, once nothing of it is needed any more: the answer may go on for
    /// long.
    pub(super) fn forget_request(&mut self) {
        if self.is_sent() && !self.out.is_empty() {
            if self.account.asked.is_empty() {
                self.account.asked = Asked::of(self.out.filled(), false);
            }
            self.out = Buffer::none();
            self.out_sent = 0;
        }
    }

    /// How much memory it takes while it waits.
    pub(super) fn bytes_held(&self) -> usize {
        self.out.filled().len() + self.input.as_ref().map_or(0, |input| input.filled().len())
    }

    /// To be sent again, on another connection.
    pub(super) fn begin_again(&mut self) {
        self.out_sent = 0;
        self.answer = None;
        self.times.upstream_moved();
    }

    /// What had been sent when a connection died.
    pub(super) fn sent(&self) -> Sent {
        match (self.out_sent, self.is_kept) {
            (0, _) => Sent::Nothing,
            (_, true) => Sent::Kept,
            (_, false) => Sent::Gone,
        }
    }

    /// Sends what there is. Ready never; an error when the rest cannot be sent.
    pub(super) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
        upstream: &mut Upstream,
    ) -> Result<(), Broken> {
        while !upstream.is_deaf() {
            if self.out_sent < self.out.filled().len() {
                match upstream.poll_write(cx, &self.out.filled()[self.out_sent..]) {
                    Poll::Ready(Some(written)) => self.out_sent += written,
                    Poll::Ready(None) | Poll::Pending => return Ok(()),
                }
            } else if let (Some(input), 1..) = (&mut self.input, self.body_ready) {
                match upstream.poll_write(cx, &input.filled()[..self.body_ready]) {
                    Poll::Ready(Some(written)) => {
                        self.is_kept = false;
                        self.body_ready -= written;
                        input.consume(written);
                    }
                    Poll::Ready(None) | Poll::Pending => return Ok(()),
                }
            } else if self.body.is_over() || !self.poll_body(cx, client)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes more of the body from the client; whether there was any.
    fn poll_body(&mut self, cx: &mut Context<'_>, client: &mut impl ClientStream) -> Result<bool, Broken> {
        if self.input.as_ref().is_none_or(Buffer::is_empty) {
            let left = if let Body::Length(left) = self.body { left } else { 0 };
            match poll_fill(&mut self.input, cx, client, left) {
                Poll::Ready(Ok(1..)) => self.times.client_moved(),
                Poll::Ready(_) => return Err(Broken::ClientGone),
                Poll::Pending => {
                    self.client_awaited();
                    return Ok(false);
                }
            }
        }
        self.take_body()?;
        Ok(true)
    }

    /// Finds out how much of the input belongs to the body, and keeps it if it is small.
    pub(super) fn take_body(&mut self) -> Result<(), Broken> {
        let Some(input) = &mut self.input else { return Ok(()) };
        if self.body.is_over() || self.body_ready > 0 {
            return Ok(());
        }
        let part =
            self.body.take(input.filled()).map_err(|_| Broken::Refused(Refusal::bad("malformed chunks")))?;
        self.account.bytes_in += part.content as u64;
        if self.limits.body_bytes_max.is_some_and(|max| self.account.bytes_in > max) {
            return Err(Broken::Refused(Refusal::BODY_TOO_LARGE));
        }
        if self.is_kept && self.out.filled().len() + part.len <= self.kept_max {
            self.out.bytes().extend_from_slice(&input.filled()[..part.len]);
            input.consume(part.len);
        } else {
            self.kept_max = 0;
            self.body_ready = part.len;
        }
        Ok(())
    }

    /// Notices a client that leaves while it has nothing to send.
    pub(super) fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
    ) -> Result<(), Broken> {
        let may_send_more =
            self.half_closed == HalfClosed::No && self.input.as_ref().is_none_or(Buffer::is_empty);
        if !may_send_more || !self.has_come() {
            return Ok(());
        }
        match poll_fill(&mut self.input, cx, client, 0) {
            Poll::Ready(Ok(0)) if !self.limits.half_close_timeout.is_zero() => {
                self.half_closed = HalfClosed::Until(moment::now() + self.limits.half_close_timeout);
                Ok(())
            }
            Poll::Ready(Ok(0) | Err(_)) => Err(Broken::ClientGone),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }

    /// What can be sent shows that the client may be there.
    pub(super) fn client_took(&mut self) {
        self.times.client_moved();
        if let HalfClosed::Until(until) = &mut self.half_closed {
            *until = moment::now() + self.limits.half_close_timeout;
        }
    }

    /// The application has to send something: the first byte of its answer, or more.
    pub(super) fn upstream_awaited(&mut self, is_first: bool) {
        let Self { limits, times, .. } = self;
        let limit =
            if is_first { limits.upstream_first_byte_timeout } else { limits.upstream_silence_timeout };
        times.upstream_awaited(limit);
    }

    /// The client has to send or to take something.
    pub(super) fn client_awaited(&mut self) {
        self.times.client_awaited(self.limits.client_stall_timeout);
    }

    /// Whether more has come for the client than lies in sockets when it takes nothing.
    pub(super) fn client_takes_it(&self) -> bool {
        self.account.bytes_out > u64::from(self.limits.client_unsent_bytes_max) + CLIENT_SOCKET_BYTES
    }

    /// Whether something has run out; else wakes when it does.
    pub(super) fn poll_times(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Option<Expired> {
        let half_closed = match self.half_closed {
            HalfClosed::No => None,
            HalfClosed::Until(until) => Some(until),
        };
        let Times { total, upstream, client } = self.times;
        alarm.set([total, upstream, client, half_closed].into_iter().flatten().min());
        if !alarm.is_due(cx) {
            return None;
        }
        self.times.expired(half_closed, moment::now())
    }

    /// Sends the request until the head of an answer has come.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl ClientStream,
        alarm: &mut Alarm,
        upstream: &mut Upstream,
        end: &mut HeadEnd,
    ) -> Poll<Met> {
        if let Err(broken) = self.poll_request(cx, client, upstream) {
            return Poll::Ready(broken.into());
        }
        let head_bytes_max = self.limits.head_bytes_max;
        let is_first = *end == HeadEnd::default();
        while self.answer.is_some() || upstream.stream.poll_stirs(cx).is_ready() {
            let answer = self.answer.get_or_insert_with(Buffer::new);
            match end.find(answer.filled()) {
                Ok(Some(len)) if len > head_bytes_max => {
                    return Poll::Ready(Met::Unreadable("the head is too large"));
                }
                Ok(Some(len)) => {
                    self.times.upstream_moved();
                    return Poll::Ready(Met::Head(len));
                }
                Ok(None) => {}
                Err(_) => return Poll::Ready(Met::Unreadable("a line without CR")),
            }
            if answer.filled().len() >= head_bytes_max || !answer.make_room(head_bytes_max) {
                return Poll::Ready(Met::Unreadable("the head is too large"));
            }
            match answer.poll_fill(cx, &mut upstream.stream) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(result) => {
                    let answered = !answer.is_empty();
                    return Poll::Ready(Met::Died { answered, message: end_of(&result) });
                }
                Poll::Pending => break,
            }
        }
        if self.answer.as_ref().is_some_and(Buffer::is_empty) {
            self.answer = None;
        }
        // Only now: when the answer is there it is of no interest.
        if let Err(broken) = self.poll_client(cx, client) {
            return Poll::Ready(broken.into());
        }
        if self.is_sent() || upstream.is_deaf() {
            self.upstream_awaited(is_first);
        }
        self.poll_times(cx, alarm).map_or(Poll::Pending, |expired| Poll::Ready(Met::Expired(expired)))
    }
}

/// An end in the words of compat C-91.
pub(super) fn end_of(result: &io::Result<usize>) -> String {
    match result {
        Err(error) if error.raw_os_error().is_some() => format!("read {}", errno_name(error)),
        _ => "socket hang up".to_owned(),
    }
}

impl From<Broken> for Met {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::ClientGone => Self::ClientGone,
            Broken::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
