//! Daemons that begin with a release, and daemons that take the place of others, as systemd or a person runs them.

mod admin;
mod bootstrap;
mod ending;
mod owner;
mod stage;
mod succession;
