//! A daemon that was killed had a release active: it is brought back.
//!
//! First what would get in its way is ended: singletons and services of the earlier daemon, and whatever is the only one
//! that its port allows. Then the release is deployed as by anybody, and at last what is left of the earlier daemon is
//! ended, too. Only processes are touched that are certainly those that the earlier daemon started.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::event::{Event, Orphan};
use crate::rollout::{Command, DeployRequest};
use crate::spec::{Application, ProcessPolicy, ProcessSpec};

use super::error::FromAnswer;
use super::journal::Wanted;
use super::orphan::{self, LeftBehind};
use super::release::Deployed;
use super::{DeployError, Engine};

/// Why the release that was active was not brought back. Requests get 503 until somebody deploys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Its directory is gone.
    #[error("its directory {path} is not there any more; deploy another release")]
    DirectoryGone {
        /// The directory.
        path: String,
    },
    /// A process of the earlier daemon would run beside the new one.
    #[error("{process} of an earlier daemon, pid {pid}, {why}; stop it, then deploy")]
    InTheWay {
        /// Its instance.
        process: String,
        /// Its pid.
        pid: u32,
        /// `may be somebody else by now` or `could not be ended`.
        why: &'static str,
    },
    /// The deploy failed.
    #[error(transparent)]
    Deploy(#[from] DeployError),
}

impl RestoreError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DirectoryGone { .. } => "directory_gone",
            Self::InTheWay { .. } => "in_the_way",
            Self::Deploy(error) => error.code(),
        }
    }
}

impl Engine {
    /// Brings back the release that was active when an earlier daemon was killed, if `restoreOnStart` says so and there
    /// was one; otherwise does nothing, and answers `None`.
    ///
    /// Until it is over, `status` is busy with it, and every other operation but a shutdown waits. To be called once,
    /// before anybody else is let in.
    ///
    /// # Errors
    /// [`RestoreError`]; it is an event, too.
    ///
    /// # Panics
    /// Outside of the engine's runtime.
    ///
    /// # Cancel safety
    /// It goes on when the future is dropped. It is under way from the call on, not from the first poll.
    pub fn restore(&self) -> impl Future<Output = Result<Option<Deployed>, RestoreError>> + use<> {
        let application = self.shared.published.load().application();
        let wanted = self.shared.journal.wanted.clone();
        let is_on = application.state.as_ref().is_some_and(|state| state.restore_on_start);
        let restoring = wanted.filter(|_| is_on).map(|wanted| {
            self.shared.restoring.send_replace(Some(wanted.release.clone()));
            tokio::spawn(restore(self.clone(), application, wanted))
        });
        async move {
            match restoring {
                Some(restoring) => restoring.await.unwrap_or(Err(DeployError::Ended.into())).map(Some),
                None => Ok(None),
            }
        }
    }
}

async fn restore(
    engine: Engine,
    application: Arc<Application>,
    wanted: Wanted,
) -> Result<Deployed, RestoreError> {
    let shared = &engine.shared;
    let release = wanted.release.clone();
    shared
        .events
        .record(Event::RestoreStarted { release: release.clone(), path: wanted.path.clone().into() });
    let restored = bring_back(&engine, &application, wanted).await;
    shared.events.record(match &restored {
        Ok(_) => Event::ReleaseRestored { release },
        Err(error) => Event::RestoreFailed { release, error: error.to_string() },
    });
    shared.restoring.send_replace(None);
    if restored.is_ok() {
        let rest = shared.journal.orphans.current().into_iter().filter(LeftBehind::is_proven).collect();
        let _told_by_events = end(&engine, &application, rest).await;
    }
    restored
}

async fn bring_back(
    engine: &Engine,
    application: &Application,
    wanted: Wanted,
) -> Result<Deployed, RestoreError> {
    let path = wanted.path;
    if !is_directory(path.clone()).await {
        return Err(RestoreError::DirectoryGone { path });
    }
    let in_the_way: Vec<_> = engine
        .shared
        .journal
        .orphans
        .current()
        .into_iter()
        .filter(|left| is_alone(application, left))
        .collect();
    if let Some(unproven) = in_the_way.iter().find(|left| !left.is_proven()) {
        return Err(blocked(&unproven.orphan(), "may be somebody else by now"));
    }
    if let Some(left) = end(engine, application, in_the_way).await.first() {
        return Err(blocked(left, "could not be ended"));
    }
    let request =
        DeployRequest { release: wanted.release, path, revision: wanted.revision, application: None };
    Ok(FromAnswer::from_answer(engine.ask_now(Command::Deploy(request)).await)?)
}

async fn is_directory(path: String) -> bool {
    tokio::task::spawn_blocking(move || Path::new(&path).is_dir()).await.unwrap_or_default()
}

fn blocked(orphan: &Orphan, why: &'static str) -> RestoreError {
    RestoreError::InTheWay { process: orphan.id.clone(), pid: orphan.pid, why }
}

/// Whether its process cannot run twice at the same time.
fn is_alone(application: &Application, left: &LeftBehind) -> bool {
    let process = application.processes.iter().find(|process| process.id.as_str() == left.process());
    process.is_some_and(|process| {
        let is_singleton = process.policy == ProcessPolicy::Singleton;
        is_singleton || process.is_persistent_service() || has_one_port(process)
    })
}

fn has_one_port(process: &ProcessSpec) -> bool {
    process.port.is_some_and(|range| range.len() == 1 && !range.is_ephemeral())
}

/// Ends them, and tells of each. Returns who is left.
async fn end(engine: &Engine, application: &Application, these: Vec<LeftBehind>) -> Vec<Orphan> {
    let hosts: Arc<[String]> = engine.shared.journal.orphans.hosts().into();
    let stopped = orphan::stop(these, hosts, application.proxy.force_stop_timeout).await;
    let record = |event| engine.shared.events.record(event);
    stopped.gone.into_iter().map(Event::OrphanStopped).for_each(record);
    stopped.left.iter().cloned().map(Event::OrphanSurvived).for_each(record);
    stopped.left
}
