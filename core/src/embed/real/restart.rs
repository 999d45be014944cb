//! A decision about a restart, alone: the host has its own processes.

use serde_json::{Value, json};

use super::super::call::Decide;
use super::ms;
use crate::restart::{RestartDecision, RestartHistory};

pub(in crate::embed) fn decide(decide: &Decide) -> Value {
    let mut history = RestartHistory::default();
    let mut last = Value::Null;
    for exit in &decide.exits {
        last = match decide.policy.decide(&mut history, *exit) {
            RestartDecision::RestartAfter(delay) => json!({ "decision": "restart", "afterMs": ms(delay) }),
            RestartDecision::GiveUp(limit) => json!({
                "decision": "giveUp",
                "maxRestarts": limit.max_restarts,
                "windowMs": ms(limit.window),
            }),
        };
    }
    last
}
