//! `better.txt`: rows that begin at the margin, and the tests of each below it.

use super::sources::Tests;

/// Everything that is wrong, a line for each.
pub(crate) fn problems(text: &str, tests: &Tests) -> Vec<String> {
    let mut found = Vec::new();
    let mut row: Option<(&str, usize)> = None;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    for line in lines.chain(["the end"]) {
        match (line.strip_prefix("    "), &mut row) {
            (Some(name), Some((_, count))) => {
                *count += 1;
                found.extend(test_problem(name, tests));
            }
            (Some(name), None) => found.push(format!("{name} stands in no row")),
            (None, before) => {
                if let Some((text, 0)) = before {
                    found.push(format!("no test shows: {text}"));
                }
                row = Some((line, 0));
            }
        }
    }
    found
}

fn test_problem(name: &str, tests: &Tests) -> Option<String> {
    match tests.get(name) {
        None => Some(format!("there is no test {name}")),
        Some(test) if test.is_ignored => Some(format!("{name} is ignored")),
        Some(_) => None,
    }
}

#[test]
fn a_row_needs_tests_that_are_there_and_run() {
    let mut tests = Tests::default();
    tests.read_file("a.rs", "#[test]\nfn runs() {}\n#[test]\n#[ignore]\nfn rests() {}\n");
    assert_eq!(problems("# remark\n\none\n    a.rs::runs\n", &tests), [""; 0]);
    assert_eq!(problems("one\ntwo\n    a.rs::runs\n", &tests), ["no test shows: one"]);
    assert_eq!(problems("one\n", &tests), ["no test shows: one"]);
    assert_eq!(problems("    a.rs::runs\n", &tests), ["a.rs::runs stands in no row"]);
    let wrong = problems("one\n    a.rs::rests\n    a.rs::flies\n", &tests);
    assert_eq!(wrong, ["a.rs::rests is ignored", "there is no test a.rs::flies"]);
}
