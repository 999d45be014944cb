//! The tables at the end.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::load::Tally;

/// A deploy or rollback of the demo, as the table shows it.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    /// Such as `deploy v2`.
    pub(crate) act: String,
    /// Such as `v2 active`.
    pub(crate) outcome: String,
    /// How long the act took.
    pub(crate) took: Duration,
    /// The longest time between two good answers meanwhile; `None` without load.
    pub(crate) longest_gap: Option<Duration>,
}

/// Requests and tunnels by kind, and by the release that answered.
pub(crate) fn traffic(tally: &Tally) -> String {
    let releases: Vec<String> = tally.by_release().into_keys().collect();
    let mut table = new_table();
    let titles = ["load", "sent", "ok", "failed"].map(str::to_owned).into_iter();
    let answered = releases.iter().map(|release| format!("by {}", named(release)));
    table.set_header(titles.chain(answered).chain(["slowest ms".to_owned()]));
    for (kind, line) in &tally.kinds {
        let numbers = [line.sent, line.ok, line.failed].into_iter();
        let answered = releases.iter().map(|release| line.by_release.get(release).copied().unwrap_or(0));
        row(&mut table, kind.title(), numbers.chain(answered).map(|n| n.to_string()), ms(line.latency_max));
    }
    let totals =
        [tally.sent(), tally.ok(), tally.failed()].into_iter().chain(tally.by_release().into_values());
    row(&mut table, "all", totals.map(|n| n.to_string()), String::new());
    let errors: Vec<String> = tally
        .kinds
        .iter()
        .flat_map(|(kind, line)| line.errors.iter().map(|error| format!("failed: {}: {error}", kind.title())))
        .collect();
    [vec![table.to_string()], errors].concat().join("\n")
}

/// What each act came to, and the longest gap that clients saw meanwhile.
pub(crate) fn switches(switches: &[Switch]) -> String {
    let mut table = new_table();
    table.set_header(["act", "outcome", "took ms", "longest gap ms"]);
    for switch in switches {
        let gap = switch.longest_gap.map_or_else(|| "-".to_owned(), ms);
        let words = [&switch.act, &switch.outcome].map(Cell::new);
        table.add_row(words.into_iter().chain([ms(switch.took), gap].map(number)));
    }
    table.to_string()
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table
}

fn row(table: &mut Table, title: &str, cells: impl Iterator<Item = String>, last: String) {
    let first = std::iter::once(Cell::new(title));
    table.add_row(first.chain(cells.map(number)).chain(std::iter::once(number(last))));
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn named(release: &str) -> &str {
    if release.is_empty() { "nobody" } else { release }
}

fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}
