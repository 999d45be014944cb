//! The config: what it accepts, what it refuses and in which words (compat C-9 to C-32).

mod accepted;
mod anything;
mod https;
mod limits;
mod refused;
mod reload;

use std::path::{Path, PathBuf};
use std::{env, fs};

use rollcore::{Application, Config, ConfigError, Defaults, Issue};
use serde_json::{Value, json};

fn defaults() -> Defaults {
    Defaults::beside(Path::new("/srv/shop/rollbridge.js"))
}

fn read(config: &Value) -> Result<Config, ConfigError> {
    Config::from_value(config, &defaults())
}

fn valid(config: &Value) -> Application {
    read(config).unwrap_or_else(|error| panic!("{config}\n{error}")).into_application()
}

fn issues(config: &Value) -> Vec<Issue> {
    read(config).expect_err("it is broken").issues().to_vec()
}

/// A valid config whose only process is `web` with these fields on top.
fn with_web(fields: &Value) -> Value {
    let mut web = json!({ "id": "web", "policy": "proxied", "port": 18_000, "command": "serve" });
    merge(&mut web, fields);
    json!({ "proxy": {}, "processes": [web] })
}

/// A valid config with a second process, `worker`, with these fields.
fn with_worker(fields: &Value) -> Value {
    let mut config = with_web(&json!({}));
    let mut worker = json!({ "id": "worker", "command": "work" });
    merge(&mut worker, fields);
    config["processes"].as_array_mut().expect("a list").push(worker);
    config
}

/// A valid config with these fields at the top.
fn with_top(fields: &Value) -> Value {
    let mut config = with_web(&json!({}));
    merge(&mut config, fields);
    config
}

fn merge(into: &mut Value, fields: &Value) {
    let into = into.as_object_mut().expect("an object");
    into.extend(fields.as_object().expect("an object").clone());
}

#[track_caller]
fn assert_issue(config: &Value, message: &str, fix_start: &str) {
    let found = issues(config);
    assert!(
        found.iter().any(|issue| issue.message == message && issue.fix.starts_with(fix_start)),
        "{config}\nexpected: {message}\n     fix: {fix_start}\nfound: {found:#?}"
    );
}

/// C-9 to C-29, whole: every message with its fix, in order. `UPDATE=1` rewrites the expectations.
#[test]
fn broken_configs_are_explained() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 6, "the inputs are gone");
    for input in inputs {
        let text = fs::read_to_string(&input).expect("it can be read");
        let explained = explain(&Config::from_json_with(&text, &defaults()));
        let golden = input.with_extension("txt");
        if env::var_os("UPDATE").is_some() {
            fs::write(&golden, &explained).expect("it can be written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(explained, expected, "{} (UPDATE=1 rewrites it)", golden.display());
    }
}

/// The way `validate` says it (C-249).
fn explain(read: &Result<Config, ConfigError>) -> String {
    let (issues, warnings) = match read {
        Ok(config) => (&[][..], config.warnings()),
        Err(error) => (error.issues(), error.warnings()),
    };
    let mut text = String::new();
    for (heading, list) in [("Issues", issues), ("Warnings", warnings)] {
        text.push_str(&format!("{heading}: {}\n", list.len()));
        for (index, issue) in list.iter().enumerate() {
            text.push_str(&format!("\n{}. {}\n   Fix: {}\n", index + 1, issue.message, issue.fix));
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_error_lists_every_message() {
    let error = read(&json!({ "proxy": {}, "processes": 1 })).expect_err("it is broken");
    assert_eq!(
        error.to_string(),
        "Invalid config:\n  - processes must be an array\n  \
         - Config must define exactly one proxied process; found 0"
    );
    assert_eq!(error.code(), "config_invalid");
}

#[test]
fn text_that_is_not_json_is_placed() {
    let error = Config::from_json("{\n  \"proxy\": oops\n}").expect_err("it is no JSON");
    assert_eq!(error.to_string(), "Config is not valid JSON: expected value at line 2 column 12");
    assert_eq!(error.issues()[0].fix, "Correct the JSON at line 2, column 12.");
    assert_eq!(error.code(), "config_not_json");
}
