//! What an operator types beside the deploys: doctor, predeploy-cleanup, ensure-daemon, unit, completion.

mod cleanup;
mod completion;
mod descriptors;
mod doctor;
mod metrics;
mod runtime;
mod signals;
mod unit;

#[expect(dead_code, reason = "what nobody reads is for the other tests")]
#[path = "../support/mod.rs"]
mod support;
