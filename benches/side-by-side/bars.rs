//! What rollcore may cost at most, and whether it does.

use crate::memory::Taken;
use crate::rounds::Samples;
use crate::subject::Subject::{self, Haproxy, HaproxyTuned, L4Tokio, Nginx, Rollcore};
use crate::syscalls::Count;

/// Processor time per request at most, as a ratio to a peer's.
const CPU: [(&str, Subject, f64); 15] = [
    ("small-c64", Nginx, 0.82),
    ("small-c64", Haproxy, 0.76),
    ("small-c64", L4Tokio, 1.12),
    ("post1k-c64", Nginx, 0.80),
    ("post1k-c64", Haproxy, 0.85),
    ("chunked-c64", Nginx, 0.65),
    ("chunked-c64", Haproxy, 0.85),
    ("64k-c64", Haproxy, 1.0),
    ("64k-c64", HaproxyTuned, 1.0),
    ("1m-c16", Haproxy, 1.0),
    ("1m-c16", HaproxyTuned, 1.0),
    ("close-c64", Haproxy, 1.0),
    ("ws-c64", Haproxy, 1.0),
    ("small-c1", Nginx, 1.0),
    ("small-c1", Haproxy, 1.0),
];

/// System calls per small request at most.
const SYSCALLS: (&str, f64) = ("small-c64", 4.3);
/// Bytes at most.
const IDLE: f64 = 1200.0;
const TUNNEL: f64 = 3000.0;

/// One bar, and what was measured.
#[derive(Debug)]
pub struct Verdict {
    pub figure: String,
    pub bar: f64,
    pub measured: f64,
    /// From the lowest to the highest round, where there were several.
    pub spread: Option<(f64, f64)>,
    /// How many rounds it is the median of.
    pub rounds: usize,
    /// What keeps it from being met whatever the figure is.
    pub problem: Option<String>,
}

impl Verdict {
    pub fn is_met(&self) -> bool {
        self.problem.is_none() && self.measured <= self.bar
    }
}

/// All bars of which something was measured.
#[derive(Debug, Default)]
pub struct Verdicts(pub Vec<Verdict>);

impl Verdicts {
    pub fn judge_cpu(&mut self, samples: &Samples) {
        for (scenario, peer, bar) in CPU {
            let Some(ratio) = samples.ratio(Rollcore, peer, scenario) else { continue };
            let failures: u64 = samples
                .failures()
                .iter()
                .filter(|((subject, of, _), _)| *subject == Rollcore.name() && *of == scenario)
                .map(|(_, (_, count))| count)
                .sum();
            self.0.push(Verdict {
                figure: format!("{scenario}, CPU per request / {}", peer.name()),
                bar,
                measured: ratio.median,
                spread: Some((ratio.lowest, ratio.highest)),
                rounds: ratio.rounds,
                problem: (failures > 0).then(|| format!("{failures} requests failed")),
            });
        }
    }

    pub fn judge_syscalls(&mut self, counts: &[Count]) {
        let (scenario, bar) = SYSCALLS;
        let ours = counts.iter().find(|count| count.subject == Rollcore && count.scenario == scenario);
        if let Some(count) = ours {
            self.push(format!("{scenario}, system calls per request"), bar, count.all);
        }
    }

    pub fn judge_memory(&mut self, memory: &[Taken]) {
        let Some(ours) = memory.iter().find(|taken| taken.subject == Rollcore) else { return };
        for (figure, bar, taken) in
            [("bytes per idle connection", IDLE, &ours.idle), ("bytes per tunnel", TUNNEL, &ours.tunnel)]
        {
            self.push(figure.to_owned(), bar, *taken.as_ref().unwrap_or(&f64::NAN));
        }
    }

    fn push(&mut self, figure: String, bar: f64, measured: f64) {
        self.0.push(Verdict { figure, bar, measured, spread: None, rounds: 1, problem: None });
    }
}
