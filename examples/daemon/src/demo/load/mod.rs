//! Constant mixed load on an address, and an exact account of what came back.
//!
//! Nothing here forgives: a request that got no complete and correct answer is a failure, and none is tried again.

mod client;
mod command;
mod tally;
mod tunnel;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use command::{LoadArgs, command};
pub(crate) use tally::{Kind, Ledger, Line, Tally};

/// What kind of load, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct LoadOptions {
    /// Where the requests go.
    pub(crate) address: SocketAddr,
    /// Connections that ask again and again.
    pub(crate) keep_alive: u32,
    /// Workers that open a new connection for each request.
    pub(crate) fresh: u32,
    /// Workers that post bodies, every third of 64 KiB, and want them back.
    pub(crate) posts: u32,
    /// Workers that post something that must not happen twice.
    pub(crate) orders: u32,
    /// Workers that read slow streams and server-sent events to their end.
    pub(crate) streams: u32,
    /// WebSockets that are open at a time.
    pub(crate) tunnels: u32,
    /// How long a worker thinks between two requests.
    pub(crate) think: Duration,
    /// How long a WebSocket lives at most. Has to be below the drain budget of what is tested: then any tunnel that
    /// is cut was cut too early.
    pub(crate) tunnel_life: Duration,
}

impl LoadOptions {
    /// A little of everything.
    pub(crate) fn mixed(address: SocketAddr) -> Self {
        Self {
            address,
            keep_alive: 16,
            fresh: 4,
            posts: 4,
            orders: 0,
            streams: 4,
            tunnels: 8,
            think: Duration::from_millis(10),
            tunnel_life: Duration::from_secs(2),
        }
    }

    /// What can be judged exactly when the application is killed: what may be sent twice, and what must not happen twice.
    /// A stream that was half told when its application died cannot be saved by anybody.
    pub(crate) fn of_a_kill(address: SocketAddr, keep_alive: u32) -> Self {
        Self { keep_alive, fresh: 0, posts: 0, orders: 8, streams: 0, tunnels: 0, ..Self::mixed(address) }
    }
}

/// What a worker works with.
#[derive(Clone)]
struct Job {
    options: Arc<LoadOptions>,
    ledger: Ledger,
    stop: watch::Receiver<bool>,
}

impl Job {
    /// Waits for the time to think, or until it is time to stop. True when there is more to do.
    async fn goes_on(&mut self) -> bool {
        // An error means that the load was dropped, which is an end as well.
        let stopped = self.stop.wait_for(|stop| *stop);
        tokio::time::timeout(self.options.think, stopped).await.is_err()
    }
}

/// Load that is on. Dropping it ends the load in the middle; see [`Load::stop`].
pub(crate) struct Load {
    ledger: Ledger,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl Load {
    /// Switches the load on.
    pub(crate) fn start(options: LoadOptions) -> Self {
        let (stop, stopped) = watch::channel(false);
        let ledger = Ledger::default();
        let job = Job { options: Arc::new(options), ledger: ledger.clone(), stop: stopped };
        let mut workers = JoinSet::new();
        for number in 0..job.options.keep_alive {
            workers.spawn(worker::keep_alive(job.clone(), number));
        }
        for _ in 0..job.options.fresh {
            workers.spawn(worker::fresh(job.clone()));
        }
        for number in 0..job.options.posts {
            workers.spawn(worker::posts(job.clone(), number));
        }
        for number in 0..job.options.orders {
            workers.spawn(worker::orders(job.clone(), number));
        }
        for number in 0..job.options.streams {
            workers.spawn(worker::streams(job.clone(), number));
        }
        for number in 0..job.options.tunnels {
            workers.spawn(tunnel::tunnels(job.clone(), number));
        }
        Self { ledger, stop, workers }
    }

    /// The account as it is kept.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Finishes what is under way and closes the account. Takes as long as the slowest request, which has a limit.
    pub(crate) async fn stop(mut self) -> Tally {
        self.ledger.stop_listening();
        self.stop.send_replace(true);
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                self.ledger.failed(Kind::Get, format!("a worker ended early: {error}"));
            }
        }
        self.ledger.tally()
    }
}
