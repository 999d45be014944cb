//! The side that answers.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

use super::bind_error::ControlBindError;
use super::command::ControlCommand;
use super::connection::Connection;
use super::ending::Ending;
use super::errno;
use super::file::SocketFile;
use super::gate::{ConnectionId, Gate};
use super::reply::ControlReply;
use super::socket;
use crate::descriptors::{Reserve, is_out_of_descriptors};
use crate::spec::ControlSpec;

/// How long to wait after an accept that failed, usually because even the descriptor that is kept for this is in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Somebody who carries commands out. The engine is one.
pub trait ServeControl: Send + Sync + 'static {
    /// Carries `command` out. Many are under way at once.
    ///
    /// [`ControlCommand::Shutdown`] comes at most once, when the socket is gone and every other connection is closed;
    /// its answer is the last thing the server says. So it is with [`ControlCommand::RetireOwner`], but that the socket is
    /// still there if it is handed over.
    ///
    /// # Cancel safety
    /// The future is dropped when its connection is, so what must go on has to go on by itself (compat C-124). That
    /// of these two is only dropped with the [`Serving`].
    fn handle(&self, command: ControlCommand) -> impl Future<Output = ControlReply> + Send;

    /// What is handed over beside the control socket. Asked once, after a [`ControlCommand::RetireOwner`] with `handover`
    /// was carried out; its name in the answer is `proxy`.
    fn hand_over(&self) -> Option<OwnedFd> {
        None
    }

    /// Something worth remembering happened on the socket. Must not block.
    fn note(&self, note: ControlNote<'_>) {
        let _ = note;
    }
}

/// Something worth remembering; see the event of the same name in compat §17.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlNote<'a> {
    /// Clients can connect.
    Listening {
        /// The socket.
        path: &'a Path,
    },
    /// A command was refused or failed.
    CommandFailed {
        /// What its sender was told.
        error: &'a str,
    },
    /// A connection broke (C-184).
    ConnectionFailed {
        /// Such as `ECONNRESET`.
        code: Option<String>,
        /// What the system said.
        error: String,
    },
}

/// How much of everything a control server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlLimits {
    /// The longest line, in bytes. Default 1 MiB. A longer one is refused and its connection closed.
    pub line_bytes_max: usize,
    /// How long a line may take from its first byte to its end. Default 10 s. A slower one is dropped, and its
    /// connection closed when everything before it is answered.
    pub line_timeout: Duration,
    /// How many clients are connected at once. Default 64. The next one takes the place of a connection that is idle,
    /// and waits while there is none.
    pub connections_max: usize,
    /// How many commands of one connection are under way at once. Default 32. Further lines are read when one of them
    /// is answered.
    pub in_flight_max: usize,
    /// How long a client may take to read an answer. Default 30 s. A slower one loses its connection.
    pub write_timeout: Duration,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: 1024 * 1024,
            line_timeout: Duration::from_secs(10),
            connections_max: 64,
            in_flight_max: 32,
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// A control socket that is bound: clients can connect, and wait.
///
/// Dropping it removes the socket, if it is still the one that was bound. See [`ControlClient`](crate::ControlClient)
/// for both sides at work.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    file: SocketFile,
    limits: ControlLimits,
    /// Whether the file's permissions let in nobody but its owner.
    is_private: bool,
}

impl ControlServer {
    /// Binds the socket: private before anyone can connect, and only where nothing of somebody else's is.
    ///
    /// A socket that nobody answers is replaced if it is ours (C-154).
    ///
    /// # Errors
    /// [`ControlBindError`]; nothing is left behind, and nothing of others was touched.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO and time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no socket of ours behind.
    pub async fn bind(spec: &ControlSpec) -> Result<Self, ControlBindError> {
        Ok(Self::over(socket::bind(spec).await?, spec))
    }

    /// Goes on with a socket that another server of the same path has handed over, see [`take_over`](crate::take_over):
    /// whoever has connected meanwhile is served. Permissions and owner become those of `spec`.
    ///
    /// # Errors
    /// [`ControlBindError`]; the socket is closed then, and its file stays.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO.
    pub fn adopt(
        spec: &ControlSpec,
        listener: std::os::unix::net::UnixListener,
    ) -> Result<Self, ControlBindError> {
        Ok(Self::over(socket::adopt(spec, listener)?, spec))
    }

    fn over((listener, file): (UnixListener, SocketFile), spec: &ControlSpec) -> Self {
        Self { listener, file, limits: ControlLimits::default(), is_private: spec.mode.is_none() }
    }

    /// Takes as much as `limits` say. A limit of zero counts as one.
    #[must_use]
    pub fn limits(mut self, limits: ControlLimits) -> Self {
        self.limits = ControlLimits {
            connections_max: limits.connections_max.max(1),
            in_flight_max: limits.in_flight_max.max(1),
            ..limits
        };
        self
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Answers clients from now on, in a task of its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO and time.
    #[must_use = "dropping it closes the socket"]
    pub fn serve(self, serve: impl ServeControl) -> Serving {
        let gate = Arc::new(Gate::new());
        let task = tokio::spawn(self.run(Arc::new(serve), Arc::clone(&gate)));
        Serving { gate, task, end: None }
    }

    async fn run<S: ServeControl>(self, serve: Arc<S>, gate: Arc<Gate>) -> ControlEnd {
        serve.note(ControlNote::Listening { path: self.file.path() });
        let mut connections = JoinSet::new();
        let answering = tokio::select! {
            biased;
            answering = gate.closing() => answering,
            never = self.accept_all(&serve, &gate, &mut connections) => match never {},
        };
        let Self { listener, file, .. } = self;
        let ending = Ending { listener, file, serve: serve.as_ref(), connections: &mut connections };
        let end = match gate.take_last().filter(|_| answering.is_some()) {
            None => ending.close(),
            Some(last) if last.command == ControlCommand::Shutdown => ending.shut_down(last).await,
            Some(last) => ending.retire(last).await,
        };
        while connections.join_next().await.is_some() {}
        end
    }

    async fn accept_all<S: ServeControl>(
        &self,
        serve: &Arc<S>,
        gate: &Arc<Gate>,
        connections: &mut JoinSet<()>,
    ) -> Infallible {
        let places = Arc::new(Semaphore::new(self.limits.connections_max));
        let mut reserve = Reserve::new();
        let mut id = 0;
        loop {
            let stream = tokio::select! {
                stream = self.accept(serve.as_ref(), &mut reserve) => stream,
                // Its descriptor is the reserve of the next one, if that was given up.
                Some(_) = connections.join_next() => {
                    reserve.refill();
                    continue;
                }
            };
            reserve.refill();
            let place = place(&places, gate).await;
            id += 1;
            let (gate, serve, limits) = (Arc::clone(gate), Arc::clone(serve), self.limits.clone());
            let connection = Connection::new(ConnectionId(id), stream, gate, serve, limits);
            connections.spawn(async move {
                connection.run().await;
                drop(place);
            });
        }
    }

    /// The reserve lets in one client when there is no descriptor left.
    async fn accept(&self, serve: &impl ServeControl, reserve: &mut Reserve) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match self.check_client(&stream) {
                    Ok(()) => return stream,
                    Err(error) => serve.note(ControlNote::ConnectionFailed {
                        code: errno::name(&error),
                        error: format!("a client was turned away: {error}"),
                    }),
                },
                Err(error) if is_out_of_descriptors(&error) && reserve.give_up() => {}
                Err(error) => {
                    tracing::warn!(%error, "control socket accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    reserve.refill();
                }
            }
        }
    }

    /// The permissions of the file decide (C-175). A socket for its owner alone asks the system once more, because
    /// some systems and some mounts do not look at the permissions of sockets.
    fn check_client(&self, stream: &UnixStream) -> io::Result<()> {
        let uid = stream.peer_cred()?.uid();
        let may =
            !self.is_private || uid == 0 || uid == Uid::effective().as_raw() || self.file.is_owned_by(uid);
        if may { Ok(()) } else { Err(io::Error::from_raw_os_error(nix::libc::EPERM)) }
    }
}

async fn place(places: &Arc<Semaphore>, gate: &Gate) -> OwnedSemaphorePermit {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return place;
    }
    gate.ask_for_room();
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore");
    gate.found_room();
    place
}

/// A control server at work. Dropping it closes every connection and removes the socket.
#[derive(Debug)]
pub struct Serving {
    gate: Arc<Gate>,
    task: JoinHandle<ControlEnd>,
    end: Option<ControlEnd>,
}

/// Why a control server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlEnd {
    /// A client asked for it: [`ControlCommand::Shutdown`] was carried out and answered.
    ShutDown,
    /// A client has taken over: [`ControlCommand::RetireOwner`] was answered, and what was begun goes on.
    Retired,
    /// [`Serving::close`] was called.
    Closed,
}

impl Serving {
    /// Removes the socket and closes every connection without an answer, but for one that waits for the answer to
    /// `shutdown`. Does not wait for it: see [`Serving::ended`].
    pub fn close(&self) {
        self.gate.close();
    }

    /// Waits until the socket and every connection are gone.
    ///
    /// # Cancel safety
    /// Nothing is lost; it may be called again, also after the end.
    pub async fn ended(&mut self) -> ControlEnd {
        if let Some(end) = self.end {
            return end;
        }
        let end = (&mut self.task).await.unwrap_or(ControlEnd::Closed);
        *self.end.insert(end)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
