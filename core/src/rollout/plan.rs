//! Which steps a rollout takes.

use std::collections::BTreeSet;

use crate::id::ProcessId;
use crate::spec::{Application, ProcessPolicy, ProcessSpec};
use crate::step::Step;

/// The steps of a rollout, in the order of compat C-110.
///
/// `services_running` are the persistent services that an earlier release started and that run, or come back by
/// themselves; they are left alone (C-114). One that is down for good is started again.
///
/// ```
/// use rollcore::{Application, CommandSpec, Config, plan};
/// let config = Config::from_json(r#"{
///     "application": "shop", "proxy": {},
///     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 18182 }]
/// }"#)?;
/// let steps: Vec<String> = plan(config.application(), &Default::default()).iter().map(ToString::to_string).collect();
/// assert_eq!(steps, ["preflight", "lease ports", "start web", "await ready web", "switch traffic", "refresh services"]);
/// # Ok::<(), rollcore::ConfigError>(())
/// ```
#[must_use]
pub fn plan(application: &Application, services_running: &BTreeSet<ProcessId>) -> Vec<Step> {
    let mut steps = vec![Step::Preflight, Step::LeasePorts];
    let missing =
        |process: &&ProcessSpec| process.is_persistent_service() && !services_running.contains(&process.id);
    steps.extend(
        application.processes.iter().filter(missing).map(|service| Step::StartService(service.id.clone())),
    );
    for process in release_processes(application) {
        steps.extend(process.instances().map(Step::Start));
    }
    let proxied = application.proxied();
    if proxied.health.is_some() {
        steps.extend(proxied.instances().map(Step::AwaitReady));
    }
    steps.push(Step::Switch);
    steps.push(Step::RefreshServices);
    steps.extend(singletons(application).map(|singleton| Step::ReplaceSingleton(singleton.id.clone())));
    steps
}

/// The processes that live and die with a release: handoff services, companions, the proxied one (compat C-192).
pub(super) fn release_processes(application: &Application) -> impl Iterator<Item = &ProcessSpec> {
    let all = &application.processes;
    let with = move |policy| all.iter().filter(move |process: &&ProcessSpec| process.policy == policy);
    let handoff = all.iter().filter(|process| process.is_handoff_service());
    handoff.chain(with(ProcessPolicy::Companion)).chain(with(ProcessPolicy::Proxied))
}

fn singletons(application: &Application) -> impl Iterator<Item = &ProcessSpec> {
    application.processes.iter().filter(|process| process.policy == ProcessPolicy::Singleton)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{CommandSpec, DeployStrategy};

    fn process(id: &str, policy: ProcessPolicy) -> ProcessSpec {
        let command = CommandSpec::Shell("true".to_owned());
        ProcessSpec { policy, ..ProcessSpec::new(ProcessId::new(id), command) }
    }

    /// C-110: services, then handoff services, companions and the proxied process, each in config order; after the
    /// switch the services are refreshed before the singletons make room.
    #[test]
    fn the_steps_of_a_deploy_are_in_the_order_of_the_contract() {
        let service = |id| process(id, ProcessPolicy::Service);
        let handoff = |id| ProcessSpec { strategy: DeployStrategy::Handoff, ..service(id) };
        let worker = ProcessSpec { replicas: 2, ..process("worker", ProcessPolicy::Companion) };
        let web = ProcessSpec { health: Some(Default::default()), ..process("web", ProcessPolicy::Proxied) };
        let cron = |id| process(id, ProcessPolicy::Singleton);
        let processes = vec![
            cron("cron"),
            web,
            worker,
            handoff("jobs"),
            service("cache"),
            process("mailer", ProcessPolicy::Companion),
            service("broker"),
            cron("clock"),
        ];
        let running = BTreeSet::from([ProcessId::new("cache")]);
        let steps: Vec<String> =
            plan(&Application::new("shop", processes), &running).iter().map(ToString::to_string).collect();
        assert_eq!(
            steps,
            [
                "preflight",
                "lease ports",
                "start service broker",
                "start jobs",
                "start worker#0",
                "start worker#1",
                "start mailer",
                "start web",
                "await ready web",
                "switch traffic",
                "refresh services",
                "replace singleton cron",
                "replace singleton clock",
            ]
        );
    }
}
