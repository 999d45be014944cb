//! Switch traffic from one release to the next, and drain the old one.
//!
//! ```text
//!   client ──▶ workers ──▶ serve ──▶ forward ──▶ upstream (pool)
//!              accept      the seam    │ ticket
//!                                      ▼
//!                                    route ◀── switch_to: the old one becomes Draining
//! ```
//!
//! Nothing in this folder knows processes or ports: it gets addresses.

mod body;
mod client_io;
mod clients;
mod draining;
mod error;
mod forward;
pub(crate) mod machine;
mod options;
mod pool;
mod route;
mod serve;
mod shared;
mod tunnel;
mod upstream;
mod workers;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock;
use crate::id::Generation;
use crate::report::DrainReport;
use crate::spec::TrustedFronts;

use clients::lock;
pub use draining::Draining;
pub use error::{BindError, UpstreamError};
pub use options::{ErrorObserver, ProxyOptions};
pub use route::{Backend, Counts, Traffic};
use shared::{Phase, Shared};
use workers::WorkerThread;

/// An HTTP/1.1 reverse proxy that changes where requests go between two requests.
///
/// The release is chosen for each request when its head is there (compat C-88), so an idle keep-alive client belongs to
/// none, and a switch loses nothing: requests under way finish where they began. It serves on threads of its own, so a
/// busy host or a slow deploy touches no request.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use std::time::Duration;
/// use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TcpListener::bind("127.0.0.1:0")?;
/// let address = app.local_addr()?;
/// std::thread::spawn(move || {
///     let (mut connection, _) = app.accept()?;
///     let _ = connection.read(&mut [0; 1024])?;
///     connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
/// });
///
/// let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0))?;
/// assert!(proxy.switch_to(Traffic::to(Generation(1), [address])).is_none());
///
/// let mut client = TcpStream::connect(proxy.local_addr())?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("hello"));
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// runtime.block_on(async {
///     let old = proxy.switch_to(Traffic::none()).expect("there was a release");
///     let report = old.drained(Duration::from_secs(60)).await;
///     assert_eq!(report.requests_cut, 0);
///     proxy.close(Duration::from_secs(1)).await;
/// });
/// # Ok(())
/// # }
/// ```
///
/// Dropping it without [`close`](Self::close) ends it at once: connections are cut, and the threads end on their own
/// shortly after.
pub struct DrainingProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Mutex<Vec<WorkerThread>>,
}

impl DrainingProxy {
    /// Listens and serves; every request is answered with 503 until traffic is switched. A host given by name is looked
    /// up here, which may block.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the threads cannot be started.
    pub fn bind(options: ProxyOptions) -> Result<Self, BindError> {
        let listener = workers::listen(&options)?;
        let address =
            listener.local_addr().map_err(|source| BindError::new(&options.host, options.port, source))?;
        let shared = Shared::new(options);
        let proxy = Self { address, threads: Mutex::default(), shared };
        *lock(&proxy.threads) =
            workers::start(&listener, proxy.shared.workers()).map_err(BindError::Threads)?;
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Sends every request from now on to `traffic`, and returns the release that had it until now, if there was one.
    pub fn switch_to(&self, traffic: Traffic) -> Option<Draining> {
        self.shared.switch_to(traffic)
    }

    /// From now on new connections from `fronts`, and from nobody else, may say whose requests they bring.
    ///
    /// Of a trusted front's request `X-Forwarded-For` and `-Port` are continued, `-Host` is kept, and `-Proto` is passed
    /// on as it is: one value, which says how the client came. Of anybody else's they are replaced by what is seen here.
    pub fn trust(&self, fronts: TrustedFronts) {
        self.shared.trusted.store(Arc::new(fronts));
    }

    /// The release that requests go to.
    #[must_use]
    pub fn active(&self) -> Option<Generation> {
        self.shared.active.load().as_ref().map(|route| route.ledger.generation)
    }

    /// What is open of a release, active or draining (compat C-105).
    #[must_use]
    pub fn counts(&self, generation: Generation) -> Counts {
        self.shared.counts(generation)
    }

    /// Ends it: nothing new is accepted, idle clients are closed, requests under way and tunnels may finish within
    /// `budget`; what is left then is cut, and counted in the report. When this returns the socket is closed and the
    /// threads are gone. A second call returns at once with nothing to report. Needs a tokio runtime with time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the proxy closing without a budget; dropping the proxy then ends it.
    pub async fn close(&self, budget: Duration) -> DrainReport {
        let began = clock::now();
        let ledgers = self.shared.ledgers();
        let open_at_start = ledgers.iter().map(|ledger| ledger.counts().total()).sum();
        let (requests_before, tunnels_before) = cut_in(&ledgers);
        self.set_phase(Phase::Closing);
        let mut threads = std::mem::take(&mut *lock(&self.threads));

        if tokio::time::timeout(budget, all_ended(&mut threads)).await.is_err() {
            // Without a release first: what is cut must not find its route again.
            drop(self.shared.active.swap(None));
            for ledger in &ledgers {
                self.shared.clients.cut(ledger);
            }
            let idle_too = tokio::time::timeout(machine::CUT_TIMEOUT, all_idle(&ledgers));
            let _ = idle_too.await;
            self.set_phase(Phase::Ending);
            all_ended(&mut threads).await;
        }
        for WorkerThread { thread, .. } in threads {
            // Its last act was to say that it ends. A panic of a worker has been told by the panic itself.
            let _ = thread.join();
        }
        let (requests_cut, tunnels_cut) = cut_in(&ledgers);
        DrainReport {
            open_at_start,
            requests_cut: requests_cut - requests_before,
            tunnels_cut: tunnels_cut - tunnels_before,
            took: clock::now() - began,
        }
    }

    fn set_phase(&self, phase: Phase) {
        self.shared.phase.send_if_modified(|now| {
            let forward = (*now == Phase::Serving || phase == Phase::Ending) && *now != phase;
            if forward {
                *now = phase;
            }
            forward
        });
    }
}

async fn all_ended(threads: &mut [WorkerThread]) {
    for thread in threads {
        let _ = thread.ended.recv().await;
    }
}

async fn all_idle(ledgers: &[Arc<route::Ledger>]) {
    for ledger in ledgers {
        ledger.gone().await;
    }
}

fn cut_in(ledgers: &[Arc<route::Ledger>]) -> (u64, u64) {
    ledgers.iter().map(|ledger| ledger.cut()).fold((0, 0), |sum, cut| (sum.0 + cut.0, sum.1 + cut.1))
}

impl Drop for DrainingProxy {
    fn drop(&mut self) {
        self.set_phase(Phase::Ending);
    }
}

impl fmt::Debug for DrainingProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainingProxy")
            .field("address", &self.address)
            .field("active", &self.active())
            .finish()
    }
}
