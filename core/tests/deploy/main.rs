//! The engine with real processes and a real proxy: what a deploy does, and what a failed one leaves alone.

mod app;
#[cfg(feature = "tls")]
mod certificates;
mod end;
mod ending;
mod failures;
mod health;
mod kill;
mod memory;
mod operations;
mod reload;
mod rollback;
mod services;
mod shop;
mod sockets;
mod traffic;
