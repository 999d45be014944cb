//! `rollcore shutdown`: stop everything, and the daemon.

use super::client::{CHANGE_TIMEOUT, ask_and_print, request};
use crate::cli::ConfigArgs;
use crate::output::Outcome;

pub(super) fn run(args: &ConfigArgs) -> Outcome {
    ask_and_print(args, &request("shutdown", &[]), CHANGE_TIMEOUT)
}
