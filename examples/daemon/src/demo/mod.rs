//! `rollcore demo`: releases replace each other under load, and nothing is lost.

mod load;
mod report;
mod sample;
mod view;

pub(crate) use load::{LoadArgs, command as load_command};
pub(crate) use sample::{SampleArgs, run as sample_app};
