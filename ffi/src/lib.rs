//! `librollcore`: rollcore for C, and for every host that can load a C library.
//!
//! What is exported stands in [`library`], [`handle`], [`queue`] and [`event`]; each function is a few lines over
//! `rollcore::embed`. Pointers are only touched in [`boundary`].
#![expect(
    unsafe_code,
    reason = "exported C names are unsafe attributes; unsafe blocks are in boundary.rs alone"
)]

mod boundary;
pub mod event;
pub mod handle;
pub mod library;
mod panics;
pub mod queue;
mod registry;
pub mod status;
