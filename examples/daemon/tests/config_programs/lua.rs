//! Configs in Lua, which is inside of the command.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Daemon, Place, ROLLCORE, get};
use crate::{application, messages, run_with, text, verdict};

const WEB: &str = "{ id = 'web', policy = 'proxied', port = { from = 18000, to = 18099 }, command = { './serve', '{{port}}' } }";

fn written(place: &Place, source: &str) {
    place.write("rollcore.lua", &source.replace("WEB", WEB));
}

#[test]
fn a_chunk_may_return_a_table_or_a_function_and_require_its_neighbours() {
    let place = Place::new();
    place.write("names.lua", "return { shop = 'shop' }");
    for source in [
        "return { application = 'shop', proxy = {}, processes = { WEB } }",
        "return function() return { application = 'shop', proxy = {}, processes = { WEB } } end",
        "local names = require 'names'\nreturn { application = names.shop, proxy = {}, processes = { WEB } }",
        "print('hello')\nio.stderr:write('there\\n')\nreturn { application = 'shop', proxy = {}, processes = { WEB } }",
    ] {
        written(&place, source);
        assert_eq!(application(&place, "rollcore.lua"), "shop", "{source}");
    }
    let ran = run_with(&place, &["validate", "--json"], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "hello\nthere\n"));
    written(
        &place,
        "return { application = os.getenv('APP_NAME') or 'none', proxy = {}, processes = { WEB } }",
    );
    let ran = run_with(&place, &["status"], &[("APP_NAME", "kiosk")]);
    assert_eq!(ran.stderr, "Error: connect ENOENT /tmp/rollbridge-kiosk.sock\n");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let place = Place::new();
    let path = place.path("rollcore.lua");
    let path = text(&path);
    for (source, told) in [
        ("return {", format!("{path}:1: unexpected symbol near <eof>")),
        ("\nerror('no secret')", format!("{path}:2: no secret")),
        (
            "return function()\n  return nope.x\nend",
            format!("{path}:2: attempt to index a nil value (global 'nope')"),
        ),
        ("return function() return f() end", format!("{path}:1: attempt to call a nil value (global 'f')")),
        ("local x = 7", format!("Config module {path} must return a config table or function")),
    ] {
        written(&place, source);
        assert_eq!(messages(&place, "rollcore.lua"), [told], "{source}");
    }
    written(&place, "os.exit(3)");
    assert!(
        messages(&place, "rollcore.lua")[0]
            .starts_with(&format!("Config module {path} ended with exit code 3"))
    );
    assert_eq!(messages(&place, "nope.lua"), ["ENOENT: no such file or directory, open 'nope.lua'"]);
}

/// C-11, C-13.
#[test]
fn values_without_a_meaning_are_issues_where_they_matter() {
    let place = Place::new();
    for (source, message) in [
        ("{ proxy = { port = 0/0 }, processes = { WEB } }", "proxy.port must be a number"),
        ("{ proxy = { host = print }, processes = { WEB } }", "proxy.host must be a string"),
        ("{ proxy = { host = '\\255' }, processes = { WEB } }", "proxy.host must be a string"),
        ("{ proxy = { 1, x = 2 }, processes = { WEB } }", "proxy must be an object"),
        ("{ proxy = { [true] = 1 }, processes = { WEB } }", "proxy must be an object"),
    ] {
        written(&place, &format!("return {source}"));
        assert_eq!(messages(&place, "rollcore.lua"), [message], "{source}");
    }
    written(
        &place,
        "local config = { proxy = { port = 8182.0 }, processes = { WEB }, helper = print, [7] = 'x' }\n\
         config.self = config\nreturn config",
    );
    let verdict = verdict(&place, "rollcore.lua");
    assert_eq!((&verdict["valid"], &verdict["config"]["proxy"]["port"]), (&json!(true), &json!(8182)));
    written(&place, "return 7");
    assert_eq!(messages(&place, "rollcore.lua")[0], "Config must be an object");
}

#[test]
fn a_daemon_runs_with_it_and_reads_it_again() {
    let place = Place::new();
    let source = format!(
        "return {{ application = 'shop', control = {{ path = '{}' }}, proxy = {{ port = 0 }}, processes = {{
          {{ id = 'web', policy = 'proxied', port = 0, health = {{ intervalMs = 20 }},
             command = {{ '{ROLLCORE}', 'sample-app' }} }} }} }}",
        place.path("control.sock").display()
    );
    place.write("rollcore.lua", &source);
    let child = place.command(&["daemon"]).stdout(Stdio::piped()).spawn().expect("it can be run");
    let _daemon = Daemon::started(child);
    let (one, two) = (place.release("one", "ok"), place.release("two", "ok"));
    place.json(&["deploy", "--release-path", &one, "--release-id", "v1"]);
    place.write("rollcore.lua", "error('not now')");
    let config = place.write("same.lua", &source);
    let config = text(&config);
    let said = place.failure(&["deploy", "-c", config, "--release-path", &two, "--release-id", "v2"]);
    assert!(said.ends_with("rollcore.lua:1: not now\n"), "{said}");
    assert_eq!(get(&place.json(&["status", "-c", config])), "200 v1");
    place.write("rollcore.lua", &source);
    place.json(&["deploy", "--release-path", &two, "--release-id", "v2"]);
    assert_eq!(get(&place.json(&["status"])), "200 v2");
}
