//! The errors of the Rust API, as hosts in other languages see them. The words are theirs.

use serde_json::json;

use super::super::code::{Code, EmbedError};
use crate::config::RestartNeeded;
use crate::engine::{
    DeployError, EngineStartError, RestartError, RestoreError, ShutdownReport, StopError, TrafficError,
};
use crate::health::HealthError;
use crate::port::LeaseError;
use crate::proxy::BindError;
use crate::supervisor::StartError;

impl From<EngineStartError> for EmbedError {
    fn from(error: EngineStartError) -> Self {
        Self::new(Code::Io, error.code(), error.to_string())
    }
}

impl From<BindError> for EmbedError {
    fn from(error: BindError) -> Self {
        Self::new(Code::Io, error.code(), error.to_string())
    }
}

impl From<DeployError> for EmbedError {
    fn from(error: DeployError) -> Self {
        let (word, message) = (error.code(), error.to_string());
        match &error {
            DeployError::Undone { release, step, .. } => Self::new(Code::Failed, word, message)
                .with_detail(json!({ "outcome": "undone", "releaseId": release, "step": step.to_string() })),
            DeployError::Stuck(stuck) => Self::new(Code::Failed, word, message).with_detail(json!({
                "outcome": "stuck",
                "releaseId": stuck.release,
                "step": stuck.step.to_string(),
                "cause": { "code": stuck.cause.code(), "message": stuck.cause.message() },
                "undo": stuck.undo.to_string(),
                "undoCause": { "code": stuck.undo_cause.code(), "message": stuck.undo_cause.message() },
            })),
            DeployError::Busy { holder } => Self::new(Code::State, word, message)
                .with_detail(json!({ "outcome": "refused", "holder": holder })),
            _ => refused(word, message),
        }
    }
}

/// Nothing was touched.
fn refused(word: &str, message: String) -> EmbedError {
    let code = match word {
        "not_retained" | "release_not_found" => Code::NotFound,
        "busy" | "shutting_down" => Code::State,
        "invalid_config" | "restart_needed" => Code::Config,
        _ => Code::Failed,
    };
    EmbedError::new(code, word, message).with_detail(json!({ "outcome": "refused" }))
}

impl From<StopError> for EmbedError {
    fn from(error: StopError) -> Self {
        refused(error.code(), error.to_string())
    }
}

impl From<RestartError> for EmbedError {
    fn from(error: RestartError) -> Self {
        refused(error.code(), error.to_string())
    }
}

impl From<TrafficError> for EmbedError {
    fn from(error: TrafficError) -> Self {
        refused(error.code(), error.to_string())
    }
}

impl From<RestoreError> for EmbedError {
    fn from(error: RestoreError) -> Self {
        Self::new(Code::Failed, error.code(), error.to_string())
    }
}

impl From<RestartNeeded> for EmbedError {
    fn from(error: RestartNeeded) -> Self {
        Self::new(Code::Config, "restart_needed", error.to_string())
            .with_detail(json!({ "settings": error.settings }))
    }
}

impl From<LeaseError> for EmbedError {
    fn from(error: LeaseError) -> Self {
        Self::new(Code::Io, error.code(), error.to_string())
    }
}

impl From<StartError> for EmbedError {
    fn from(error: StartError) -> Self {
        let detail = error.detail().map(str::to_owned);
        let code = match error {
            StartError::NotSpawned { .. } => Code::Failed,
            StartError::Stopped => Code::Cancelled,
            _ => Code::Closed,
        };
        Self::new(code, error.code(), error.to_string()).with_detail(json!({ "missing": detail }))
    }
}

impl From<HealthError> for EmbedError {
    fn from(error: HealthError) -> Self {
        let took_ms = u64::try_from(error.took.as_millis()).unwrap_or(u64::MAX);
        Self::new(Code::Failed, error.code(), error.to_string()).with_detail(json!({
            "attempts": error.attempts,
            "reason": error.reason.to_string(),
            "tookMs": took_ms,
            "url": error.url,
        }))
    }
}

/// The outcome of a shutdown.
pub(in crate::embed) fn shut_down(report: ShutdownReport) -> Result<serde_json::Value, EmbedError> {
    match report.survivors {
        0 => Ok(json!({ "survivors": 0 })),
        survivors => {
            let message = format!("{survivors} processes could not be ended");
            Err(EmbedError::new(Code::Failed, "shutdown_incomplete", message)
                .with_detail(json!({ "survivors": survivors })))
        }
    }
}
