//! What a config module may be, and what is said when it is none (C-1, C-2, C-5, C-8).

use std::path::PathBuf;

use crate::support::{Place, ROLLCORE};
use crate::{application, config, messages, ran, run_with, text};

/// C-1, C-2.
#[test]
fn every_kind_of_module_may_export_an_object_or_a_function() {
    let place = Place::new();
    for folder in ["bare", "esm", "cjs"] {
        std::fs::create_dir(place.path(folder)).expect("there is none");
    }
    place.write("esm/package.json", r#"{"type": "module"}"#);
    place.write("cjs/package.json", r#"{"type": "commonjs"}"#);
    let forms = ["{}", "() => ({})", "async () => ({})", "function () { return {} }"];
    let kinds = [
        ("bare/rollbridge.js", "export default "),
        ("bare/rollbridge.mjs", "export default "),
        ("bare/common.js", "module.exports = "),
        ("bare/rollbridge.cjs", "module.exports = "),
        ("esm/rollbridge.js", "export default "),
        ("cjs/rollbridge.js", "module.exports = "),
        ("cjs/rollbridge.mjs", "export default "),
    ];
    for (file, export) in kinds {
        for form in forms {
            place.write(file, &format!("{export}{}", form.replace("{}", &config("'shop'"))));
            assert_eq!(application(&place, file), "shop", "{file}: {form}");
        }
    }
}

/// C-2: a node that does not look for itself is told to.
#[test]
fn a_bare_file_may_export_a_default_with_an_older_node() {
    let place = Place::new();
    place.write("rollbridge.js", &format!("import 'node:fs'\nexport default {}", config("'shop'")));
    let older = [("NODE_OPTIONS", "--no-experimental-detect-module")];
    let ran = run_with(&place, &["validate"], &older);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}

/// C-2.
#[test]
fn the_default_of_a_compiled_module_is_not_unwrapped() {
    let place = Place::new();
    let text = format!("exports.__esModule = true\nexports.default = {}", config("'shop'"));
    place.write("rollbridge.cjs", &text);
    assert_eq!(
        messages(&place, "rollbridge.cjs"),
        [
            "proxy is required",
            "processes must be an array",
            "Config must define exactly one proxied process; found 0"
        ]
    );
}

/// C-3.
#[test]
fn a_config_may_import_files_packages_and_json_and_wait_for_them() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("node_modules/naming")).expect("there is none");
    place.write("node_modules/naming/index.js", "exports.name = (name) => name.toUpperCase()");
    place.write("names.json", r#"{"name": "shop"}"#);
    place.write("names.cjs", "module.exports = require('./names.json').name");
    let shop = config("naming.name(name)");
    place.write(
        "rollbridge.js",
        &format!(
            "import {{readFile}} from 'node:fs/promises'\nimport naming from 'naming'\n\
             const {{name}} = JSON.parse(await readFile(new URL('names.json', import.meta.url)))\n\
             export default async () => ({shop})"
        ),
    );
    assert_eq!(application(&place, "rollbridge.js"), "SHOP");
    place.write(
        "rollbridge.cjs",
        &format!("const name = require('./names.cjs'), naming = require('naming')\nmodule.exports = {shop}"),
    );
    assert_eq!(application(&place, "rollbridge.cjs"), "SHOP");
}

/// C-5.
#[test]
fn a_module_without_a_default_is_told_by_its_absolute_path() {
    let place = Place::new();
    let path = place.write("rollbridge.mjs", &format!("export const config = {}", config("'shop'")));
    let expected = format!("Config module {} must export a default config object or function", text(&path));
    assert_eq!(messages(&place, "./rollbridge.mjs"), [expected.as_str()]);
    assert_eq!(place.failure(&["status", "-c", "rollbridge.mjs"]), format!("Error: {expected}\n"));
}

/// C-8: one line, with the place.
#[test]
fn what_a_module_throws_is_told_in_its_own_words_with_its_place() {
    let place = Place::new();
    let here = place.path("");
    let here = text(&here).trim_end_matches('/');
    place.write("helper.mjs", "export function secret() {\n  throw new Error('SECRET is not set')\n}");
    for (file, source, expected) in [
        ("throws.js", "\nthrow new Error('no database')", "no database ({}:2)"),
        ("calls.mjs", "export default () => {\n\n  nope()\n}", "nope is not defined ({}:3)"),
        ("rejects.cjs", "module.exports = async () => { throw new TypeError('odd') }", "odd ({}:1)"),
        ("text.cjs", "throw 'just a text'", "just a text ({})"),
        ("empty.cjs", "throw new RangeError()", "RangeError ({}:1)"),
        ("syntax.cjs", "module.exports = {\n  a: 1,,\n}", "Unexpected token ',' ({}:2)"),
        ("syntax.js", "export default {\n  a: 1,,\n}", "Unexpected token ',' ({}:2)"),
        ("syntax.mjs", "export default {\n\n\n  a b\n}", "Unexpected identifier 'b' ({}:4)"),
        (
            "name.mjs",
            "import {nope} from 'node:path'\nexport default nope",
            "The requested module 'node:path' does not provide an export named 'nope' ({}:1)",
        ),
        (
            "floating.cjs",
            "Promise.reject(new Error('lost'))\nmodule.exports = () => new Promise(() => {})",
            "lost ({}:1)",
        ),
    ] {
        place.write(file, source);
        let path = format!("{here}/{file}");
        assert_eq!(messages(&place, file), [expected.replace("{}", &path)], "{file}");
    }
    let source = "import {secret} from './helper.mjs'\nexport default () => secret()";
    place.write("imports.mjs", source);
    assert_eq!(messages(&place, "imports.mjs"), [format!("SECRET is not set ({here}/helper.mjs:2)")]);
    place.write("package.cjs", "\nrequire('no-such-package')");
    let told = messages(&place, "package.cjs");
    let first = format!("Cannot find module 'no-such-package' ({here}/package.cjs:2)\n");
    assert!(told[0].starts_with(&first), "{told:?}");
}

#[test]
fn a_module_that_ends_its_process_or_waits_for_nothing_is_told_to_do_so() {
    let place = Place::new();
    for (source, how) in [
        ("process.exit(3)", "ended with exit code 3"),
        ("await new Promise(() => {})\nexport default {}", "ended with exit code"),
        ("export default () => new Promise(() => {})", "ended with exit code"),
        (
            "process.kill(process.pid === 1 ? 0 : (await import('node:fs')).readlinkSync('/proc/self'), 'SIGKILL')",
            "ended by signal 9",
        ),
    ] {
        place.write("rollbridge.mjs", source);
        let told = messages(&place, "rollbridge.mjs");
        let path = place.path("rollbridge.mjs");
        let expected = format!("Config module {} {how}", text(&path));
        assert!(told[0].starts_with(&expected), "{told:?}");
    }
}

#[test]
fn without_node_it_is_told_what_to_do() {
    let place = Place::new();
    let path = place.write("rollbridge.js", ROLLCORE);
    let ran = run_with(&place, &["status"], &[("PATH", "/nowhere")]);
    assert_eq!(
        ran.stderr,
        format!(
            "Error: Config module {} is JavaScript, and there is no \"node\" on the PATH to evaluate it. Install Node.js, or \
             write the config as rollcore.json, rollcore.toml or rollcore.lua.\n",
            text(&path)
        )
    );
}

/// What a config leaves open, and what it prints, is nobody's business.
#[test]
fn timers_servers_and_printed_lines_disturb_nothing() {
    let place = Place::new();
    let shop = config("'shop'");
    place.write(
        "rollbridge.cjs",
        &format!(
            "console.log('hello'); console.error('there')\nrequire('node:child_process').execSync('echo {{}} && echo x >&2', \
             {{stdio: 'inherit'}})\nsetInterval(() => {{}}, 1000)\nrequire('node:net').createServer().listen(0)\n\
             process.on('exit', () => {{ for (;;); }})\nmodule.exports = {shop}"
        ),
    );
    let ran = place.run(&["validate", "--json", "-c", "rollbridge.cjs"]);
    assert!(ran.stdout.starts_with("{\"config\":{\"application\":\"shop\""), "{}", ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "hello\nthere\n{}\nx\n"));

    place.write("rollbridge.cjs", &format!("console.log('x'.repeat(1e6))\nmodule.exports = {shop}"));
    let ran = place.run(&["validate", "-c", "rollbridge.cjs"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.len() < 70_000 && ran.stderr.contains("printed more"), "{}", ran.stderr.len());
}

/// Nothing of ours, or of whoever started us, is open in it, but what node needs.
#[test]
fn a_config_gets_no_descriptor_and_no_input_of_others() {
    let place = Place::new();
    let open = "fs.readdirSync('/proc/self/fd').map((fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return '' } })";
    let shop = config("'shop'");
    place.write(
        "rollbridge.cjs",
        &format!(
            "const fs = require('node:fs')\nconsole.log(JSON.stringify({open}))\nmodule.exports = {shop}"
        ),
    );
    let stray: PathBuf = place.write("stray", "");
    let stray = text(&stray);
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg("exec 9<\"$1\"; exec \"$0\" validate -c rollbridge.cjs").args([ROLLCORE, stray]);
    let ran = ran(command.current_dir(place.path("")));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let open: Vec<String> = serde_json::from_str(&ran.stderr).expect("a list");
    assert_eq!(open.first().map(String::as_str), Some("/dev/null"));
    assert!(!open.iter().any(|path| path == stray), "{open:?}");
}

/// Nothing of the evaluator is there for the config to see or to trip over.
#[test]
fn a_config_sees_the_node_that_it_knows() {
    let place = Place::new();
    let names = "require module exports __filename __dirname fs tell plain main Worker";
    let seen = "names.split(' ').filter((name) => name in globalThis).join(' ') + process.argv.length + (process.title === 'node')";
    place.write("rollbridge.mjs", &format!("const names = '{names}'\nexport default {}", config(seen)));
    assert_eq!(application(&place, "rollbridge.mjs"), "1true");
}

/// C-3.
#[test]
fn a_config_sees_the_pid_of_who_loads_it() {
    let place = Place::new();
    place.write("rollbridge.mjs", "console.log(process.pid); export default {}");
    let child =
        place.command(&["validate", "-c", "rollbridge.mjs"]).stderr(std::process::Stdio::piped()).spawn();
    let child = child.expect("it can be run");
    let pid = child.id();
    let said = child.wait_with_output().expect("it ends").stderr;
    assert!(String::from_utf8_lossy(&said).starts_with(&format!("{pid}\n")), "{said:?}");
}
