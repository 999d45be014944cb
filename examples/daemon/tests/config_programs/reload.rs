//! A daemon reads its config again before each deploy and rollback, and at no other time (C-30 to C-34).

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Place, ROLLCORE, SOON, get, until};

/// A config with these fields in `proxy` and these after the one process, evaluated with a note in `evaluated`.
fn configured(place: &Place, proxy: &str, web: &str, more: &str) {
    place.write("rollbridge.js", &source(place, proxy, web, more));
}

fn source(place: &Place, proxy: &str, web: &str, more: &str) -> String {
    let socket = place.path("control.sock");
    format!(
        "import {{appendFileSync}} from 'node:fs'
        appendFileSync('evaluated', process.pid + '\\n')
        export default {{
          application: 'shop', control: {{path: '{}'}}, proxy: {{port: 0, {proxy}}},
          processes: [
            {{id: 'web', policy: 'proxied', port: 0, command: ['{ROLLCORE}', 'sample-app'],
              health: {{timeoutMs: 10000, intervalMs: 20}}, {web}}},
            {{id: 'worker', command: ['{ROLLCORE}', 'sample-app', '--role', 'worker']}},
          ],
          {more}
        }}",
        socket.display()
    )
}

/// How often the daemon, which was the first to do so, evaluated its config.
fn evaluations(place: &Place) -> usize {
    let pids = fs::read_to_string(place.path("evaluated")).expect("it was evaluated");
    let first = pids.lines().next();
    pids.lines().filter(|pid| Some(*pid) == first).count()
}

fn messages(place: &Place) -> Vec<Value> {
    let events = place.json(&["events", "--json"]);
    events.as_array().expect("a list").iter().map(|event| event["message"].clone()).collect()
}

fn deploy(place: &Place, release: &str) -> Value {
    place.json(&["deploy", "--release-path", &place.path(release).to_string_lossy(), "--release-id", release])
}

/// C-30: each of the two, nothing else; C-34: also when the file has not changed.
#[test]
fn deploys_and_rollbacks_read_the_config_again_and_nothing_else_does() {
    let place = Place::new();
    configured(&place, "", "", "");
    place.release("v1", "ok");
    place.release("v2", "ok");
    let _daemon = place.daemon();
    assert_eq!(evaluations(&place), 1);
    deploy(&place, "v1");
    assert_eq!(evaluations(&place), 2);
    deploy(&place, "v2");
    assert_eq!(evaluations(&place), 3);
    place.json(&["rollback"]);
    assert_eq!(evaluations(&place), 4);
    place.json(&["status"]);
    place.json(&["restart", "--process", "worker"]);
    place.json(&["stop", "--release-id", "v2"]);
    place.run(&["logs"]);
    place.json(&["events", "--json"]);
    place.json(&["stop"]);
    assert_eq!(evaluations(&place), 4);
}

/// C-31.
#[test]
fn a_config_that_cannot_be_used_fails_the_deploy_and_touches_nothing() {
    let place = Place::new();
    configured(&place, "", "", "");
    place.release("v1", "ok");
    place.release("v2", "ok");
    let daemon = place.daemon();
    deploy(&place, "v1");
    deploy(&place, "v2");
    let (before, told) = (place.json(&["status"]), messages(&place));
    let path = place.path("rollbridge.js");
    let path = path.display();
    for (source, message) in [
        ("throw new Error('no secret')".to_owned(), format!("no secret ({path}:1)")),
        ("export default {".to_owned(), format!("Unexpected end of input ({path}:1)")),
        (
            "export const shop = {}".to_owned(),
            format!("Config module {path} must export a default config object or function"),
        ),
        (
            "export default {proxy: {port: 'x'}, processes: []}".to_owned(),
            "Invalid Rollbridge config:\n  - proxy.port must be a number\n  - Config must define exactly one proxied \
             process; found 0"
                .to_owned(),
        ),
    ] {
        place.write("rollbridge.js", &source);
        for request in [
            json!({ "command": "deploy", "releasePath": place.path("v1"), "releaseId": "v3" }),
            json!({ "command": "rollback" }),
        ] {
            let said = ask(&place, &request);
            assert_eq!((&said["status"], &said["error"]), (&json!("error"), &json!(message)), "{source}");
        }
    }
    fs::remove_file(place.path("rollbridge.js")).expect("it is there");
    let gone = ask(&place, &json!({ "command": "rollback" }));
    assert_eq!(gone["error"], format!("ENOENT: no such file or directory, open '{path}'"));

    configured(&place, "", "", "");
    let (after, told_now) = (place.json(&["status"]), messages(&place));
    assert_eq!(pids(&after), pids(&before));
    assert_eq!(get(&after), "200 v2");
    let more = &told_now[told.len()..];
    assert!(
        !more.contains(&json!("deploy starting")) && !more.contains(&json!("rollback starting")),
        "{more:?}"
    );
    // And then it works again.
    place.json(&["rollback"]);
    assert_eq!(get(&place.json(&["status"])), "200 v1");
    drop(daemon);
}

/// What the daemon says to this, asked past the command, which would read the config itself.
fn ask(place: &Place, request: &Value) -> Value {
    use std::io::{BufRead, BufReader, Write};
    let stream = std::os::unix::net::UnixStream::connect(place.path("control.sock")).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    let mut reader = BufReader::new(stream);
    writeln!(reader.get_mut(), "{request}").expect("it reads");
    let mut line = String::new();
    reader.read_line(&mut line).expect("it answers");
    serde_json::from_str(&line).expect("it is JSON")
}

fn pids(status: &Value) -> Vec<Value> {
    let releases = status["releases"].as_array().expect("a list");
    let processes = releases.iter().filter_map(|release| release["processes"].as_array()).flatten();
    processes.map(|process| process["pid"].clone()).collect()
}

/// C-32: the list, in its order.
#[test]
fn what_needs_a_new_daemon_is_named() {
    let place = Place::new();
    configured(&place, "", "", "");
    place.release("v1", "ok");
    let _daemon = place.daemon();
    deploy(&place, "v1");
    let good = source(&place, "", "", "");
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let worker = "{id: 'worker', command";
    for (source, named) in [
        (swap("'shop'", "'kiosk'"), "application"),
        (swap("control: {", "control: {mode: '660', "), "control"),
        (swap("application:", "statePath: '/nowhere/state.json', application:"), "statePath"),
        (swap("port: 0, }", "port: 0, host: 'localhost', upstreamHost: '127.0.0.1'}"), "proxy.host"),
        (swap("{port: 0, }", "{port: 7}"), "proxy.port"),
        (swap("port: 0, }", "port: 0, upstreamHost: 'localhost'}"), "proxy.upstreamHost"),
        (swap(worker, "{id: 'other', command"), "processes"),
        (swap(worker, "{id: 'worker', policy: 'singleton', command"), "processes"),
        (swap(worker, "{id: 'worker', replicas: 2, command"), "processes"),
        (swap(worker, "{id: 'worker', port: 0, command"), "processes"),
        (swap(worker, "{id: 'more', command: 'x'}, {id: 'worker', command"), "processes"),
        (
            swap("'shop'", "'kiosk'")
                .replace("{port: 0, }", "{port: 7, host: 'localhost'}")
                .replace(worker, "{id: 'w', command"),
            "application, proxy.host, proxy.port, proxy.upstreamHost, processes",
        ),
    ] {
        place.write("rollbridge.js", &source);
        for request in [
            json!({ "command": "deploy", "releasePath": place.path("v1"), "releaseId": "v2" }),
            json!({ "command": "rollback" }),
        ] {
            let expected = format!(
                "Config changes to {named} cannot be applied live; restart the Rollbridge daemon before deploying."
            );
            assert_eq!(ask(&place, &request)["error"], expected);
        }
    }
    configured(&place, "", "", "");
    assert_eq!(get(&place.json(&["status"])), "200 v1");
}

/// C-32, C-33.
#[test]
fn everything_else_applies_to_the_next_release_and_processes_may_change_places() {
    let place = Place::new();
    configured(&place, "", "", "");
    place.release("v1", "ok");
    place.release("v2", "ok");
    let _daemon = place.daemon();
    deploy(&place, "v1");
    let source = source(
        &place,
        "healthPath: '/', drainTimeoutMs: 5000",
        "env: {NEW: 'value'}, outputLines: 7, cwd: '{{releasePath}}', command: 'echo $NEW > seen; exec $ROLL sample-app'",
        "releaseRetention: {keep: 3}",
    );
    let source = format!("process.env.ROLL = '{ROLLCORE}'\n{source}");
    place.write("rollbridge.js", &source.replace("],\n", "].reverse(),\n"));
    deploy(&place, "v2");
    assert_eq!(fs::read_to_string(place.path("v2/seen")).expect("it was written"), "value\n");
    assert_eq!(get(&place.json(&["status"])), "200 v2");
}

/// C-34: also what the config imports is read again.
#[test]
fn a_file_that_the_config_imports_may_change_too() {
    let place = Place::new();
    place.write("shared.mjs", "export const env = {SIGN: 'one'}");
    let web = "env, command: 'echo $SIGN > seen; exec $ROLL sample-app'";
    let source = format!(
        "import {{env}} from './shared.mjs'\nprocess.env.ROLL = '{ROLLCORE}'\n{}",
        source(&place, "", web, "")
    );
    place.write("rollbridge.js", &source);
    place.release("v1", "ok");
    place.release("v2", "ok");
    let _daemon = place.daemon();
    deploy(&place, "v1");
    place.write("shared.mjs", "export const env = {SIGN: 'two'}");
    deploy(&place, "v2");
    let seen = |release: &str| fs::read_to_string(place.path(release).join("seen")).expect("it was written");
    assert_eq!((seen("v1").as_str(), seen("v2").as_str()), ("one\n", "two\n"));
}

/// C-30: from where it was given, relative to where the daemon runs.
#[test]
fn the_path_is_taken_as_it_was_given_at_the_start() {
    let place = Place::new();
    fs::create_dir(place.path("first")).expect("there is none");
    fs::create_dir(place.path("second")).expect("there is none");
    place.write("first/shop.mjs", &source(&place, "", "", ""));
    std::os::unix::fs::symlink(place.path("first"), place.path("current")).expect("there is none");
    place.release("v1", "ok");
    let mut command = place.command(&["daemon", "-c", "current/shop.mjs"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().expect("it can be run");
    let _daemon = crate::support::Daemon::started(child);
    place.write("second/shop.mjs", "throw 'the second one'");
    fs::remove_file(place.path("current")).expect("it is there");
    std::os::unix::fs::symlink(place.path("second"), place.path("current")).expect("there is none");
    let said =
        ask(&place, &json!({ "command": "deploy", "releasePath": place.path("v1"), "releaseId": "v1" }));
    let told = said["error"].as_str().expect("an error");
    assert!(told.starts_with("the second one ("), "{told}");
}

/// A config that takes its time holds up its own deploy, and nothing else.
#[test]
fn a_slow_config_holds_nothing_else_up() {
    let place = Place::new();
    configured(&place, "", "", "");
    place.release("v1", "ok");
    place.release("v2", "ok");
    let _daemon = place.daemon();
    deploy(&place, "v1");
    let slow = "import fs from 'node:fs'\nfs.writeFileSync('begun', '')\nwhile (!fs.existsSync('go'));\n";
    let source = source(&place, "", "", "");
    std::thread::scope(|scope| {
        place.write("rollbridge.js", &format!("{slow}{source}"));
        let request = json!({ "command": "deploy", "releasePath": place.path("v2"), "releaseId": "v2" });
        let place = &place;
        let deploying = scope.spawn(move || ask(place, &request));
        until(|| place.path("begun").exists());
        let asked = Instant::now();
        let status = ask(place, &json!({ "command": "status" }));
        assert_eq!((status["activeReleaseId"].as_str(), get(&status)), (Some("v1"), "200 v1".to_owned()));
        assert!(asked.elapsed() < SOON);
        assert!(!deploying.is_finished());
        place.write("go", "");
        assert_eq!(deploying.join().expect("no panic")["activeReleaseId"], "v2");
    });
}

/// Text configs are read again in the same way.
#[test]
fn a_json_config_is_read_again_too() {
    let place = Place::with_app();
    place.release("v1", "ok");
    let _daemon = place.daemon();
    place.write("rollcore.json", "{");
    let request = json!({ "command": "deploy", "releasePath": place.path("v1"), "releaseId": "v1" });
    let told = ask(&place, &request)["error"].clone();
    assert!(told.as_str().is_some_and(|told| told.starts_with("Config is not valid JSON: ")), "{told}");
}
