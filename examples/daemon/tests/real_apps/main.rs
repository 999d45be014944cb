//! The promise, with real applications: releases replace each other under load, and nothing is lost.
//!
//! Everything goes through the real binary, as an operator would do it. What the applications need beyond Rust is
//! prepared by `examples/apps/prepare`; where it is missing, these tests fail and say so.

mod lua;
mod node;
mod python;
mod sockets;
mod story;
mod support;
mod tickets;
mod velocious;
