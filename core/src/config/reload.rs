//! What of a changed config needs a new daemon (compat C-32).

use std::path::Path;

use crate::spec::{Application, ProcessSpec};

/// A changed config that a running engine cannot take over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Config changes to {} cannot be applied live; restart the Rollbridge daemon before deploying.",
    settings.join(", ")
)]
pub struct RestartNeeded {
    /// What [`restart_needed`] named.
    pub settings: Vec<&'static str>,
}

/// The settings in which `new` differs from `old` and that need a new daemon, in the order of the contract.
///
/// Empty when `new` can be applied to a running engine; else [`RestartNeeded`] has the words for it.
///
/// ```
/// use rollcore::{Config, restart_needed};
///
/// let config = |port: u16| {
///     let web = r#"{ "id": "web", "policy": "proxied", "port": 0, "command": "serve" }"#;
///     Config::from_json(&format!(r#"{{ "proxy": {{ "port": {port} }}, "processes": [{web}] }}"#))
/// };
/// let (old, new) = (config(8182)?, config(8183)?);
/// assert_eq!(restart_needed(old.application(), new.application()), ["proxy.port"]);
/// # Ok::<(), rollcore::ConfigError>(())
/// ```
#[must_use]
pub fn restart_needed(old: &Application, new: &Application) -> Vec<&'static str> {
    let differences = [
        ("application", old.name != new.name),
        ("control", old.control != new.control),
        ("statePath", state_path(old) != state_path(new)),
        ("proxy.host", old.proxy.host != new.proxy.host),
        ("proxy.port", old.proxy.port != new.proxy.port),
        ("proxy.upstreamHost", old.proxy.upstream_host != new.proxy.upstream_host),
        ("proxy.workers", old.proxy.workers != new.proxy.workers),
        ("proxy.upgrades", old.proxy.upgrades != new.proxy.upgrades),
        ("proxy.admin", old.proxy.admin != new.proxy.admin),
        ("proxy.tls", old.proxy.tls.is_some() != new.proxy.tls.is_some()),
        ("proxy.proxyProtocol", old.proxy.proxy_protocol != new.proxy.proxy_protocol),
        ("processes", !same_set(&old.processes, &new.processes)),
    ];
    differences.iter().filter(|(_, differs)| *differs).map(|(setting, _)| *setting).collect()
}

fn state_path(application: &Application) -> Option<&Path> {
    application.state.as_ref().map(|state| state.path.as_path())
}

/// Whether the same processes are there, in any order, and take part in a rollout in the same way.
fn same_set(old: &[ProcessSpec], new: &[ProcessSpec]) -> bool {
    let has_twin = |spec: &ProcessSpec| new.iter().any(|other| other.id == spec.id && same_part(spec, other));
    old.len() == new.len() && old.iter().all(has_twin)
}

fn same_part(old: &ProcessSpec, new: &ProcessSpec) -> bool {
    let part = |spec: &ProcessSpec| (spec.policy, spec.strategy, spec.replicas, spec.listen_at());
    part(old) == part(new)
}
