//! The real applications, the real daemon, the real load.

mod app;
mod daemon;
mod deadline;
mod events;
mod leftovers;
mod load;

pub use app::{App, NODE, PYTHON, Release};
pub use daemon::{Daemon, Running};
pub use events::millis_between;
pub use load::{Load, Tally};
