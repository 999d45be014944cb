//! Leases made-up ports from the hand's own book.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{Generation, ProcessId};
use crate::port::machine::{LeaseBook, Probe, Search};
use crate::rollout::{Failure, Input};
use crate::spec::PortRange;

use super::Simulation;
use super::agenda::Happening;
use super::script::FaultKind;

/// The book, and which rollout leased what.
#[derive(Debug, Default)]
pub(super) struct Ports {
    book: LeaseBook,
    pub(super) leased: BTreeMap<u16, Generation>,
}

impl Simulation {
    /// All or none, as the hand does it.
    pub(super) fn lease(&mut self, generation: Generation, wanted: &[(ProcessId, PortRange)]) {
        let batch = self.ports.book.begin();
        let mut leased = BTreeMap::new();
        let mut missing = None;
        for (id, range) in wanted {
            let mut search = Search::new(*range, batch);
            match self.find_port(generation, id, &mut search) {
                Some(port) => drop(leased.insert(id.clone(), port)),
                None => missing = Some(format!("no available port in {range} for {id}")),
            }
        }
        let result = match missing {
            Some(missing) => {
                let ports: Vec<u16> = leased.into_values().collect();
                ports.iter().for_each(|port| self.ports.book.give_back(*port));
                Err(Failure::new("port_range_exhausted", missing))
            }
            None => {
                self.ports.leased.extend(leased.values().map(|port| (*port, generation)));
                Ok(leased)
            }
        };
        let input = Input::PortsLeased { generation, result };
        self.agenda.push(self.now + Duration::from_millis(2), Happening::Hear(Box::new(input)));
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

    /// Whether another program has the ports of this process.
    fn is_taken(&self, generation: Generation, id: &ProcessId) -> bool {
        let release = self.world.releases().find(|release| release.generation == generation);
        let fault = release.and_then(|release| self.faults.get(&release.id));
        fault.is_some_and(|fault| fault.kind == FaultKind::PortTaken && fault.process.as_str() == id.as_str())
    }

    pub(super) fn give_back(&mut self, ports: &[u16]) {
        for port in ports {
            self.ports.book.give_back(*port);
            self.ports.leased.remove(port);
        }
    }
}
