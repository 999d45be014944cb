//! What is said, and where. Nothing here panics when nobody listens any more.

use std::io::{self, Write};
use std::process::ExitCode;

use rollcore::ControlReply;
use serde_json::{Map, Value};

/// How a command failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Told as `Error: <message>` (compat C-244).
    Because(String),
    /// Told as it is.
    Plain(String),
    /// Told already.
    Told,
}

/// What every command ends with.
pub(crate) type Outcome = Result<(), Failed>;

impl Failed {
    /// For everything that can be shown.
    pub(crate) fn because(reason: impl ToString) -> Self {
        Self::Because(reason.to_string())
    }
}

/// Tells a failure on stderr, and turns the outcome into an exit code (compat C-256).
pub(crate) fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Because(reason)) => complain(&format!("Error: {reason}\n")),
        Err(Failed::Plain(text)) => complain(&format!("{text}\n")),
        Err(Failed::Told) => {}
    }
    ExitCode::FAILURE
}

/// Writes to stdout. A reader that has gone away (`| head -1`) is no failure; a full disk is.
pub(crate) fn print(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failed::Because(format!("cannot write to stdout: {error}"))),
    }
}

/// Writes to stderr; when that is not possible either, there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    complain_bytes(text.as_bytes());
}

/// Like [`complain`], for what somebody else said.
pub(crate) fn complain_bytes(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// Prints what the daemon answered: two spaces deep, `status` first (compat C-243).
pub(crate) fn print_response(fields: Map<String, Value>) -> Outcome {
    let text = serde_json::to_string_pretty(&ControlReply::Success(fields)).map_err(Failed::because)?;
    print(&format!("{text}\n"))
}

/// Prints one compact line of JSON.
pub(crate) fn print_line(value: &Value) -> Outcome {
    print(&format!("{value}\n"))
}

/// `1 process`, `2 processes`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
