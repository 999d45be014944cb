//! `clauses.txt`, read and written.

use std::fmt;

use super::sources::Tests;

/// Where the text of an entry begins.
const INDENT: usize = 7;

/// The lines of the table in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A heading, a remark or an empty line.
    Remark(String),
    Row(Row),
    /// A line that is none of these.
    Odd {
        line: usize,
        text: String,
    },
}

/// One clause and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) clause: u16,
    pub(crate) line: usize,
    pub(crate) says: Vec<Says>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// Held by this test, `path/to/file.rs::name`.
    Test(String),
    /// What the contract itself calls a quirk, and why it is not kept.
    Quirk(String),
    /// Where we are right and Rollbridge is wrong: what holds instead.
    Better(String),
    /// Somebody is building it.
    Pending(String),
}

impl Says {
    fn of(text: &str) -> Self {
        let after = |word: &str| Some(text.strip_prefix(word)?.trim().to_owned());
        after("quirk:")
            .map(Self::Quirk)
            .or_else(|| after("better:").map(Self::Better))
            .or_else(|| after("pending:").map(Self::Pending))
            .unwrap_or_else(|| Self::Test(text.to_owned()))
    }
}

impl Row {
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        self.says.iter().filter_map(|says| match says {
            Says::Test(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub(crate) fn names(&self, test: &str) -> bool {
        self.tests().any(|name| name == test)
    }

    /// A test has come: nobody is waited for any more.
    fn enter(&mut self, test: &str) {
        self.says.retain(|says| !matches!(says, Says::Pending(_)));
        self.says.push(Says::Test(test.to_owned()));
    }
}

impl Table {
    pub(crate) fn parse(text: &str) -> Self {
        let mut items: Vec<Item> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let odd = || Item::Odd { line: index + 1, text: line.to_owned() };
            if line.trim().is_empty() || line.starts_with('#') {
                items.push(Item::Remark(line.to_owned()));
            } else if let Some(more) = line.strip_prefix("  ") {
                match items.last_mut() {
                    Some(Item::Row(row)) => row.says.push(Says::of(more.trim())),
                    _ => items.push(odd()),
                }
            } else {
                items.push(row(line, index + 1).map_or_else(odd, Item::Row));
            }
        }
        Self { items }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.items.iter().filter_map(|item| match item {
            Item::Row(row) => Some(row),
            _ => None,
        })
    }

    /// Every test that cites a clause, in the row of that clause.
    pub(crate) fn enter(&mut self, tests: &Tests) {
        for item in &mut self.items {
            let Item::Row(row) = item else { continue };
            let clause = row.clause;
            for (name, _) in tests.iter().filter(|(_, test)| test.cites.contains(&clause)) {
                if !row.names(name) {
                    row.enter(name);
                }
            }
        }
    }
}

/// `C-7   what is said first`.
fn row(line: &str, number: usize) -> Option<Row> {
    let (clause, first) = line.split_once(' ')?;
    let clause = clause.strip_prefix("C-")?.parse().ok()?;
    Some(Row { clause, line: number, says: vec![Says::of(first.trim())] })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            match item {
                Item::Remark(text) | Item::Odd { text, .. } => writeln!(f, "{text}")?,
                Item::Row(row) => row.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = format!("C-{}", self.clause);
        for says in &self.says {
            writeln!(f, "{head:INDENT$}{says}")?;
            head.clear();
        }
        Ok(())
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(name) => f.write_str(name),
            Self::Quirk(why) => write!(f, "quirk: {why}"),
            Self::Better(what) => write!(f, "better: {what}"),
            Self::Pending(branch) => write!(f, "pending: {branch}"),
        }
    }
}
