//! Processor time per request: everybody takes a turn in each round, in another order each time.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::answer::Failure;
use crate::load::Load;
use crate::scenario::Scenario;
use crate::subject::{Place, Running, Subject};

/// Before a turn is measured, so that every connection is there.
const WARM_UP: Duration = Duration::from_millis(300);

/// One turn.
#[derive(Debug)]
pub struct Sample {
    pub round: usize,
    pub subject: Subject,
    pub scenario: &'static str,
    /// Of the proxy, per request, in microseconds.
    pub cpu: f64,
    pub per_second: f64,
    /// In microseconds.
    pub p50: u32,
    pub p99: u32,
    pub failed: BTreeMap<Failure, u64>,
}

/// All turns of a run.
#[derive(Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    fn of(&self, subject: Subject, scenario: &str) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.subject == subject && sample.scenario == scenario)
    }

    /// The median over the rounds of what `look` sees.
    pub fn median(&self, subject: Subject, scenario: &str, look: fn(&Sample) -> f64) -> Option<f64> {
        median(self.of(subject, scenario).map(look).collect())
    }

    /// The processor time per request as a ratio to that of `peer` in the same round: median, lowest, highest. Rounds in
    /// which a request failed do not count.
    pub fn ratio(&self, subject: Subject, peer: Subject, scenario: &str) -> Option<Ratio> {
        let is_clean = |sample: &&Sample| sample.failed.is_empty();
        let ratios: Vec<f64> = self
            .of(subject, scenario)
            .filter(is_clean)
            .filter_map(|sample| {
                let mut peers = self.of(peer, scenario).filter(is_clean);
                let peer = peers.find(|other| other.round == sample.round)?;
                Some(sample.cpu / peer.cpu)
            })
            .collect();
        let (lowest, highest) =
            ratios.iter().fold((f64::MAX, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
        Some(Ratio { rounds: ratios.len(), lowest, highest, median: median(ratios)? })
    }

    /// Every failure, by who and what.
    pub fn failures(&self) -> BTreeMap<(&'static str, &'static str, &Failure), (usize, u64)> {
        let mut found = BTreeMap::new();
        for sample in &self.0 {
            for (failure, count) in &sample.failed {
                let entry = found.entry((sample.subject.name(), sample.scenario, failure)).or_insert((0, 0));
                entry.0 += 1;
                entry.1 += count;
            }
        }
        found
    }
}

/// How one subject's cost compares to another one's.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
    pub rounds: usize,
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    Some(if numbers.len() % 2 == 1 { upper } else { f64::midpoint(numbers[middle - 1], upper) })
}

/// Measures everybody.
///
/// # Errors
/// When a subject cannot be started.
pub fn measure(
    subjects: &[Subject],
    scenarios: &[&'static Scenario],
    place: Place,
    rounds: usize,
    turn: Duration,
) -> io::Result<Samples> {
    let running: Vec<(Subject, Running)> =
        subjects.iter().map(|subject| Ok((*subject, subject.start(place)?))).collect::<io::Result<_>>()?;
    let mut samples = Samples::default();
    for round in 0..rounds {
        for scenario in scenarios {
            for at in 0..running.len() {
                let (subject, running) = &running[(at + round) % running.len()];
                if subject.is_for(scenario) {
                    samples.0.push(crate::block_on(take_turn(round, *subject, running, scenario, turn))?);
                }
            }
        }
        crate::report::warn(&format!("round {} of {rounds} is done", round + 1));
    }
    Ok(samples)
}

async fn take_turn(
    round: usize,
    subject: Subject,
    running: &Running,
    scenario: &'static Scenario,
    turn: Duration,
) -> Sample {
    let load = Load::start(running.address, scenario);
    tokio::time::sleep(WARM_UP).await;
    let (began, cpu_before) = (Instant::now(), running.process.cpu_time());
    let warm_up = load.look();
    tokio::time::sleep(turn).await;
    let (took, cpu) = (began.elapsed(), running.process.cpu_time() - cpu_before);
    let mut seen = load.look();
    for (failure, count) in warm_up.failed {
        *seen.failed.entry(failure).or_default() += count;
    }
    if seen.answered == 0 {
        seen.failed.entry(Failure::Wrong("no answer at all")).or_insert(1);
    }
    seen.latencies.sort_unstable();
    let part = |of: f64| {
        let at = (seen.latencies.len() as f64 * of) as usize;
        seen.latencies.get(at).copied().unwrap_or_default()
    };
    Sample {
        round,
        subject,
        scenario: scenario.name,
        cpu: cpu.as_secs_f64() * 1e6 / seen.answered as f64,
        per_second: seen.answered as f64 / took.as_secs_f64(),
        p50: part(0.50),
        p99: part(0.99),
        failed: seen.failed,
    }
}
