//! Would it work? Looks at everything a daemon needs before it is started (compat §21).
//!
//! `look.rs` looks, `check.rs` says what that means, `presence.rs` is who is behind the control socket.

mod check;
mod look;
mod presence;
#[cfg(test)]
mod tests;

use crate::proxy::rehearse_tls;
use crate::rollout::{DeployRequest, rehearse};
use crate::spec::Application;

use super::release::Release;
use super::start::host_env;

pub use check::Check;
pub use presence::{ControlPresence, DaemonSeen, ReleaseSeen};

/// Looks at what a daemon of `application` would need: its socket, its port, its directories, what an earlier one left
/// behind; and with `release`, whether that could be run. Nothing is changed and nothing is started.
///
/// ```
/// use rollcore::{Config, doctor, control_presence};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let mut application = Config::from_json(r#"{
///     "application": "shop",
///     "proxy": { "port": 0 },
///     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 0 }]
/// }"#)?.into_application();
/// # application.control.path = directory.path().join("control.sock");
/// let presence = control_presence(&application.control).await;
/// let checks = doctor(&application, &presence, None).await;
/// assert_eq!(checks[0].detail, "valid: 1 process, proxy on 127.0.0.1:0");
/// assert!(checks.iter().all(|check| check.ok));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Outside of a tokio runtime with IO and time.
///
/// # Cancel safety
/// Nothing was changed when the future is dropped.
pub async fn doctor(
    application: &Application,
    presence: &ControlPresence,
    release: Option<&Release>,
) -> Vec<Check> {
    let mut checks = vec![check::config(application)];
    checks.extend(environment(application, presence).await);
    checks.extend(metrics(application, presence).await);
    checks.extend(certificates(application).await);
    checks.extend(state(application, presence).await);
    if let Some(release) = release {
        checks.extend(rehearsal(application, release).await);
    }
    checks
}

/// Compat C-233.
async fn environment(application: &Application, presence: &ControlPresence) -> Vec<Check> {
    let directory = look::directory_of(&application.control.path);
    let writable = look::is_writable(directory.clone()).await;
    let proxy = &application.proxy;
    let busy = look::why_not_bindable(&proxy.host, proxy.port).await;
    vec![
        check::control_socket(application, presence),
        check::control_directory(&directory, writable),
        check::proxy_port(application, presence, busy.as_deref()),
    ]
}

/// Ours. A daemon of this application that runs may have the address, and be asked by others only.
async fn metrics(application: &Application, presence: &ControlPresence) -> Option<Check> {
    let admin = application.proxy.admin.as_ref()?;
    let busy = look::why_not_bindable(&admin.host, admin.port).await;
    let held = busy.as_deref() == Some("EADDRINUSE") && presence.own_daemon(application).is_some();
    Some(check::admin_address(admin, held, busy.as_deref()))
}

/// Ours.
async fn certificates(application: &Application) -> Option<Check> {
    let tls = application.proxy.tls.clone()?;
    let read = tokio::task::spawn_blocking(move || rehearse_tls(&tls)).await;
    read.ok().map(check::certificates)
}

/// Compat C-234.
async fn state(application: &Application, presence: &ControlPresence) -> Vec<Check> {
    let Some(state) = &application.state else { return Vec::new() };
    let directory = look::directory_of(&state.path);
    let writable = look::is_writable(directory.clone()).await;
    let left_over = look::left_over(state).await;
    vec![check::state_directory(&directory, writable), check::orphans(application, presence, &left_over)]
}

/// Compat C-236.
async fn rehearsal(application: &Application, release: &Release) -> Vec<Check> {
    let request = DeployRequest::from(release.clone());
    let mut unresolved = Vec::new();
    let mut directories = Vec::new();
    for (id, rehearsed) in rehearse(application, &host_env(), &request) {
        match rehearsed {
            Ok(run) => directories.push((id, run.cwd)),
            Err(failure) => unresolved.push((id, failure.to_string())),
        }
    }
    let mut missing = Vec::new();
    for (id, directory) in &directories {
        if !look::is_directory(directory.clone()).await {
            missing.push((id.clone(), directory.display().to_string()));
        }
    }
    vec![
        check::release_path(&request.path, look::is_directory(request.path.clone().into()).await),
        check::templates(application.processes.len(), &unresolved),
        check::directories(directories.len(), &missing),
    ]
}
