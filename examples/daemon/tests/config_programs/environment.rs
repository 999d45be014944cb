//! What a config changes in its environment is what its processes see (C-3).

use std::fs;
use std::process::Stdio;

use crate::support::{Daemon, Place, ROLLCORE};

/// A config whose web process writes what it sees into its release, and so does its hook.
fn configured(place: &Place, before: &str) {
    let socket = place.path("control.sock");
    let script = format!(
        "{before}
        export default () => ({{
          application: 'shop', control: {{path: '{}'}}, proxy: {{port: 0}},
          processes: [{{
            id: 'web', policy: 'proxied', port: 0, health: {{timeoutMs: 10000, intervalMs: 20}},
            command: `echo \"$GREETING ${{'$'}}{{GONE-none}} $CHANGED {{{{env.CHANGED}}}} ${{process.pid}}\" > seen
                      exec {ROLLCORE} sample-app`,
            lifecycle: {{quietCommand: 'echo \"$GREETING ${{GONE-none}} $ROLLBRIDGE_PID\" > quiet'}}
          }}]
        }})",
        socket.display()
    );
    place.write("rollbridge.js", &script);
}

fn seen(place: &Place, file: &str) -> String {
    fs::read_to_string(place.path(file)).expect("it was written").trim().to_owned()
}

#[test]
fn processes_templates_and_hooks_see_what_the_config_set_and_not_what_it_removed() {
    let place = Place::new();
    configured(
        &place,
        "process.env.GREETING = 'hello'; process.env.CHANGED += ' and new'; delete process.env.GONE",
    );
    let mut command = place.command(&["daemon"]);
    command.env("CHANGED", "old").env("GONE", "here").env_remove("GREETING").stdout(Stdio::piped());
    let child = command.spawn().expect("it can be run");
    let pid = child.id();
    let _daemon = Daemon::started(child);
    let one = place.release("one", "ok");
    place.json(&["deploy", "--release-path", &one, "--release-id", "v1"]);
    assert_eq!(seen(&place, "one/seen"), format!("hello none old and new old and new {pid}"));

    // The next release has what the config says by then, and nothing of what it said before.
    configured(&place, "process.env.CHANGED = 'newer'");
    let two = place.release("two", "ok");
    place.json(&["deploy", "--release-path", &two, "--release-id", "v2"]);
    assert_eq!(seen(&place, "two/seen"), format!("here newer newer {pid}"));

    let status = place.json(&["status"]);
    let releases = status["releases"].as_array().expect("a list");
    let active = releases.iter().find(|release| release["releaseId"] == "v2").expect("it is there");
    let web = active["processes"][0]["pid"].to_string();
    place.json(&["shutdown"]);
    assert_eq!(seen(&place, "two/quiet"), format!("here {web}"));
}
