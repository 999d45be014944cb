//! Bytes both ways, unread, until both sides have ended (compat C-101).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock;
use crate::proxy::record::Ending;
use crate::spec::ProxyLimits;

use super::account::Account;
use super::alarm::Alarm;
use super::buffer::{Buffer, poll_fill};
use super::flight::Flight;
use super::upstream::Upstream;

/// A tunnel that both sides have agreed to.
pub(super) struct Tunnel {
    upstream: Upstream,
    up: Lane,
    down: Lane,
    idle_timeout: Option<Duration>,
    half_close_timeout: Duration,
    /// Counted as a WebSocket until this is dropped.
    account: Account,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    buffer: Option<Buffer>,
    has_ended: bool,
    is_shut: bool,
    bytes: u64,
}

impl Tunnel {
    /// `front` goes to the client first, then what came together with the application's head.
    pub(super) fn new(
        upstream: Upstream,
        mut front: Buffer,
        flight: Box<Flight>,
        limits: &ProxyLimits,
    ) -> Self {
        if let Some(answer) = flight.answer {
            front.bytes().extend_from_slice(answer.filled());
        }
        Self {
            upstream,
            up: Lane { buffer: flight.input.filter(|early| !early.is_empty()), ..Lane::default() },
            down: Lane { buffer: Some(front), ..Lane::default() },
            idle_timeout: limits.tunnel_idle_timeout,
            half_close_timeout: limits.tunnel_half_close_timeout,
            account: flight.account,
        }
    }

    /// Relays until both sides have ended, one has failed, or nothing passes for too long: after the first end, or at all.
    pub(super) async fn run(
        mut self: Box<Self>,
        client: &mut (impl AsyncRead + AsyncWrite + Unpin),
        alarm: &mut Alarm,
    ) {
        alarm.set(None);
        let mut passed = 0;
        poll_fn(|cx| {
            let up = self.up.poll(cx, client, &mut self.upstream.stream);
            let down = self.down.poll(cx, &mut self.upstream.stream, client);
            let failed = |lane: &Poll<io::Result<()>>| matches!(lane, Poll::Ready(Err(_)));
            if failed(&up) || failed(&down) || (up.is_ready() && down.is_ready()) {
                return Poll::Ready(());
            }
            (self.account.bytes_in, self.account.bytes_out) = (self.up.bytes, self.down.bytes);
            let timeout = match up.is_ready() || down.is_ready() {
                true => Some(self.half_close_timeout),
                false => self.idle_timeout,
            };
            if passed != self.passed() {
                passed = self.passed();
                alarm.set(timeout.map(|timeout| clock::now() + timeout));
            }
            if alarm.is_due(cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.account.ending = Ending::Whole;
    }

    /// Changes with whatever happens.
    fn passed(&self) -> u64 {
        1 + self.up.bytes + self.down.bytes + u64::from(self.up.is_shut) + u64::from(self.down.is_shut)
    }
}

impl Lane {
    /// Ready when this direction has ended well.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(buffer) = self.buffer.as_mut().filter(|buffer| !buffer.is_empty()) {
                let written = ready!(buffer.poll_drain(cx, buffer.filled().len(), to))?;
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
            }
        }
    }
}
