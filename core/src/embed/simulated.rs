//! The stage in a made-up world: no processes, no ports, no time that passes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::call::Call;
use super::code::{Code, EmbedError};
use super::options::Simulate;
use super::params::Snapshot;
use super::stage::{Done, Outlet, Stage};

/// A made-up world.
pub(super) struct Simulated {
    _seed: u64,
    _outlet: Outlet,
}

impl Simulated {
    pub(super) fn new(simulate: Simulate, outlet: Outlet) -> Self {
        Self { _seed: simulate.seed, _outlet: outlet }
    }
}

fn unsupported() -> EmbedError {
    EmbedError::new(Code::Unsupported, "unsupported", "the simulator cannot do this")
}

impl Stage for Simulated {
    fn begin(self: Arc<Self>, _: Call, done: Done) {
        done.answer(Err(unsupported()));
    }

    fn snapshot(&self, _: Snapshot) -> Result<Value, EmbedError> {
        Err(unsupported())
    }

    fn end(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}
