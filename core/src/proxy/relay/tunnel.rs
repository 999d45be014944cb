//! Bytes both ways until both sides have ended (compat C-101).
//!
//! Of a WebSocket it is known where frames end, so that one that is asked to go can be told between two of them.

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use crate::clock;
use crate::proxy::holders::HolderKind;
use crate::proxy::machine::websocket::{Farewell, Next, close_for_application, close_for_client};
use crate::proxy::record::Ending;
use crate::time::Instant;

use super::account::Account;
use super::alarm::Alarm;
use super::asked::Asked;
use super::buffer::{Buffer, Source, poll_fill};
use super::client_stream::ClientStream;
use super::flight::Flight;
use super::upstream::Upstream;

/// A tunnel that both sides have agreed to.
pub(super) struct Tunnel<'c> {
    upstream: Upstream,
    up: Lane,
    down: Lane,
    idle_timeout: Option<Duration>,
    half_close_timeout: Duration,
    /// What passed last, and until when something has to pass again.
    passed: u64,
    quiet_until: Option<Instant>,
    /// `None` when what passes is no WebSocket.
    farewell: Option<Farewell>,
    is_asked_to_go: bool,
    /// Counted as a WebSocket until this is dropped.
    account: Account<'c>,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    buffer: Option<Buffer>,
    has_ended: bool,
    is_shut: bool,
    bytes: u64,
}

impl<'c> Tunnel<'c> {
    /// `front` goes to the client first, then what came together with the application's head.
    pub(super) fn new(
        upstream: Upstream,
        mut front: Buffer,
        mut flight: Flight<'c>,
        is_websocket: bool,
    ) -> Self {
        if flight.account.asked.is_empty() {
            flight.account.asked = Asked::of(flight.out.filled(), false);
        }
        flight.account.answers(101);
        flight.account.become_tunnel();
        let limits = &flight.limits;
        // Only a WebSocket speaks in frames of RFC 6455.
        let mut farewell = is_websocket.then(|| Farewell::new(limits.tunnel_close_timeout));
        let early = flight.input.filter(|early| !early.is_empty());
        if let Some(answer) = &flight.answer {
            front.bytes().extend_from_slice(answer.filled());
        }
        if let Some(farewell) = &mut farewell {
            let came = |buffer: &Option<Buffer>| buffer.as_ref().map_or(Vec::new(), |b| b.filled().to_vec());
            farewell.down(&came(&flight.answer), clock::now);
            farewell.up(&came(&early), clock::now);
        }
        Self {
            upstream,
            up: Lane { buffer: early, ..Lane::default() },
            down: Lane { buffer: Some(front), ..Lane::default() },
            idle_timeout: limits.tunnel_idle_timeout,
            half_close_timeout: limits.tunnel_half_close_timeout,
            passed: 0,
            quiet_until: None,
            farewell,
            is_asked_to_go: false,
            account: flight.account,
        }
    }

    /// Relays until both sides have ended, one has failed, or nothing passes for too long: after the first end, or at all.
    pub(super) async fn run(mut self: Box<Self>, stream: &mut impl ClientStream, alarm: &mut Alarm) {
        alarm.set(None);
        poll_fn(|cx| {
            let polled = self.poll(cx, stream, alarm);
            self.account.say_who(HolderKind::WebSocket, &[]);
            polled
        })
        .await;
        self.account.ending = Ending::Whole;
        if self.farewell.is_some_and(|farewell| farewell.is_said()) {
            self.account.count_ended();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut impl ClientStream, alarm: &mut Alarm) -> Poll<()> {
        if !self.is_asked_to_go && self.account.is_to_go() {
            self.is_asked_to_go = true;
            let next = self.farewell.as_mut().and_then(|farewell| farewell.tell(clock::now()));
            self.say(next);
        }
        loop {
            if self.poll_lanes(cx, stream).is_ready() {
                return Poll::Ready(());
            }
            alarm.set([self.quiet_until, self.farewell_timeout()].into_iter().flatten().min());
            if !alarm.is_due(cx) {
                return Poll::Pending;
            }
            let now = clock::now();
            if self.quiet_until.is_some_and(|until| until <= now) {
                return Poll::Ready(());
            }
            let next = self.farewell.as_mut().and_then(|farewell| farewell.time_up(now));
            if next == Some(Next::Close) {
                return Poll::Ready(());
            }
            self.say(next);
        }
    }

    /// Ready when both directions have ended, or one has failed.
    fn poll_lanes(&mut self, cx: &mut Context<'_>, stream: &mut impl ClientStream) -> Poll<()> {
        let farewell = &mut self.farewell;
        let up = self.up.poll(cx, stream, &mut self.upstream.stream, |came| {
            if let Some(farewell) = farewell {
                let pass = farewell.up(came.filled(), clock::now);
                came.keep(pass);
            }
        });
        let down = self.down.poll(cx, &mut self.upstream.stream, stream, |came| {
            if let Some(farewell) = farewell {
                let down = farewell.down(came.filled(), clock::now);
                came.keep(down.pass);
                if down.say_close {
                    came.bytes().extend(close_for_client());
                }
            }
        });
        let failed = |lane: &Poll<io::Result<()>>| matches!(lane, Poll::Ready(Err(_)));
        if failed(&up) || failed(&down) || (up.is_ready() && down.is_ready()) {
            return Poll::Ready(());
        }
        (self.account.bytes_in, self.account.bytes_out) = (self.up.bytes, self.down.bytes);
        let timeout = match up.is_ready() || down.is_ready() {
            true => Some(self.half_close_timeout),
            false => self.idle_timeout,
        };
        if self.passed != self.passed() {
            self.passed = self.passed();
            self.quiet_until = timeout.map(|timeout| clock::now() + timeout);
        }
        Poll::Pending
    }

    /// What is to be said when nothing passes.
    fn say(&mut self, next: Option<Next>) {
        match next {
            Some(Next::SayToClient) => self.down.append(&close_for_client()),
            Some(Next::SayToApplication) => self.up.append(&close_for_application(masking_key())),
            Some(Next::Close) | None => {}
        }
    }

    fn farewell_timeout(&self) -> Option<Instant> {
        self.farewell.as_ref().and_then(Farewell::next_timeout)
    }

    /// Changes with whatever happens.
    fn passed(&self) -> u64 {
        1 + self.up.bytes + self.down.bytes + u64::from(self.up.is_shut) + u64::from(self.down.is_shut)
    }
}

impl Lane {
    /// Ready when this direction has ended well. `came` sees what was read, and may change it.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
        to: &mut (impl AsyncWrite + Unpin),
        mut came: impl FnMut(&mut Buffer),
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(buffer) = self.buffer.as_mut().filter(|buffer| !buffer.is_empty()) {
                let written = ready!(buffer.poll_drain(buffer.filled().len(), |bytes| {
                    Pin::new(&mut *to).poll_write(cx, bytes)
                }))?;
                self.bytes += written as u64;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
            } else if self.is_shut {
                return Poll::Ready(Ok(()));
            } else if self.has_ended {
                self.buffer = None;
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.is_shut = true;
            } else {
                // What is encrypted may lie in a buffer below us.
                ready!(Pin::new(&mut *to).poll_flush(cx))?;
                self.has_ended = ready!(poll_fill(&mut self.buffer, cx, from, 0))? == 0;
                if let Some(buffer) = self.buffer.as_mut().filter(|buffer| !buffer.is_empty()) {
                    came(buffer);
                }
            }
        }
    }

    /// Behind what is still on its way.
    fn append(&mut self, bytes: &[u8]) {
        if !self.is_shut {
            self.buffer.get_or_insert_with(Buffer::new).bytes().extend_from_slice(bytes);
        }
    }
}

/// Nobody can foresee it: the keys of a `RandomState` come from the system's own dice (RFC 6455 §5.3).
fn masking_key() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    [a, b, c, d]
}
