//! What happens while every place is taken.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::clock;

use super::super::machine::{Crowded, QUIET_MIN, asked_at_once};
use super::super::shared::Shared;

/// Waits until there may be a place. Clients who have been idle for a while are asked to make room for those who wait.
///
/// # Cancel safety
/// Nothing is lost.
pub(super) async fn room(shared: &Shared, listener: &TcpListener) {
    let pause = {
        let mut crowding = shared.clients.crowding();
        match crowding.full(somebody_waits(listener), clock::now()) {
            Crowded::Look => {
                shared.clients.note_who_is_quiet();
                QUIET_MIN
            }
            Crowded::Wait(pause) => pause,
            Crowded::Ask => {
                if shared.clients.ask_quiet_to_close(asked_at_once(shared.connections_max())) == 0 {
                    crowding.exhausted();
                }
                QUIET_MIN
            }
        }
    };
    // Time is up, or there is a place: whoever waits here looks again.
    let _ = timeout(pause, shared.places.room(|| shared.connections_max())).await;
}

/// Whether somebody has connected and is not accepted yet. Asks the kernel, which is a system call, for once.
fn somebody_waits(listener: &TcpListener) -> bool {
    let mut waits = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut waits, PollTimeout::ZERO), Ok(1..))
}
