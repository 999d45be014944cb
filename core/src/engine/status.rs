//! How everything is, in the shape that Rollbridge's users know (compat C-186 to C-193).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::clock;
use crate::config::Bootstrap;
use crate::event::Orphan;
use crate::exit::{Exit, Signal};
use crate::id::{Generation, InstanceId, InstanceKey, Pid, ProcessId, ReleaseId, Revision};
use crate::proxy::{AccessLogCounts, DrainingProxy, Holder, TrafficCounts};
use crate::report::{MemberMemory, OutputLine, ProcessState, StartReason};
use crate::rollout::{Ending, Instance, Owner, Release, ReleaseState, World};
use crate::spec::{Application, OwnerName};
use crate::supervisor::{MemoryUse, Output};
use crate::time::{Epoch, Instant, WallTime};

use super::runtime::RuntimeIdentity;

/// How an engine is. As JSON it is what `status` answers, but for the word `status` itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where traffic goes.
    pub active_release_id: Option<ReleaseId>,
    /// The application's name.
    pub application: String,
    /// The release that the engine was started with, if it was (compat C-162).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// What has the lock, such as `deploy v2`, or `restore v1` after an earlier daemon was killed. Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<String>,
    /// Where commands come in.
    pub control: ControlStatus,
    /// Which program the daemon runs, when its host says so; see [`Engine::runtime`](crate::Engine::runtime).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon_runtime: Option<RuntimeIdentity>,
    /// Singletons that make room for that of a rollout under way, and whatever else still runs and is in no other list.
    /// Ours; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<SingleStatus>,
    /// Processes of an earlier daemon that are still there (compat C-208).
    pub orphans: Vec<Orphan>,
    /// Where traffic comes in.
    pub proxy: ProxyStatus,
    /// Every release that is there or remembered, the first registered first.
    pub releases: Vec<ReleaseStatus>,
    /// The persistent services.
    pub services: Vec<SingleStatus>,
    /// The singletons.
    pub singletons: Vec<SingleStatus>,
    /// The release whose rollout is under way, with what already runs of it. Ours; absent when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starting: Vec<ReleaseStatus>,
}

/// Where commands come in, as configured.
#[derive(Clone, Debug, Serialize)]
pub struct ControlStatus {
    /// The socket's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<serde_json::Value>,
    /// The socket's permissions, as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// The socket's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<serde_json::Value>,
    /// The socket.
    pub path: String,
}

/// Where traffic comes in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// How many clients are connected. Ours.
    pub connection_count: usize,
    /// How many may be: as configured, or as many as there are descriptors for. Ours.
    pub connections_max: usize,
    /// How many connections were closed at once since the start: one address had too many, or there were no
    /// descriptors. Ours.
    pub connections_refused: u64,
    /// The address, as configured.
    pub host: String,
    /// Requests that wait: for paused traffic, or for a process that is restarted. Ours.
    pub parked: usize,
    /// The port that is bound; as configured while none is.
    pub port: u16,
    /// Whether requests go. Ours.
    pub traffic: TrafficStatus,
    /// Where the processes of a release listen.
    pub upstream_host: String,
    /// How the access log is; absent when there is none. Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLogCounts>,
    /// What came of the requests that no release was chosen for; absent while there was none. Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrouted: Option<TrafficCounts>,
}

/// Whether requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TrafficStatus {
    /// They do.
    Flowing,
    /// They wait, until somebody resumes traffic or the time of the pause is up.
    Paused,
}

/// One release.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// When traffic moved to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<WallTime>,
    /// Requests and tunnels that are open to it.
    pub connection_count: u64,
    /// The same, apart.
    pub connections: ConnectionCounts,
    /// When traffic moved away from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_started_at: Option<WallTime>,
    /// The port of each process that has one.
    pub ports: BTreeMap<ProcessId, u16>,
    /// Its processes, in the order they were started.
    pub processes: Vec<InstanceStatus>,
    /// Its name.
    pub release_id: ReleaseId,
    /// Its directory.
    pub release_path: String,
    /// What it was built from.
    pub revision: Revision,
    /// The Unix socket of each process that has one. Ours; absent when there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sockets: BTreeMap<ProcessId, String>,
    /// `active`, `draining`, `stopped` or `failed`; `starting` in the list of that name.
    pub state: &'static str,
    /// When its last process had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<WallTime>,
    /// What came of its requests; absent when it never had traffic. Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficCounts>,
}

/// What is open to a release.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionCounts {
    /// Who is open to a release that drains: the oldest first, at most [`HOLDERS_MAX`](crate::HOLDERS_MAX) of them. Ours;
    /// absent when there is nobody, or no drain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<HolderStatus>,
    /// Requests that are being answered.
    pub http: u64,
    /// Tunnels.
    pub websocket: u64,
}

/// A request or a tunnel for which a drain waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HolderStatus {
    /// Milliseconds since its request began.
    pub age_ms: u64,
    /// Bytes that have passed since, in both directions: content, without heads and framing; of a tunnel all of them.
    pub bytes: u64,
    /// `http`, `stream` or `websocket`.
    pub kind: &'static str,
    /// The method of its request.
    pub method: String,
    /// What was asked for, without the query.
    pub path: String,
    /// The address and port of whoever is connected.
    pub peer: String,
}

/// A service or a singleton.
#[derive(Clone, Debug, Serialize)]
pub struct SingleStatus {
    /// The process.
    pub id: ProcessId,
    /// Its only instance.
    pub process: InstanceStatus,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The members of its group; empty unless its memory is watched.
    pub children: Vec<ChildStatus>,
    /// What it runs.
    pub command: String,
    /// Where.
    pub cwd: String,
    /// The code of its last exit, while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<Option<i32>>,
    /// The signal of its last exit, while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_signal: Option<Option<Signal>>,
    /// Its name.
    pub id: InstanceId,
    /// Why it was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_start_reason: Option<&'static str>,
    /// When it was restarted for its memory last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_memory_restart_at: Option<WallTime>,
    /// What it printed last, the oldest first.
    pub logs: Vec<LogLine>,
    /// How often it was restarted for its memory.
    pub memory_restarts: u32,
    /// The leader of its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// What its members hold in memory together, in bytes, if that is watched and was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// Its last successful start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<WallTime>,
    /// `starting`, `running`, `stopping`, `stopped` or `failed`.
    pub state: &'static str,
    /// How long it has been running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
}

/// One member of an instance whose memory is watched.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildStatus {
    /// The kernel's name of what it runs.
    pub command: String,
    /// Its number.
    pub pid: u32,
    /// What it holds in memory, in bytes.
    pub rss_bytes: u64,
}

/// A line that an instance printed.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// When.
    pub at: WallTime,
    /// The text.
    pub line: String,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
}

/// What the conductor shows after each turn. What changes without it (lines, connections) is looked up when somebody
/// asks.
#[derive(Debug)]
pub(super) struct Published {
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
type Shown = (Instance, Option<Output>, Option<MemoryUse>);

impl Published {
    pub(super) fn of(
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

    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// The configuration in force.
    pub(super) fn application(&self) -> Arc<Application> {
        Arc::clone(&self.application)
    }

    pub(super) fn status(&self, proxy: &DrainingProxy, epoch: Epoch) -> Status {
        self.seen(Seen { proxy: Some(proxy), now: clock::now(), epoch })
    }

    fn seen(&self, seen: Seen<'_>) -> Status {
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

/// What a world does not know of itself.
#[derive(Clone, Copy)]
struct Seen<'a> {
    /// There is none in a made-up world.
    proxy: Option<&'a DrainingProxy>,
    now: Instant,
    epoch: Epoch,
}

impl Status {
    /// Of a made-up world: nobody has ever connected, and no process has printed anything.
    #[cfg(feature = "embed")]
    pub(crate) fn made_up(world: &World, now: Instant, epoch: Epoch) -> Self {
        let published = Published::of(world, &BTreeMap::new(), &BTreeMap::new());
        published.seen(Seen { proxy: None, now, epoch })
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

fn control(application: &Application) -> ControlStatus {
    let name = |owner: &Option<OwnerName>| {
        owner.as_ref().map(|owner| match owner {
            OwnerName::Id(id) => (*id).into(),
            OwnerName::Name(name) => name.clone().into(),
        })
    };
    let control = &application.control;
    ControlStatus {
        group: name(&control.group),
        mode: control.mode,
        owner: name(&control.owner),
        path: control.path.to_string_lossy().into_owned(),
    }
}

fn proxy_status(application: &Application, proxy: &DrainingProxy) -> ProxyStatus {
    let (configured, bound) = (&application.proxy, proxy.local_addr().port());
    let admissions = proxy.admissions();
    ProxyStatus {
        connection_count: admissions.connections,
        connections_max: admissions.connections_max,
        connections_refused: admissions.refused_by_peer + admissions.refused_by_shortage,
        access_log: proxy.access_log(),
        unrouted: Some(proxy.unrouted_traffic()).filter(|traffic| traffic.requests() > 0),
        host: configured.host.clone(),
        parked: proxy.parked().now,
        traffic: if proxy.is_paused() { TrafficStatus::Paused } else { TrafficStatus::Flowing },
        port: if bound == 0 { configured.port } else { bound },
        upstream_host: configured.upstream_host.clone(),
    }
}

/// Nobody has ever connected.
fn made_up_proxy(application: &Application) -> ProxyStatus {
    ProxyStatus {
        connection_count: 0,
        connections_max: application.proxy.limits.connections_max,
        connections_refused: 0,
        host: application.proxy.host.clone(),
        parked: 0,
        port: application.proxy.port,
        traffic: TrafficStatus::Flowing,
        upstream_host: application.proxy.upstream_host.clone(),
        access_log: None,
        unrouted: None,
    }
}

fn release(release: &Release, processes: &[Shown], seen: Seen<'_>) -> ReleaseStatus {
    let epoch = seen.epoch;
    let counts = seen.proxy.map(|proxy| proxy.counts(release.generation)).unwrap_or_default();
    ReleaseStatus {
        activated_at: release.activated_at.map(|at| epoch.wall(at)),
        connection_count: counts.http + counts.websocket,
        connections: ConnectionCounts {
            holders: seen.proxy.map(|proxy| holders(release, proxy, seen.now)).unwrap_or_default(),
            http: counts.http,
            websocket: counts.websocket,
        },
        drain_started_at: release.drain_started_at.map(|at| epoch.wall(at)),
        ports: release.ports(),
        processes: processes.iter().map(|shown| instance(shown, seen)).collect(),
        release_id: release.id.clone(),
        release_path: release.path.clone(),
        revision: release.revision.clone(),
        sockets: release
            .sockets()
            .into_iter()
            .map(|(id, path)| (id, path.to_string_lossy().into()))
            .collect(),
        state: release.state.as_str(),
        stopped_at: release.stopped_at.map(|at| epoch.wall(at)),
        traffic: seen
            .proxy
            .and_then(|proxy| proxy.traffic(release.generation))
            .filter(|_| release.activated_at.is_some()),
    }
}

fn holders(release: &Release, proxy: &DrainingProxy, now: Instant) -> Vec<HolderStatus> {
    if release.state != ReleaseState::Draining {
        return Vec::new();
    }
    let shown = |holder: Holder| HolderStatus {
        age_ms: u64::try_from((now - holder.since).as_millis()).unwrap_or(u64::MAX),
        bytes: holder.bytes,
        kind: holder.kind.as_str(),
        method: holder.method,
        path: holder.path,
        peer: holder.peer.to_string(),
    };
    proxy.holders(release.generation).into_iter().map(shown).collect()
}

fn instance((instance, output, memory): &Shown, seen: Seen<'_>) -> InstanceStatus {
    let epoch = seen.epoch;
    let memory = memory.as_ref().and_then(MemoryUse::last);
    let exit = instance.last_exit;
    // Its leader has gone; whatever of its group is still being stopped has no pid of its own here (compat C-62, C-63).
    let state = match instance.state {
        ProcessState::Stopping { .. } if exit.is_some() => ProcessState::Stopped { last_exit: exit },
        state => state,
    };
    let uptime = match state {
        ProcessState::Running { since, .. } => Some(seen.now - since),
        _ => None,
    };
    InstanceStatus {
        rss_bytes: memory.as_ref().map(|sample| sample.rss_bytes),
        children: memory.into_iter().flat_map(|sample| sample.members).map(child).collect(),
        command: instance.run.command.to_string(),
        cwd: instance.run.cwd.to_string_lossy().into_owned(),
        exit_code: exit.map(Exit::code),
        exit_signal: exit.map(Exit::signal),
        id: instance.id.clone(),
        last_start_reason: instance.last_reason.map(StartReason::as_str),
        logs: output.iter().flat_map(Output::lines).map(log_line).collect(),
        last_memory_restart_at: instance.last_memory_restart_at.map(|at| epoch.wall(at)),
        memory_restarts: instance.memory_restarts,
        pid: state.pid().map(Pid::get),
        restarts: instance.restarts,
        started_at: instance.started_at.map(|at| epoch.wall(at)),
        state: state.as_str(),
        uptime_ms: uptime.map(|uptime| u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)),
    }
}

fn child(member: MemberMemory) -> ChildStatus {
    ChildStatus { command: member.command, pid: member.pid.get(), rss_bytes: member.rss_bytes }
}

fn log_line(line: OutputLine) -> LogLine {
    LogLine { at: line.at, line: line.line, stream: line.stream.as_str() }
}
