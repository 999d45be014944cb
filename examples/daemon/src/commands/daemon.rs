//! Stub.
use crate::cli::DaemonArgs;
use crate::output::{Failed, Outcome};

pub(super) fn run(args: &DaemonArgs) -> Outcome {
    let _ = (args.own_session, &args.config);
    Err(Failed::because("no engine yet"))
}
