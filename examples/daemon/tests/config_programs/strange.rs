//! Values that JSON has no word for (C-11 to C-14).

use crate::support::Place;
use crate::{config, messages, verdict};

fn written(place: &Place, source: &str) {
    place.write("rollbridge.mjs", source);
}

fn web(more: &str) -> String {
    format!("{{id: 'web', policy: 'proxied', port: 18182, command: 'serve', {more}}}")
}

/// C-12, C-13: what is wrong is named, with a note on what was there.
#[test]
fn a_value_of_no_use_is_an_issue_at_its_key() {
    let place = Place::new();
    for (proxy, more, message) in [
        ("port: NaN", "", "proxy.port must be a number"),
        ("port: Infinity", "", "proxy.port must be a number"),
        ("drainTimeoutMs: 10n", "", "proxy.drainTimeoutMs must be a number"),
        ("host: () => 'x'", "", "proxy.host must be a string"),
        ("host: Symbol('x')", "", "proxy.host must be a string"),
        ("", "restartDelayMs: -Infinity", "processes[0].restartDelayMs must be a number"),
        ("", "replicas: NaN", "processes[0].replicas must be a positive integer"),
        ("", "env: () => ({})", "processes[0].env must be an object"),
        ("", "env: {A: 7n}", "processes[0].env.A must be a string"),
        ("", "env: {A: null}", "processes[0].env.A is required"),
        ("", "cwd: null", "processes[0].cwd is required"),
        ("", "health: NaN", "processes[0].health must be an object"),
        ("", "stopSignal: () => 'SIGINT'", "processes[0].stopSignal must be a valid signal name"),
    ] {
        written(&place, &format!("export default {{proxy: {{{proxy}}}, processes: [{}]}}", web(more)));
        assert_eq!(messages(&place, "rollbridge.mjs"), [message]);
    }
    written(&place, "export default {proxy: {}, processes: () => []}");
    assert_eq!(messages(&place, "rollbridge.mjs")[0], "processes must be an array");
    let ran = place.run(&["validate", "-c", "rollbridge.mjs"]);
    assert!(
        ran.stderr.starts_with("Note: processes is a function, which means nothing in a config.\n"),
        "{ran:?}"
    );
}

/// C-13.
#[test]
fn a_config_that_is_no_mapping_is_told_so() {
    let place = Place::new();
    for source in
        ["null", "[]", "7", "'text'", "() => undefined", "() => () => {}", "async () => null", "NaN"]
    {
        written(&place, &format!("export default {source}"));
        assert_eq!(
            messages(&place, "rollbridge.mjs"),
            [
                "Config must be an object",
                "proxy is required",
                "processes must be an array",
                "Config must define exactly one proxied process; found 0"
            ],
            "{source}"
        );
    }
}

/// C-11, C-12, C-14.
#[test]
fn what_is_unset_or_under_an_unknown_key_does_no_harm() {
    let place = Place::new();
    let more = "cwd: undefined, env: {A: undefined, B: '1'}, health: undefined, lifecycle: {quietCommand: undefined}, \
                memory: undefined, replicas: undefined, stopSignal: null, restart: null, port: 1, \
                logger: console, deep: globalThis, when: new Date(), big: 1n, map: new Map([[1, 2]])";
    written(
        &place,
        &format!(
            "const config = {{proxy: {{port: undefined, host: null}}, helper() {{}}, processes: [{}], statePath: undefined}}\n\
             config.self = config\nexport default config",
            web(more)
        ),
    );
    assert_eq!(messages(&place, "rollbridge.mjs"), <[String; 0]>::default());
    let warnings = verdict(&place, "rollbridge.mjs")["warnings"].to_string();
    assert!(
        warnings.contains("Unknown key self") && warnings.contains("Unknown key processes[0].when"),
        "{warnings}"
    );
}

#[test]
fn a_config_may_be_an_instance_a_frozen_object_or_without_a_prototype() {
    let place = Place::new();
    let shop = config("'shop'");
    for source in [
        format!(
            "class Shop {{ get application() {{ return 'shop' }} get proxy() {{ return {{}} }} method() {{}}\n\
            get processes() {{ return {shop}.processes }} }}\nexport default new Shop()"
        ),
        format!("export default Object.freeze({shop})"),
        format!("export default Object.assign(Object.create(null), {shop})"),
        format!("export default Object.create({shop})"),
        format!("export default new Proxy({shop}, {{}})"),
        format!("export default Promise.resolve({shop})"),
    ] {
        written(&place, &source);
        assert_eq!(crate::application(&place, "rollbridge.mjs"), "shop", "{source}");
    }
}

#[test]
fn a_value_inside_itself_is_named() {
    let place = Place::new();
    written(
        &place,
        "const env = {}\nenv.A = env\nexport default {proxy: {}, processes: [{id: 'web', policy: 'proxied', port: 1, command: \
         'serve', env}]}",
    );
    let ran = place.run(&["validate", "-c", "rollbridge.mjs"]);
    assert!(
        ran.stderr
            .starts_with("Note: processes[0].env.A is circular: it is inside itself, which means nothing"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("1. processes[0].env.A must be a string\n"), "{}", ran.stderr);
}

#[test]
fn half_a_character_and_a_key_named_proto_are_only_text() {
    let place = Place::new();
    written(
        &place,
        "export default {proxy: {}, ['__proto__']: 1, processes: [{id: 'web', policy: 'proxied', port: 1, command: \
         '\\ud800', env: {['__proto__']: 'x'}}]}",
    );
    assert_eq!(messages(&place, "rollbridge.mjs"), <[String; 0]>::default());
}
