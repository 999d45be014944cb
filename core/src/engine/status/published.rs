//! What the conductor publishes, and the status that comes of it when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock;
use crate::id::{Generation, InstanceKey, ProcessId, ReleaseId};
use crate::proxy::DrainingProxy;
use crate::rollout::{Ending, Instance, Owner, Release, ReleaseState, World};
use crate::spec::Application;
use crate::supervisor::{MemoryUse, Output};
use crate::time::Epoch;

use super::look::{Seen, control, instance, made_up_proxy, proxy_status, release};
use super::{SingleStatus, Status};

/// What the conductor shows after each turn. What changes without it (lines, connections) is looked up when somebody
/// asks.
#[derive(Debug)]
pub(in crate::engine) struct Published {
    application: Arc<Application>,
    active: Option<ReleaseId>,
    busy: Option<String>,
    ending: Option<Ending>,
    is_draining: bool,
    releases: Vec<(Release, Vec<Shown>)>,
    starting: Vec<(Release, Vec<Shown>)>,
    services: Vec<(ProcessId, Shown)>,
    singletons: Vec<(ProcessId, Shown)>,
    displaced: Vec<(ProcessId, Shown)>,
}

/// An instance, and where to look up what changes without the world.
pub(super) type Shown = (Instance, Option<Output>, Option<MemoryUse>);

impl Published {
    pub(in crate::engine) fn of(
        world: &World,
        outputs: &BTreeMap<InstanceKey, Output>,
        memory: &BTreeMap<InstanceKey, MemoryUse>,
    ) -> Self {
        let shown = |key: InstanceKey| {
            Some((world.instance(key)?.clone(), outputs.get(&key).cloned(), memory.get(&key).cloned()))
        };
        let of_release = |generation: Generation| {
            let of_it =
                world.instances().filter(|(_, instance)| instance.owner == Owner::Release(generation));
            of_it.filter_map(|(key, _)| shown(key)).collect()
        };
        let with_processes = |release: &Release| (release.clone(), of_release(release.generation));
        let starting = world.releases().filter(|release| !release.is_visible());
        Self {
            application: Arc::clone(world.application()),
            active: world.active().map(|release| release.id.clone()),
            busy: world.busy_with(),
            releases: listed(world).into_iter().map(with_processes).collect(),
            starting: starting.map(with_processes).collect(),
            ending: world.ending(),
            is_draining: world.is_draining(),
            services: world.services().filter_map(|(id, key)| Some((id.clone(), shown(key)?))).collect(),
            singletons: world.singletons().filter_map(|(id, key)| Some((id.clone(), shown(key)?))).collect(),
            displaced: displaced(world)
                .filter_map(|(key, instance)| Some((instance.id.process().clone(), shown(key)?)))
                .collect(),
        }
    }

    pub(in crate::engine) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub(in crate::engine) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// The configuration in force.
    pub(in crate::engine) fn application(&self) -> Arc<Application> {
        Arc::clone(&self.application)
    }

    pub(in crate::engine) fn status(&self, proxy: &DrainingProxy, epoch: Epoch) -> Status {
        self.seen(Seen { proxy: Some(proxy), now: clock::now(), epoch })
    }

    pub(super) fn seen(&self, seen: Seen<'_>) -> Status {
        let releases = |of: &[(Release, Vec<Shown>)]| {
            of.iter().map(|(of, processes)| release(of, processes, seen)).collect()
        };
        let single = |(id, shown): &(ProcessId, Shown)| SingleStatus {
            id: id.clone(),
            process: instance(shown, seen),
        };
        Status {
            active_release_id: self.active.clone(),
            application: self.application.name.clone(),
            bootstrap: None,
            busy: self.busy.clone(),
            control: control(&self.application),
            daemon_runtime: None,
            orphans: Vec::new(),
            proxy: match seen.proxy {
                Some(proxy) => proxy_status(&self.application, proxy),
                None => made_up_proxy(&self.application),
            },
            releases: releases(&self.releases),
            services: self.services.iter().map(single).collect(),
            singletons: self.singletons.iter().map(single).collect(),
            displaced: self.displaced.iter().map(single).collect(),
            starting: releases(&self.starting),
        }
    }
}

/// In their places; an older generation of the same id stands at the end, as long as anything of it is left.
fn listed(world: &World) -> Vec<&Release> {
    let visible = || world.releases().filter(|release| release.is_visible());
    let newest = |release: &Release| {
        !visible().any(|other| other.id == release.id && other.generation > release.generation)
    };
    let is_left = |release: &&Release| newest(release) || release.state != ReleaseState::Stopped;
    let mut listed: Vec<_> = visible().filter(is_left).collect();
    listed.sort_by_key(|release| (!newest(release), release.place()));
    listed
}

/// What may still run and is in no list: the old instance of a singleton whose place another one has taken.
fn displaced(world: &World) -> impl Iterator<Item = (InstanceKey, &Instance)> {
    let is_in_place =
        |key: InstanceKey| world.services().chain(world.singletons()).any(|(_, in_place)| in_place == key);
    world.instances().filter(move |(key, instance)| {
        !matches!(instance.owner, Owner::Release(_)) && instance.may_live() && !is_in_place(*key)
    })
}
