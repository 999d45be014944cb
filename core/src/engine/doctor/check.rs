//! What is said about what was found (compat C-232 to C-236). Pure: the looking is done elsewhere.

use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use crate::event::Orphan;
use crate::id::ProcessId;
use crate::proxy::TlsError;
use crate::spec::{AdminSpec, Application};

use super::presence::ControlPresence;

/// One thing that was looked at, and whether it is in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was found, for people.
    pub detail: String,
    /// What was looked at, such as `proxy port`.
    pub name: &'static str,
    /// Whether it is in order.
    pub ok: bool,
}

impl Check {
    /// A check with this outcome.
    #[must_use]
    pub fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), name, ok }
    }
}

pub(super) fn config(application: &Application) -> Check {
    let processes = counted(application.processes.len(), "process", "processes");
    let proxy = &application.proxy;
    Check::new("config", true, format!("valid: {processes}, proxy on {}:{}", proxy.host, proxy.port))
}

pub(super) fn control_socket(application: &Application, presence: &ControlPresence) -> Check {
    let (ok, detail) = presence.verdict(application, &application.control.path);
    Check::new("control socket", ok, detail)
}

pub(super) fn control_directory(directory: &Path, writable: bool) -> Check {
    let found = if writable { "is writable" } else { "is missing or not writable" };
    Check::new("control socket directory", writable, format!("{} {found}", directory.display()))
}

/// `busy` is why the port cannot be bound, such as `EADDRINUSE`.
pub(super) fn proxy_port(application: &Application, presence: &ControlPresence, busy: Option<&str>) -> Check {
    let proxy = &application.proxy;
    let held = presence.own_daemon(application).is_some_and(|daemon| daemon.listens_on(proxy));
    let place = format!("{}:{}", proxy.host, proxy.port);
    match busy {
        _ if held => Check::new(
            "proxy port",
            true,
            format!("{place} is already held by the running Rollbridge daemon"),
        ),
        None => Check::new("proxy port", true, format!("{place} is available")),
        Some(code) => Check::new("proxy port", false, format!("{place} is unavailable ({code})")),
    }
}

/// `busy` as for the proxy's port; `held` when the running daemon has it. Whoever can connect can read.
pub(super) fn admin_address(admin: &AdminSpec, held: bool, busy: Option<&str>) -> Check {
    let name = "metrics address";
    let place = format!("{}:{}", admin.host, admin.port);
    let (ok, found) = match busy {
        _ if held => (true, "is held by the running daemon".to_owned()),
        None => (true, "is available".to_owned()),
        Some(code) => (false, format!("is unavailable ({code})")),
    };
    let warning = if is_loopback(&admin.host) {
        ""
    } else {
        "; warning: whoever reaches it reads the numbers, without a password"
    };
    Check::new(name, ok, format!("{place} {found}{warning}"))
}

/// A name other than `localhost` may be anything.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `read` is for which names the certificates are, or why they cannot be served.
pub(super) fn certificates(read: Result<Vec<String>, TlsError>) -> Check {
    let (ok, detail) = match read {
        Ok(names) if names.is_empty() => (true, "can be served, for no name".to_owned()),
        Ok(names) => (true, format!("can be served, for {}", names.join(", "))),
        Err(error) => (false, error.to_string()),
    };
    Check::new("proxy certificates", ok, detail)
}

pub(super) fn state_directory(directory: &Path, writable: bool) -> Check {
    let found =
        if writable { "is writable" } else { "is missing or not writable; state cannot be persisted" };
    Check::new("state path directory", writable, format!("{} {found}", directory.display()))
}

pub(super) fn orphans(application: &Application, presence: &ControlPresence, left_over: &[Orphan]) -> Check {
    let name = "orphaned processes";
    if presence.own_daemon(application).is_some() {
        return Check::new(name, true, "a daemon is running; its managed processes are not orphans");
    }
    if left_over.is_empty() {
        return Check::new(name, true, "no leftover processes from a previous daemon");
    }
    let count = counted(left_over.len(), "possible orphaned process", "possible orphaned processes");
    let each = left_over.iter().map(|process| format!("{} (pid {})", process.id, process.pid));
    let each = each.collect::<Vec<_>>().join(", ");
    Check::new(name, false, format!("{count} still running: {each} — verify and stop any leftovers"))
}

pub(super) fn release_path(path: &str, is_directory: bool) -> Check {
    let found = if is_directory { "exists" } else { "is missing or not a directory" };
    Check::new("release path", is_directory, format!("{path} {found}"))
}

/// `unresolved` are the processes with a placeholder that has no value, and which.
pub(super) fn templates(count: usize, unresolved: &[(ProcessId, String)]) -> Check {
    let name = "process templates";
    if unresolved.is_empty() {
        return Check::new(name, true, format!("all {count} process command/cwd/env templates resolve"));
    }
    let each = unresolved.iter().map(|(id, error)| format!("{id}: {error}")).collect::<Vec<_>>().join("; ");
    Check::new(name, false, format!("unresolved templates — {each}"))
}

/// `missing` are the processes that would not find their directory, and which.
pub(super) fn directories(count: usize, missing: &[(ProcessId, String)]) -> Check {
    let name = "process working directories";
    if missing.is_empty() {
        let exist = if count == 1 { "directory exists" } else { "directories exist" };
        return Check::new(name, true, format!("all {count} process working {exist}"));
    }
    let directories = if missing.len() == 1 { "directory" } else { "directories" };
    let each = missing.iter().map(|(id, cwd)| format!("{id} ({cwd})")).collect::<Vec<_>>().join(", ");
    Check::new(name, false, format!("missing working {directories}: {each}"))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
