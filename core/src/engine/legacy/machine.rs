//! Which processes of an older way of deploying are meant (compat C-228). Pure: the table is given.

use std::collections::BTreeSet;

use crate::spec::LegacyTakeover;
use crate::supervisor::ProcessEntry;

/// The processes that `takeover` means, with all their descendants: never `me`, nor what `me` descends from.
pub(super) fn victims<'t>(
    takeover: &LegacyTakeover,
    table: &'t [ProcessEntry],
    me: u32,
) -> Vec<&'t ProcessEntry> {
    let spared = ancestors(table, me);
    let mut meant: BTreeSet<u32> = table
        .iter()
        .filter(|process| !spared.contains(&process.pid) && is_meant(takeover, &process.command_line))
        .map(|process| process.pid)
        .collect();
    loop {
        let children = table.iter().filter(|process| meant.contains(&process.parent));
        let added: Vec<u32> = children
            .map(|process| process.pid)
            .filter(|pid| !meant.contains(pid) && !spared.contains(pid))
            .collect();
        if added.is_empty() {
            return table.iter().filter(|process| meant.contains(&process.pid)).collect();
        }
        meant.extend(added);
    }
}

/// The screen session of `takeover` that `me` runs in, if it does: to end that one would end us.
pub(super) fn own_screen<'t>(
    takeover: &'t LegacyTakeover,
    table: &[ProcessEntry],
    me: u32,
) -> Option<&'t str> {
    let ours = ancestors(table, me);
    let around: Vec<_> = table.iter().filter(|process| ours.contains(&process.pid)).collect();
    let is_around =
        |screen: &&String| around.iter().any(|process| runs_screen(&process.command_line, screen));
    takeover.screens.iter().find(is_around).map(String::as_str)
}

/// `me` and what it descends from. A table that goes round in circles ends the search, too.
fn ancestors(table: &[ProcessEntry], me: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut next = Some(me);
    while let Some(pid) = next.filter(|pid| *pid != 0 && found.insert(*pid)) {
        next = table.iter().find(|process| process.pid == pid).map(|process| process.parent);
    }
    found
}

fn is_meant(takeover: &LegacyTakeover, command_line: &str) -> bool {
    let by_screen = || takeover.screens.iter().any(|screen| runs_screen(command_line, screen));
    let by_text = || {
        takeover.processes.iter().any(|matcher| {
            // Nobody means every process by no text at all.
            !matcher.includes.is_empty() && matcher.includes.iter().all(|text| command_line.contains(text))
        })
    };
    by_screen() || by_text()
}

/// Whether this is the session called `screen`, and not one whose name only begins so.
fn runs_screen(command_line: &str, screen: &str) -> bool {
    let words = format!("SCREEN -dmS {screen}");
    command_line.match_indices(&words).any(|(at, found)| {
        let rest = &command_line[at + found.len()..];
        rest.is_empty() || rest.starts_with(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::LegacyMatcher;

    fn takeover(screens: &[&str], includes: &[&[&str]]) -> LegacyTakeover {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        LegacyTakeover {
            force_stop_timeout: Duration::from_secs(1),
            screens: texts(screens),
            processes: includes
                .iter()
                .map(|all| LegacyMatcher { name: "old".to_owned(), includes: texts(all) })
                .collect(),
        }
    }

    fn table(lines: &[(u32, u32, &str)]) -> Vec<ProcessEntry> {
        let entry = |&(pid, parent, line): &(u32, u32, &str)| ProcessEntry {
            pid,
            parent,
            start_time: 0,
            command_line: line.to_owned(),
        };
        lines.iter().map(entry).collect()
    }

    fn pids(takeover: &LegacyTakeover, table: &[ProcessEntry], me: u32) -> Vec<u32> {
        victims(takeover, table, me).iter().map(|process| process.pid).collect()
    }

    /// C-228: screens by name, with everything below them.
    #[test]
    fn a_screen_is_meant_with_its_descendants() {
        let table = table(&[
            (1, 0, "init"),
            (10, 1, "SCREEN -dmS shop bash run"),
            (11, 10, "bash run"),
            (12, 11, "node server.js"),
            (20, 1, "SCREEN -dmS shop-staging bash run"),
            (21, 20, "node server.js"),
            (30, 1, "/usr/bin/SCREEN -dmS shop"),
            (99, 1, "rollcore predeploy-cleanup"),
        ]);
        assert_eq!(pids(&takeover(&["shop"], &[]), &table, 99), [10, 11, 12, 30]);
    }

    /// C-228: all texts of one matcher, not some of several.
    #[test]
    fn a_matcher_wants_all_of_its_texts() {
        let table = table(&[
            (1, 0, "init"),
            (2, 1, "node server.js --port 80"),
            (3, 1, "node worker.js"),
            (4, 3, "sh -c sleep"),
            (5, 1, "[kthreadd]"),
            (6, 1, ""),
        ]);
        assert_eq!(pids(&takeover(&[], &[&["node", "server.js"]]), &table, 99), [2]);
        assert_eq!(pids(&takeover(&[], &[&["node"]]), &table, 99), [2, 3, 4]);
        assert_eq!(pids(&takeover(&[], &[&["node", "none"], &["worker"]]), &table, 99), [3, 4]);
        assert!(pids(&takeover(&[], &[&[]]), &table, 99).is_empty());
    }

    /// C-228: never this command or its ancestors.
    #[test]
    fn we_and_our_ancestors_are_spared() {
        let table = table(&[
            (1, 0, "node init"),
            (2, 1, "node deploy.js"),
            (3, 2, "rollcore predeploy-cleanup node"),
            (4, 3, "node helper"),
            (5, 1, "node server.js"),
        ]);
        // A helper of ours that matches by itself is no ancestor.
        assert_eq!(pids(&takeover(&[], &[&["node"]]), &table, 3), [4, 5]);
        assert_eq!(pids(&takeover(&[], &[&["server"]]), &table, 3), [5]);
    }

    #[test]
    fn a_table_that_contradicts_itself_ends_the_search() {
        let table = table(&[(7, 8, "a"), (8, 7, "b"), (9, 9, "node")]);
        assert_eq!(pids(&takeover(&[], &[&["node"]]), &table, 7), [9]);
        assert!(pids(&takeover(&[], &[&["a"]]), &table, 7).is_empty());
    }

    #[test]
    fn the_screen_that_we_run_in_is_noticed() {
        let table = table(&[(1, 0, "init"), (2, 1, "SCREEN -dmS shop"), (3, 2, "bash"), (4, 3, "rollcore")]);
        let takeover = takeover(&["books", "shop"], &[]);
        assert_eq!(own_screen(&takeover, &table, 4), Some("shop"));
        assert_eq!(own_screen(&takeover, &table, 1), None);
    }
}
