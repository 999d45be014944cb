//! What is seen while the demo runs: a small live view on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::load::{Ledger, Tally};

/// How often the line about the load is drawn.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_millis(80);

/// Where the demo is seen.
pub(crate) struct View {
    screen: Option<MultiProgress>,
    load: Option<JoinHandle<()>>,
}

/// An act that is under way.
pub(crate) struct Act<'a> {
    view: &'a View,
    title: String,
    spinner: Option<ProgressBar>,
}

impl View {
    /// Live on a terminal, plain elsewhere.
    pub(crate) fn new() -> Self {
        // The spinners draw on stderr; the tables go to stdout.
        let screen =
            (std::io::stdout().is_terminal() && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { screen, load: None }
    }

    /// Shows the load until [`View::hide_load`].
    pub(crate) fn show_load(&mut self, ledger: Ledger) {
        let Some(screen) = &self.screen else { return };
        let bar = screen.add(spinner());
        self.load = Some(tokio::spawn(async move {
            let mut redraw = tokio::time::interval(REDRAW_EVERY);
            loop {
                redraw.tick().await;
                bar.set_message(load_line(&ledger.tally()));
            }
        }));
    }

    /// Takes the line about the load away.
    pub(crate) fn hide_load(&mut self) {
        if let Some(load) = self.load.take() {
            load.abort();
        }
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.screen {
            // A terminal that is gone is no reason to end the demo.
            Some(screen) => drop(screen.println(line)),
            None => print(line),
        }
    }

    /// An act that takes a while.
    pub(crate) fn begin(&self, title: impl Into<String>) -> Act<'_> {
        let title = title.into();
        let spinner = self.screen.as_ref().map(|screen| {
            let spinner = screen.insert(0, spinner());
            spinner.set_message(title.clone());
            spinner
        });
        if spinner.is_none() {
            print(&format!("… {title}"));
        }
        Act { view: self, title, spinner }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.hide_load();
    }
}

impl Act<'_> {
    /// What is being done right now.
    pub(crate) fn now(&self, what: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(format!("{}: {what}", self.title)),
            None => print(&format!("    {what}")),
        }
    }

    /// How it ended, as it should have.
    pub(crate) fn ended(self, outcome: &str) {
        self.end('✓', outcome);
    }

    /// How it ended, as it should not have.
    pub(crate) fn went_wrong(self, outcome: &str) {
        self.end('✗', outcome);
    }

    fn end(self, mark: char, outcome: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        self.view.say(&format!("{mark} {}: {outcome}", self.title));
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(ProgressStyle::default_spinner());
    spinner.enable_steady_tick(TICK);
    spinner
}

fn load_line(tally: &Tally) -> String {
    let releases: Vec<String> =
        tally.by_release().into_iter().map(|(release, count)| format!("{release}: {count}")).collect();
    format!("load: {} answered, {} failed ({})", tally.ok(), tally.failed(), releases.join(", "))
}

/// A line on stdout. Nobody may be reading any more, and that is no reason to end.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
