//! The engine behind the socket. Nothing else in `control/` knows it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{ControlCommand, EventsQuery};
use super::reply::ControlReply;
use super::server::{ControlNote, ServeControl};
use crate::clock;
use crate::engine::{Deployed, Engine, Release, ShutdownReport, TrafficError};
use crate::event::{Event, StampedEvent};
use crate::id::{ReleaseId, Seq, UnsafeName};
use crate::rollout::{RestartSelection, RollbackTo};
use crate::spec::ProcessPolicy;
use crate::time::WallTime;

impl ServeControl for Engine {
    async fn handle(&self, command: ControlCommand) -> ControlReply {
        match command {
            ControlCommand::Status => ControlReply::success(&self.status()),
            ControlCommand::Deploy { release_path, release_id, revision } => {
                deploy(self, release_path, release_id, revision).await
            }
            ControlCommand::Rollback { release_id } => rollback(self, release_id).await,
            ControlCommand::Stop { release_id } => stop(self, release_id).await,
            ControlCommand::Restart { process_id, policy } => restart(self, process_id, policy).await,
            ControlCommand::Pause { timeout } => traffic(self, self.pause(timeout).await),
            ControlCommand::Resume => traffic(self, self.resume().await),
            ControlCommand::Events(query) if query.is_extended() => new_events(self, query).await,
            ControlCommand::Events(query) => events(&self.recent_events(query.limit)),
            ControlCommand::Shutdown => shut_down(self.shutdown().await),
            ControlCommand::RetireOwner { attestation, handover } => {
                match self.retire(attestation, handover).await {
                    Ok(()) => ControlReply::success(&json!({ "message": "owner retired" })),
                    Err(error) => ControlReply::failure(error.code(), error.to_string()),
                }
            }
        }
    }

    fn hand_over(&self) -> Option<OwnedFd> {
        self.take_listener().map(OwnedFd::from)
    }

    fn note(&self, note: ControlNote<'_>) {
        self.record(match note {
            ControlNote::Listening { path } => Event::ControlBound { path: path.to_owned() },
            ControlNote::CommandFailed { error } => Event::CommandFailed { error: error.to_owned() },
            ControlNote::ConnectionFailed { code, error } => Event::ControlConnectionFailed { code, error },
        });
    }
}

async fn deploy(engine: &Engine, path: String, id: Option<String>, revision: Option<String>) -> ControlReply {
    let release = match release(path, id, revision) {
        Ok(release) => release,
        Err(error) => return ControlReply::failure("unsafe_name", error.to_string()),
    };
    match engine.deploy(release).await {
        Ok(deployed) => moved(&deployed),
        Err(error) => ControlReply::failure(error.code(), error.to_string()),
    }
}

/// Named by its id, else by its revision, else by the time (C-108).
fn release(path: String, id: Option<String>, revision: Option<String>) -> Result<Release, UnsafeName> {
    let id = id.or_else(|| revision.clone()).unwrap_or_else(|| digits(clock::wall()));
    let release = Release::new(&id, path)?;
    match revision {
        Some(revision) => release.revision(&revision),
        None => Ok(release),
    }
}

/// `YYYYMMDDHHMMSSmmm`.
fn digits(time: WallTime) -> String {
    time.to_string().chars().filter(char::is_ascii_digit).collect()
}

async fn rollback(engine: &Engine, id: Option<String>) -> ControlReply {
    let to = match id.map(|id| ReleaseId::new(id.as_str()).map_err(|_| id)).transpose() {
        Ok(None) => RollbackTo::Previous,
        Ok(Some(id)) => RollbackTo::Release(id),
        // No release can have such a name, so none is retained under it.
        Err(id) => {
            let error = format!("No retained release \"{id}\" to roll back to.");
            return ControlReply::failure("not_retained", error);
        }
    };
    match engine.rollback(to).await {
        Ok(deployed) => moved(&deployed),
        Err(error) => ControlReply::failure(error.code(), error.to_string()),
    }
}

fn moved(deployed: &Deployed) -> ControlReply {
    ControlReply::success(&json!({
        "activeReleaseId": deployed.active,
        "previousReleaseId": deployed.previous,
    }))
}

async fn stop(engine: &Engine, id: Option<String>) -> ControlReply {
    let id = match id.map(|id| ReleaseId::new(id.as_str()).map_err(|_| id)).transpose() {
        Ok(id) => id,
        Err(id) => return ControlReply::failure("release_not_found", format!("Release not found: {id}")),
    };
    match engine.stop(id).await {
        Ok(()) => ControlReply::success(&engine.status()),
        Err(error) => ControlReply::failure(error.code(), error.to_string()),
    }
}

async fn restart(engine: &Engine, process: Option<String>, policy: Option<String>) -> ControlReply {
    let policy = match policy.as_deref().map(policy_named) {
        None => None,
        Some(Some(policy)) => Some(policy),
        // Nothing has such a policy, so nothing is restarted (C-142).
        Some(None) => return ControlReply::success(&json!({ "restarted": [] })),
    };
    match engine.restart(RestartSelection { process, policy }).await {
        Ok(instances) => ControlReply::success(&json!({ "restarted": instances })),
        Err(error) => ControlReply::failure(error.code(), error.to_string()),
    }
}

/// `inFlight` is what the active release still answers: after a pause, what whoever paused may want to wait for.
fn traffic(engine: &Engine, done: Result<(), TrafficError>) -> ControlReply {
    if let Err(error) = done {
        return ControlReply::failure(error.code(), error.to_string());
    }
    let status = engine.status();
    let active =
        status.releases.iter().find(|release| Some(&release.release_id) == status.active_release_id.as_ref());
    ControlReply::success(&json!({
        "inFlight": active.map_or(0, |release| release.connections.http),
        "parked": status.proxy.parked,
        "traffic": status.proxy.traffic,
    }))
}

fn policy_named(name: &str) -> Option<ProcessPolicy> {
    use ProcessPolicy::{Companion, Proxied, Service, Singleton};
    [Proxied, Companion, Singleton, Service].into_iter().find(|policy| policy.as_str() == name)
}

fn events(events: &[StampedEvent]) -> ControlReply {
    ControlReply::success(&json!({ "events": events }))
}

/// The events behind `after`, for whom `lastSeq` is a place to go on from.
async fn new_events(engine: &Engine, query: EventsQuery) -> ControlReply {
    let newest = engine.recent_events(Some(1)).last().map_or(Seq::START, |event| event.seq);
    // A place that this engine has not come to is one of an earlier daemon: what comes is new to the asker.
    let mut cursor = engine.events(query.after.unwrap_or(newest).min(newest));
    let mut batch = cursor.read();
    if batch.events.is_empty()
        && !query.wait.is_zero()
        && let Ok(new) = within(query.wait, cursor.next()).await
    {
        batch = new;
    }
    let (mut events, mut missed) = (Vec::new(), 0);
    while !batch.events.is_empty() {
        missed += batch.missed;
        events.append(&mut batch.events);
        batch = cursor.read();
    }
    let oldest = events.len().saturating_sub(query.limit.unwrap_or(usize::MAX));
    let events: Vec<Value> = events[oldest..].iter().map(|event| json!(event)).collect();
    ControlReply::success(&json!({
        "events": events,
        "lastSeq": cursor.position(),
        "missed": missed,
    }))
}

async fn within<T>(wait: Duration, future: impl Future<Output = T>) -> Result<T, ()> {
    tokio::time::timeout(wait, future).await.map_err(drop)
}

fn shut_down(report: ShutdownReport) -> ControlReply {
    match report.survivors {
        0 => ControlReply::success(&json!({ "message": "shutdown" })),
        count => {
            let resources = if count == 1 { "resource" } else { "resources" };
            let error = format!("Shutdown failed to stop {count} owned {resources}.");
            ControlReply::failure("shutdown_incomplete", error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-108.
    #[test]
    fn a_release_without_a_name_is_named_after_the_time() {
        assert_eq!(digits(WallTime::from_unix_ms(1_795_208_936_463)), "20261120210856463");
        assert!(release("/r".to_owned(), None, None).is_ok());
        assert!(release("/r".to_owned(), Some("a;b".to_owned()), None).is_err());
        assert!(release("/r".to_owned(), None, Some("a;b".to_owned())).is_err());
    }

    /// C-149.
    #[test]
    fn what_could_not_be_stopped_is_counted() {
        let error = |survivors| shut_down(ShutdownReport { survivors }).error().map(str::to_owned);
        assert_eq!(error(0), None);
        assert_eq!(error(1).as_deref(), Some("Shutdown failed to stop 1 owned resource."));
        assert_eq!(error(2).as_deref(), Some("Shutdown failed to stop 2 owned resources."));
    }
}
