//! How a proxy ends: it leaves its socket to somebody else, or closes it, and then everything.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock;
use crate::report::DrainReport;

use super::DrainingProxy;
use super::clients::lock;
use super::machine::{CUT_TIMEOUT, Tally, WindDown};
use super::route::Ledger;
use super::shared::Phase;
use super::wind_down::wind_down;
use super::workers::Server;

/// How long a client that says nothing is waited for once it could go elsewhere: what it sends meanwhile is answered,
/// and then its connection is closed. As long as others keep an idle connection.
const LEAVE_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

impl DrainingProxy {
    /// Lets nobody new in, and returns when no thread listens any more. Whoever is there is served on, and told to go
    /// with his next answer (`Connection: close`), so that no request meets a closed connection.
    ///
    /// Without `handover` whoever has connected and waits is still served, once, and the socket is closed. With it they
    /// go on waiting in the socket that is returned: for whoever [listens on](Self::listen_on) it next, in this process
    /// or another one. [`close`](Self::close) is still to be called. `None` when it did not listen.
    ///
    /// # Cancel safety
    /// It stops listening all the same; a socket that was to be handed over is closed, and whoever waits in it is lost.
    pub async fn leave(&self, handover: bool) -> Option<TcpListener> {
        let listener = lock(&self.listener).take();
        self.shared.enter(Phase::Leaving { handover });
        let deaf: Vec<_> = lock(&self.servers)
            .iter_mut()
            .map(|server| std::mem::replace(&mut server.deaf, mpsc::channel(1).1))
            .collect();
        for mut deaf in deaf {
            let _ = deaf.recv().await;
        }
        listener.filter(|_| handover)
    }

    /// Ends it: nothing new is accepted, idle clients are closed, requests under way and tunnels may finish within
    /// `budget`; what is left then is cut, and counted in the report. When this returns the socket is closed and the
    /// threads are gone. A second call returns at once with nothing to report. Needs a tokio runtime with time.
    ///
    /// After [`leave`](Self::leave), idle clients have 5 s of the budget for another request.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the proxy closing without a budget; dropping the proxy then ends it.
    pub async fn close(&self, budget: Duration) -> DrainReport {
        let began = clock::now();
        let ledgers = self.shared.ledgers();
        let open_at_start = ledgers.iter().map(|ledger| ledger.counts().total()).sum();
        let before = tally_of(&ledgers);
        drop(lock(&self.listener).take());
        self.shared.enter(Phase::Closing);
        let mut servers = std::mem::take(&mut *lock(&self.servers));

        if tokio::time::timeout(budget, self.all_left_or_asked(&mut servers, &ledgers, budget)).await.is_err()
        {
            // Without a release first: what is cut must not find its route again.
            drop(self.shared.active.swap(None));
            for ledger in &ledgers {
                self.shared.clients.cut(ledger);
            }
            let idle_too = tokio::time::timeout(CUT_TIMEOUT, all_idle(&ledgers));
            let _ = idle_too.await;
            self.shared.enter(Phase::Ending);
            all_ended(&mut servers).await;
        }
        for thread in servers.into_iter().filter_map(|server| server.thread) {
            // Its last act was to say that it ends. A panic of a worker has been told by the panic itself.
            let _ = thread.join();
        }
        if let Some(log) = self.shared.log_to(None) {
            log.finish().await;
        }
        let tally = Tally { open_at_start, ..tally_of(&ledgers).since(before) };
        tally.report(clock::now() - began)
    }

    /// Ends it at once: connections are cut, and the threads end on their own shortly after.
    pub(crate) fn end(&self) {
        drop(lock(&self.listener).take());
        self.shared.enter(Phase::Ending);
    }

    /// Asks those who stay to go, when the budget is nearly spent.
    async fn all_left_or_asked(&self, servers: &mut [Server], ledgers: &[Arc<Ledger>], budget: Duration) {
        let asking = WindDown::new(clock::now(), budget, self.shared.limits().wind_down_window);
        tokio::select! {
            () = self.all_left(servers) => {}
            never = wind_down(&self.shared.clients, ledgers, asking) => match never {},
        }
    }

    async fn all_left(&self, servers: &mut [Server]) {
        if self.shared.is_leaving()
            && tokio::time::timeout(LEAVE_IDLE_TIMEOUT, all_ended(servers)).await.is_err()
        {
            // Whoever was answered since was closed with his answer: these have been idle all the time, or are busy.
            self.shared.clients.close();
        }
        all_ended(servers).await;
    }
}

async fn all_ended(servers: &mut [Server]) {
    for server in servers {
        let _ = server.ended.recv().await;
    }
}

async fn all_idle(ledgers: &[Arc<Ledger>]) {
    for ledger in ledgers {
        ledger.gone().await;
    }
}

fn tally_of(ledgers: &[Arc<Ledger>]) -> Tally {
    ledgers.iter().map(|ledger| ledger.tally()).fold(Tally::default(), Tally::plus)
}
