//! Leases made-up ports and sockets, the ports from the hand's own book.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{Generation, ProcessId};
use crate::port::machine::{LeaseBook, Probe, Search};
use crate::rollout::{Failure, Input};
use crate::spec::{Address, ListenAt, PortRange};

use super::Simulation;
use super::agenda::Happening;
use super::script::FaultKind;

/// The book, and which rollout leased what.
#[derive(Debug, Default)]
pub(super) struct Ports {
    book: LeaseBook,
    /// How many sockets were leased.
    sockets: u32,
    pub(super) leased: BTreeMap<Address, Generation>,
}

/// Where the system chooses, it is one of those that Linux keeps for that.
fn chosen_by_system(range: PortRange) -> PortRange {
    match range.is_ephemeral() {
        true => PortRange::new(32_768, 60_999).expect("it ascends"),
        false => range,
    }
}

impl Simulation {
    /// All or none, as the hand does it.
    pub(super) fn lease(&mut self, generation: Generation, wanted: &[(ProcessId, ListenAt)]) {
        let batch = self.ports.book.begin();
        let mut leased = BTreeMap::new();
        let mut missing = None;
        for (id, listen_at) in wanted {
            let found = match listen_at {
                ListenAt::Port(range) => {
                    let mut search = Search::new(chosen_by_system(*range), batch);
                    let port = self.find_port(generation, id, &mut search);
                    port.map(Address::Port).ok_or_else(|| format!("no available port in {range} for {id}"))
                }
                ListenAt::Socket => self.make_socket(generation, id),
            };
            match found {
                Ok(address) => drop(leased.insert(id.clone(), address)),
                Err(why) => missing = Some(why),
            }
        }
        let result = match missing {
            Some(missing) => {
                leased.values().for_each(|address| self.let_go(address));
                Err(Failure::new("port_range_exhausted", missing))
            }
            None => {
                self.ports.leased.extend(leased.values().map(|address| (address.clone(), generation)));
                Ok(leased)
            }
        };
        let input = Input::PortsLeased { generation, result };
        self.agenda.push(self.now + Duration::from_millis(2), Happening::Hear(Box::new(input)));
    }

    fn make_socket(&mut self, generation: Generation, id: &ProcessId) -> Result<Address, String> {
        if self.is_taken(generation, id) {
            return Err(format!("no socket for {id}"));
        }
        self.ports.sockets += 1;
        Ok(Address::Socket(format!("/made-up/{id}.{}", self.ports.sockets).into()))
    }

    fn let_go(&mut self, address: &Address) {
        if let Address::Port(port) = address {
            self.ports.book.give_back(*port);
        }
    }

    fn find_port(&mut self, generation: Generation, id: &ProcessId, search: &mut Search) -> Option<u16> {
        let probe = if self.is_taken(generation, id) { Probe::InUse } else { Probe::Free };
        while let Some(port) = self.ports.book.next_candidate(search) {
            if search.probed(probe) {
                return Some(port);
            }
            self.ports.book.give_back(port);
        }
        None
    }

    /// Whether another program has the ports of this process, or no socket can be made for it.
    fn is_taken(&self, generation: Generation, id: &ProcessId) -> bool {
        let release = self.world.releases().find(|release| release.generation == generation);
        let fault = release.and_then(|release| self.faults.get(&release.id));
        fault.is_some_and(|fault| fault.kind == FaultKind::PortTaken && fault.process.as_str() == id.as_str())
    }

    pub(super) fn give_back(&mut self, leased: &[Address]) {
        for address in leased {
            self.let_go(address);
            self.ports.leased.remove(address);
        }
    }
}
