//! Asking the daemon: shared by every command that does.

use std::future::Future;
use std::time::Duration;

use rollcore::{ControlClient, ControlError};
use serde_json::{Map, Value, json};

use crate::cli::ConfigArgs;
use crate::config_file::{self, Loaded};
use crate::output::{Failed, Outcome, print_response};

/// How long a question about what is may take.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a command that changes something may take. A process may have hours to end (`gracefulStopMs:
/// "indefinite"`), and a daemon that dies closes the connection at once; this only ends what nobody waits for any more.
pub(super) const CHANGE_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The fields of an answer.
pub(super) type Answer = Map<String, Value>;

/// Asks the daemon of this config, and prints its answer.
pub(super) fn ask_and_print(config: &ConfigArgs, request: &Value, timeout: Duration) -> Outcome {
    print_response(ask(config, request, timeout)?)
}

/// Asks the daemon of this config.
pub(super) fn ask(config: &ConfigArgs, request: &Value, timeout: Duration) -> Result<Answer, Failed> {
    let loaded = load(config)?;
    let path = &loaded.config.application().control.path;
    block_on(async {
        let mut client = ControlClient::connect(path).await?;
        client.request(request, timeout).await
    })?
    .map_err(|error: ControlError| Failed::because(error))
}

/// The config, or why there is none, said in one go (compat C-9).
pub(super) fn load(config: &ConfigArgs) -> Result<Loaded, Failed> {
    config_file::load(config.config.as_deref()).map_err(Failed::because)
}

/// Waits for `future` on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Failed::because)?.block_on(future))
}

/// A request with the fields that have a value.
pub(super) fn request(command: &str, fields: &[(&str, Option<&str>)]) -> Value {
    let mut request = json!({ "command": command });
    for (key, value) in fields {
        if let Some(value) = value {
            request[*key] = json!(value);
        }
    }
    request
}
