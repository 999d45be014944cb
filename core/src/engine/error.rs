//! What can go wrong, one enum per verb. Each has a stable `code()` that every door repeats.

use crate::id::{InstanceId, ReleaseId};
use crate::proxy::BindError;
use crate::rollout::{Answer, Failure, Refusal};
use crate::step::{Step, Undo};

use super::release::Deployed;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineStartError {
    /// The proxy's address is not to be had (compat C-158).
    #[error("{0}")]
    Bind(#[source] BindError),
}

impl EngineStartError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind(error) => error.code(),
        }
    }
}

fn busy(holder: &str) -> Refusal {
    Refusal::Busy { holder: holder.to_owned() }
}

/// Why a deploy or a rollback did not happen. It reads as its cause does, because that is what people look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// Another operation is under way; nothing was touched.
    #[error("{}", busy(.holder))]
    Busy {
        /// Such as `deploy v2`.
        holder: String,
    },
    /// It was not begun; nothing was touched.
    #[error("{message}")]
    Refused {
        /// The stable word for programs.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// A step failed, and everything is as it was.
    #[error("{cause}")]
    Undone {
        /// The release that failed.
        release: ReleaseId,
        /// The step that failed.
        step: Step,
        /// Why.
        cause: Failure,
    },
    /// A step failed, and so did an undo: somebody has to look at the status.
    #[error("{0}")]
    Stuck(Box<Stuck>),
    /// The engine has ended.
    #[error("{}", Refusal::ShuttingDown)]
    Ended,
}

/// A rollout that could not be taken back as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; and then \"{undo}\" failed: {undo_cause}")]
pub struct Stuck {
    /// The release that failed.
    pub release: ReleaseId,
    /// The step that failed.
    pub step: Step,
    /// Why.
    pub cause: Failure,
    /// The undo that failed.
    pub undo: Undo,
    /// Why.
    pub undo_cause: Failure,
}

impl DeployError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Refused { code, .. } => code,
            Self::Undone { cause, .. } => cause.code(),
            Self::Stuck(_) => "stuck",
            Self::Ended => "shutting_down",
        }
    }
}

impl From<Refusal> for DeployError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy { holder } => Self::Busy { holder },
            other => Self::Refused { code: other.code(), message: other.to_string() },
        }
    }
}

/// The error of a verb that is either done or refused.
macro_rules! refusable {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("{message}")]
        pub struct $name {
            code: &'static str,
            message: String,
        }

        impl $name {
            /// The stable word for programs.
            #[must_use]
            pub fn code(&self) -> &'static str {
                self.code
            }
        }

        impl From<Option<Answer>> for $name {
            fn from(answer: Option<Answer>) -> Self {
                let refusal = match answer {
                    Some(Answer::Refused(refusal)) => refusal,
                    _ => Refusal::ShuttingDown,
                };
                Self { code: refusal.code(), message: refusal.to_string() }
            }
        }
    };
}

refusable! {
    /// Why a release was not stopped: no such release, another operation under way, or a process that outlives
    /// SIGKILL.
    StopError
}
refusable! {
    /// Why nothing, or not everything, was restarted: the proxied process was named, or none that is there; another
    /// operation is under way; or a process did not stop or start.
    RestartError
}

refusable! {
    /// Why traffic was not paused or resumed: the engine is on its way out, or the pause would be too long.
    TrafficError
}

impl TrafficError {
    pub(super) fn pause_timeout(max: std::time::Duration) -> Self {
        let message = format!("timeoutMs must be between 1 and {}", max.as_millis());
        Self { code: "invalid_field", message }
    }
}

refusable! {
    /// Why an owner did not retire: it is on its way out already.
    RetireError
}

/// The outcome of a verb, from its answer.
pub(crate) trait FromAnswer: Sized {
    type Error;
    fn from_answer(answer: Option<Answer>) -> Result<Self, Self::Error>;
}

impl FromAnswer for () {
    type Error = StopError;

    fn from_answer(answer: Option<Answer>) -> Result<Self, StopError> {
        match answer {
            Some(Answer::Stopped(_)) => Ok(()),
            other => Err(other.into()),
        }
    }
}

/// The owner is retired.
pub(super) struct Retired;

impl FromAnswer for Retired {
    type Error = RetireError;

    fn from_answer(answer: Option<Answer>) -> Result<Self, RetireError> {
        match answer {
            Some(Answer::Retired) => Ok(Self),
            other => Err(other.into()),
        }
    }
}

impl FromAnswer for Vec<InstanceId> {
    type Error = RestartError;

    fn from_answer(answer: Option<Answer>) -> Result<Self, RestartError> {
        match answer {
            Some(Answer::Restarted(instances)) => Ok(instances),
            other => Err(other.into()),
        }
    }
}

impl FromAnswer for Deployed {
    type Error = DeployError;

    fn from_answer(answer: Option<Answer>) -> Result<Self, DeployError> {
        match answer {
            Some(Answer::Deployed { active, previous }) => Ok(Self { active, previous }),
            Some(Answer::Undone { release, step, cause }) => {
                Err(DeployError::Undone { release, step, cause })
            }
            Some(Answer::Stuck { release, step, cause, undo, undo_cause }) => {
                Err(DeployError::Stuck(Box::new(Stuck { release, step, cause, undo, undo_cause })))
            }
            Some(Answer::Refused(refusal)) => Err(refusal.into()),
            _ => Err(DeployError::Ended),
        }
    }
}
