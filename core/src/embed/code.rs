//! How something went, as a number for C and as a word for everybody.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// How a call or an operation went. The numbers are those of the C header, and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// It was done.
    Ok = 0,
    /// Nothing happened in the time that was given. No failure.
    Timeout = 1,
    /// A signal came, or somebody called [`interrupt`](super::Embedded::interrupt). No failure.
    Interrupted = 2,
    /// There is nothing more to come. No failure.
    Closed = 3,
    /// What was given makes no sense: bad JSON, a field that nobody knows, a handle that is none.
    Argument = -1,
    /// A config is wrong; the detail lists everything that is.
    Config = -2,
    /// There is no such operation, process, lease, proxy or release.
    NotFound = -3,
    /// Not now: no engine is open, or one is already; another operation is under way.
    State = -4,
    /// The system refused: an address in use, no descriptors left.
    Io = -5,
    /// This process is a fork of the one that opened the handle.
    Forked = -6,
    /// It would wait for itself: a call that waits, on a thread of the library.
    Deadlock = -7,
    /// This build, or the simulator, cannot do it.
    Unsupported = -8,
    /// Somebody cancelled the operation.
    Cancelled = -9,
    /// It was tried and failed: a deploy was undone, a health check ran out of time.
    Failed = -10,
    /// A mistake of ours: something panicked.
    Panic = -99,
}

const ALL: [Code; 15] = [
    Code::Ok,
    Code::Timeout,
    Code::Interrupted,
    Code::Closed,
    Code::Argument,
    Code::Config,
    Code::NotFound,
    Code::State,
    Code::Io,
    Code::Forked,
    Code::Deadlock,
    Code::Unsupported,
    Code::Cancelled,
    Code::Failed,
    Code::Panic,
];

impl Code {
    /// The number in C.
    #[must_use]
    pub fn as_raw(self) -> i32 {
        self as i32
    }

    /// The code with this number.
    #[must_use]
    pub fn from_raw(number: i32) -> Option<Self> {
        ALL.into_iter().find(|code| code.as_raw() == number)
    }

    /// Every code.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Its name in C, without `ROLLCORE_`: `E_CONFIG`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Timeout => "TIMEOUT",
            Self::Interrupted => "INTERRUPTED",
            Self::Closed => "CLOSED",
            Self::Argument => "E_ARGUMENT",
            Self::Config => "E_CONFIG",
            Self::NotFound => "E_NOT_FOUND",
            Self::State => "E_STATE",
            Self::Io => "E_IO",
            Self::Forked => "E_FORKED",
            Self::Deadlock => "E_DEADLOCK",
            Self::Unsupported => "E_UNSUPPORTED",
            Self::Cancelled => "E_CANCELLED",
            Self::Failed => "E_FAILED",
            Self::Panic => "E_PANIC",
        }
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedError {
    /// Which kind of failure, for C.
    pub code: Code,
    /// A stable word for programs, such as `health_check_failed`: the `code()` of the error that the Rust API gives.
    pub error: String,
    /// For people.
    pub message: String,
    /// What else is known, as a JSON object; which fields there are depends on `error`.
    pub detail: Value,
}

/// As it stands in `op.done` and in what C gets.
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    code: &'a str,
    message: &'a str,
    detail: &'a Value,
}

impl EmbedError {
    /// An error without detail.
    #[must_use]
    pub fn new(code: Code, error: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, error: error.into(), message: message.into(), detail: json!({}) }
    }

    /// The same with more to say.
    #[must_use]
    pub fn with_detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    pub(super) fn wire(&self) -> Wire<'_> {
        Wire { code: &self.error, message: &self.message, detail: &self.detail }
    }

    /// `{"code":"health_check_failed","message":"…","detail":{}}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.wire()).expect("texts and JSON values can be written as JSON")
    }

    pub(super) fn closed() -> Self {
        Self::new(Code::Closed, "closed", "the handle is closed")
    }

    pub(super) fn cancelled() -> Self {
        Self::new(Code::Cancelled, "cancelled", "the operation was cancelled")
    }

    pub(super) fn panicked() -> Self {
        Self::new(Code::Panic, "panic", "the operation panicked; this is a mistake in rollcore")
    }

    pub(super) fn system(doing: &str, error: &std::io::Error) -> Self {
        Self::new(Code::Io, "system", format!("{doing}: {error}"))
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EmbedError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_agree() {
        for code in Code::all() {
            assert_eq!(Code::from_raw(code.as_raw()), Some(code));
            assert_eq!(code.name().starts_with("E_"), code.as_raw() < 0, "{code:?}");
        }
        assert_eq!(Code::from_raw(4), None);
    }

    #[test]
    fn an_error_reads_the_same_everywhere() {
        let error = EmbedError::new(Code::Failed, "health_check_failed", "no \"luck\"");
        let error = error.with_detail(json!({ "attempts": 3 }));
        let expected = r#"{"code":"health_check_failed","message":"no \"luck\"","detail":{"attempts":3}}"#;
        assert_eq!(error.to_json(), expected);
    }
}
