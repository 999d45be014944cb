//! `include/rollcore.h` is what the library is: made from it, compiled by everybody, and only growing.
//!
//! `UPDATE=1` writes the header (with cbindgen 0.29) and the lists of symbols anew.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

use support::{has, here, include, library, said, scratch, succeeds};

fn updating() -> bool {
    env::var_os("UPDATE").is_some()
}

/// What is exported: `rollcore_…` and nothing else.
fn exported() -> BTreeSet<String> {
    let listed = succeeds(Command::new("nm").args(["-D", "--defined-only"]).arg(library().shared()));
    let symbols = String::from_utf8_lossy(&listed.stdout);
    symbols.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(include().join("rollcore.h")).expect("the header is there");
    let code = header.lines().filter(|line| !line.trim_start().starts_with("//"));
    let names = code.filter_map(|line| {
        let name = line.split('(').next()?.rsplit([' ', '*']).next()?;
        (line.contains('(') && name.starts_with("rollcore_")).then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn the_header_declares_exactly_what_the_library_exports() {
    let (declared, exported) = (declared(), exported());
    assert!(declared.len() > 20, "the header reads as {declared:?}");
    assert_eq!(declared, exported);
}

#[test]
fn the_list_of_symbols_only_grows() {
    let file = here().join("abi/symbols.txt");
    let exported = exported();
    let text: String = exported.iter().map(|symbol| format!("{symbol}\n")).collect();
    if updating() {
        fs::create_dir_all(here().join("abi")).expect("a folder");
        fs::write(&file, &text).expect("the list can be written");
    }
    let listed = fs::read_to_string(file).expect("abi/symbols.txt is there");
    let gone: Vec<_> = listed.lines().filter(|symbol| !exported.contains(*symbol)).collect();
    assert!(gone.is_empty(), "no longer exported, which needs another ROLLCORE_ABI_VERSION: {gone:?}");
    assert_eq!(listed, text, "there are new symbols: run with UPDATE=1");
}

#[test]
fn the_header_is_made_from_the_source() {
    let cbindgen = env::var_os("CBINDGEN").unwrap_or_else(|| "cbindgen".into());
    let version = Command::new(&cbindgen).arg("--version").output();
    let is_ours = version.is_ok_and(|version| said(&version).starts_with("cbindgen 0.29"));
    if !is_ours && !updating() {
        // The test above compares the names; the types are compared where the tool is.
        return;
    }
    let made = scratch("header").join("rollcore.h");
    let mut command = Command::new(cbindgen);
    command.arg("--quiet").arg("--config").arg(here().join("cbindgen.toml"));
    succeeds(command.args(["--crate", "rollcore-ffi", "--output"]).arg(&made).arg(here()));
    let made = fs::read_to_string(made).expect("cbindgen has written it");
    let committed = include().join("rollcore.h");
    if updating() {
        fs::write(&committed, &made).expect("the header can be written");
    }
    let committed = fs::read_to_string(committed).expect("the header is there");
    assert_eq!(committed, made, "the header is not what the source says: run with UPDATE=1");
}

/// Twice, because a guard may be wrong, too.
const PROGRAM: &str = r#"
#include "rollcore.h"
#include "rollcore.h"
int main(void) {
    rollcore *rc = 0;
    rollcore_status status = rollcore_new(0, &rc, 0);
    rollcore_free(rc);
    return status == ROLLCORE_OK && rollcore_abi_version() == ROLLCORE_ABI_VERSION ? 0 : 1;
}
"#;

#[test]
fn every_compiler_takes_the_header_as_c_and_as_cpp() {
    let folder = scratch("compilers");
    let languages = [
        ("c", "gcc", vec!["c99", "c11", "c17", "c2x"]),
        ("c", "clang", vec!["c99", "c11", "c17", "c2x"]),
        ("cc", "g++", vec!["c++11", "c++17", "c++20"]),
        ("cc", "clang++", vec!["c++11", "c++17", "c++20"]),
    ];
    for (extension, compiler, standards) in languages {
        if !has(compiler) {
            continue;
        }
        let source = folder.join(format!("probe.{extension}"));
        let text = if extension == "c" {
            PROGRAM.to_owned()
        } else {
            PROGRAM
                .replace("= 0", "= nullptr")
                .replace("new(0", "new(nullptr")
                .replace("rc, 0)", "rc, nullptr)")
                .replace("main(void)", "main()")
        };
        fs::write(&source, text).expect("the program can be written");
        for standard in standards {
            let mut command = Command::new(compiler);
            command.arg(format!("-std={standard}")).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
            if extension == "c" {
                command.args(["-Wstrict-prototypes", "-Wmissing-prototypes"]);
            }
            command.args(["-Wconversion", "-Wshadow", "-fsyntax-only", "-I"]).arg(include()).arg(&source);
            succeeds(&mut command);
        }
    }
}

#[test]
fn only_the_boundary_has_unsafe_blocks() {
    for file in fs::read_dir(here().join("src")).expect("there are sources") {
        let path = file.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("it is text");
        let blocks = text.matches("unsafe {").count()
            + text.matches("unsafe fn").count()
            + text.matches("unsafe impl").count();
        let is_boundary = path.ends_with("boundary.rs");
        assert_eq!(is_boundary, blocks > 0, "{}: {blocks}", path.display());
    }
}
