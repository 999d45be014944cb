//! One release, from its first step to the day it is forgotten.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{Generation, InstanceKey, ProcessId, ReleaseId, Revision};
use crate::rollout::Failure;
use crate::rollout::command::Action;
use crate::rollout::render::Context;
use crate::rollout::retain;
use crate::spec::{Address, Application};
use crate::time::Instant;

use super::{Owner, World};

/// A prepared directory that was, is or is about to be behind the proxy.
#[derive(Clone, Debug)]
pub struct Release {
    /// The how-manieth release of the engine it is.
    pub generation: Generation,
    /// Its name. Two generations may have the same.
    pub id: ReleaseId,
    /// Its directory.
    pub path: String,
    /// What it was built from; its id if nobody said.
    pub revision: Revision,
    /// Where each process listens that has a port or a socket, services included.
    pub addresses: BTreeMap<ProcessId, Address>,
    /// How it is.
    pub state: ReleaseState,
    /// When traffic moved to it last.
    pub activated_at: Option<Instant>,
    /// When traffic moved away from it.
    pub drain_started_at: Option<Instant>,
    /// When its last process had ended.
    pub stopped_at: Option<Instant>,
    /// The ports and sockets that it still holds itself.
    pub(super) leased: BTreeMap<ProcessId, Address>,
    pub(super) application: Arc<Application>,
    /// Where it stands among the others; a release that is deployed again keeps its place (compat C-193).
    pub(super) place: Generation,
}

/// How a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseState {
    /// Its rollout is under way; it is in no list yet (compat C-112).
    Starting,
    /// Traffic points at it.
    Active,
    /// Traffic points elsewhere; its last requests go on.
    Draining,
    /// All its processes are gone.
    Stopped,
    /// Some of its processes could not be ended.
    Failed,
}

impl ReleaseState {
    /// The word in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Release {
    /// Whether it is in the list that people see.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.state != ReleaseState::Starting
    }

    /// The port of each process that has one, services included.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<ProcessId, u16> {
        let port = |(id, address): (&ProcessId, &Address)| Some((id.clone(), address.port()?));
        self.addresses.iter().filter_map(port).collect()
    }

    /// The Unix socket of each process that has one, services included.
    #[must_use]
    pub fn sockets(&self) -> BTreeMap<ProcessId, PathBuf> {
        let socket = |(id, address): (&ProcessId, &Address)| Some((id.clone(), address.socket()?.to_owned()));
        self.addresses.iter().filter_map(socket).collect()
    }

    /// Whether it holds ports or sockets of its own.
    #[must_use]
    pub fn holds_ports(&self) -> bool {
        !self.leased.is_empty()
    }

    /// Where it stands in that list.
    #[must_use]
    pub fn place(&self) -> Generation {
        self.place
    }

    pub(super) fn context<'a>(&'a self, host_env: &'a BTreeMap<String, String>) -> Context<'a> {
        Context {
            application: &self.application,
            release: &self.id,
            path: &self.path,
            revision: &self.revision,
            addresses: &self.addresses,
            host_env,
        }
    }
}

impl World {
    pub(super) fn release_mut(&mut self, generation: Generation) -> &mut Release {
        self.releases.get_mut(&generation).expect("a release outlives what is done to it")
    }

    /// The newest visible generation of a release.
    pub(super) fn newest(&self, id: &ReleaseId) -> Option<&Release> {
        self.releases.values().rev().find(|release| release.is_visible() && release.id == *id)
    }

    /// The newest visible generation of a release that is not stopped yet.
    pub(super) fn newest_that_runs(&self, id: &ReleaseId) -> Option<&Release> {
        let runs = |release: &&Release| release.is_visible() && release.state != ReleaseState::Stopped;
        self.releases.values().rev().filter(runs).find(|release| release.id == *id)
    }

    fn is_superseded(&self, release: &Release) -> bool {
        self.newest(&release.id).is_some_and(|newest| newest.generation > release.generation)
    }

    /// Its processes are gone: its ports go back, and what is too old is forgotten.
    pub(super) fn release_ended(&mut self, generation: Generation, survivors: u32, now: Instant) {
        self.actions.push(Action::EndTraffic(generation));
        if survivors > 0 {
            self.release_mut(generation).state = ReleaseState::Failed;
            return;
        }
        let release = self.release_mut(generation);
        release.state = ReleaseState::Stopped;
        release.stopped_at = Some(now);
        self.return_ports_of(generation);
        self.prune(now);
    }

    fn return_ports_of(&mut self, generation: Generation) {
        let leased = std::mem::take(&mut self.release_mut(generation).leased);
        if !leased.is_empty() {
            self.actions.push(Action::ReturnPorts(leased.into_values().collect()));
        }
    }

    fn prune(&mut self, now: Instant) {
        let is_stopped = |release: &&Release| release.state == ReleaseState::Stopped;
        let stopped = self.releases.values().filter(is_stopped);
        let (superseded, retained): (Vec<_>, Vec<_>) =
            stopped.partition(|release| self.is_superseded(release));
        let retained: Vec<_> =
            retained.iter().map(|release| (release.generation, release.stopped_at.unwrap_or(now))).collect();
        let mut forgotten = retain::forgotten(&retained, self.application.retention, now);
        forgotten.extend(superseded.iter().map(|release| release.generation));
        for generation in forgotten {
            self.forget_release(generation);
        }
    }

    pub(super) fn forget_release(&mut self, generation: Generation) {
        for key in self.instances_of(generation) {
            self.forget_instance(key);
        }
        self.releases.remove(&generation);
    }

    pub(super) fn survivors_of(&self, generation: Generation) -> u32 {
        let keys = self.instances_of(generation);
        keys.iter().filter_map(|key| self.instances.get(key)).map(|instance| instance.survivors).sum()
    }

    /// The last of those that had outlived SIGKILL is gone: so is what kept its release `failed`, and its ports.
    pub(super) fn survivors_ended(&mut self, key: InstanceKey, now: Instant) {
        let Some(Owner::Release(generation)) = self.instances.get(&key).map(|instance| instance.owner) else {
            return;
        };
        let is_failed = self.release_mut(generation).state == ReleaseState::Failed;
        if !is_failed || self.survivors_of(generation) > 0 {
            return;
        }
        let release = self.release_mut(generation);
        if release.activated_at.is_some() {
            let release = release.id.clone();
            self.record(Event::ReleaseDrained { release });
            self.release_ended(generation, 0, now);
        } else {
            // What was never deployed is nothing to go back to (compat C-118).
            self.return_ports_of(generation);
            self.forget_release(generation);
        }
    }

    pub(super) fn drain_failed(&mut self, generation: Generation, survivors: u32) {
        let release = self.release_mut(generation).id.clone();
        let failure = survivors_failure(&release, survivors);
        self.record(Event::ReleaseDrainFailed { release, error: failure.to_string() });
    }
}

/// `of` is the process or release whose they are.
pub(super) fn survivors_failure(of: impl std::fmt::Display, survivors: u32) -> Failure {
    let message = format!(
        "{survivors} of the processes of {of} outlived SIGKILL, and whatever they hold stays held; \
         see what keeps them in the kernel, then stop them again"
    );
    Failure::new("survivors", message)
}
