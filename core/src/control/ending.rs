//! How a control server ends: closed, with a shutdown, or because somebody else takes over.

use std::io;
use std::os::fd::OwnedFd;

use serde_json::json;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::command::ControlCommand;
use super::file::SocketFile;
use super::gate::Last;
use super::reply::ControlReply;
use super::server::{ControlEnd, ControlNote, ServeControl};

/// The names of the sockets in the field `handover` of the answer to `retire-owner`, in the order of the descriptors.
pub(super) const PROXY_SOCKET: &str = "proxy";
pub(super) const CONTROL_SOCKET: &str = "control";

/// What is left of a server that takes no more commands.
pub(super) struct Ending<'a, S> {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
    pub(super) serve: &'a S,
    pub(super) connections: &'a mut JoinSet<()>,
}

impl<S: ServeControl> Ending<'_, S> {
    pub(super) fn close(self) -> ControlEnd {
        drop(self.listener);
        drop(self.file);
        ControlEnd::Closed
    }

    /// The socket is gone before anything is stopped (C-146).
    pub(super) async fn shut_down(self, last: Last) -> ControlEnd {
        drop(self.listener);
        let removed = self.file.remove();
        others_go(self.connections).await;
        let reply = with_file_removed(self.serve.handle(last.command.clone()).await, removed);
        tell(self.serve, &reply);
        // Whoever asked may be gone.
        let _ = last.answer(reply, Vec::new());
        ControlEnd::ShutDown
    }

    /// Compat C-165. A socket that is handed over stays open, so that whoever connects meanwhile waits for the next one.
    pub(super) async fn retire(self, last: Last) -> ControlEnd {
        let Self { listener, file, serve, connections } = self;
        let handover = matches!(last.command, ControlCommand::RetireOwner { handover: true, .. });
        let listener = listener.into_std().ok().filter(|_| handover);
        others_go(connections).await;
        let reply = serve.handle(last.command.clone()).await;
        match listener.filter(|_| reply.error().is_none()) {
            Some(listener) => hand_over(serve, reply, listener.into(), file, last),
            None => {
                let reply = with_file_removed(reply, file.remove());
                tell(serve, &reply);
                let _ = last.answer(reply, Vec::new());
            }
        }
        ControlEnd::Retired
    }
}

/// The file is removed only when nobody is there who goes on with it.
fn hand_over(serve: &impl ServeControl, reply: ControlReply, control: OwnedFd, file: SocketFile, last: Last) {
    let proxy = serve.hand_over().map(|proxy| (PROXY_SOCKET, proxy));
    let (names, sockets): (Vec<_>, Vec<_>) = proxy.into_iter().chain([(CONTROL_SOCKET, control)]).unzip();
    if last.answer(reply.with_field("handover", json!(names)), sockets) {
        file.leave();
    }
}

async fn others_go(connections: &mut JoinSet<()>) {
    while connections.len() > 1 {
        connections.join_next().await;
    }
}

fn with_file_removed(reply: ControlReply, removed: io::Result<()>) -> ControlReply {
    match removed {
        Ok(()) => reply,
        Err(error) => reply.with_problem(format!("control socket unlink failed: {error}")),
    }
}

fn tell(serve: &impl ServeControl, reply: &ControlReply) {
    if let Some(error) = reply.error() {
        serve.note(ControlNote::CommandFailed { error });
    }
}
