//! The tests of the workspace: where they are, whether they run, and which clauses they cite.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use super::scan::blank;

/// Folders of the workspace that hold Rust.
const FOLDERS: [&str; 6] = ["core", "examples", "ffi", "lua", "benches", "fuzz"];

/// Not ours, or not sources.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

/// Its tables and sources are made up.
const MADE_UP: &str = "core/tests/compat/made_up.rs";

/// A test function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Test {
    /// It has `#[ignore]`.
    pub(crate) is_ignored: bool,
    /// The clauses that its comments and texts cite.
    pub(crate) cites: BTreeSet<u16>,
    /// Those that its file cites outside of tests: in its header, or in what its tests share.
    pub(crate) file_cites: BTreeSet<u16>,
}

/// Every test by its name, `path/to/file.rs::name`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tests {
    by_name: BTreeMap<String, Test>,
    files: BTreeSet<String>,
}

impl Tests {
    pub(crate) fn of_workspace(root: &Path) -> Self {
        let mut tests = Self::default();
        for folder in FOLDERS {
            tests.read_folder(root, &root.join(folder));
        }
        tests
    }

    fn read_folder(&mut self, root: &Path, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.read_folder(root, &path);
            } else if name.ends_with(".rs") {
                let file = path.strip_prefix(root).expect("it is inside").to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).unwrap_or_default();
                if file != MADE_UP {
                    self.read_file(&file, &text);
                }
            }
        }
    }

    pub(crate) fn read_file(&mut self, file: &str, text: &str) {
        self.files.insert(file.to_owned());
        let lines: Vec<&str> = text.lines().collect();
        let found = functions(text);
        let is_inside = |line: &usize| found.iter().any(|function| function.lines.contains(line));
        let outside: Vec<&str> =
            (0..lines.len()).filter(|line| !is_inside(line)).map(|line| lines[line]).collect();
        let file_cites = cited(&outside.join("\n"));
        for function in &found {
            let cites = cited(&lines[function.lines.clone()].join("\n"));
            let test = Test { is_ignored: function.is_ignored, cites, file_cites: file_cites.clone() };
            self.by_name.insert(format!("{file}::{}", function.name), test);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Test)> {
        self.by_name.iter()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Test> {
        self.by_name.get(name)
    }

    pub(crate) fn has_file(&self, file: &str) -> bool {
        self.files.contains(file)
    }
}

/// A test function and the lines from its comment to its end, counted from 0.
struct Function {
    name: String,
    lines: RangeInclusive<usize>,
    is_ignored: bool,
}

/// Every function behind `#[test]`, `#[tokio::test]` or one of these with arguments.
fn functions(text: &str) -> Vec<Function> {
    let code = blank(text);
    let (code, lines): (Vec<&str>, Vec<&str>) = (code.lines().collect(), text.lines().collect());
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if is_test_attribute(code[at])
            && let Some(function) = function(&code, &lines, at)
        {
            at = *function.lines.end();
            found.push(function);
        }
        at += 1;
    }
    found
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim();
    ["#[test]", "#[tokio::test]", "#[tokio::test("].iter().any(|start| line.starts_with(start))
}

fn function(code: &[&str], lines: &[&str], attribute: usize) -> Option<Function> {
    let head = (attribute..code.len()).find(|line| name_of(code[*line]).is_some())?;
    let belongs_above = |line: &str| line.trim().starts_with("///") || line.trim().starts_with("#[");
    let above = lines[..attribute].iter().rev().take_while(|line| belongs_above(line)).count();
    let begin = attribute - above;
    Some(Function {
        name: name_of(code[head])?,
        lines: begin..=end_of(code, head),
        is_ignored: code[begin..head].iter().any(|line| line.trim().starts_with("#[ignore")),
    })
}

fn name_of(line: &str) -> Option<String> {
    let line = line.trim();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    Some(rest[..end].to_owned())
}

/// Where the braces that open at `head` or below are closed again.
fn end_of(code: &[&str], head: usize) -> usize {
    let mut depth = 0;
    for (number, line) in code.iter().enumerate().skip(head) {
        for sign in line.chars() {
            match sign {
                '{' => depth += 1,
                '}' if depth == 1 => return number,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    code.len().saturating_sub(1)
}

/// The clauses named in a text: `C-7`, and all from the first to the last of `C-7 to C-9` or `C-7..C-9`.
pub(crate) fn cited(text: &str) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let mut last: Option<(u16, usize)> = None;
    for (at, _) in text.match_indices("C-") {
        let is_word = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let digits: String = text[at + 2..].chars().take_while(char::is_ascii_digit).collect();
        let Ok(clause) = digits.parse::<u16>() else { continue };
        if is_word {
            continue;
        }
        let first = last.filter(|(_, end)| is_range(&text[*end..at])).map_or(clause, |(first, _)| first);
        found.extend(first.min(clause)..=clause);
        last = Some((clause, at + 2 + digits.len()));
    }
    found
}

fn is_range(between: &str) -> bool {
    let words: Vec<&str> = between.split(|c: char| c.is_whitespace() || "/!".contains(c)).collect();
    matches!(words.concat().as_str(), "to" | ".." | "..=" | "…")
}
