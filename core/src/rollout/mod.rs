//! A deploy, as data.
//!
//! [`plan`] says which steps a rollout takes, [`Walk`] goes through them and back, and [`World`] is the state of
//! everything an engine looks after: it is told what happened and answers what to do.
//!
//! Nothing under `rollout/` knows that processes exist: it has never seen a pid's process, a socket or a clock.

mod command;
mod failure;
mod invariant;
mod plan;
mod render;
mod retain;
mod walk;
mod world;

pub use command::{Action, Answer, Command, DeployRequest, Input, Refusal, RestartSelection, RollbackTo};
pub use failure::Failure;
pub use plan::plan;
pub(crate) use render::rehearse;
pub use walk::{Outcome, Turn, Walk};
pub use world::{Ending, Instance, Owner, Release, ReleaseState, World};
