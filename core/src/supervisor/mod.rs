//! Supervisor: starts a process, keeps it alive, and ends it with everything it started.

pub(crate) mod machine;

pub use machine::ProcessReport;
