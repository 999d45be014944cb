//! One client connection, from its accept to its end: request after request, and for most of its life nothing.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::proxy::clients::{Client, Order};
use crate::proxy::door::Peer;
use crate::proxy::shared::{KeptLimits, Worker};

use super::alarm::Alarm;
use super::buffer::{Buffer, poll_fill};
use super::client_stream::ClientStream;
use super::guest::Guest;
use super::moment;
use super::tunnel::Tunnel;

/// How long a client that connected while the proxy was closing may take to send its only request.
const LAST_HEAD_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a client whose request was answered before it had all come may go on sending. Without this the rest of its
/// request would meet a closed socket, and the reset that follows would destroy the answer on its way.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// A connected client.
pub(super) struct Connection<'c, S: ClientStream> {
    pub(super) stream: &'c mut S,
    pub(super) guest: &'c Guest,
    pub(super) alarm: Alarm,
    pub(super) limits: KeptLimits<'c>,
}

/// What comes after a request.
pub(super) enum Next<'c> {
    /// Another one.
    Request,
    /// The end.
    Close,
    /// The end, but the client is still sending.
    Linger,
    /// Bytes both ways.
    Tunnel(Box<Tunnel<'c>>),
}

/// Serves one client until its connection ends. Which release answers is decided for each request anew (compat C-88).
/// `held` is let go with the connection.
///
/// No `async fn`, and what the future has is lent and not moved, neither to another future nor to a variable of its own: there
/// would be room for it twice, and this is what an idle client costs.
pub(crate) fn serve_connection<S: ClientStream>(
    mut stream: S,
    peer: Peer,
    worker: Arc<Worker>,
    closing: bool,
    held: impl Send,
) -> impl Future<Output = ()> + Send {
    let guest = Guest::new(peer, worker, closing);
    async move {
        let mut connection = Connection {
            stream: &mut stream,
            guest: &guest,
            alarm: Alarm::new(),
            limits: guest.worker.shared.kept_limits(),
        };
        until_told(pin!(connection.run()), guest.client()).await;
        drop(connection);
        drop(stream);
        drop(guest);
        drop(held);
    }
}

/// Ends early when the client's request is to be cut, and counts that, or when everything ends.
fn until_told<'c>(
    mut run: Pin<&'c mut impl Future<Output = ()>>,
    client: &'c Client,
) -> impl Future<Output = ()> {
    let mut known: Option<Waker> = None;
    poll_fn(move |cx| {
        moment::turn_begins();
        if !known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            client.set_waker(cx.waker());
            known = Some(cx.waker().clone());
        }
        match client.take_order() {
            Some(Order::Cut(ledger)) => {
                ledger.count_cut(client.is_tunnel());
                Poll::Ready(())
            }
            Some(Order::End) => Poll::Ready(()),
            None => run.as_mut().poll(cx),
        }
    })
}

impl<'c, S: ClientStream> Connection<'c, S> {
    async fn run(&mut self) {
        let mut input = None;
        loop {
            if !self.request_begins(&mut input).await {
                return Box::pin(self.end()).await;
            }
            // Everything but the wait is in a box of its own, so that an idle client costs little.
            match Box::pin(self.exchange(&mut input)).await {
                Next::Request => {}
                Next::Close => return Box::pin(self.end()).await,
                Next::Linger => return Box::pin(self.linger()).await,
                Next::Tunnel(tunnel) => {
                    return Box::pin(tunnel.run(self.stream, &mut self.alarm)).await;
                }
            }
        }
    }

    /// Waits for the first byte of a request; `false` when none will come.
    fn request_begins(&mut self, input: &mut Option<Buffer>) -> impl Future<Output = bool> {
        let is_there = input.as_ref().is_some_and(|input| !input.is_empty());
        if !is_there {
            let timeout = match self.guest.is_last {
                true => LAST_HEAD_TIMEOUT,
                false => self.limits.load().idle_timeout,
            };
            self.alarm.set(Some(moment::now() + timeout));
        }
        poll_fn(move |cx| {
            if is_there {
                return Poll::Ready(true);
            }
            match poll_fill(input, cx, self.stream, 0) {
                Poll::Ready(read) => Poll::Ready(matches!(read, Ok(1..))),
                Poll::Pending if self.guest.client().is_asked_to_close() || self.alarm.is_due(cx) => {
                    Poll::Ready(false)
                }
                Poll::Pending => Poll::Pending,
            }
        })
    }

    /// Says that this is the end, to a client who has to hear it (RFC 8446 §6.1), unless the answer broke off.
    async fn end(&mut self) {
        if S::SAYS_ITS_END && !self.guest.client().is_close_delimited() {
            self.shut_down().await;
        }
    }

    async fn shut_down(&mut self) -> bool {
        self.alarm.set(Some(moment::now() + LINGER_TIMEOUT));
        poll_fn(|cx| match Pin::new(&mut *self.stream).poll_shutdown(cx) {
            Poll::Pending if !self.alarm.is_due(cx) => Poll::Pending,
            shut => Poll::Ready(matches!(shut, Poll::Ready(Ok(())))),
        })
        .await
    }

    /// Lets the client finish what it is sending.
    async fn linger(&mut self) {
        if self.shut_down().await {
            self.alarm.set(Some(moment::now() + LINGER_TIMEOUT));
            poll_fn(|cx| self.poll_linger(cx)).await;
        }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut rest = None;
            match poll_fill(&mut rest, cx, self.stream, 0) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.alarm.is_due(cx) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes all of it; `false` when the client is gone or takes nothing for too long.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> bool {
        let timeout = self.limits.load().client_stall_timeout;
        let mut is_set = false;
        poll_fn(|cx| {
            loop {
                // What is encrypted may lie in a buffer below us.
                let moved = match bytes.is_empty() {
                    true => Pin::new(&mut *self.stream).poll_flush(cx).map_ok(|()| 0),
                    false => Pin::new(&mut *self.stream).poll_write(cx, bytes),
                };
                match moved {
                    Poll::Ready(Ok(written @ 1..)) => {
                        bytes = &bytes[written..];
                        is_set = false;
                    }
                    Poll::Ready(result) => return Poll::Ready(result.is_ok() && bytes.is_empty()),
                    Poll::Pending => {
                        if !is_set {
                            self.alarm.set(Some(moment::now() + timeout));
                            is_set = true;
                        }
                        return if self.alarm.is_due(cx) { Poll::Ready(false) } else { Poll::Pending };
                    }
                }
            }
        })
        .await
    }
}

impl<S: ClientStream> Drop for Connection<'_, S> {
    fn drop(&mut self) {
        if self.guest.client().is_close_delimited() {
            self.stream.end_with_reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::proxy::accept::Place;

    /// What a small allocation is for the C library: a larger one takes four times as long, for each request.
    const SMALL_ALLOCATION_BYTES: usize = 1032;

    fn size_of_future<F>(_serve: impl FnOnce(TcpStream, Peer, Arc<Worker>, Place) -> F) -> usize {
        size_of::<F>()
    }

    /// The runtime's tasks come in steps of 128 bytes, and with what it adds the next step begins here. Optimized it is 8
    /// bytes less.
    #[test]
    fn an_idle_client_is_small() {
        let size = size_of_future(|stream, peer, worker, place| {
            serve_connection(stream, peer, worker, false, place)
        });
        assert!(size <= 408, "{size}");
    }

    fn size_of_exchange<'i, F>(
        _exchange: impl FnOnce(&'i mut Connection<'i, TcpStream>, &'i mut Option<Buffer>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_fits_into_a_small_allocation() {
        let size = size_of_exchange(Connection::exchange);
        assert!(size <= SMALL_ALLOCATION_BYTES, "{size}");
    }
}
