//! Configs that nobody would write by hand: told clearly, in bounded time and memory.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Place, is_alive, until};
use crate::{application, config, messages, text, verdict};

const MIB: usize = 1024 * 1024;

fn nested(open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000))
}

/// A JSON config with this under an unknown key.
fn json_with(more: &str) -> String {
    format!(
        r#"{{"application":"shop","proxy":{{}},"processes":[{{"id":"web","policy":"proxied","port":1,"command":"serve"}}],
            "more":{more}}}"#
    )
}

#[test]
fn ten_megabytes_are_read_and_twenty_are_refused() {
    let place = Place::new();
    let more = |bytes: usize| format!("'{}'", "x".repeat(bytes));
    let js = |bytes: usize| format!("module.exports = {{...{}, more: {}}}", config("'shop'"), more(bytes));
    let toml = |bytes: usize| {
        format!(
            "application = 'shop'\nmore = {}\nproxy = {{}}\n[[processes]]\nid = 'web'\npolicy = 'proxied'\nport = 1\n\
             command = 'serve'\n",
            more(bytes)
        )
    };
    let lua = |bytes: usize| {
        format!(
            "return {{ application = 'shop', more = {}, proxy = {{}}, processes = {{ {{ id = 'web', policy = 'proxied', \
             port = 1, command = 'serve' }} }} }}",
            more(bytes)
        )
    };
    let json = |bytes: usize| json_with(&more(bytes).replace('\'', "\""));
    type Written<'w> = (&'w str, &'w dyn Fn(usize) -> String);
    let all: [Written<'_>; 4] = [("a.json", &json), ("a.cjs", &js), ("a.toml", &toml), ("a.lua", &lua)];
    for (file, source) in all {
        place.write(file, &source(10 * MIB));
        assert_eq!(application(&place, file), "shop", "{file}");
        place.write(file, &source(20 * MIB));
        assert_eq!(messages(&place, file), [format!("{file} is larger than 16777216 bytes")]);
    }
    for (file, source, message) in [
        (
            "b.cjs",
            "module.exports = {a: {b: 'x'.repeat(20e6)}}",
            "Config is larger than 16777216 bytes, at a.b",
        ),
        ("b.cjs", "module.exports = {a: new Array(1e9)}", "Config has more than 1000000 values, at a["),
        (
            "b.lua",
            "return { a = { b = ('x'):rep(20000000) } }",
            "Config is larger than 16777216 bytes, at a.b",
        ),
        (
            "b.cjs",
            "const a = []; for (let i = 0; i < 3e6; i++) a.push(i)\nmodule.exports = a",
            "Config has more than",
        ),
    ] {
        place.write(file, source);
        let told = messages(&place, file);
        assert!(told[0].starts_with(message), "{told:?}");
    }
}

#[test]
fn a_hundred_thousand_levels_are_told_and_overflow_nothing() {
    let place = Place::new();
    for (open, middle, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
        place.write("a.json", &json_with(&nested(open, middle, close)));
        let told = messages(&place, "a.json");
        assert!(told[0].starts_with("Config is not valid JSON: recursion limit exceeded"), "{told:?}");
    }
    place.write("a.toml", &format!("a = {}", nested("[", "", "]")));
    assert!(
        messages(&place, "a.toml")[0].starts_with("Config is not valid TOML: "),
        "{:?}",
        messages(&place, "a.toml")
    );
    place.write("a.lua", &format!("return {}", nested("{", "", "}")));
    let told = messages(&place, "a.lua");
    assert!(told[0].contains("a.lua") && told[0].contains("overflow"), "{told:?}");

    // As values, they mean nothing, wherever they are.
    let deep = "let deep = {}; for (let i = 0; i < 100000; i++) deep = i % 2 ? [deep] : {deep}\n";
    place.write("a.cjs", &format!("{deep}module.exports = {{...{}, deep}}", config("'shop'")));
    assert_eq!(application(&place, "a.cjs"), "shop");
    place.write("a.cjs", &format!("{deep}module.exports = {{proxy: {{port: deep}}, processes: [deep]}}"));
    let told = messages(&place, "a.cjs");
    assert_eq!(told[0], "proxy.port must be a number");
    let deep = "local deep = {} for i = 1, 100000 do deep = { deep } end\n";
    place.write("b.lua", &format!("{deep}return {{ proxy = deep, processes = deep }}"));
    assert_eq!(messages(&place, "b.lua")[0], "proxy must be an object");
    // Also in the program's own text.
    place.write("b.cjs", &format!("module.exports = {}", nested("[", "", "]")));
    let told = messages(&place, "b.cjs");
    assert!(told[0].contains("b.cjs"), "{told:?}");
}

/// C-10: everything at once.
#[test]
fn every_field_may_be_wrong_at_once() {
    let place = Place::new();
    place.write(
        "a.cjs",
        "const wrong = () => {}
        module.exports = {
          application: 7, control: {path: 7, mode: 'x', owner: -1, group: {}}, statePath: 7, restoreOnStart: 'x',
          proxy: {host: 7, port: 'x', upstreamHost: 7, healthPath: 7, healthTimeoutMs: 'x', drainTimeoutMs: -1,
            forceStopTimeoutMs: NaN},
          releaseRetention: {keep: -1, maxAgeMs: 'x'},
          legacyTakeover: {forceStopTimeoutMs: -1, screens: [7], processes: [{includes: []}]},
          processes: [7, null, {id: 7, command: 7, policy: 'x', deployStrategy: 'x', cwd: 7, env: {A: 7}, port: 'x',
            health: true, gracefulStopMs: -1, stopSignal: 'x', lifecycle: {quietCommand: 7, drainCommand: 'x'},
            nonBlockingDrain: 'x', outputLines: 0, replicas: 0, restartDelayMs: 'x',
            restart: {maxRestarts: -1, windowMs: 'x', backoffFactor: 0, maxDelayMs: -1},
            memory: {limitBytes: 0, warnBytes: -1, checkIntervalMs: 0}, minUptimeMs: 'x'}],
        }",
    );
    let verdict = verdict(&place, "a.cjs");
    let issues = verdict["issues"].as_array().expect("a list");
    assert_eq!(issues.len(), 46, "{issues:#?}");
    assert!(issues.iter().all(|issue| issue["fix"].as_str().is_some_and(|fix| !fix.is_empty())));
}

/// Names end in file names, in variables and in log lines.
#[test]
fn names_with_control_characters_are_refused() {
    let place = Place::new();
    for (bad, fix) in
        [("a\\nb", "control"), ("a\\u001bb", "control"), ("a\\u0000b", "NUL"), ("\\u0085", "control")]
    {
        place.write(
            "a.json",
            &format!(
                "{{\"application\":\"{bad}\",\"proxy\":{{}},\"processes\":[{{\"id\":\"{bad}\",\"policy\":\"proxied\",\
                 \"port\":1,\"command\":\"serve\"}}]}}"
            ),
        );
        let told = messages(&place, "a.json");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("application must not contain") && told[0].contains(fix), "{told:?}");
        assert!(told[1].starts_with("processes[0].id must not contain") && told[1].contains(fix), "{told:?}");
    }
    // Everything else that a name may be, it may still be.
    let name = "Größe web/1 ; $(x) {{port}} \"'";
    place.write("a.json", &json_with("1").replace("\"web\"", &json!(name).to_string()));
    assert_eq!(messages(&place, "a.json"), <[String; 0]>::default());
}

/// A release is named by strangers, and its name stands in commands.
#[test]
fn a_release_id_that_is_a_command_or_a_template_is_refused_before_anything_runs() {
    let place = Place::with_app();
    let release = place.release("one", "ok");
    let _daemon = place.daemon();
    for id in
        ["$(touch x)", "`touch x`", "a; touch x", "{{env.HOME}}", "a\nb", "../../x", "a b", "-rf", "a'b"]
    {
        let said = place.failure(&["deploy", "--release-path", &release, &format!("--release-id={id}")]);
        assert!(said.contains("is not safe: use 1 to 200 of the characters"), "{id}: {said}");
    }
    let events = place.json(&["events", "--json"]);
    let started =
        |event: &Value| event["message"] == "deploy starting" || event["message"] == "process started";
    assert!(!events.as_array().expect("a list").iter().any(started), "{events}");
    assert!(!place.path("x").exists() && !place.path("one/x").exists());
}

/// Whoever wants the config may be killed meanwhile: what it started does not go on.
#[test]
fn a_config_that_loops_does_not_outlive_who_asked_for_it() {
    let place = Place::new();
    place.write(
        "loop.cjs",
        "const fs = require('node:fs')\nfs.writeFileSync('js', fs.readlinkSync('/proc/self'))\nfor (;;);",
    );
    place.write(
        "loop.lua",
        "local stat = io.open('/proc/self/stat'):read('a')\nio.open('lua', 'w'):write(stat:match('%d+')):close()\nwhile true do end",
    );
    for (file, told) in [("loop.cjs", "js"), ("loop.lua", "lua")] {
        let mut command = place.command(&["validate", "-c", file]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run");
        let path = place.path(told);
        let pid = || fs::read_to_string(&path).unwrap_or_default().parse::<u64>().ok();
        until(|| pid().is_some());
        let pid = pid().expect("it was just there");
        assert!(is_alive(pid), "{}", text(&path));
        child.kill().expect("it is there");
        child.wait().expect("it is our child");
        until(|| !is_alive(pid));
    }
}
