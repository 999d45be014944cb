//! `proxy.admin`: where the daemon tells its numbers.

use std::time::Duration;

use rollcore::{AdminServer, AdminServing, AdminSpec, Engine};
use tokio::task::JoinSet;

use crate::output::{Failed, complain};

/// How long a daemon that has retired may take to give the address up.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is tried meanwhile.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);

/// The address, on its way to be served. Dropping it gives the address up.
#[derive(Default)]
pub(super) struct Admin {
    spec: Option<AdminSpec>,
    bound: Option<AdminServer>,
    serving: Option<AdminServing>,
    following: JoinSet<()>,
}

impl Admin {
    pub(super) fn new(spec: Option<AdminSpec>) -> Self {
        Self { spec, ..Self::default() }
    }

    /// Takes the address, before anything runs: a daemon whose numbers nobody could read does not start.
    pub(super) async fn bind(&mut self) -> Result<(), Failed> {
        if let Some(spec) = &self.spec {
            self.bound = Some(AdminServer::bind(spec).await.map_err(Failed::because)?);
        }
        Ok(())
    }

    pub(super) fn serve(&mut self, engine: &Engine) {
        self.serving = self.bound.take().map(|server| server.serve(engine.clone()));
    }

    /// Takes the address over from a daemon that gives it up about now. What runs is worth more than its numbers: without
    /// them it goes on.
    pub(super) fn follow(&mut self, engine: &Engine) {
        let Some(spec) = self.spec.clone().filter(|_| self.serving.is_none()) else { return };
        let engine = engine.clone();
        self.following.spawn(async move {
            match patiently(&spec).await {
                Ok(server) => {
                    let _serving = server.serve(engine.clone());
                    engine.ended().await;
                }
                Err(error) => complain(&format!("warning: {error}\n")),
            }
        });
    }
}

async fn patiently(spec: &AdminSpec) -> Result<AdminServer, rollcore::AdminBindError> {
    let until = tokio::time::Instant::now() + FOLLOW_TIMEOUT;
    loop {
        match AdminServer::bind(spec).await {
            Err(_) if tokio::time::Instant::now() < until => tokio::time::sleep(FOLLOW_INTERVAL).await,
            bound => return bound,
        }
    }
}
