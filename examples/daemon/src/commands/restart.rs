//! `rollcore restart`: restart processes in place.

use super::client::{CHANGE_TIMEOUT, ask_and_print, request};
use crate::cli::RestartArgs;
use crate::output::{Failed, Outcome};

/// What can be restarted in place.
const POLICIES: [&str; 3] = ["companion", "singleton", "service"];

pub(super) fn run(args: &RestartArgs) -> Outcome {
    let policy = args.policy.as_deref();
    if policy.is_some_and(|policy| !POLICIES.contains(&policy)) {
        return Err(Failed::Plain(format!("--policy must be one of: {}.", POLICIES.join(", "))));
    }
    let request = request("restart", &[("processId", args.process.as_deref()), ("policy", policy)]);
    ask_and_print(&args.config, &request, CHANGE_TIMEOUT)
}
