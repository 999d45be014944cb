//! Who may still be answered while the door closes (compat C-146, C-182).

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::command::ControlCommand;
use super::reply::ControlReply;

/// Shared by the server and its connections.
#[derive(Debug)]
pub(super) struct Gate {
    phase: watch::Sender<Phase>,
    /// The last command, and where its answer goes.
    last: Mutex<Option<Last>>,
    /// Somebody waits to be let in: an idle connection may go.
    room_wanted: Notify,
}

/// The last command of a server.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) command: ControlCommand,
    answer: oneshot::Sender<LastAnswer>,
}

/// The last thing that a server says.
#[derive(Debug)]
pub(super) struct LastAnswer {
    pub(super) reply: ControlReply,
    /// What goes with it.
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Last {
    /// Whether the one who asked is still there to be answered.
    pub(super) fn answer(self, reply: ControlReply, descriptors: Vec<OwnedFd>) -> bool {
        self.answer.send(LastAnswer { reply, descriptors }).is_ok()
    }
}

/// One connection of a server, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionId(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connections are accepted, commands are carried out.
    Open,
    /// Everybody leaves, but one: the connection that gave the last command waits for its answer.
    Closing { answering: Option<ConnectionId> },
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Open), last: Mutex::new(None), room_wanted: Notify::new() }
    }

    /// Closes without an answer for anybody. Does nothing when it is closing already.
    pub(super) fn close(&self) {
        self.leave_open(Phase::Closing { answering: None });
    }

    /// Closes for everybody but `id`, who gets the answer to this command. `None` when it is closing already.
    pub(super) fn close_for(
        &self,
        id: ConnectionId,
        command: ControlCommand,
    ) -> Option<oneshot::Receiver<LastAnswer>> {
        let (answer, answered) = oneshot::channel();
        // Whoever sees the phase finds the command.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.leave_open(Phase::Closing { answering: Some(id) }).then(|| {
            *last = Some(Last { command, answer });
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

    /// The command that closed the gate.
    pub(super) fn take_last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
