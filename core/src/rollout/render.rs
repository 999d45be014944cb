//! A process of the config becomes something that can be run, for one release (compat §4, §5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::id::{InstanceId, ProcessId, ReleaseId, Revision};
use crate::spec::{
    Address, Application, Command, CommandSpec, ListenAt, ProcessPolicy, ProcessSpec, Readiness, RunSpec,
    SocketPathTooLong, socket_home,
};
use crate::template;

use super::{DeployRequest, Failure};

/// What the placeholders of one release stand for.
pub(super) struct Context<'a> {
    pub(super) application: &'a Application,
    pub(super) release: &'a ReleaseId,
    pub(super) path: &'a str,
    pub(super) revision: &'a Revision,
    /// Where each process listens that has a port or a socket.
    pub(super) addresses: &'a BTreeMap<ProcessId, Address>,
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
            socket: self.socket_of(process.id.as_str()).map(Path::to_owned),
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
            "port" => self.port_of(process.id.as_str())?.to_string(),
            "socket" => path_text(self.socket_of(process.id.as_str())?),
            "proxy.host" => proxy.host.clone(),
            "proxy.port" => proxy.port.to_string(),
            "proxy.upstreamHost" => proxy.upstream_host.clone(),
            _ => return self.nested_value(key),
        })
    }

    fn nested_value(&self, key: &str) -> Option<String> {
        if let Some(process) = key.strip_prefix("ports.") {
            return self.port_of(process).map(|port| port.to_string());
        }
        if let Some(process) = key.strip_prefix("sockets.") {
            return self.socket_of(process).map(path_text);
        }
        let name = key.strip_prefix("env.")?;
        self.application.environment.get(name).cloned().unwrap_or_else(|| self.host_env.get(name).cloned())
    }

    fn address_of(&self, process: &str) -> Option<&Address> {
        self.addresses.iter().find(|(id, _)| id.as_str() == process).map(|(_, address)| address)
    }

    fn port_of(&self, process: &str) -> Option<u16> {
        self.address_of(process).and_then(Address::port)
    }

    fn socket_of(&self, process: &str) -> Option<&Path> {
        self.address_of(process).and_then(Address::socket)
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
        values.extend(self.address_of(process.id.as_str()).map(|address| {
            let (name, value) = variable(address);
            (name.to_owned(), value)
        }));
        values.extend(self.addresses.iter().map(|(id, address)| {
            let (name, value) = variable(address);
            (format!("{}_{name}", env_name(id.as_str())), value)
        }));
        let prefixed = |prefix: &str| {
            values.iter().map(|(name, value)| (format!("{prefix}_{name}"), value.clone())).collect::<Vec<_>>()
        };
        prefixed("ROLLCORE").into_iter().chain(prefixed("ROLLBRIDGE")).collect()
    }
}

fn variable(address: &Address) -> (&'static str, String) {
    match address {
        Address::Port(port) => ("PORT", port.to_string()),
        Address::Socket(path) => ("SOCKET", path_text(path)),
    }
}

/// Config is text, so its paths are.
fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Any port that each process could get, and the longest path of its socket: enough to see whether every placeholder has a
/// value.
///
/// # Errors
/// When a socket could not be bound for the length of its path.
pub(super) fn possible_addresses(
    application: &Application,
    host_env: &BTreeMap<String, String>,
) -> Result<BTreeMap<ProcessId, Address>, Failure> {
    let processes = application.processes.iter();
    processes.filter_map(|process| possible_address(application, host_env, process)).collect()
}

fn possible_address(
    application: &Application,
    host_env: &BTreeMap<String, String>,
    process: &ProcessSpec,
) -> Option<Result<(ProcessId, Address), Failure>> {
    let address = match process.listen_at()? {
        ListenAt::Port(range) => Ok(Address::Port(range.first())),
        ListenAt::Socket => {
            let home = socket_home(application, host_env.get("XDG_RUNTIME_DIR").map(String::as_str));
            SocketPathTooLong::check(&home, &process.id).map(Address::Socket)
        }
    };
    let failed = |error: SocketPathTooLong| Failure::new(SocketPathTooLong::CODE, error.to_string());
    Some(address.map(|address| (process.id.clone(), address)).map_err(failed))
}

/// What each process would run for a release, as its first replica and on the lowest of its ports; or the placeholder that
/// has no value (compat C-236), or the socket that could not be bound.
pub(crate) fn rehearse(
    application: &Application,
    host_env: &BTreeMap<String, String>,
    request: &DeployRequest,
) -> Vec<(ProcessId, Result<RunSpec, Failure>)> {
    let revision = request.revision.clone().unwrap_or_else(|| request.release.clone().into());
    let possible = application.processes.iter().filter_map(|process| {
        let (id, address) = possible_address(application, host_env, process)?.ok()?;
        Some((id, address))
    });
    let addresses = possible.collect();
    let context = Context {
        application,
        release: &request.release,
        path: &request.path,
        revision: &revision,
        addresses: &addresses,
        host_env,
    };
    let first = |process: &ProcessSpec| match process.replicas {
        1 => InstanceId::only(process.id.clone()),
        _ => InstanceId::replica(process.id.clone(), 0),
    };
    let rehearsed = |process: &ProcessSpec| {
        possible_address(application, host_env, process).transpose()?;
        context.run_spec(process, &first(process))
    };
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
