//! What a line asks for (compat C-170 to C-182). Pure: bytes in, a command or the text of its refusal out.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::id::{Attestation, Seq};

/// One request of a control connection.
///
/// Ids are carried as they were sent: what an unsafe or unknown one means depends on the command.
///
/// ```
/// use rollcore::ControlCommand;
/// assert_eq!(ControlCommand::parse(br#"{"command":"status"}"#), Ok(ControlCommand::Status));
/// let refused = ControlCommand::parse(br#"{"command":"dance"}"#).expect_err("nobody dances here");
/// assert_eq!(refused.to_string(), "Unknown command: dance");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlCommand {
    /// What is running (C-176).
    Status,
    /// Move to a prepared release (C-177).
    Deploy {
        /// Its directory, never empty.
        release_path: String,
        /// Its id; `None` when absent or empty (C-108).
        release_id: Option<String>,
        /// What it was built from; `None` when absent or empty.
        revision: Option<String>,
    },
    /// Move back to a release that is remembered (C-178).
    Rollback {
        /// Which; `None` means the one before.
        release_id: Option<String>,
    },
    /// Stop a release (C-179).
    Stop {
        /// Which; `None` means the active one. An empty id is a release nobody has, not the active one.
        release_id: Option<String>,
    },
    /// Restart processes in place (C-180).
    Restart {
        /// A process or instance.
        process_id: Option<String>,
        /// A process policy.
        policy: Option<String>,
    },
    /// Let requests wait. Ours; not in the contract.
    Pause {
        /// After how long traffic is resumed by itself; `None` means when somebody resumes it.
        timeout: Option<Duration>,
    },
    /// Send whoever waits since a pause. Ours; not in the contract.
    Resume,
    /// What happened (C-181).
    Events(EventsQuery),
    /// End everything (C-182).
    Shutdown,
    /// Somebody else has taken over: finish what was begun, and end (C-165, C-183).
    RetireOwner {
        /// What the other one says of itself.
        attestation: Attestation,
        /// Whether the other one takes the listening sockets with the answer. Ours; not in the contract.
        handover: bool,
    },
}

/// Which events, and whether to wait for them.
///
/// `after` and `wait` go beyond the contract: with either of them the reply also holds `lastSeq`, to be sent as the
/// next `after`. Together they follow the log without polling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// How many of the newest; `None` means all that are remembered.
    pub limit: Option<usize>,
    /// Only those behind this place.
    pub after: Option<Seq>,
    /// How long to wait when there is none yet; at most [`EVENTS_WAIT_MAX`].
    pub wait: Duration,
}

impl EventsQuery {
    /// Whether the one who asks knows of `lastSeq`.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.after.is_some() || !self.wait.is_zero()
    }
}

/// The longest [`EventsQuery::wait`]; a longer one is cut to it, so that no command waits for ever.
pub const EVENTS_WAIT_MAX: Duration = Duration::from_secs(30);

/// How much of an unknown command's name its refusal repeats; the rest is left out.
const ECHO_CHARS_MAX: usize = 200;

/// Why a line is not a command. The texts are those of compat C-171 to C-174.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// The line ends too early, or is empty.
    #[error("Unexpected end of JSON input")]
    Incomplete,
    /// It is something else than JSON.
    #[error("Control command is not valid JSON: {0}")]
    NotJson(String),
    /// It is JSON, but a number, a text, a truth value or null.
    #[error("Control command must be an object")]
    NotAnObject,
    /// There is no such command.
    #[error("Unknown command: {0}")]
    Unknown(String),
    /// A deploy of nothing.
    #[error("releasePath is required")]
    ReleasePathRequired,
    /// A retirement that nobody attests.
    #[error("attestation is required")]
    AttestationRequired,
    /// An attestation that is spelled otherwise.
    #[error("Owner retirement attestation must use the canonical sha256:<64 lowercase hex> format")]
    NotCanonical,
    /// A field that should be text is not.
    #[error("Expected string value")]
    NotAString,
    /// A field that should be a count is not.
    #[error("{0} must be a non-negative integer")]
    NotACount(&'static str),
    /// It does not fit into [`ControlLimits::line_bytes_max`](crate::ControlLimits::line_bytes_max).
    #[error("Control command is longer than {bytes_max} bytes")]
    TooLong {
        /// What would fit.
        bytes_max: usize,
    },
}

impl InvalidCommand {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Incomplete | Self::NotJson(_) => "invalid_json",
            Self::NotAnObject | Self::Unknown(_) => "unknown_command",
            Self::ReleasePathRequired
            | Self::AttestationRequired
            | Self::NotCanonical
            | Self::NotAString
            | Self::NotACount(_) => "invalid_field",
            Self::TooLong { .. } => "line_too_long",
        }
    }
}

impl ControlCommand {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// [`InvalidCommand`], whose text is the answer.
    pub fn parse(line: &[u8]) -> Result<Self, InvalidCommand> {
        let value: Value = serde_json::from_slice(line).map_err(|error| not_json(&error))?;
        let fields = match value {
            Value::Object(fields) => fields,
            // As in the contract, a list is an object without a command (C-173).
            Value::Array(_) => Map::new(),
            _ => return Err(InvalidCommand::NotAnObject),
        };
        from_fields(&fields)
    }

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Deploy { .. } => "deploy",
            Self::Rollback { .. } => "rollback",
            Self::Stop { .. } => "stop",
            Self::Restart { .. } => "restart",
            Self::Pause { .. } => "pause",
            Self::Resume => "resume",
            Self::Events(_) => "events",
            Self::Shutdown => "shutdown",
            Self::RetireOwner { .. } => "retire-owner",
        }
    }
}

fn not_json(error: &serde_json::Error) -> InvalidCommand {
    if error.is_eof() { InvalidCommand::Incomplete } else { InvalidCommand::NotJson(error.to_string()) }
}

fn from_fields(fields: &Map<String, Value>) -> Result<ControlCommand, InvalidCommand> {
    match fields.get("command").and_then(Value::as_str) {
        Some("status") => Ok(ControlCommand::Status),
        Some("deploy") => deploy(fields),
        Some("rollback") => Ok(ControlCommand::Rollback { release_id: text(fields, "releaseId")? }),
        Some("stop") => Ok(ControlCommand::Stop { release_id: text(fields, "releaseId")? }),
        Some("restart") => Ok(ControlCommand::Restart {
            process_id: text(fields, "processId")?,
            policy: text(fields, "policy")?,
        }),
        Some("pause") => {
            Ok(ControlCommand::Pause { timeout: count(fields, "timeoutMs")?.map(Duration::from_millis) })
        }
        Some("resume") => Ok(ControlCommand::Resume),
        Some("events") => events(fields).map(ControlCommand::Events),
        Some("shutdown") => Ok(ControlCommand::Shutdown),
        Some("retire-owner") => retire_owner(fields),
        _ => Err(InvalidCommand::Unknown(echo(fields.get("command")))),
    }
}

fn deploy(fields: &Map<String, Value>) -> Result<ControlCommand, InvalidCommand> {
    let release_path = fields.get("releasePath").and_then(Value::as_str).filter(|path| !path.is_empty());
    Ok(ControlCommand::Deploy {
        release_path: release_path.ok_or(InvalidCommand::ReleasePathRequired)?.to_owned(),
        release_id: text(fields, "releaseId")?.filter(|id| !id.is_empty()),
        revision: text(fields, "revision")?.filter(|revision| !revision.is_empty()),
    })
}

fn retire_owner(fields: &Map<String, Value>) -> Result<ControlCommand, InvalidCommand> {
    let attestation = fields.get("attestation").and_then(Value::as_str).filter(|text| !text.is_empty());
    let attestation = attestation.ok_or(InvalidCommand::AttestationRequired)?;
    Ok(ControlCommand::RetireOwner {
        attestation: Attestation::new(attestation).ok_or(InvalidCommand::NotCanonical)?,
        handover: fields.get("handover") == Some(&Value::Bool(true)),
    })
}

fn events(fields: &Map<String, Value>) -> Result<EventsQuery, InvalidCommand> {
    let wait = count(fields, "waitMs")?.map_or(Duration::ZERO, Duration::from_millis);
    Ok(EventsQuery {
        limit: limit(fields.get("limit")),
        after: count(fields, "after")?.map(Seq),
        wait: wait.min(EVENTS_WAIT_MAX),
    })
}

/// Everything but a number of at least one means "all" (C-181).
fn limit(value: Option<&Value>) -> Option<usize> {
    let number = value?.as_f64()?.floor();
    // A float beyond the range of usize saturates, which means "all" too.
    (number >= 1.0).then_some(number as usize)
}

fn count(fields: &Map<String, Value>, key: &'static str) -> Result<Option<u64>, InvalidCommand> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(InvalidCommand::NotACount(key)),
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, InvalidCommand> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(InvalidCommand::NotAString),
    }
}

fn echo(value: Option<&Value>) -> String {
    let shown = match value {
        None => "undefined".to_owned(),
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
    };
    shown.chars().take(ECHO_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        ControlCommand::parse(line.as_bytes()).expect_err(line).to_string()
    }

    fn parsed(line: &str) -> ControlCommand {
        ControlCommand::parse(line.as_bytes()).expect(line)
    }

    /// C-171.
    #[test]
    fn what_is_not_json_is_refused_by_that_name() {
        for line in ["", "  ", "{", "this is not json", "{'a':1}", "{\"a\":1}x", "\u{0}"] {
            assert!(refused(line).contains("JSON"), "{line:?}: {}", refused(line));
        }
        assert_eq!(refused(""), "Unexpected end of JSON input");
        assert!(ControlCommand::parse(b"{\"command\":\"\xff\"}").is_err());
        assert!(refused(&"[".repeat(100_000)).contains("JSON"));
    }

    /// C-172, C-173.
    #[test]
    fn json_that_is_no_command_is_refused_with_the_texts_of_the_contract() {
        for line in ["123", "null", "\"status\"", "true"] {
            assert_eq!(refused(line), "Control command must be an object");
        }
        assert_eq!(refused("{}"), "Unknown command: undefined");
        assert_eq!(refused("[]"), "Unknown command: undefined");
        assert_eq!(refused(r#"{"command":"x"}"#), "Unknown command: x");
        assert_eq!(refused(r#"{"command":5}"#), "Unknown command: 5");
        assert_eq!(refused(r#"{"command":null}"#), "Unknown command: null");
        let long = format!(r#"{{"command":"{}"}}"#, "ä".repeat(5000));
        assert_eq!(refused(&long).chars().count(), "Unknown command: ".len() + ECHO_CHARS_MAX);
    }

    /// C-108, C-174.
    #[test]
    fn a_deploy_needs_a_path_and_texts() {
        for path in ["", r#","releasePath":"""#, r#","releasePath":7"#, r#","releasePath":null"#] {
            assert_eq!(refused(&format!(r#"{{"command":"deploy"{path}}}"#)), "releasePath is required");
        }
        for field in ["releaseId", "revision"] {
            let line = format!(r#"{{"command":"deploy","releasePath":"/r","{field}":7}}"#);
            assert_eq!(refused(&line), "Expected string value");
        }
        let deploy =
            parsed(r#"{"command":"deploy","releasePath":"/r","releaseId":"","revision":null,"more":1}"#);
        let expected =
            ControlCommand::Deploy { release_path: "/r".to_owned(), release_id: None, revision: None };
        assert_eq!(deploy, expected);
    }

    /// C-165, C-183.
    #[test]
    fn a_retirement_needs_an_attestation_in_its_only_spelling() {
        for missing in ["", r#","attestation":null"#, r#","attestation":"""#, r#","attestation":7"#] {
            assert_eq!(
                refused(&format!(r#"{{"command":"retire-owner"{missing}}}"#)),
                "attestation is required"
            );
        }
        let hex = "c".repeat(64);
        for odd in ["x", "sha256:", &hex, &format!("sha256:{}", hex.to_uppercase()), &format!("SHA256:{hex}")]
        {
            assert_eq!(
                refused(&format!(r#"{{"command":"retire-owner","attestation":"{odd}"}}"#)),
                "Owner retirement attestation must use the canonical sha256:<64 lowercase hex> format"
            );
        }
        let attestation = Attestation::new(format!("sha256:{hex}")).expect("it is well spelled");
        for (more, handover) in [("", false), (r#","handover":true"#, true), (r#","handover":"yes""#, false)]
        {
            let line = format!(r#"{{"command":"retire-owner","attestation":"sha256:{hex}"{more}}}"#);
            let expected = ControlCommand::RetireOwner { attestation: attestation.clone(), handover };
            assert_eq!(parsed(&line), expected);
        }
    }

    #[test]
    fn an_empty_id_does_not_mean_the_active_release() {
        let stop = parsed(r#"{"command":"stop","releaseId":""}"#);
        assert_eq!(stop, ControlCommand::Stop { release_id: Some(String::new()) });
        assert_eq!(parsed(r#"{"command":"stop"}"#), ControlCommand::Stop { release_id: None });
    }

    /// C-181.
    #[test]
    fn any_limit_that_is_no_count_means_all() {
        let limit = |limit: &str| match parsed(&format!(r#"{{"command":"events","limit":{limit}}}"#)) {
            ControlCommand::Events(query) => query.limit,
            other => panic!("{other:?}"),
        };
        for all in ["0", "-3", "0.5", "\"2\"", "null", "[]"] {
            assert_eq!(limit(all), None, "{all}");
        }
        assert_eq!(limit("2"), Some(2));
        assert_eq!(limit("2.9"), Some(2));
        assert_eq!(limit("1e300"), Some(usize::MAX));
    }

    #[test]
    fn a_pause_may_have_a_time() {
        let pause = |timeout| ControlCommand::Pause { timeout };
        assert_eq!(parsed(r#"{"command":"pause"}"#), pause(None));
        assert_eq!(parsed(r#"{"command":"pause","timeoutMs":null}"#), pause(None));
        assert_eq!(
            parsed(r#"{"command":"pause","timeoutMs":1500}"#),
            pause(Some(Duration::from_millis(1500)))
        );
        for wrong in ["-1", "1.5", "\"1s\"", "true"] {
            let line = format!(r#"{{"command":"pause","timeoutMs":{wrong}}}"#);
            assert_eq!(refused(&line), "timeoutMs must be a non-negative integer");
        }
        assert_eq!(parsed(r#"{"command":"resume"}"#), ControlCommand::Resume);
    }

    #[test]
    fn waiting_for_events_is_bounded() {
        let query = parsed(r#"{"command":"events","after":7,"waitMs":99999999}"#);
        let expected = EventsQuery { limit: None, after: Some(Seq(7)), wait: EVENTS_WAIT_MAX };
        assert_eq!(query, ControlCommand::Events(expected));
        assert_eq!(refused(r#"{"command":"events","after":-1}"#), "after must be a non-negative integer");
    }
}
