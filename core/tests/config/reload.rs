//! Which changes a running engine cannot take over.

use std::time::Duration;

use rollcore::{
    Application, CertificateFiles, CommandSpec, DeployStrategy, ProcessPolicy, RestartNeeded, TlsSpec,
    restart_needed,
};
use serde_json::json;

use super::{valid, with_worker};

fn tls(path: &str) -> TlsSpec {
    TlsSpec::new(CertificateFiles::new(path, path))
}

/// Ours: new certificates are taken over, HTTPS itself is not.
#[test]
fn other_certificates_need_no_new_daemon() {
    let mut old = valid(&with_worker(&json!({ "port": 5 })));
    old.proxy.tls = Some(tls("/a"));
    let mut new = old.clone();
    new.proxy.tls = Some(TlsSpec { http2: None, ..tls("/b") });
    assert_eq!(restart_needed(&old, &new), [""; 0]);
    new.proxy.tls = None;
    assert_eq!(restart_needed(&old, &new), ["proxy.tls"]);
}

/// C-32.
#[test]
fn changes_that_need_a_new_daemon_are_named_in_order() {
    let old = valid(&with_worker(&json!({ "port": 5 })));
    let changed = |change: &dyn Fn(&mut Application)| {
        let mut new = old.clone();
        change(&mut new);
        restart_needed(&old, &new)
    };
    assert_eq!(changed(&|_| {}), [""; 0]);
    assert_eq!(changed(&|new| new.processes.reverse()), [""; 0]);
    assert_eq!(
        changed(&|new| {
            new.proxy.drain_timeout = Duration::ZERO;
            new.processes[1].command = CommandSpec::Shell("other".to_owned());
        }),
        [""; 0]
    );
    assert_eq!(changed(&|new| new.proxy.proxy_protocol = true), ["proxy.proxyProtocol"]);
    assert_eq!(changed(&|new| new.proxy.tls = Some(tls("/a"))), ["proxy.tls"]);
    assert_eq!(changed(&|new| new.control.mode = Some(0o600)), ["control"]);
    assert_eq!(changed(&|new| drop(new.processes.pop())), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].port = None), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].socket = true), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].replicas = 2), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].policy = ProcessPolicy::Service), ["processes"]);
    assert_eq!(changed(&|new| new.processes[1].strategy = DeployStrategy::Handoff), ["processes"]);
    let settings = changed(&|new| {
        new.processes.clear();
        new.proxy.port = 1;
        new.proxy.upstream_host.clear();
        new.proxy.host.clear();
        new.name.clear();
    });
    assert_eq!(
        RestartNeeded { settings }.to_string(),
        "Config changes to application, proxy.host, proxy.port, proxy.upstreamHost, processes cannot be applied live; \
         restart the Rollbridge daemon before deploying."
    );
}
