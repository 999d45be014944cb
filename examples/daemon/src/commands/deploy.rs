//! `rollcore deploy`: move to a prepared release, and show how it goes.

use std::path::Path;

use rollcore::{ControlClient, ControlError};
use serde_json::Value;

use super::client::{Answer, CHANGE_TIMEOUT, block_on, load, request};
use super::ensure_daemon;
use super::progress::Progress;
use crate::cli::DeployArgs;
use crate::output::{Failed, Outcome, print_response};

pub(super) fn run(args: &DeployArgs) -> Outcome {
    let loaded = load(&args.config)?;
    let fields = [
        ("releasePath", Some(args.release_path.as_str())),
        ("releaseId", args.release_id.as_deref()),
        ("revision", args.revision.as_deref()),
    ];
    let request = request("deploy", &fields);
    let answer = block_on(async {
        if args.ensure_daemon {
            ensure_daemon::ensure(&loaded, &args.start).await?;
        }
        deploy(&loaded.config.application().control.path, &request).await.map_err(Failed::because)
    })??;
    print_response(answer)
}

async fn deploy(path: &Path, request: &Value) -> Result<Answer, ControlError> {
    let mut client = ControlClient::connect(path).await?;
    // Before the question is asked, so that nothing of it is missed.
    let progress = Progress::begin(path).await;
    let answer = client.request(request, CHANGE_TIMEOUT);
    match progress {
        None => answer.await,
        Some(mut progress) => {
            let answer = progress.show_until(answer).await;
            progress.end(&answer);
            answer
        }
    }
}
