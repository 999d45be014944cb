//! A process of the config becomes something that can be run, for one release (compat §4, §5).

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{InstanceId, ProcessId, ReleaseId, Revision};
use crate::spec::{
    Application, Command, CommandSpec, PortRange, ProcessPolicy, ProcessSpec, Readiness, RunSpec,
};
use crate::template;

use super::{DeployRequest, Failure};

/// What the placeholders of one release stand for.
pub(super) struct Context<'a> {
    pub(super) application: &'a Application,
    pub(super) release: &'a ReleaseId,
    pub(super) path: &'a str,
    pub(super) revision: &'a Revision,
    /// The port of each process that has one.
    pub(super) ports: &'a BTreeMap<crate::id::ProcessId, u16>,
    /// The environment of this program.
    pub(super) host_env: &'a BTreeMap<String, String>,
}

impl Context<'_> {
    /// Fills in every placeholder of `process` for its instance `id`.
    pub(super) fn run_spec(&self, process: &ProcessSpec, id: &InstanceId) -> Result<RunSpec, Failure> {
        let fill = |text: &str| {
            template::render(text, |key| self.value(process, id, key))
                .map_err(|missing| Failure::new("missing_template_value", missing.to_string()))
        };
        let command = match &process.command {
            CommandSpec::Shell(line) => Command::Shell(fill(line)?),
            CommandSpec::Exec(words) => {
                let mut words =
                    words.iter().map(|word| fill(word)).collect::<Result<Vec<_>, _>>()?.into_iter();
                Command::Exec { program: words.next().unwrap_or_default(), args: words.collect() }
            }
        };
        let cwd = fill(process.cwd.as_deref().unwrap_or(self.path))?;
        let mut env = self.configured();
        env.extend(self.injected(process, id));
        for (name, value) in &process.env {
            env.insert(name.clone(), fill(value)?);
        }
        Ok(RunSpec {
            command,
            cwd: cwd.into(),
            env,
            env_removed: self.removed(),
            stop: process.stop.clone(),
            restart: process.restart.clone(),
            readiness: readiness(process),
            output_lines_max: process.output_lines_max,
            memory: process.memory,
            descriptors_max: None,
        })
    }

    /// What the config set in the environment (compat C-3).
    fn configured(&self) -> BTreeMap<String, String> {
        let set = |(name, value): (&String, &Option<String>)| Some((name.clone(), value.clone()?));
        self.application.environment.iter().filter_map(set).collect()
    }

    fn removed(&self) -> BTreeSet<String> {
        let removed = |(name, value): (&String, &Option<String>)| value.is_none().then(|| name.clone());
        self.application.environment.iter().filter_map(removed).collect()
    }

    /// Compat C-36.
    fn value(&self, process: &ProcessSpec, id: &InstanceId, key: &str) -> Option<String> {
        let proxy = &self.application.proxy;
        Some(match key {
            "application" => self.application.name.clone(),
            "releaseId" => self.release.to_string(),
            "releasePath" => self.path.to_owned(),
            "revision" => self.revision.to_string(),
            "processId" => process.id.to_string(),
            "replicaIndex" => id.index().to_string(),
            "replicaCount" => process.replicas.to_string(),
            "port" => self.ports.get(&process.id)?.to_string(),
            "proxy.host" => proxy.host.clone(),
            "proxy.port" => proxy.port.to_string(),
            "proxy.upstreamHost" => proxy.upstream_host.clone(),
            _ => return self.nested_value(key),
        })
    }

    fn nested_value(&self, key: &str) -> Option<String> {
        if let Some(process) = key.strip_prefix("ports.") {
            let port = self.ports.iter().find(|(id, _)| id.as_str() == process);
            return port.map(|(_, port)| port.to_string());
        }
        let name = key.strip_prefix("env.")?;
        self.application.environment.get(name).cloned().unwrap_or_else(|| self.host_env.get(name).cloned())
    }

    /// Compat C-42: under `ROLLCORE_` and, for the programs of Rollbridge's users, under `ROLLBRIDGE_`.
    fn injected(&self, process: &ProcessSpec, id: &InstanceId) -> BTreeMap<String, String> {
        let mut values = vec![
            ("APPLICATION".to_owned(), self.application.name.clone()),
            ("PROCESS_ID".to_owned(), process.id.to_string()),
            ("RELEASE_ID".to_owned(), self.release.to_string()),
            ("RELEASE_PATH".to_owned(), self.path.to_owned()),
            ("REVISION".to_owned(), self.revision.to_string()),
            ("REPLICA_INDEX".to_owned(), id.index().to_string()),
            ("REPLICA_COUNT".to_owned(), process.replicas.to_string()),
        ];
        values.extend(self.ports.get(&process.id).map(|port| ("PORT".to_owned(), port.to_string())));
        values.extend(
            self.ports.iter().map(|(id, port)| (format!("{}_PORT", env_name(id.as_str())), port.to_string())),
        );
        let prefixed = |prefix: &str| {
            values.iter().map(|(name, value)| (format!("{prefix}_{name}"), value.clone())).collect::<Vec<_>>()
        };
        prefixed("ROLLCORE").into_iter().chain(prefixed("ROLLBRIDGE")).collect()
    }
}

/// Any port that each process could get: enough to see whether every placeholder has a value.
pub(super) fn possible_ports(application: &Application) -> BTreeMap<crate::id::ProcessId, u16> {
    let port = |process: &ProcessSpec| Some((process.id.clone(), process.port.map(PortRange::first)?));
    application.processes.iter().filter_map(port).collect()
}

/// What each process would run for a release, as its first replica and on the lowest of its ports; or the placeholder that
/// has no value (compat C-236).
pub(crate) fn rehearse(
    application: &Application,
    host_env: &BTreeMap<String, String>,
    request: &DeployRequest,
) -> Vec<(ProcessId, Result<RunSpec, Failure>)> {
    let revision = request.revision.clone().unwrap_or_else(|| request.release.clone().into());
    let ports = possible_ports(application);
    let context = Context {
        application,
        release: &request.release,
        path: &request.path,
        revision: &revision,
        ports: &ports,
        host_env,
    };
    let first = |process: &ProcessSpec| match process.replicas {
        1 => InstanceId::only(process.id.clone()),
        _ => InstanceId::replica(process.id.clone(), 0),
    };
    let rehearsed = |process: &ProcessSpec| context.run_spec(process, &first(process));
    application.processes.iter().map(|process| (process.id.clone(), rehearsed(process))).collect()
}

fn readiness(process: &ProcessSpec) -> Readiness {
    match process.policy {
        ProcessPolicy::Proxied if process.health.is_some() => Readiness::WhenConfirmed,
        _ if process.min_uptime.is_zero() => Readiness::WhenSpawned,
        _ => Readiness::AfterUptime(process.min_uptime),
    }
}

/// Runs of anything but letters and digits become one `_` (compat C-43).
fn env_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for character in id.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_uppercase());
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-43.
    #[test]
    fn environment_names_are_upper_case_with_single_underscores() {
        assert_eq!(env_name("web"), "WEB");
        assert_eq!(env_name("my--api.v2"), "MY_API_V2");
        assert_eq!(env_name("-a"), "_A");
    }
}
