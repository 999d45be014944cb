//! Configs that are programs, as a user writes them: JavaScript by a real node, Lua; and a daemon that reads them again
//! before each deploy (compat §1, §3).

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test binary uses its part")]
mod support;

mod environment;
mod hostile;
mod lua;
mod lua_bounds;
mod modules;
mod reload;
mod strange;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Place, Ran};

/// The config that Rollbridge's users have.
pub(crate) const ROLLBRIDGE_JS: &str = include_str!("../../../apps/tickets/rollbridge.js");

/// A small valid config with this application, as a JavaScript expression.
pub(crate) fn config(application: &str) -> String {
    format!(
        "{{application: {application}, proxy: {{}}, processes: [{{id: 'web', policy: 'proxied', port: 18182, command: \
         'serve'}}]}}"
    )
}

/// Runs the command to its end, with this in its environment.
pub(crate) fn run_with(place: &Place, words: &[&str], env: &[(&str, &str)]) -> Ran {
    ran(place.command(words).envs(env.iter().copied()))
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    Ran::of(&command.stdin(Stdio::null()).output().expect("the command can be run"))
}

/// What `validate --json` says of this file.
pub(crate) fn verdict(place: &Place, file: &str) -> Value {
    let ran = place.run(&["validate", "--json", "-c", file]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{file}: {error}: {ran:?}"))
}

/// The application that this config has.
pub(crate) fn application(place: &Place, file: &str) -> Value {
    let verdict = verdict(place, file);
    assert_eq!(verdict["issues"], json!([]), "{file}");
    verdict["config"]["application"].clone()
}

/// The messages of the issues with this config.
pub(crate) fn messages(place: &Place, file: &str) -> Vec<String> {
    let verdict = verdict(place, file);
    let issues = verdict["issues"].as_array().expect("a list");
    issues.iter().map(|issue| issue["message"].as_str().expect("a text").to_owned()).collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// C-1, C-6, C-249: the users' own config, unchanged.
#[test]
fn the_config_that_is_there_works_as_it_is() {
    let place = Place::new();
    let path = place.write("rollbridge.js", ROLLBRIDGE_JS);
    let path = text(&path);
    assert_eq!(
        place.run(&["validate"]).stdout,
        format!("{path} is valid: 5 processes, proxy on 127.0.0.1:8182.\n")
    );
    for (env, name) in [(vec![], "ticket-server"), (vec![("APP_NAME", "kiosk")], "kiosk")] {
        let ran = run_with(&place, &["validate", "--json", "--strict"], &env);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (
                Some(0),
                format!(
                    "{{\"config\":{{\"application\":\"{name}\",\"processes\":5,\"proxy\":{{\"host\":\"127.0.0.1\",\
                     \"port\":8182}}}},\"issues\":[],\"path\":\"{path}\",\"valid\":true,\"warnings\":[]}}\n"
                )
                .as_str(),
                ""
            )
        );
        let said = run_with(&place, &["status"], &env).stderr;
        assert_eq!(said, format!("Error: connect ENOENT /tmp/rollbridge-{name}.sock\n"));
    }
}

/// C-15.
#[test]
fn the_application_is_named_after_the_directory_of_its_config() {
    let place = Place::new();
    let name = place.path("").file_name().expect("it has a name").to_string_lossy().into_owned();
    place.write("rollbridge.js", &format!("export default {}", config("undefined")));
    assert_eq!(application(&place, "rollbridge.js"), name);
    std::fs::create_dir(place.path("v1")).expect("there is none");
    assert_eq!(application(&place, "v1/../rollbridge.js"), name);
    place.write("null.cjs", &format!("module.exports = {}", config("null")));
    assert_eq!(application(&place, "./null.cjs"), name);
}

/// C-6, C-7.
#[test]
fn the_first_of_the_known_names_is_taken_and_the_given_one_before_all() {
    let place = Place::new();
    let here = place.path("");
    let here = text(&here).trim_end_matches('/');
    assert_eq!(
        place.failure(&["status"]),
        format!(
            "Error: No config file found in {here}. Pass --config <path> or add one of: rollcore.json, rollcore.toml, \
             rollcore.lua, rollcore.js, rollbridge.js.\n"
        )
    );
    let taken = || {
        let ran = place.run(&["validate", "--json"]);
        let verdict: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        (verdict["path"].clone(), verdict["config"]["application"].clone())
    };
    let expected = |name: &str| (json!(format!("{here}/{name}")), json!(name));
    let by_name = |name: &str| format!("export default {}", config(&format!("'{name}'")));
    // A directory is no config, whatever its name.
    std::fs::create_dir(place.path("rollcore.js")).expect("there is none");
    place.write("rollbridge.js", &by_name("rollbridge.js"));
    assert_eq!(taken(), expected("rollbridge.js"));
    std::fs::remove_dir(place.path("rollcore.js")).expect("it is empty");
    place.write("rollcore.js", &by_name("rollcore.js"));
    assert_eq!(taken(), expected("rollcore.js"));
    place.write(
        "rollcore.lua",
        "return { application = 'rollcore.lua', proxy = {}, processes = { { id = 'web', \
        policy = 'proxied', port = 1, command = 'serve' } } }",
    );
    assert_eq!(taken(), expected("rollcore.lua"));
    place.write(
        "rollcore.toml",
        "application = 'rollcore.toml'\nproxy = {}\n[[processes]]\nid = 'web'\npolicy = \
        'proxied'\nport = 1\ncommand = 'serve'\n",
    );
    assert_eq!(taken(), expected("rollcore.toml"));
    place.write(
        "rollcore.json",
        "{\"application\":\"rollcore.json\",\"proxy\":{},\"processes\":[{\"id\":\"web\",\
        \"policy\":\"proxied\",\"port\":1,\"command\":\"serve\"}]}",
    );
    assert_eq!(taken(), expected("rollcore.json"));
    assert_eq!(verdict(&place, "./rollbridge.js")["path"], "./rollbridge.js");
}

/// C-4, C-8, C-9, C-250.
#[test]
fn a_config_that_cannot_be_loaded_is_one_issue_with_a_fix() {
    let place = Place::new();
    let fix = "Ensure the file exists and exports a default Rollbridge config object.";
    std::fs::create_dir(place.path("folder.js")).expect("there is none");
    for (file, message) in [
        ("nope.js", "ENOENT: no such file or directory, open 'nope.js'"),
        ("folder.js", "EISDIR: illegal operation on a directory, read"),
        (
            "shop.yaml",
            "shop.yaml: a config in .yaml is not supported; write it as .json, .toml, .lua, .js, .mjs or .cjs.",
        ),
    ] {
        let expected = json!({ "config": null, "issues": [{ "fix": fix, "message": message }], "path": file, "valid": false,
            "warnings": [] });
        assert_eq!(verdict(&place, file), expected);
        assert_eq!(place.failure(&["status", "-c", file]), format!("Error: {message}\n"));
    }
    let ran = place.run(&["validate", "--json"]);
    let verdict: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_eq!((ran.code, &verdict["path"]), (Some(1), &json!(null)));
    assert_eq!(verdict["issues"][0]["fix"], "Pass --config or add a rollbridge.js.");

    place.write("bad.js", "export default {proxy: {}, processes: [{id: 'web'}]}");
    assert_eq!(
        place.failure(&["status", "-c", "bad.js"]),
        "Error: Invalid Rollbridge config:\n  - processes[0].command is required\n  - Config must define exactly one \
         proxied process; found 0\n"
    );
}

/// C-232, C-239: the doctor reads it in the same way.
#[test]
fn the_doctor_reads_a_config_that_is_a_program() {
    let place = Place::new();
    let socket = place.path("control.sock");
    let shop = config("'shop'")
        .replace("proxy: {}", &format!("control: {{path: '{}'}}, proxy: {{port: 0}}", socket.display()));
    place.write("rollbridge.js", &format!("export default async () => ({shop})"));
    let ran = place.run(&["doctor", "--json"]);
    let checks: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(
        checks["checks"][0],
        json!({ "detail": "valid: 1 process, proxy on 127.0.0.1:0", "name": "config", "ok": true })
    );
    place.write("rollbridge.js", "throw new Error('no secret')");
    let ran = place.run(&["doctor", "--json"]);
    assert_eq!(
        (ran.code, ran.stdout.contains("1 issue — run \\\"rollbridge validate\\\" for details")),
        (Some(1), true)
    );
}
