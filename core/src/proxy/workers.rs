//! Those who serve, all from one socket: threads that have a runtime of their own each, or tasks on a runtime of the
//! caller's.
//!
//! One socket, not one per thread with SO_REUSEPORT: closing one of several would lose the connections that wait in it.

use std::io;
use std::net::{TcpListener as StdListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use crate::threads::without_signals;

use super::accept::{Accepted, Acceptor};
use super::door::{enter, watch_certificates};
use super::shared::{Phase, Worker};
use super::{BindError, ProxyOptions, ServeOn};

/// How many connections may wait to be accepted. The kernel takes its own limit if that is lower (listen(2)).
const BACKLOG: i32 = 4096;
/// How often idle connections to the application are looked through. Also keeps an earlier timer pending than those of
/// the requests, which spares a wake-up for each of them.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// One that serves. `ended` closes when its work is done, shortly before its thread ends.
pub(crate) struct Server {
    /// `None` for a task on somebody else's runtime.
    pub(super) thread: Option<JoinHandle<()>>,
    pub(super) ended: mpsc::Receiver<()>,
    /// Closes when it has let go of the listening socket.
    pub(super) deaf: mpsc::Receiver<()>,
}

/// Opens the listening socket.
pub(super) fn listen(options: &ProxyOptions) -> Result<StdListener, BindError> {
    let ProxyOptions { host, port, .. } = options;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses(options)? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(BindError::new(host, *port, failure))
}

/// What the host and the port of the options stand for.
pub(super) fn addresses(
    options: &ProxyOptions,
) -> Result<impl Iterator<Item = std::net::SocketAddr>, BindError> {
    let ProxyOptions { host, port, .. } = options;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    (bare, *port).to_socket_addrs().map_err(|source| BindError::UnknownHost { host: host.clone(), source })
}

fn listen_on(address: std::net::SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Linux hands it on to every accepted socket.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Starts one thread or task per worker.
pub(super) fn start(
    listener: &StdListener,
    serve_on: &ServeOn,
    workers: Vec<Arc<Worker>>,
) -> io::Result<Vec<Server>> {
    let mut servers = Vec::with_capacity(workers.len());
    for (number, worker) in workers.into_iter().enumerate() {
        let (alive, ended) = mpsc::channel(1);
        let (listens, deaf) = mpsc::channel(1);
        let work = Work { listener: listener.try_clone()?, worker, listens, _alive: alive };
        let thread = match serve_on {
            ServeOn::OwnThreads => Some(start_thread(number, work)?),
            ServeOn::Runtime(runtime) => start_task(runtime, work),
        };
        servers.push(Server { thread, ended, deaf });
    }
    Ok(servers)
}

fn start_thread(number: usize, work: Work) -> io::Result<JoinHandle<()>> {
    let runtime = without_signals(|| Builder::new_current_thread().enable_all().build())?;
    let run = move || {
        runtime.block_on(work.run());
        // A look-up of a name may still be under way on a thread of its own.
        runtime.shutdown_background();
    };
    // A new thread has the mask of the one that starts it.
    let builder = std::thread::Builder::new().name(format!("rollcore-proxy-{number}"));
    without_signals(|| builder.spawn(run))
}

/// Its connections become tasks of the same runtime, and end with it.
fn start_task(runtime: &Handle, work: Work) -> Option<JoinHandle<()>> {
    drop(runtime.spawn(work.run()));
    None
}

/// What one of them does, from its start to its end.
struct Work {
    listener: StdListener,
    worker: Arc<Worker>,
    listens: mpsc::Sender<()>,
    _alive: mpsc::Sender<()>,
}

impl Work {
    async fn run(self) {
        let Self { listener, worker, listens, _alive } = self;
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the proxy cannot watch its socket"),
        };
        tokio::spawn(watch_certificates(Arc::clone(&worker)));
        let connections = TaskTracker::new();
        serve_until_closing(&listener, &worker, &connections).await;
        let handed_over = *worker.shared.phase.borrow() == Phase::Leaving { handover: true };
        match handed_over {
            true => drop(listener),
            false => take_waiting(listener, &worker, &connections),
        }
        drop(listens);
        until_gone(&worker, connections).await;
    }
}

/// What came last is not asked to close: it closes after its only request.
async fn until_gone(worker: &Worker, connections: TaskTracker) {
    connections.close();
    let mut phase = worker.shared.phase.subscribe();
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => worker.shared.clients.end(),
        () = connections.wait() => {}
    }
}

async fn serve_until_closing(listener: &TcpListener, worker: &Arc<Worker>, connections: &TaskTracker) {
    let mut phase = worker.shared.phase.subscribe();
    let mut closing = pin!(phase.wait_for(|phase| *phase != Phase::Serving));
    let mut acceptor = Acceptor::new(listener, worker);
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            phase = closing.as_mut() => {
                if phase.is_ok_and(|phase| !matches!(*phase, Phase::Leaving { .. })) {
                    worker.shared.clients.close();
                }
                return;
            }
            _ = sweep.tick() => worker.pool.sweep(),
            accepted = acceptor.next() => accepted.for_each(|accepted| enter(accepted, worker, false, connections)),
        }
    }
}

/// Whoever had connected before the end is still served, once, even beyond the limits; then the socket is closed.
fn take_waiting(listener: TcpListener, worker: &Arc<Worker>, connections: &TaskTracker) {
    // Asks the kernel itself: the runtime may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    // No more than fit into the queue: a socket that somebody else holds, too, may get new ones all the time.
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = listener.accept() else { return };
        let place = worker.shared.places.promised();
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            enter(Accepted { stream, peer, place }, worker, true, connections);
        }
    }
}
