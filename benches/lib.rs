//! What the benches share.

mod application;
mod client;
mod sample;
mod upstream;
mod waits;

use std::time::Duration;

use criterion::Criterion;
use tokio::runtime::{Builder, Runtime};

pub use application::{Application, play_application};
pub use client::Client;
pub use sample::CONFIG;
pub use upstream::{HUGE, LARGE, SLOW, SLOW_TAKES, SMALL, start_upstream};
pub use waits::{Askers, Waits, median, ms, pin, raise_descriptor_limit};

/// Long enough to tell a tenth more or less, short enough to run all benches in a few minutes.
#[must_use]
pub fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3))
}

/// A runtime for the thread that asks for it.
///
/// # Panics
/// When the system has no more descriptors.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("there are descriptors left")
}

/// Whether numbers are wanted: `cargo bench` says so, `cargo test` and `--list` do not.
#[must_use]
pub fn is_measuring() -> bool {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    asked("--bench") && !asked("--list") && !asked("--test")
}
