//! The numbers on an address of their own, for a collector such as Prometheus.
//!
//! ```text
//!   GET /metrics ──▶ server.rs ──▶ engine: numbers ──▶ page.rs ──▶ text
//! ```
//!
//! It runs where the engine conducts, never where requests are served.

mod bind_error;
mod page;
mod server;

pub use bind_error::AdminBindError;
pub use server::{ADMIN_CONNECTIONS_MAX, ADMIN_TIMEOUT, AdminServer, AdminServing};
