//! `rollcore status`: what is running.

use super::client::{LOOK_TIMEOUT, ask_and_print, request};
use crate::cli::ConfigArgs;
use crate::output::Outcome;

pub(super) fn run(args: &ConfigArgs) -> Outcome {
    ask_and_print(args, &request("status", &[]), LOOK_TIMEOUT)
}
