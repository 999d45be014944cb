//! What an operator types beside the deploys: doctor, predeploy-cleanup, ensure-daemon, unit, completion.

mod cleanup;
mod completion;
mod doctor;
mod runtime;
mod unit;

#[expect(dead_code, reason = "signals and logs are for the other tests")]
#[path = "../support/mod.rs"]
mod support;
