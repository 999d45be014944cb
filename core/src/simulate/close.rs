//! Nobody new comes, and whoever is there has a while: the end of the made-up proxy.

use std::time::Duration;

use crate::report::DrainReport;
use crate::rollout::Input;

use super::Simulation;
use super::agenda::Happening;

impl Simulation {
    /// Whoever comes from now on comes to somebody else.
    pub(super) fn stop_accepting(&mut self) {
        self.traffic.is_closed = true;
        self.hear(Input::AcceptingStopped);
    }

    pub(super) fn close_proxy(&mut self, budget: Duration) {
        self.traffic.is_closed = true;
        self.traffic.is_closing = true;
        self.agenda.push(self.now + budget, Happening::CloseTimeUp);
        self.close_when_empty(DrainReport::default());
    }

    /// The last request may be over.
    pub(super) fn close_when_empty(&mut self, report: DrainReport) {
        if self.traffic.is_closing && self.traffic.open.is_empty() {
            self.traffic.is_closing = false;
            self.ledger.proxy_closed();
            self.hear(Input::ProxyClosed { report });
        }
    }

    pub(super) fn close_time_up(&mut self) {
        if !self.traffic.is_closing {
            return;
        }
        let tunnels = self.traffic.open.values().filter(|request| request.is_tunnel).count();
        let tunnels_cut = u64::try_from(tunnels).expect("a count fits");
        let all = u64::try_from(self.traffic.open.len()).expect("a count fits");
        self.traffic.open.clear();
        self.traffic.cut += all;
        self.close_when_empty(DrainReport {
            requests_cut: all - tunnels_cut,
            tunnels_cut,
            ..DrainReport::default()
        });
    }

    fn hear(&mut self, input: Input) {
        self.agenda.push(self.now, Happening::Hear(Box::new(input)));
    }
}
