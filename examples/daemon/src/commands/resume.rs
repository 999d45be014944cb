//! `rollcore resume`: send the requests that wait since a pause.

use super::client::{LOOK_TIMEOUT, ask_and_print, request};
use crate::cli::ConfigArgs;
use crate::output::Outcome;

pub(super) fn run(args: &ConfigArgs) -> Outcome {
    ask_and_print(args, &request("resume", &[]), LOOK_TIMEOUT)
}
