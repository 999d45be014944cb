//! How clients come in.
//!
//! ```text
//!  a client connects ──▶ is there a place? ──no──▶ he waits in the socket's queue until somebody leaves; whoever has been
//!                              │ yes               idle for a second is asked to
//!                              ▼
//!                        accept ──no descriptor──▶ close idle connections to the application, pause, and look again;
//!                              │                   after a second he is turned away
//!                              │
//!                              ▼
//!                        has his address too many? ──yes──▶ turned away
//!                              │ no
//!                              ▼
//!                           served
//! ```

mod budget;
mod places;
mod room;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::Drain;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant as Alarm, sleep_until};

use crate::clock;
use crate::descriptors::{Reserve, descriptors_max, is_out_of_descriptors};

use super::machine::Shortage;
use super::relay::Pool;
use super::shared::{Shared, Worker};

pub use places::Admissions;
pub(crate) use places::{Place, Places};

/// How many clients are accepted in a row, before those that are there have their turn.
const ACCEPT_BATCH_MAX: usize = 16;

/// How many are turned away in a row when there are no descriptors.
const TURN_AWAY_BATCH_MAX: usize = 64;

/// Somebody who was let in.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
}

/// How many clients this process has descriptors for, as things are now.
pub(super) fn connections_possible() -> usize {
    budget::connections_max(descriptors_max())
}

/// Lets clients in, one per worker.
pub(super) struct Acceptor<'a> {
    listener: &'a TcpListener,
    shared: &'a Arc<Shared>,
    pool: &'a Pool,
    /// Let in, and not yet handed out.
    batch: Vec<Accepted>,
    shortage: Shortage,
    pause_until: Option<Alarm>,
    reserve: Reserve,
}

/// Why accepting stopped.
enum Stopped {
    /// Somebody came, or could not, or there is a pause.
    Turn,
    /// There is no place.
    Full,
}

impl<'a> Acceptor<'a> {
    pub(super) fn new(listener: &'a TcpListener, worker: &'a Worker) -> Self {
        Self {
            listener,
            shared: &worker.shared,
            pool: &worker.pool,
            batch: Vec::with_capacity(ACCEPT_BATCH_MAX),
            shortage: Shortage::default(),
            pause_until: None,
            reserve: Reserve::new(),
        }
    }

    /// Waits for somebody, and lets in whoever waits with him, up to [`ACCEPT_BATCH_MAX`]. May be nobody.
    ///
    /// # Cancel safety
    /// Nobody is lost.
    pub(super) async fn next(&mut self) -> Drain<'_, Accepted> {
        if let Some(until) = self.pause_until {
            sleep_until(until).await;
            self.pause_until = None;
        }
        if matches!(std::future::poll_fn(|cx| self.poll_batch(cx)).await, Stopped::Full) {
            room::room(self.shared, self.listener).await;
        }
        self.batch.drain(..)
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        for came in 0..ACCEPT_BATCH_MAX {
            // Taken before, because nobody can be put back.
            let Some(place) = self.shared.places.take(self.shared.connections_max()) else {
                return Poll::Ready(if came == 0 { Stopped::Full } else { Stopped::Turn });
            };
            match self.listener.poll_accept(cx) {
                Poll::Ready(Ok((stream, peer))) => self.let_in(stream, peer, place),
                Poll::Ready(Err(error)) if is_of_one_connection(&error) => {}
                Poll::Ready(Err(error)) => {
                    self.failed(&error);
                    return Poll::Ready(Stopped::Turn);
                }
                Poll::Pending if came == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Stopped::Turn)
    }

    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr, place: Place) {
        if self.shortage.is_on() {
            self.shortage.over();
            self.reserve.refill();
        }
        if let Some(place) = self.shared.place_of(place, peer.ip()) {
            self.batch.push(Accepted { stream, peer, place });
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let relief = self.shortage.failed(clock::now());
        let pause = relief.pause;
        tracing::warn!(%error, ?pause, "the proxy cannot accept for now");
        if is_out_of_descriptors(error) {
            self.pool.clear();
            if relief.turn_away {
                self.turn_away();
            }
        }
        self.pause_until = Some(clock::alarm(pause));
    }

    /// Accepts with the descriptor of the reserve, and closes.
    fn turn_away(&mut self) {
        if self.reserve.give_up() {
            let listener = SockRef::from(self.listener);
            for _ in 0..TURN_AWAY_BATCH_MAX {
                match listener.accept() {
                    Ok(client) => drop(client),
                    Err(error) if is_of_one_connection(&error) => continue,
                    Err(error) => {
                        // Nobody waits: whoever comes next may wait as long as these did.
                        if error.kind() == io::ErrorKind::WouldBlock {
                            self.shortage.over();
                        }
                        break;
                    }
                }
                self.shared.places.refused_by_shortage();
            }
        }
        self.reserve.refill();
    }
}

/// accept(2): errors of the connection that was to be accepted, not of the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
