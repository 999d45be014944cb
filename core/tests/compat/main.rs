//! A drop-in for Rollbridge: every clause of its contract has a test, by name, in `clauses.txt`.
//!
//! The rule is cheap to keep. A test says in its doc comment, or beside an assertion, which clause it holds, by its
//! number. `UPDATE=1` then enters it in the table. What is entered must exist, must run, and must cite the clause, in
//! itself or in its file.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "../floors/scan.rs"]
#[expect(dead_code, reason = "tokens are for the fence")]
mod scan;

mod answers;
mod app;
mod better;
mod check;
mod deploying;
mod events;
mod golden;
mod keys;
mod made_up;
mod ports;
mod rendering;
mod retiring;
mod shop;
mod sources;
mod status;
mod table;

use sources::Tests;
use table::Table;

/// Whether clauses may wait for their test, as `pending: <for what>`. Not while nothing is being built.
const MAY_BE_PENDING: bool = false;

/// The table of every clause of the contract against the tests of the workspace.
#[test]
fn every_clause_has_a_test() {
    let place = root().join("core/tests/compat/clauses.txt");
    let tests = Tests::of_workspace(&root());
    assert!(tests.len() > 300, "only {} tests were found", tests.len());
    let mut table = Table::parse(&read(&place));
    if env::var_os("UPDATE").is_some() {
        table.enter(&tests);
        fs::write(&place, table.to_string()).expect("it can be written");
    }
    let problems = check::problems(&table, &tests, MAY_BE_PENDING);
    assert!(problems.is_empty(), "{}\n(UPDATE=1 enters the tests that cite a clause)", problems.join("\n"));
}

/// What is better than there is not only said: `better.txt` names the tests of each row.
#[test]
fn everything_that_is_better_has_a_test() {
    let tests = Tests::of_workspace(&root());
    let text = read(&root().join("core/tests/compat/better.txt"));
    let problems = better::problems(&text, &tests);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.parent().expect("the workspace is around the crate").to_owned()
}
