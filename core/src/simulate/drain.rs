//! Drives the drains' machines with made-up requests.

use std::time::Duration;

use crate::id::Generation;
use crate::proxy::machine::{DrainAction, DrainEvent, DrainMachine, Tally};
use crate::report::DrainReport;
use crate::rollout::Input;

use super::Simulation;
use super::agenda::Happening;

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    machine: DrainMachine,
    tally: Tally,
}

impl Simulation {
    pub(super) fn drain(&mut self, generation: Generation, budget: Duration) {
        self.check_drain(generation, budget);
        let machine = DrainMachine::new(self.now, self.now + budget);
        let open = self.traffic.open_to(generation);
        let tally = Tally { open_at_start: open, ..Tally::default() };
        self.drains.insert(generation, Drain { machine, tally });
        let (at, event) =
            if open == 0 { (self.now, DrainEvent::Empty) } else { (self.now + budget, DrainEvent::TimeUp) };
        self.agenda.push(at, Happening::Drained(generation, event));
    }

    /// The budget is spent, or the last request is over.
    pub(super) fn drained(&mut self, generation: Generation, event: DrainEvent) {
        let now = self.now;
        let Some(drain) = self.drains.get_mut(&generation) else { return };
        match drain.machine.handle(event, drain.tally, now) {
            Some(DrainAction::Cut) => self.cut(generation),
            Some(DrainAction::Done(report)) => {
                self.drains.remove(&generation);
                self.drained.insert(generation);
                self.agenda.push(now, Happening::Hear(Box::new(Input::Drained { generation, report })));
            }
            None => {}
        }
    }

    fn cut(&mut self, generation: Generation) {
        let (requests, tunnels) = self.traffic.end_all(generation);
        self.traffic.cut += requests + tunnels;
        self.close_when_empty(DrainReport::default());
        if let Some(drain) = self.drains.get_mut(&generation) {
            drain.tally.requests_cut += requests;
            drain.tally.tunnels_cut += tunnels;
        }
        self.agenda.push(self.now, Happening::Drained(generation, DrainEvent::Empty));
    }

    pub(super) fn end_traffic(&mut self, generation: Generation) {
        self.drains.remove(&generation);
        let (requests, tunnels) = self.traffic.end_all(generation);
        self.traffic.stopped += requests + tunnels;
        self.close_when_empty(DrainReport::default());
        if requests + tunnels > 0 && !self.ledger.may_lose_requests() {
            self.ledger.lost = Some(format!("{requests} requests and {tunnels} tunnels were cut uncounted"));
        }
    }
}
