//! Leases of ports, alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::super::call::Acquire;
use super::super::code::{Code, EmbedError};
use super::{Outcome, lock};
use crate::port::{Lease, PortAllocator};

/// How many different hosts ports are leased on; one more is refused.
const HOSTS_MAX: usize = 64;

/// By the names that they were given here.
#[derive(Default)]
pub(super) struct Ports {
    /// One for each host: two who lease on one host share a book.
    allocators: Mutex<BTreeMap<String, PortAllocator>>,
    leases: Mutex<BTreeMap<String, (String, Lease)>>,
    last: AtomicU64,
}

impl Ports {
    pub(super) async fn acquire(&self, acquire: Acquire) -> Outcome {
        let Acquire { host, range } = acquire;
        let lease = self.allocator(&host)?.lease(range).await?;
        let id = format!("lease-{}", self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let said = said(&id, &host, &lease);
        lock(&self.leases).insert(id, (host, lease));
        Ok(said)
    }

    fn allocator(&self, host: &str) -> Result<PortAllocator, EmbedError> {
        let mut allocators = lock(&self.allocators);
        if allocators.len() >= HOSTS_MAX && !allocators.contains_key(host) {
            let message = format!("this handle leases ports on {HOSTS_MAX} hosts already");
            return Err(EmbedError::new(Code::State, "too_many_hosts", message));
        }
        let made = || PortAllocator::new(host);
        Ok(allocators.entry(host.to_owned()).or_insert_with(made).clone())
    }

    pub(super) fn release(&self, id: &str) -> Outcome {
        match lock(&self.leases).remove(id) {
            Some((_, lease)) => {
                lease.give_back();
                Ok(json!({}))
            }
            None => {
                Err(EmbedError::new(Code::NotFound, "unknown_lease", format!("there is no lease {id:?}")))
            }
        }
    }

    pub(super) fn status(&self) -> Value {
        let leases = lock(&self.leases);
        let all: Vec<_> = leases.iter().map(|(id, (host, lease))| said(id, host, lease)).collect();
        json!({ "leases": all })
    }

    pub(super) fn end(&self) {
        lock(&self.leases).clear();
    }
}

fn said(id: &str, host: &str, lease: &Lease) -> Value {
    json!({ "leaseId": id, "host": host, "port": lease.port() })
}
