//! A supervisor with real processes, from outside.
#![expect(clippy::disallowed_methods, reason = "a test measures how long real processes take")]

mod crash;
mod escapees;
mod host;
mod listener;
mod memory;
mod output;
mod start;
mod stop;
mod support;
