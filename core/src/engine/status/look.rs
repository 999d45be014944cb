//! The parts of a status, each from what it tells of.

use crate::exit::Exit;
use crate::id::Pid;
use crate::proxy::{DrainingProxy, Holder};
use crate::report::{MemberMemory, OutputLine, ProcessState, StartReason};
use crate::rollout::{Release, ReleaseState};
use crate::spec::{Application, OwnerName};
use crate::supervisor::{MemoryUse, Output};
use crate::time::{Epoch, Instant};

use super::published::Shown;
use super::{
    ChildStatus, ConnectionCounts, ControlStatus, HolderStatus, InstanceStatus, LogLine, ProxyStatus,
    ReleaseStatus, TrafficStatus,
};

/// What a world does not know of itself.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// There is none in a made-up world.
    pub(super) proxy: Option<&'a DrainingProxy>,
    pub(super) now: Instant,
    pub(super) epoch: Epoch,
}

pub(super) fn control(application: &Application) -> ControlStatus {
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

pub(super) fn proxy_status(application: &Application, proxy: &DrainingProxy) -> ProxyStatus {
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
pub(super) fn made_up_proxy(application: &Application) -> ProxyStatus {
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

pub(super) fn release(release: &Release, processes: &[Shown], seen: Seen<'_>) -> ReleaseStatus {
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

pub(super) fn instance((instance, output, memory): &Shown, seen: Seen<'_>) -> InstanceStatus {
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
