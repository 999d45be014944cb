//! What is wrong with a table.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::sources::Tests;
use super::table::{Item, Row, Says, Table};

/// The clauses of the contract.
pub(crate) const CLAUSES: RangeInclusive<u16> = 1..=259;

/// Those that the contract marks as quirks, whole or in part: only these may be left out, whole or in part.
const QUIRKS: [u16; 22] =
    [34, 36, 49, 53, 59, 82, 84, 92, 96, 97, 98, 104, 107, 122, 123, 144, 151, 169, 195, 220, 244, 245];

/// Everything that is wrong, a line for each.
pub(crate) fn problems(table: &Table, tests: &Tests, may_be_pending: bool) -> Vec<String> {
    let mut found = odd_lines(table);
    found.extend(numbering(table));
    for row in table.rows() {
        found.extend(row_problems(row, tests, may_be_pending));
    }
    found.extend(not_entered(table, tests));
    found
}

fn odd_lines(table: &Table) -> Vec<String> {
    let odd = |item: &Item| match item {
        Item::Odd { line, text } => {
            Some(format!("line {line}: neither a clause nor what is said of one: {text}"))
        }
        _ => None,
    };
    table.items.iter().filter_map(odd).collect()
}

/// Each clause once, in order, and none that is not there.
fn numbering(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines: BTreeMap<u16, usize> = BTreeMap::new();
    let mut before = 0;
    for row in table.rows() {
        let (clause, line) = (row.clause, row.line);
        if !CLAUSES.contains(&clause) {
            found.push(format!("line {line}: the contract has no C-{clause}"));
        } else if let Some(first) = lines.insert(clause, line) {
            found.push(format!("line {line}: C-{clause} is in line {first}, too"));
        } else if clause < before {
            found.push(format!("line {line}: C-{clause} stands behind C-{before}"));
        }
        before = clause;
    }
    found.extend(
        CLAUSES.filter(|clause| !lines.contains_key(clause)).map(|clause| format!("C-{clause} is missing")),
    );
    found
}

fn row_problems(row: &Row, tests: &Tests, may_be_pending: bool) -> Vec<String> {
    let clause = row.clause;
    let at = |problem: String| format!("line {}: C-{clause}: {problem}", row.line);
    let mut found = Vec::new();
    for (index, says) in row.says.iter().enumerate() {
        let problem = match says {
            Says::Test(name) if row.says[..index].contains(says) => Some(format!("{name} is named twice")),
            Says::Test(name) => test_problem(clause, name, tests),
            Says::Quirk(_) if !QUIRKS.contains(&clause) => {
                Some("the contract does not call it a quirk".into())
            }
            Says::Quirk(why) | Says::Better(why) if why.is_empty() => Some("the reason is missing".into()),
            Says::Pending(branch) if !may_be_pending => Some(format!("still pending: {branch}")),
            Says::Quirk(_) | Says::Better(_) | Says::Pending(_) => None,
        };
        found.extend(problem.map(at));
    }
    let excused = |says: &Says| matches!(says, Says::Quirk(_) | Says::Pending(_));
    if row.tests().next().is_none() && !row.says.iter().any(excused) {
        found.push(at("no test holds it".into()));
    }
    found
}

fn test_problem(clause: u16, name: &str, tests: &Tests) -> Option<String> {
    let Some((file, function)) = name.split_once("::") else {
        return Some(format!("{name} is not written as path/to/file.rs::test"));
    };
    match tests.get(name) {
        None if !tests.has_file(file) => Some(format!("there is no file {file}")),
        None => Some(format!("there is no test {function} in {file}")),
        Some(test) if test.is_ignored => Some(format!("{name} is ignored")),
        Some(test) if !test.cites.contains(&clause) && !test.file_cites.contains(&clause) => {
            Some(format!("neither {function} nor the rest of {file} cites C-{clause}"))
        }
        Some(_) => None,
    }
}

/// What a test cites and the table does not know.
fn not_entered(table: &Table, tests: &Tests) -> Vec<String> {
    let rows: BTreeMap<u16, &Row> = table.rows().map(|row| (row.clause, row)).collect();
    let mut found = Vec::new();
    for (name, test) in tests.iter() {
        for clause in &test.cites {
            if !CLAUSES.contains(clause) {
                found.push(format!("{name} cites C-{clause}, which the contract does not have"));
            } else if !rows.get(clause).is_some_and(|row| row.names(name)) {
                found.push(format!("{name} cites C-{clause}, and the table does not give it that clause"));
            }
        }
    }
    found
}
