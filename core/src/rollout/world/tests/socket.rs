//! Processes that listen at Unix sockets: leased, told and given back as ports are.

use super::stage::{Stage, process, with_socket};
use super::*;
use crate::spec::{Address, ControlSpec};

fn shop() -> Stage {
    let mut stage = Stage::with(vec![
        with_socket(process("broker", ProcessPolicy::Service)),
        with_socket(process("cron", ProcessPolicy::Singleton)),
    ]);
    stage.edit(|application| application.processes[0].socket = true);
    stage
}

fn sockets(stage: &Stage) -> usize {
    stage.ports.iter().filter(|address| address.socket().is_some()).count()
}

#[test]
fn traffic_goes_to_the_socket_and_the_process_knows_it() {
    let mut stage = Stage::with(vec![with_socket(process("told", ProcessPolicy::Companion))]);
    stage.deploy("v1");
    let run = stage.world.instance(stage.newest("told")).expect("it runs").run.clone();
    let active = stage.world.active().expect("v1 is active");
    let socket = &active.sockets()[&crate::id::ProcessId::new("told")];
    assert_eq!(run.socket.as_ref(), Some(socket));
    let path = socket.to_str();
    assert_eq!(run.env.get("ROLLCORE_SOCKET").map(String::as_str), path);
    assert_eq!(run.env.get("ROLLBRIDGE_TOLD_SOCKET").map(String::as_str), path);
    assert_eq!(run.env.get("ROLLCORE_PORT"), None);
    let web = stage.world.instance(stage.newest("web")).expect("it runs").run.clone();
    assert_eq!((web.socket.as_ref(), web.env.get("ROLLCORE_TOLD_SOCKET").map(String::as_str)), (None, path));
}

/// C-32: a process cannot move from a port to a socket while its other half is in the old place.
#[test]
fn a_port_does_not_become_a_socket_while_it_runs() {
    let mut stage = shop();
    stage.deploy("v1");
    let Some(Answer::Refused(refusal)) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(refusal.code(), "config_needs_restart");
}

#[test]
fn sockets_go_back_with_what_held_them() {
    let mut stage = Stage::with(vec![
        with_socket(process("broker", ProcessPolicy::Service)),
        with_socket(process("cron", ProcessPolicy::Singleton)),
        with_socket(process("worker", ProcessPolicy::Companion)),
    ]);
    stage.deploy("v1");
    assert_eq!(sockets(&stage), 3);
    let before = stage.ports.clone();
    for broken in ["worker", "web", "cron"] {
        stage.broken.insert(broken);
        stage.deploy("v2");
        stage.broken.clear();
        assert_eq!(stage.ports, before, "{broken} failed, and all is as it was");
    }
    stage.deploy("v2");
    assert_eq!(sockets(&stage), 3, "v1 is gone, the broker lives on");
    assert_eq!(stage.ports.intersection(&before).count(), 1);
    stage.ask(Command::Stop(None));
    assert_eq!(sockets(&stage), 2, "a singleton and a service keep theirs");
}

/// Nothing was leased yet, and nothing was started.
#[test]
fn a_path_that_would_be_too_long_fails_the_preflight() {
    let mut stage = Stage::with(vec![with_socket(process("told", ProcessPolicy::Companion))]);
    let path = format!("/{}/control.sock", "d".repeat(80)).into();
    let world = stage.world.application();
    let control = ControlSpec { path, ..ControlSpec::default() };
    let application = crate::spec::Application { control, ..crate::spec::Application::clone(world) };
    stage.world = crate::rollout::World::new(std::sync::Arc::new(application), Default::default());
    stage.deploy("v1");
    let Some(Answer::Undone { step, cause, .. }) = stage.answers.last() else {
        panic!("{:?}", stage.answers)
    };
    assert_eq!((step, cause.code()), (&crate::step::Step::Preflight, "socket_path_too_long"));
    assert_eq!(stage.ports.iter().collect::<Vec<_>>(), [&Address::Port(0); 0]);
    let (application, env) = (stage.world.application().clone(), Default::default());
    let request = crate::rollout::DeployRequest {
        release: ReleaseId::new("v1").expect("safe"),
        path: "/srv".to_owned(),
        revision: None,
        application: None,
    };
    let rehearsed = crate::rollout::rehearse(&application, &env, &request);
    let wrong: Vec<_> = rehearsed.iter().filter(|(_, run)| run.is_err()).map(|(id, _)| id.as_str()).collect();
    assert_eq!(wrong, ["told"], "the doctor names it");
}
