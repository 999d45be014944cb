//! The real applications, the real daemon, the real load.

mod app;
mod daemon;
mod database;
mod deadline;
mod events;
pub mod http;
pub mod leftovers;
mod load;
mod socket;

pub use app::{App, NODE, PYTHON, Release, VELOCIOUS};
pub use daemon::{Daemon, Running, Setup, rollcore, rollcore_path};
pub use database::Database;
pub use deadline::{DEADLINE, lines_of, read_all, wait_for_exit};
pub use events::millis_between;
pub use leftovers::free_ports;
pub use load::{Load, Mix, Tally};
pub use socket::Socket;
