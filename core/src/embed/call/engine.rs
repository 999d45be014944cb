//! What an engine is asked for.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::code::{Code, EmbedError};
use super::super::params as p;
use super::{Checked, invalid};
use crate::config::{Config, ConfigError, Defaults};
use crate::engine::{PAUSE_TIMEOUT_MAX, Release};
use crate::id::{ReleaseId, Seq};
use crate::rollout::{RestartSelection, RollbackTo};
use crate::spec::{Application, ProcessPolicy};

/// `engine.open`.
#[derive(Clone, Debug)]
pub(in crate::embed) struct Open {
    pub(in crate::embed) application: Box<Application>,
    pub(in crate::embed) keep_state: bool,
}

/// A release, as it is deployed or planned.
#[derive(Clone, Debug)]
pub(in crate::embed) struct ReleaseCall {
    pub(in crate::embed) id: ReleaseId,
    pub(in crate::embed) path: String,
    pub(in crate::embed) release: Release,
}

/// `engine.events`.
#[derive(Clone, Copy, Debug)]
pub(in crate::embed) struct Events {
    pub(in crate::embed) after: Option<Seq>,
    pub(in crate::embed) limit: Option<usize>,
}

/// Whether to drain first.
#[derive(Clone, Copy, Debug)]
pub(in crate::embed) struct Drain(pub(in crate::embed) bool);

/// A config in which an unknown key is a mistake.
pub(super) fn config(config: Map<String, Value>) -> Checked<Application> {
    let config = Config::from_value(Value::Object(config), &Defaults::default());
    let config = config.map_err(|error| config_error(&error))?;
    if config.warnings().is_empty() {
        return Ok(config.into_application());
    }
    let lines: Vec<_> = config.warnings().iter().map(|issue| format!("\n  - {issue}")).collect();
    let message = format!("Invalid config:{}", lines.concat());
    Err(EmbedError::new(Code::Config, "config_invalid", message)
        .with_detail(json!({ "issues": config.warnings() })))
}

pub(super) fn config_error(error: &ConfigError) -> EmbedError {
    let issues: Vec<_> = error.issues().iter().chain(error.warnings()).collect();
    EmbedError::new(Code::Config, error.code(), error.to_string()).with_detail(json!({ "issues": issues }))
}

pub(super) fn open(params: p::EngineOpen) -> Checked<Open> {
    let application = Box::new(config(params.config)?);
    if params.keep_state && application.state.is_none() {
        return Err(invalid("keepState needs a statePath in the config"));
    }
    Ok(Open { application, keep_state: params.keep_state })
}

pub(super) fn release(params: p::ReleaseParams) -> Checked<ReleaseCall> {
    let p::ReleaseParams { release_id, release_path, revision } = params;
    if release_path.is_empty() || release_path.contains('\0') {
        return Err(invalid("releasePath must be the path of a directory"));
    }
    let release = Release::new(&release_id, release_path.clone())?;
    let release = match revision {
        Some(revision) => release.revision(&revision)?,
        None => release,
    };
    Ok(ReleaseCall { id: ReleaseId::new(release_id)?, path: release_path, release })
}

pub(super) fn rollback(params: p::ReleaseName) -> Checked<RollbackTo> {
    Ok(stop(params)?.map_or(RollbackTo::Previous, RollbackTo::Release))
}

pub(super) fn stop(params: p::ReleaseName) -> Checked<Option<ReleaseId>> {
    Ok(params.release_id.map(ReleaseId::new).transpose()?)
}

pub(super) fn restart(params: p::EngineRestart) -> Checked<RestartSelection> {
    use ProcessPolicy::{Companion, Proxied, Service, Singleton};
    let known = [Proxied, Companion, Singleton, Service];
    let named = |name: String| {
        let found = known.into_iter().find(|policy| policy.as_str() == name);
        found.ok_or_else(|| {
            invalid(format!("policy must be one of: {}", known.map(ProcessPolicy::as_str).join(", ")))
        })
    };
    Ok(RestartSelection { process: params.process_id, policy: params.policy.map(named).transpose()? })
}

pub(super) fn reload(params: p::EngineReload) -> Checked<Box<Application>> {
    Ok(Box::new(config(params.config)?))
}

#[expect(clippy::unnecessary_wraps, reason = "every check has the same shape")]
pub(super) fn events(params: p::EngineEvents) -> Checked<Events> {
    Ok(Events { after: params.after.map(Seq), limit: params.limit })
}

pub(super) fn pause(params: p::EnginePause) -> Checked<Option<Duration>> {
    let timeout = params.timeout_ms.map(Duration::from_millis);
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > PAUSE_TIMEOUT_MAX) {
        let message = format!("timeoutMs must be between 1 and {}", PAUSE_TIMEOUT_MAX.as_millis());
        return Err(EmbedError::new(Code::Argument, "invalid_field", message));
    }
    Ok(timeout)
}

#[expect(clippy::unnecessary_wraps, reason = "every check has the same shape")]
pub(super) fn shutdown(params: p::Shutdown) -> Checked<Drain> {
    Ok(Drain(params.drain))
}
