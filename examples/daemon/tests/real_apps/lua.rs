//! A Lua program deploys in its own process, with no daemon: what it serves under load is not lost either.

#[path = "../../../../lua/tests/module/build.rs"]
#[expect(dead_code, reason = "one Lua of all is enough here")]
mod build;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{
    DEADLINE, Load, Mix, NODE, Tally, free_ports, leftovers, lines_of, read_all, rollcore, wait_for_exit,
};

/// The load that is on through two deploys and one that fails.
const MIX: Mix = Mix { keep_alive: 32, fresh: 4, posts: 4, streams: 4, websockets: 8 };

#[test]
fn a_lua_host_deploys_twice_under_load_and_loses_nothing() {
    let mut lua = Command::new(build::LUA54.program);
    lua.arg(script()).env("LUA_CPATH", format!("{}/?.so;;", build::module(build::LUA54).display()));
    deploys_under_load(lua);
}

#[test]
fn a_deploy_script_deploys_twice_under_load_and_loses_nothing() {
    let mut run = rollcore();
    run.arg("run").arg(script());
    deploys_under_load(run);
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_apps/deploys.lua")
}

fn deploys_under_load(mut host: Command) {
    NODE.assert_is_prepared();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ports = free_ports();
    let config = NODE.write_config(directory.path(), ports, |_| {});
    let mark = leftovers::mark();
    host.arg(config).arg(NODE.releases()).env(leftovers::MARK, &mark);
    let host = host.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = host.spawn().expect("it can be run");
    let lines = lines_of(child.stdout.take().expect("it is piped"));
    let complaints = read_all(child.stderr.take().expect("it is piped"));
    // When this test fails, the script reads the end of it, and ends.
    let mut tell = child.stdin.take().expect("it is piped");
    let next = || match lines.recv_timeout(DEADLINE) {
        Ok(line) => line,
        Err(error) => panic!("{error}: {:?}", leftovers::marked(&mark)),
    };

    let load = Load::at(next().parse().expect("it tells where the proxy listens"), MIX);
    writeln!(tell, "the load is on").expect("it reads");
    for line in ["r1 has taken the place of r0", "r3 has taken the place of r1", "that was all"] {
        assert_eq!(next(), line);
    }
    assert_nothing_failed(&load.off());
    writeln!(tell, "the load is off").expect("it reads");
    let status = wait_for_exit(child, "the host");
    let complaints = complaints.join().expect("the reader does not panic").expect("it can be read");
    assert!(status.success() && complaints.is_empty(), "{status}: {complaints}");
    assert_eq!(leftovers::marked(&mark), [""; 0], "left behind");
    assert_eq!(leftovers::bound_ports(ports), [0; 0], "still bound");
}

fn assert_nothing_failed(tally: &Tally) {
    assert_eq!(tally.failed(), 0, "{tally:#}");
    for kind in ["get", "new-connection", "post", "stream", "events", "web-socket"] {
        assert!(tally.count(kind, "ok") > 0, "no {kind} was answered: {tally:#}");
        assert_eq!(tally.count(kind, "ok"), tally.count(kind, "sent"), "{kind}: {tally:#}");
    }
    let answered = ["r0", "r1", "r3"].map(|release| tally.answers_of("get", release));
    assert!(answered.iter().all(|count| *count > 0), "{tally:#}");
    assert_eq!(answered.iter().sum::<u64>(), tally.count("get", "ok"), "{tally:#}");
    assert_eq!(tally.count("web-socket", "closedByApp"), 0, "{tally:#}");
}
