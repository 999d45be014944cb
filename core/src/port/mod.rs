//! PortAllocator: leases ports that can be bound, each to one holder. SocketAllocator does the same with Unix sockets.
//!
//! `machine.rs` keeps the book, `probe.rs` tries; `socket.rs` makes up paths in the private directory of
//! `directory.rs`. Nothing here knows processes: whoever holds a [`Lease`] decides when
//! nothing can listen on its port any more.

mod directory;
pub(crate) mod machine;
mod probe;
mod socket;

use std::fmt;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spec::PortRange;

pub use socket::{SocketAllocator, SocketLease, SocketLeaseError};

use machine::{Batch, LeaseBook, Refusals, Search, judge};

/// After how many probes others get their turn.
const PROBES_AT_ONCE: u32 = 64;

/// How many ports the system may choose that somebody already holds, before there is none.
const EPHEMERAL_TRIES_MAX: usize = 64;

/// Leases ports on one host.
///
/// A port is written into the allocator's book before it is tried, and stays there until its [`Lease`] is dropped. So two
/// who lease from the same allocator at the same time never get the same port, even if neither listens yet; the
/// contract of the tool we replace has that race (compat C-49, C-53). Clones share the book.
///
/// ```
/// use rollcore::{PortAllocator, PortRange};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let allocator = PortAllocator::new("127.0.0.1");
/// let lease = allocator.lease(PortRange::EPHEMERAL).await?;
/// assert_eq!(allocator.leased(), [lease.port()]);
///
/// lease.give_back();
/// assert!(allocator.leased().is_empty());
/// # Ok::<(), rollcore::LeaseError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct PortAllocator {
    host: Arc<str>,
    book: Book,
}

type Book = Arc<Mutex<LeaseBook>>;

/// A port that is held. Dropping it gives it back.
#[must_use = "a lease that is dropped is given back"]
pub struct Lease {
    port: u16,
    book: Book,
}

/// Why there is no port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseError {
    /// No port of the range can be had (compat C-51).
    Exhausted {
        /// The range.
        range: PortRange,
        /// The host.
        host: String,
        /// Ports that the same call has leased.
        reserved: u32,
        /// Ports that are leased by others, or that another program listens on.
        in_use: u32,
        /// Ports that could not be bound for another reason.
        denied: u32,
        /// The last such reason, such as `EACCES`; `None` when `denied` is 0.
        denied_code: Option<&'static str>,
    },
    /// The system has no free port to choose (compat C-50).
    NoEphemeral {
        /// The host.
        host: String,
        /// Why, such as `EADDRNOTAVAIL`.
        cause: &'static str,
    },
}

impl LeaseError {
    /// A name for programs; never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exhausted { .. } => "port_range_exhausted",
            Self::NoEphemeral { .. } => "no_ephemeral_port",
        }
    }
}

impl fmt::Display for LeaseError {
    /// The words of the contract, which its users look for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEphemeral { host, cause } => {
                write!(f, "Unable to allocate an ephemeral port on {host} ({cause})")
            }
            Self::Exhausted { range, host, reserved, in_use, denied, denied_code } => {
                let count = range.len();
                let ports = if count == 1 { "port" } else { "ports" };
                write!(f, "No available ports in range {range} ({count} {ports} on {host}): ")?;
                write!(f, "{reserved} reserved by this deploy, {in_use} already in use")?;
                if let Some(code) = denied_code {
                    write!(f, ", {denied} could not be bound (e.g. {code})")?;
                }
                f.write_str(". Widen the port range, free a port, or check bind permissions.")
            }
        }
    }
}

impl std::error::Error for LeaseError {}

impl PortAllocator {
    /// Leases ports on `host`: a name, an address, or an IPv6 address in brackets. A name is looked up at each lease; a
    /// port is free when it can be bound on all of its addresses that exist on this machine.
    #[must_use]
    pub fn new(host: impl Into<Arc<str>>) -> Self {
        Self { host: host.into(), book: Book::default() }
    }

    /// Leases the lowest port of `range` that can be bound, or one that the system chooses (compat C-49, C-50).
    ///
    /// # Errors
    /// When there is none, with how many were refused for which reason.
    ///
    /// # Cancel safety
    /// A dropped future has leased nothing.
    pub async fn lease(&self, range: PortRange) -> Result<Lease, LeaseError> {
        let batch = lock(&self.book).begin();
        self.lease_one(range, batch, &probe::resolve(&self.host).await).await
    }

    /// Leases a port for each of `wanted`, in this order: all or none. In the error, the ports that this call already
    /// has count as "reserved by this deploy" (compat C-51).
    ///
    /// # Errors
    /// As [`lease`](Self::lease), for the first that cannot be had.
    ///
    /// # Cancel safety
    /// A dropped future has leased nothing.
    pub async fn lease_all<K>(
        &self,
        wanted: impl IntoIterator<Item = (K, PortRange)>,
    ) -> Result<Vec<(K, Lease)>, LeaseError> {
        let batch = lock(&self.book).begin();
        let addresses = probe::resolve(&self.host).await;
        let mut leases = Vec::new();
        for (key, range) in wanted {
            leases.push((key, self.lease_one(range, batch, &addresses).await?));
        }
        Ok(leases)
    }

    /// Every port that is leased, or being tried just now, lowest first.
    #[must_use]
    pub fn leased(&self) -> Vec<u16> {
        lock(&self.book).held()
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    async fn lease_one(
        &self,
        range: PortRange,
        batch: Batch,
        addresses: &[IpAddr],
    ) -> Result<Lease, LeaseError> {
        if range.is_ephemeral() {
            return self.lease_ephemeral(batch, addresses);
        }
        let mut search = Search::new(range, batch);
        let mut probes = 0;
        while let Some(lease) = self.next_candidate(&mut search) {
            let probe = judge(addresses.iter().map(|address| probe::probe(*address, lease.port)));
            if search.probed(probe) {
                return Ok(lease);
            }
            drop(lease);
            probes += 1;
            if probes % PROBES_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        Err(self.exhausted(range, search.refusals()))
    }

    fn next_candidate(&self, search: &mut Search) -> Option<Lease> {
        let port = lock(&self.book).next_candidate(search)?;
        Some(Lease { port, book: Arc::clone(&self.book) })
    }

    fn lease_ephemeral(&self, batch: Batch, addresses: &[IpAddr]) -> Result<Lease, LeaseError> {
        let refused = |cause| LeaseError::NoEphemeral { host: self.host.to_string(), cause };
        // A port that was chosen in vain is kept until the end, so that the system chooses another one.
        let mut in_vain = Vec::new();
        while in_vain.len() < EPHEMERAL_TRIES_MAX {
            let (listener, port) = bind_ephemeral(addresses).map_err(refused)?;
            let elsewhere = addresses.iter().filter(|address| !listens_on(&listener, **address));
            let free_elsewhere = || match judge(elsewhere.map(|address| probe::probe(*address, port))) {
                machine::Probe::InUse => false,
                machine::Probe::Free | machine::Probe::Denied(_) => true,
            };
            if lock(&self.book).hold(port, batch) {
                let lease = Lease { port, book: Arc::clone(&self.book) };
                if free_elsewhere() {
                    return Ok(lease);
                }
            }
            in_vain.push(listener);
        }
        Err(refused("EADDRINUSE"))
    }

    fn exhausted(&self, range: PortRange, refusals: Refusals) -> LeaseError {
        let Refusals { reserved, in_use, denied, code } = refusals;
        let host = self.host.to_string();
        LeaseError::Exhausted { range, host, reserved, in_use, denied, denied_code: code }
    }
}

fn bind_ephemeral(addresses: &[IpAddr]) -> Result<(TcpListener, u16), &'static str> {
    let mut cause = "ENOTFOUND";
    for address in addresses {
        let bound = TcpListener::bind((*address, 0)).and_then(|listener| {
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => cause = probe::code(&error),
        }
    }
    Err(cause)
}

fn listens_on(listener: &TcpListener, address: IpAddr) -> bool {
    listener.local_addr().is_ok_and(|local| local.ip() == address)
}

/// No code that can panic runs under this lock, so that a poisoned one is still whole.
fn lock(book: &Book) -> MutexGuard<'_, LeaseBook> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives it back, as dropping it does. To be called when nothing can listen on it any more.
    pub fn give_back(self) {}
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.book).give_back(self.port);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.port)
    }
}

impl fmt::Debug for PortAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortAllocator").field("host", &self.host).field("leased", &self.leased()).finish()
    }
}
