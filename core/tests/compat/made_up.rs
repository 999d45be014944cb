//! The checker on made-up tables and sources: every problem is found, and nothing else is.

use super::check::{CLAUSES, problems};
use super::sources::{Tests, cited};
use super::table::Table;

const FILE: &str = "a/tests/b.rs";

/// Sources in which `holds` cites `clause`, and nobody anything else.
fn tests_citing(clause: u16) -> Tests {
    let mut tests = Tests::default();
    tests.read_file(
        FILE,
        &format!(
            "/// C-{clause}.\n#[test]\nfn holds() {{\n    x();\n}}\n\n#[test]\n#[ignore]\nfn rests() {{}}\n"
        ),
    );
    tests
}

/// A table in which every clause but `clause` waits for somebody, and that one is given this text.
fn table_with(clause: u16, says: &str) -> Table {
    let row = |each: u16| {
        if each == clause { format!("C-{each} {says}\n") } else { format!("C-{each} pending: x\n") }
    };
    Table::parse(&CLAUSES.map(row).collect::<String>())
}

#[track_caller]
fn assert_one(table: &Table, tests: &Tests, part: &str) {
    let found = problems(table, tests, true);
    assert!(found.len() == 1 && found[0].contains(part), "expected {part:?}, found {found:#?}");
}

#[test]
fn a_table_with_nothing_wrong_is_left_alone() {
    let table = table_with(7, "a/tests/b.rs::holds");
    assert_eq!(problems(&table, &tests_citing(7), true), [""; 0]);
    assert_eq!(problems(&table, &tests_citing(7), false).len(), 258, "pending is for a time");
}

#[test]
fn a_clause_that_is_missing_doubled_or_unknown_is_named() {
    let tests = Tests::default();
    let text = table_with(7, "pending: y").to_string();
    let without = text.replace("C-7    pending: y\n", "");
    assert_one(&Table::parse(&without), &tests, "C-7 is missing");
    assert_one(&Table::parse(&format!("{text}C-260  pending: x\n")), &tests, "the contract has no C-260");
    let moved = format!("C-7    pending: y\n{without}");
    assert_one(&Table::parse(&moved), &tests, "C-1 stands behind C-7");
    let found = problems(&Table::parse(&format!("{text}C-7    pending: x\n")), &tests, true);
    assert_eq!(found, ["line 260: C-7 is in line 7, too"]);
    assert_one(&Table::parse(&format!("{text}what is this\n")), &tests, "neither a clause nor");
    assert_one(&Table::parse(&format!("       pending: x\n{text}")), &tests, "neither a clause nor");
}

#[test]
fn a_test_that_is_not_there_or_does_not_run_is_named() {
    let tests = tests_citing(7);
    for (says, part) in [
        ("a/tests/c.rs::holds", "there is no file a/tests/c.rs"),
        ("a/tests/b.rs::held", "there is no test held in a/tests/b.rs"),
        ("a/tests/b.rs::rests", "a/tests/b.rs::rests is ignored"),
        ("holds", "not written as path/to/file.rs::test"),
    ] {
        let mut table = table_with(7, "a/tests/b.rs::holds").to_string();
        table = table.replace("b.rs::holds\n", &format!("b.rs::holds\n       {says}\n"));
        assert_one(&Table::parse(&table), &tests, part);
    }
    let twice = table_with(7, "a/tests/b.rs::holds")
        .to_string()
        .replace("holds\n", "holds\n       a/tests/b.rs::holds\n");
    assert_one(&Table::parse(&twice), &tests, "named twice");
}

#[test]
fn what_is_cited_and_what_is_entered_must_agree() {
    let table = table_with(7, "a/tests/b.rs::holds");
    let found = problems(&table, &tests_citing(8), true);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("neither holds nor the rest of a/tests/b.rs cites C-7"), "{found:#?}");
    assert!(found[1].contains("cites C-8, and the table does not give it that clause"), "{found:#?}");
    assert_one(
        &table_with(7, "pending: y"),
        &tests_citing(300),
        "cites C-300, which the contract does not have",
    );

    let mut header = Tests::default();
    header.read_file(FILE, "//! All of them (C-5 to C-9).\n\n#[test]\nfn holds() {}\n");
    assert_eq!(problems(&table, &header, true), [""; 0], "the file may cite for its tests");
}

#[test]
fn only_quirks_may_be_left_out_and_only_with_a_reason() {
    let tests = Tests::default();
    assert_eq!(problems(&table_with(82, "quirk: why"), &tests, true), [""; 0]);
    assert_one(&table_with(82, "quirk:"), &tests, "the reason is missing");
    assert_one(&table_with(81, "quirk: why"), &tests, "the contract does not call it a quirk");
    assert_one(&table_with(81, "better: so"), &tests, "no test holds it");
    let table = Table::parse(
        &table_with(7, "better: so").to_string().replace("so\n", "so\n       a/tests/b.rs::holds\n"),
    );
    assert_eq!(problems(&table, &tests_citing(7), true), [""; 0]);
}

#[test]
fn a_test_that_came_is_entered_and_nobody_is_waited_for() {
    let mut table = table_with(7, "pending: y");
    table.enter(&tests_citing(7));
    assert_eq!(table, table_with(7, "a/tests/b.rs::holds"));
    table.enter(&tests_citing(7));
    assert_eq!(table.to_string(), table_with(7, "a/tests/b.rs::holds").to_string(), "once is enough");
    let remarks = "# 1. Config\n\nC-1    a.rs::b\n       better: so\n";
    assert_eq!(Table::parse(remarks).to_string(), remarks);
}

#[test]
fn tests_are_found_wherever_they_stand() {
    let source = r#"
        //! C-1, but "fn no()" is no test. // #[test] fn never() {}
        fn helper() { assert!(true, "C-2"); }
        /// C-3.
        #[tokio::test(flavor = "multi_thread")]
        async fn one() {
            assert_eq!("}", "{", "C-4");
        }
        // C-5
        proptest! {
            /// C-6 to
            /// C-8.
            #[test]
            fn two(x in 0..1) { f(x); }
        }
        fn last() {} // C-9
    "#;
    let mut tests = Tests::default();
    tests.read_file(FILE, source);
    let found: Vec<_> =
        tests.iter().map(|(name, test)| (name.as_str(), Vec::from_iter(test.cites.clone()))).collect();
    assert_eq!(found, [("a/tests/b.rs::one", vec![3, 4]), ("a/tests/b.rs::two", vec![6, 7, 8])]);
    let of_file = &tests.get("a/tests/b.rs::one").expect("it was found").file_cites;
    assert_eq!(Vec::from_iter(of_file.clone()), [1, 2, 5, 9]);
}

#[test]
fn clauses_are_cited_alone_and_in_ranges() {
    for (text, clauses) in [
        ("C-1, C-3 and C-5", vec![1, 3, 5]),
        ("C-81..C-84", vec![81, 82, 83, 84]),
        ("C-15 to C-17, C-20", vec![15, 16, 17, 20]),
        ("C-5 to C-3", vec![3, 5]),
        ("UTC-3, C-n, C-", vec![]),
        ("(C-12)", vec![12]),
    ] {
        assert_eq!(Vec::from_iter(cited(text)), clauses, "{text}");
    }
}
