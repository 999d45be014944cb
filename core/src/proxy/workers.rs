//! The threads that serve: each has a runtime of its own, all accept from one socket.
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
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::threads::without_signals;

use super::relay::{Peer, serve_connection};
use super::shared::{Phase, Worker};
use super::{BindError, ProxyOptions};

/// How many connections may wait to be accepted. The kernel takes its own limit if that is lower (listen(2)).
const BACKLOG: i32 = 4096;
/// How long accepting pauses when there are no descriptors left: from the first to the longest pause.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(500);
/// How often idle connections to the application are looked through. Also keeps an earlier timer pending than those of
/// the requests, which spares a wake-up for each of them.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// A running thread. `ended` closes when its work is done, shortly before the thread ends.
pub(crate) struct WorkerThread {
    pub(super) thread: JoinHandle<()>,
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

/// Starts one thread per worker.
pub(super) fn start(listener: &StdListener, workers: Vec<Arc<Worker>>) -> io::Result<Vec<WorkerThread>> {
    let mut threads = Vec::with_capacity(workers.len());
    for (number, worker) in workers.into_iter().enumerate() {
        let listener = listener.try_clone()?;
        let (alive, ended) = mpsc::channel(1);
        let (listens, deaf) = mpsc::channel(1);
        let runtime = without_signals(|| Builder::new_current_thread().enable_all().build())?;
        let work = move || {
            let _alive = alive;
            runtime.block_on(run(listener, listens, worker));
            // A look-up of a name may still be under way on a thread of its own.
            runtime.shutdown_background();
        };
        // A new thread has the mask of the one that starts it.
        let builder = std::thread::Builder::new().name(format!("rollcore-proxy-{number}"));
        let thread = without_signals(|| builder.spawn(work))?;
        threads.push(WorkerThread { thread, ended, deaf });
    }
    Ok(threads)
}

async fn run(listener: StdListener, listens: mpsc::Sender<()>, worker: Arc<Worker>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the proxy cannot watch its socket"),
    };
    let mut connections = JoinSet::new();
    serve_until_closing(&listener, &worker, &mut connections).await;
    let handed_over = *worker.shared.phase.borrow() == Phase::Leaving { handover: true };
    match handed_over {
        true => drop(listener),
        false => take_waiting(listener, &worker, &mut connections),
    }
    drop(listens);
    // What came last is not asked to close: it closes after its only request.
    let mut phase = worker.shared.phase.subscribe();
    let mut ending = pin!(phase.wait_for(|phase| *phase == Phase::Ending));
    loop {
        tokio::select! {
            biased;
            _ = ending.as_mut() => return,
            next = connections.join_next() => if next.is_none() { return },
        }
    }
}

async fn serve_until_closing(listener: &TcpListener, worker: &Arc<Worker>, connections: &mut JoinSet<()>) {
    let mut phase = worker.shared.phase.subscribe();
    let mut closing = pin!(phase.wait_for(|phase| *phase != Phase::Serving));
    let mut accepting = pin!(accept_forever(listener, worker));
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
            Some(_) = connections.join_next() => {}
            (stream, peer, place) = accepting.as_mut() => {
                accepting.set(accept_forever(listener, worker));
                let worker = Arc::clone(worker);
                connections.spawn(async move {
                    serve_connection(stream, Peer::from(peer), worker, false).await;
                    drop(place);
                });
            }
        }
    }
}

type Accepted = (TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, however long it takes: out of descriptors is a pause, not an end.
async fn accept_forever(listener: &TcpListener, worker: &Worker) -> Accepted {
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        let place = Arc::clone(&worker.shared.places).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "the proxy cannot accept for now");
                drop(place);
                sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// accept(2): errors of the connection that was to be accepted, not of the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Whoever had connected before the end is still served, once; then the socket is closed.
fn take_waiting(listener: TcpListener, worker: &Arc<Worker>, connections: &mut JoinSet<()>) {
    // Asks the kernel itself: the runtime may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            connections.spawn(serve_connection(stream, Peer::from(peer), Arc::clone(worker), true));
        }
    }
}
