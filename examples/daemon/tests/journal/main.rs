//! The daemon is killed: what it wrote down, what is found again, what is cleaned up, what comes back (compat §18).

mod anywhere;
mod file;
mod recover;
mod restore;
mod stage;

#[expect(dead_code, reason = "some of it is for the other tests")]
#[path = "../support/mod.rs"]
mod support;
