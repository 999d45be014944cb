//! The fence: who may import whom, and what pure code may not touch (design, section 3).
//!
//! Reads the sources as text. It changes together with the drawing, in one commit.

use std::path::{Path as FilePath, PathBuf};

#[path = "floors/paths.rs"]
mod paths;
#[path = "floors/purity.rs"]
mod purity;
#[path = "floors/scan.rs"]
mod scan;
#[path = "floors/table.rs"]
mod table;

use paths::paths as paths_of;
use scan::tokens;

/// A file of `core/src`.
struct Source {
    /// As people write it, such as `core/src/supervisor/machine.rs`.
    file: String,
    /// Such as `["supervisor", "machine"]`; empty for `lib.rs`.
    module: Vec<String>,
    /// Its parent declares it under `#[cfg(test)]`.
    in_test: bool,
    text: String,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let inside = file.trim_start_matches("core/src/").trim_end_matches(".rs");
        let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
        module.pop_if(|last| last == "mod" || last == "lib");
        Self { file: file.to_owned(), module, in_test: false, text: text.to_owned() }
    }

    /// The top-level module that it belongs to; `None` for `lib.rs`.
    fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    fn is_machine(&self) -> bool {
        self.module.get(1).is_some_and(|name| name == "machine")
    }

    /// What is wrong with it, each line as `file:line: problem`.
    fn offences(&self) -> Vec<String> {
        let at = |line: usize, problem: String| format!("{}:{line}: {problem}", self.file);
        if self.module.is_empty() {
            return only_reexports(&self.text).into_iter().map(|(line, problem)| at(line, problem)).collect();
        }
        let named = paths_of(&self.module, &self.text);
        let problems = named.iter().flat_map(|path| {
            [table::crossing(self, path), purity::impurity(self, path)].map(|problem| (path.line, problem))
        });
        std::iter::once((1, table::misplaced(self)))
            .chain(problems)
            .filter_map(|(line, problem)| Some(at(line, problem?)))
            .collect()
    }
}

/// The modules that a host may name: the doors whose words are those of the engine, the book, the simulator with its
/// many small words, and what is only there for our own fuzz targets and benches.
const PUBLIC_ROOMS: [&str; 5] = ["blocking", "embed", "internals", "manual", "simulate"];

/// `lib.rs` declares modules and re-exports; nothing else.
fn only_reexports(text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let words: Vec<&str> = tokens[at..].iter().take(3).map(|token| token.text.as_str()).collect();
        let end = match words.as_slice() {
            ["#", ..] => "]",
            ["mod", ..] | ["pub", "use", ..] => ";",
            ["pub", "mod", room] if PUBLIC_ROOMS.contains(room) => ";",
            _ => {
                found
                    .push((token.line, format!("`{}` in lib.rs: only `mod` and `pub use`", words.join(" "))));
                ";"
            }
        };
        let length = tokens[at..].iter().position(|token| token.is(end)).unwrap_or(tokens.len() - at);
        at += length + 1;
    }
    found
}

/// A host goes through the crate root: `rollcore::Engine`, never `rollcore::engine::Engine`.
fn deep_paths(file: &str, text: &str) -> Vec<String> {
    paths_of(&[], text)
        .iter()
        .filter(|path| path.starts_with("rollcore") || path.starts_with("core_impl"))
        .filter(|path| match path.segments.as_slice() {
            [_, room, inner, rest @ ..] if PUBLIC_ROOMS.contains(&room.as_str()) => {
                !rest.is_empty() && inner.starts_with(|c: char| c.is_lowercase())
            }
            [_, module, _, ..] => module.starts_with(|c: char| c.is_lowercase()),
            _ => false,
        })
        .map(|path| format!("{file}:{}: `{}` goes deeper than the crate root", path.line, path.text()))
        .collect()
}

fn workspace() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core stands in the workspace").to_owned()
}

/// Every Rust file below `folder`, as its path from the workspace and its text.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let root = workspace();
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | "node_modules") {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("a source file is readable text");
                let file = path.strip_prefix(&root).expect("it is below the workspace").display().to_string();
                files.push((file, text));
            }
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> =
        rust_files("core/src").iter().map(|(file, text)| Source::new(file, text)).collect();
    let for_tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            let children = paths::test_modules(&source.text).into_iter();
            children.map(|child| source.module.iter().cloned().chain([child]).collect())
        })
        .collect();
    for source in &mut sources {
        source.in_test = for_tests.iter().any(|module| source.module.starts_with(module));
    }
    sources
}

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn imports_go_down_and_pure_code_stays_pure() {
    let sources = sources();
    assert!(sources.len() > 10, "the fence looks at the wrong place: only {} files", sources.len());
    assert_none(&sources.iter().flat_map(Source::offences).collect::<Vec<_>>());
}

#[test]
fn hosts_use_the_crate_root_only() {
    let folders = ["ffi", "lua", "examples", "benches", "fuzz"];
    let present = folders.into_iter().filter(|folder| workspace().join(folder).is_dir());
    let files: Vec<_> = present.flat_map(rust_files).collect();
    assert!(files.len() >= 4, "the fence looks at the wrong place: only {} files", files.len());
    assert_none(&files.iter().flat_map(|(file, text)| deep_paths(file, text)).collect::<Vec<_>>());
}

/// What the fence says about one made-up file.
fn said(file: &str, text: &str) -> String {
    Source::new(file, text).offences().join("\n")
}

#[test]
fn an_arrow_that_goes_up_or_sideways_is_named_with_its_line() {
    for (file, text, wanted) in [
        (
            "core/src/id.rs",
            "\nuse crate::spec::Command;",
            "core/src/id.rs:2: `id` (floor 0) may not use `crate::spec::Command` (floor 1)",
        ),
        ("core/src/time.rs", "use crate::id::Pid;", "core/src/time.rs:1: `time` (floor 0) may not"),
        (
            "core/src/spec/run.rs",
            "use crate::config::Config;",
            "`spec` (floor 1) may not use `crate::config::Config`",
        ),
        (
            "core/src/template.rs",
            "use crate::restart::RestartPolicy;",
            "may not use `crate::restart::RestartPolicy`",
        ),
        (
            "core/src/health/mod.rs",
            "fn f() {\n  crate::proxy::x()\n}",
            "core/src/health/mod.rs:2: `health` (floor 2) may not use",
        ),
        ("core/src/health/mod.rs", "use super::port::Lease;", "may not use `crate::port::Lease`"),
        ("core/src/clock.rs", "use crate::port::Lease;", "may not use `crate::port::Lease`"),
        (
            "core/src/engine/mod.rs",
            "use crate::{id, control::ControlServer};",
            "may not use `crate::control::ControlServer`",
        ),
        (
            "core/src/engine/mod.rs",
            "use crate::simulate::Simulation;",
            "may not use `crate::simulate::Simulation`",
        ),
        (
            "core/src/simulate/mod.rs",
            "use crate::supervisor::Supervisor;",
            "may not use `crate::supervisor::Supervisor`",
        ),
        ("core/src/control/mod.rs", "use crate::blocking::Engine;", "may not use `crate::blocking::Engine`"),
        (
            "core/src/control/mod.rs",
            "use crate::proxy::DrainingProxy;",
            "may not use `crate::proxy::DrainingProxy`",
        ),
        ("core/src/spec/run.rs", "use crate::Signal;", "`crate::Signal` goes through the crate root"),
        ("core/src/spec/run.rs", "use crate::*;", "`crate::*` goes through the crate root"),
        ("core/src/extra.rs", "", "core/src/extra.rs:1: `extra` stands on no floor"),
    ] {
        assert!(
            said(file, text).contains(wanted),
            "{file}: {text}\nsaid: {:?}\nwanted: {wanted:?}",
            said(file, text)
        );
    }
}

#[test]
fn an_effect_in_pure_code_is_named_with_its_line() {
    let machine = "core/src/supervisor/machine.rs";
    for (file, text, wanted) in [
        (
            "core/src/rollout/world.rs",
            "//\nuse std::time::{Duration, Instant};",
            "core/src/rollout/world.rs:2: `std::time::Instant` is not pure",
        ),
        (machine, "async fn f() { tokio::time::sleep(x).await }", "`tokio::time::sleep` is not pure"),
        (machine, "use crate::clock;", "`crate::clock` is not pure"),
        (machine, "use super::spawn::spawn;", "outside `supervisor/machine`"),
        ("core/src/proxy/machine/forward.rs", "use hyper::HeaderMap;", "`hyper::HeaderMap` is not pure"),
        ("core/src/simulate/mod.rs", "use std::sync::{Arc, Mutex};", "`std::sync::Mutex` is not pure"),
        (
            "core/src/simulate/mod.rs",
            "let rng = fastrand::Rng::new();",
            "`fastrand::Rng::new` is a random source",
        ),
        ("core/src/simulate/mod.rs", "let n = fastrand::u32(..);", "`fastrand::u32` is a random source"),
        ("core/src/restart.rs", "use fastrand::Rng;", "`fastrand::Rng` is a random source"),
        ("core/src/config/mod.rs", "std::fs::read(path)", "`std::fs::read` is not pure"),
        ("core/src/config/mod.rs", "use std::time;", "`std::time` hides what is used of it"),
        ("core/src/config/mod.rs", "use std::net::*;", "`std::net::*` is not pure"),
        (
            "core/src/id.rs",
            "use std::collections::{BTreeMap, HashMap};",
            "`std::collections::HashMap` is not pure",
        ),
    ] {
        assert!(
            said(file, text).contains(wanted),
            "{file}: {text}\nsaid: {:?}\nwanted: {wanted:?}",
            said(file, text)
        );
    }
}

#[test]
fn what_is_allowed_is_not_named() {
    for (file, text) in [
        ("core/src/report.rs", "use crate::exit::Exit; use crate::{id::Pid, time::Instant};"),
        (
            "core/src/rollout/world.rs",
            "use crate::config::Config; use std::sync::Arc; use std::time::Duration;",
        ),
        ("core/src/rollout/world.rs", "// use tokio::x;\nconst A: &str = \"crate::engine\";"),
        ("core/src/rollout/world.rs", "#[cfg(test)]\nmod tests { use super::*; use std::fs; }"),
        (
            "core/src/supervisor/spawn.rs",
            "use crate::clock; use super::machine::Machine; use tokio::net::unix::pipe;",
        ),
        ("core/src/supervisor/machine.rs", "use super::machine::child; use std::net::SocketAddr;"),
        ("core/src/simulate/mod.rs", "use crate::supervisor::machine::Machine; fastrand::Rng::with_seed(7);"),
        ("core/src/engine/mod.rs", "use crate::{proxy::DrainingProxy, clock, rollout::World};"),
        ("core/src/control/server.rs", "use crate::engine::Engine; use crate::spec::ControlSpec;"),
        (
            "core/src/lib.rs",
            "//! Doc.\n#![warn(x)]\nmod id;\n#[doc(hidden)]\npub mod manual;\npub use id::{A, B};",
        ),
    ] {
        assert_eq!(said(file, text), "", "{file}: {text}");
    }
}

#[test]
fn lib_rs_holds_nothing_but_modules_and_reexports() {
    for text in ["pub fn f();", "pub mod engine;", "use id::Pid;", "mod id;\nconst X: u8 = 1;"] {
        assert!(said("core/src/lib.rs", text).contains("only `mod` and `pub use`"), "{text}");
    }
}

#[test]
fn a_host_that_reaches_into_the_house_is_named_with_its_line() {
    let deep = deep_paths("ffi/src/x.rs", "use rollcore::Engine;\nuse rollcore::engine::Engine;");
    assert_eq!(deep, ["ffi/src/x.rs:2: `rollcore::engine::Engine` goes deeper than the crate root"]);
    assert_eq!(deep_paths("ffi/src/x.rs", "core_impl::proxy::f()").len(), 1);
    assert_eq!(deep_paths("fuzz/x.rs", "use rollcore::simulate::world::World;").len(), 1);
    let good = "rollcore::Engine::start(); rollcore::render(); use rollcore::simulate::{Simulation, shrink};";
    assert_eq!(deep_paths("fuzz/x.rs", good), Vec::<String>::new());
}
