//! What a command is answered with (compat C-170). Pure.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The answer to one command: fields, or why not.
///
/// ```
/// use rollcore::ControlReply;
/// let refused = ControlReply::failure("busy", "a deploy of v2 is under way");
/// assert_eq!(
///     serde_json::to_string(&refused)?,
///     r#"{"error":"a deploy of v2 is under way","status":"error","code":"busy"}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum ControlReply {
    /// It was done.
    Success(Map<String, Value>),
    /// It was not.
    Failure {
        /// For people; the text clients of the contract look at.
        error: String,
        /// For programs; stable.
        code: &'static str,
    },
}

impl ControlReply {
    /// The fields of `value`, which is an object once it is JSON.
    ///
    /// What cannot be written as a JSON object is a failure with the code `internal`.
    #[must_use]
    pub fn success(value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::Object(fields)) => Self::Success(fields),
            Ok(_) => Self::failure("internal", "the answer is not an object"),
            Err(error) => Self::failure("internal", format!("the answer cannot be written: {error}")),
        }
    }

    /// It was not done.
    #[must_use]
    pub fn failure(code: &'static str, error: impl Into<String>) -> Self {
        Self::Failure { error: error.into(), code }
    }

    /// Reports `problem` too; what else went wrong is told behind it (C-149).
    #[must_use]
    pub fn with_problem(self, problem: String) -> Self {
        match self {
            Self::Success(_) => Self::failure("shutdown_incomplete", problem),
            Self::Failure { error, code } => Self::failure(code, format!("{problem}; {error}")),
        }
    }

    /// Adds a field to a success.
    #[must_use]
    pub(super) fn with_field(mut self, key: &str, value: Value) -> Self {
        if let Self::Success(fields) = &mut self {
            fields.insert(key.to_owned(), value);
        }
        self
    }

    /// The text of a failure.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Success(_) => None,
            Self::Failure { error, .. } => Some(error),
        }
    }

    /// One compact line of JSON, with its end.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("JSON values with text keys can always be written");
        line.push(b'\n');
        line
    }
}

impl Serialize for ControlReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Success(fields) => {
                map.serialize_entry("status", "success")?;
                for (key, value) in fields.iter().filter(|(key, _)| *key != "status") {
                    map.serialize_entry(key, value)?;
                }
            }
            Self::Failure { error, code } => {
                map.serialize_entry("error", error)?;
                map.serialize_entry("status", "error")?;
                map.serialize_entry("code", code)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-167, C-170.
    #[test]
    fn status_comes_first_and_the_line_is_compact() {
        let reply = ControlReply::success(&serde_json::json!({"restarted": ["wk"], "a": null}));
        assert_eq!(reply.to_line(), b"{\"status\":\"success\",\"a\":null,\"restarted\":[\"wk\"]}\n");
    }

    #[test]
    fn a_line_end_inside_a_text_stays_inside_the_line() {
        let line = ControlReply::failure("deploy_failed", "one\ntwo").to_line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn an_answer_that_is_no_object_is_a_failure() {
        assert!(ControlReply::success(&7).error().is_some());
    }

    /// C-149.
    #[test]
    fn problems_of_a_shutdown_are_told_together() {
        let stopped =
            ControlReply::failure("shutdown_incomplete", "Shutdown failed to stop 1 owned resource.");
        let both = stopped.with_problem("control socket unlink failed: EACCES".to_owned());
        assert_eq!(
            both.error(),
            Some("control socket unlink failed: EACCES; Shutdown failed to stop 1 owned resource.")
        );
        assert!(ControlReply::success(&Map::new()).with_problem("x".to_owned()).error().is_some());
    }
}
