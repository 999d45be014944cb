//! `rollcore stop`: stop a release.

use super::client::{CHANGE_TIMEOUT, ask_and_print, request};
use crate::cli::ReleaseArgs;
use crate::output::Outcome;

pub(super) fn run(args: &ReleaseArgs) -> Outcome {
    let request = request("stop", &[("releaseId", args.release_id.as_deref())]);
    ask_and_print(&args.config, &request, CHANGE_TIMEOUT)
}
