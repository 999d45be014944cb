//! The programs of the README and of the manual, as a newcomer copies them.

use std::path::Path;

use crate::build::{ALL, Interpreter, LUA54, LUAJIT, root};
use crate::host::{host, printed};

/// Where the application goes on until Ctrl-C.
const FOR_EVER: &str = "for event in engine:events() do";

/// The programs of a page, which may be a comment of Rust.
fn programs(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("it is there");
    let of_a_comment =
        |line: &str| line.strip_prefix("//!").map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned());
    let lines: Vec<_> =
        text.lines().map(|line| of_a_comment(line).unwrap_or_else(|| line.to_owned())).collect();
    let text = lines.join("\n");
    text.split("```lua\n")
        .skip(1)
        .map(|part| part.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Runs it where its config is, with releases that there are, until nothing happens any more.
fn told(interpreter: Interpreter, program: &str, directory: &Path) -> String {
    let releases = root().join("examples/releases");
    let program = program.replace("/srv/shop", &releases.display().to_string());
    let program = program.replace(FOR_EVER, "for event in engine:events(0) do event.message = event.type");
    let file = directory.join("program.lua");
    std::fs::write(&file, program).expect("it can be written");
    let mut host = host(interpreter, &file, &[]);
    host.current_dir(releases);
    printed(host)
}

#[test]
fn the_programs_of_the_readme_and_of_the_manual_deploy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let readme = programs("lua/README.md");
    let [deploys, with_luv] = &readme[..] else { panic!("{readme:?}") };
    let manual = programs("core/src/manual/embedding_in_lua.rs");
    // The first one is a script of `rollcore run`.
    assert_eq!(manual[1..], readme[..], "the manual and the README say the same");
    assert!(deploys.trim().lines().count() <= 15, "fifteen lines are enough");
    for interpreter in ALL {
        let told = told(interpreter, deploys, directory.path());
        let steps = "preflight\nlease ports\nstart web\nawait ready web\nswitch traffic\nrefresh services\nv2 is active\n";
        let rest = told.strip_prefix(steps).unwrap_or_else(|| panic!("{interpreter:?}: {told}"));
        assert!(rest.lines().any(|event| event == "traffic.switched"), "{interpreter:?}: {rest}");
    }
    for interpreter in [LUA54, LUAJIT] {
        // It would serve until Ctrl-C.
        let program = with_luv.replace("or message)\n", "or message)\n  poll:close()\n  timer:close()\n");
        assert_eq!(told(interpreter, &program, directory.path()), "v2 is active\n", "{interpreter:?}");
    }
}
