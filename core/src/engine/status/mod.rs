//! How everything is, in the shape that Rollbridge's users know (compat C-186 to C-193).

mod look;
#[cfg(feature = "embed")]
mod made_up;
mod published;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Bootstrap;
use crate::event::Orphan;
use crate::exit::Signal;
use crate::id::{InstanceId, ProcessId, ReleaseId, Revision};
use crate::proxy::{AccessLogCounts, TrafficCounts};
use crate::time::WallTime;

use super::runtime::RuntimeIdentity;

pub(super) use published::Published;

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
