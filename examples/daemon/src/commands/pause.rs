//! `rollcore pause`: let requests wait.

use serde_json::json;

use super::client::{LOOK_TIMEOUT, ask_and_print, request};
use crate::cli::PauseArgs;
use crate::output::Outcome;

pub(super) fn run(args: &PauseArgs) -> Outcome {
    let mut request = request("pause", &[]);
    if let Some(timeout) = args.timeout_ms {
        request["timeoutMs"] = json!(timeout);
    }
    ask_and_print(&args.config, &request, LOOK_TIMEOUT)
}
