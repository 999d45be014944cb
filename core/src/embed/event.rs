//! What comes out of the queue.

use serde::Serialize;
use serde_json::{Map, Value};

use super::code::{Code, EmbedError, Wire};

/// One event, with what every host needs of it, and all of it as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedEvent {
    /// `op.done`, `queue.lagged`, `process.exit`, `log`, …; see [`event_types`](super::event_types).
    pub kind: String,
    /// The operation that is over; 0 for an event that nobody asked for.
    pub op: u64,
    /// The tag that the operation was submitted with; 0 for an event that nobody asked for.
    pub tag: u64,
    /// How the operation went; [`Code::Ok`] for an event that nobody asked for.
    pub status: Code,
    /// The whole event: an object with `type`.
    pub json: String,
}

/// What a wait comes back with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Next {
    /// An event.
    Event(QueuedEvent),
    /// There was none in the time that was given.
    TimedOut,
    /// A signal came, or somebody called [`interrupt`](super::Embedded::interrupt).
    Interrupted,
    /// The handle is closed, and everything that was in the queue was taken.
    Closed,
    /// The wait could not begin: on a thread of the library, in the child of a fork, or without descriptors.
    Failed(EmbedError),
}

#[derive(Serialize)]
struct Done<'a> {
    r#type: &'static str,
    op: u64,
    tag: u64,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wire<'a>>,
}

#[derive(Serialize)]
struct Unsolicited<'a> {
    r#type: &'a str,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

impl QueuedEvent {
    pub(super) fn done(op: u64, tag: u64, outcome: &Result<Value, EmbedError>) -> Self {
        let (result, error) = (outcome.as_ref().ok(), outcome.as_ref().err());
        let done = Done {
            r#type: "op.done",
            op,
            tag,
            ok: error.is_none(),
            result,
            error: error.map(EmbedError::wire),
        };
        let status = error.map_or(Code::Ok, |error| error.code);
        Self { kind: done.r#type.to_owned(), op, tag, status, json: written(&done) }
    }

    /// Of an `op.done`: its result, or its error, each as JSON.
    ///
    /// # Errors
    /// The error of the operation, as [`EmbedError::to_json`] writes it.
    pub fn outcome(&self) -> Result<&str, &str> {
        let after = |before: &str| self.json.split_once(before).and_then(|(_, rest)| rest.strip_suffix('}'));
        match after(r#","ok":true,"result":"#) {
            Some(result) => Ok(result),
            None => Err(after(r#","ok":false,"error":"#).unwrap_or("{}")),
        }
    }

    /// `fields` is what it says besides its type.
    pub(super) fn unsolicited(kind: &str, fields: &Map<String, Value>) -> Self {
        let json = written(&Unsolicited { r#type: kind, fields });
        Self { kind: kind.to_owned(), op: 0, tag: 0, status: Code::Ok, json }
    }
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and JSON values can be written as JSON")
}
