//! Who may still be answered while the door closes (compat C-146, C-182).

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::reply::ControlReply;

/// Shared by the server and its connections.
#[derive(Debug)]
pub(super) struct Gate {
    phase: watch::Sender<Phase>,
    /// Where the answer to `shutdown` goes.
    answer: Mutex<Option<oneshot::Sender<ControlReply>>>,
    /// Somebody waits to be let in: an idle connection may go.
    room_wanted: Notify,
}

/// One connection of a server, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionId(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connections are accepted, commands are carried out.
    Open,
    /// Everybody leaves, but one: the connection that asked for the shutdown waits for its answer.
    Closing { answering: Option<ConnectionId> },
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Open), answer: Mutex::new(None), room_wanted: Notify::new() }
    }

    /// Closes without an answer for anybody. Does nothing when it is closing already.
    pub(super) fn close(&self) {
        self.leave_open(Phase::Closing { answering: None });
    }

    /// Closes for everybody but `id`, who gets the answer. `None` when it is closing already.
    pub(super) fn close_for_shutdown(&self, id: ConnectionId) -> Option<oneshot::Receiver<ControlReply>> {
        let (answer, answered) = oneshot::channel();
        self.leave_open(Phase::Closing { answering: Some(id) }).then(|| {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            answered
        })
    }

    fn leave_open(&self, closing: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let is_open = *phase == Phase::Open;
            if is_open {
                *phase = closing;
            }
            is_open
        })
    }

    /// Waits until the gate closes; tells who is still answered.
    pub(super) async fn closing(&self) -> Option<ConnectionId> {
        let mut phase = self.phase.subscribe();
        let closing = phase.wait_for(|phase| *phase != Phase::Open).await;
        match closing.as_deref() {
            Ok(Phase::Closing { answering }) => *answering,
            Ok(Phase::Open) | Err(_) => None,
        }
    }

    /// Waits until `id` has to leave.
    pub(super) async fn closed_for(&self, id: ConnectionId) {
        if self.closing().await == Some(id) {
            std::future::pending::<()>().await;
        }
    }

    /// Asks the connection that has been idle longest to go; the next one to become idle, if none is.
    pub(super) fn ask_for_room(&self) {
        self.room_wanted.notify_one();
    }

    /// Takes the question back: a connection that becomes idle later may stay.
    pub(super) fn found_room(&self) {
        let unanswered = std::pin::pin!(self.room_wanted.notified());
        // A question that nobody heard yet is answered here, and so forgotten.
        unanswered.enable();
    }

    /// Waits until this connection is asked to go.
    pub(super) async fn room_wanted(&self) {
        self.room_wanted.notified().await;
    }

    /// Hands the answer to the connection that asked for the shutdown; it may be gone by now.
    pub(super) fn answer(&self, reply: ControlReply) {
        let waiting = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }
}
