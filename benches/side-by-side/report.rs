//! Prints what was found.

use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, Table};

use crate::bars::Verdicts;
use crate::memory::Taken;
use crate::rounds::Samples;
use crate::scenario::Scenario;
use crate::subject::Subject;
use crate::syscalls::Count;

/// How many of a subject's calls are named.
const CALLS_MAX: usize = 6;

/// Where it is printed, and how.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    is_markdown: bool,
}

/// For who runs it; not a part of the report.
#[expect(clippy::print_stderr, reason = "a program that measures for minutes says how far it is")]
pub fn warn(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(text: &str) {
    println!("{text}");
}

impl Report {
    pub fn new(is_markdown: bool) -> Self {
        Self { is_markdown }
    }

    pub fn note(self, text: &str) {
        print(&format!("\n{text}"));
    }

    /// Who was measured, and how.
    pub fn setting(self, subjects: &[Subject], rounds: usize, seconds: f64, is_bare: bool) {
        let versions = subjects
            .iter()
            .filter(|subject| !subject.is_tuned())
            .map(|subject| format!("{} ({})", subject.name(), subject.version().unwrap_or_default()));
        let fields = if is_bare {
            "peers add no forwarded fields"
        } else {
            "peers add forwarded fields as rollcore does"
        };
        print(&versions.collect::<Vec<_>>().join(", "));
        print(&format!("{rounds} rounds of {seconds} s per turn, interleaved; {fields}"));
    }

    /// Ratios to each peer, and the figures behind them.
    pub fn cpu(self, samples: &Samples, subjects: &[Subject], scenarios: &[&Scenario]) {
        for peer in Subject::ALL.into_iter().filter(|peer| *peer != Subject::Rollcore) {
            if !subjects.contains(&peer) {
                continue;
            }
            let title = format!("CPU per request / {}", peer.name());
            self.by_scenario(&title, subjects, scenarios, |subject, scenario| {
                samples.ratio(subject, peer, scenario).map(|ratio| format!("{:.2}", ratio.median))
            });
        }
        self.by_scenario("CPU per request, µs", subjects, scenarios, |subject, scenario| {
            samples.median(subject, scenario, |sample| sample.cpu).map(|cpu| format!("{cpu:.1}"))
        });
        self.by_scenario("p50 / p99, µs", subjects, scenarios, |subject, scenario| {
            let p50 = samples.median(subject, scenario, |sample| f64::from(sample.p50))?;
            let p99 = samples.median(subject, scenario, |sample| f64::from(sample.p99))?;
            Some(format!("{p50:.0} / {p99:.0}"))
        });
        self.by_scenario("requests per second", subjects, scenarios, |subject, scenario| {
            samples.median(subject, scenario, |sample| sample.per_second).map(|rate| format!("{rate:.0}"))
        });
        self.failures(samples);
    }

    fn failures(self, samples: &Samples) {
        let failures = samples.failures();
        if failures.is_empty() {
            return self.note("Every answer was right: status, framing and length.");
        }
        let mut table = self.table(&["failed", "traffic", "what", "turns", "requests"]);
        for ((subject, scenario, failure), (turns, requests)) in failures {
            table.add_row([
                subject.to_owned(),
                scenario.to_owned(),
                failure.to_string(),
                turns.to_string(),
                requests.to_string(),
            ]);
        }
        self.note(&table.to_string());
    }

    /// Calls per request of everybody.
    pub fn syscalls(self, counts: &[Count], subjects: &[Subject], scenarios: &[&Scenario]) {
        let find = |subject: Subject, scenario: &str| {
            counts.iter().find(|count| count.subject == subject && count.scenario == scenario)
        };
        self.by_scenario("system calls per request", subjects, scenarios, |subject, scenario| {
            find(subject, scenario).map(|count| format!("{:.2}", count.all))
        });
        let mut table = self.table(&["calls of", "traffic", "by name"]);
        for count in counts {
            let calls = count.by_call.iter().take(CALLS_MAX).map(|(call, each)| format!("{call} {each:.2}"));
            table.add_row([count.subject.name(), count.scenario, &calls.collect::<Vec<_>>().join(", ")]);
        }
        self.note(&table.to_string());
    }

    /// Bytes per connection of everybody.
    pub fn memory(self, memory: &[Taken]) {
        let mut table = self.table(&["resident bytes", "at start, KiB", "idle connection", "tunnel"]);
        for taken in memory {
            let bytes = |taken: &Result<f64, _>| match taken {
                Ok(bytes) => right(format!("{bytes:.0}")),
                Err(failure) => Cell::new(failure),
            };
            table.add_row([
                Cell::new(taken.subject.name()),
                right((taken.at_start / 1024).to_string()),
                bytes(&taken.idle),
                bytes(&taken.tunnel),
            ]);
        }
        self.note(&table.to_string());
    }

    /// Each bar.
    pub fn verdicts(self, verdicts: &Verdicts) {
        let mut table = self.table(&["bar", "at most", "measured", "lowest-highest", "rounds", "verdict"]);
        for verdict in &verdicts.0 {
            let digits = if verdict.bar < 100.0 { 2 } else { 0 };
            let number = |number: f64| format!("{number:.digits$}");
            let spread = verdict.spread.map(|(low, high)| format!("{}-{}", number(low), number(high)));
            let said = match (&verdict.problem, verdict.is_met()) {
                (Some(problem), _) => problem.as_str(),
                (None, true) => "met",
                (None, false) => "MISSED",
            };
            table.add_row([
                Cell::new(&verdict.figure),
                right(number(verdict.bar)),
                right(number(verdict.measured)),
                right(spread.unwrap_or_default()),
                right(verdict.rounds.to_string()),
                Cell::new(said),
            ]);
        }
        self.note(&table.to_string());
    }

    fn by_scenario(
        self,
        title: &str,
        subjects: &[Subject],
        scenarios: &[&Scenario],
        cell: impl Fn(Subject, &str) -> Option<String>,
    ) {
        let names = scenarios.iter().map(|scenario| scenario.name);
        let mut table = self.table(&std::iter::once(title).chain(names).collect::<Vec<_>>());
        for subject in subjects {
            let cells =
                scenarios.iter().map(|scenario| right(cell(*subject, scenario.name).unwrap_or_default()));
            table.add_row(std::iter::once(Cell::new(subject.name())).chain(cells));
        }
        self.note(&table.to_string());
    }

    fn table(self, titles: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(if self.is_markdown { ASCII_MARKDOWN } else { UTF8_FULL_CONDENSED });
        table.set_header(titles.iter().copied());
        table
    }
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
