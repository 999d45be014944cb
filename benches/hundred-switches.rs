//! A hundred switches under full load: the longest gap in which nobody was answered, and the longest wait of any client,
//! beside the same load without a switch. Every release is a process, which is killed with -9 as soon as its drain says that nobody is served by it any more. A
//! request that fails ends the program with what failed. The proxy is alone on one processor.
//!
//! ```sh
//! cargo run --release -p rollcore-benches --bin hundred-switches
//! ```

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Application, Askers, Waits, median, ms, pin, play_application, runtime};
use tokio::runtime::Runtime;

/// The proxy's thread is on the one, everything else on the other.
const PROXY_CPU: usize = 0;
const LOAD_CPU: usize = 1;
const CLIENTS: usize = 64;
const SWITCHES: usize = 100;
/// Between two switches.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a drain may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much longer than the p99 without switches a gap may be, in milliseconds.
const ADDED_MAX: f64 = 5.0;
/// Each round is one turn without switches and one with.
const ROUNDS: usize = 5;

struct Stage {
    proxy: DrainingProxy,
    application: Application,
    generation: u64,
    draining: Runtime,
}

impl Stage {
    fn new() -> io::Result<Self> {
        pin(PROXY_CPU)?;
        let options = ProxyOptions { workers: 1, ..ProxyOptions::new("127.0.0.1", 0) };
        let proxy = DrainingProxy::bind(options).map_err(io::Error::other)?;
        pin(LOAD_CPU)?;
        let application = Application::start()?;
        assert!(proxy.switch_to(Traffic::to(Generation(1), [application.address()])).is_none());
        Ok(Self { proxy, application, generation: 1, draining: runtime() })
    }

    /// All applications are there before: what it takes to start them is theirs. In a turn without switches as many are
    /// killed, because that alone disturbs the others.
    fn turn(&mut self, is_switching: bool) -> io::Result<Waits> {
        let applications = (0..SWITCHES).map(|_| Application::start()).collect::<io::Result<Vec<_>>>()?;
        let askers = Askers::start(CLIENTS, self.proxy.local_addr());
        for next in applications {
            thread::sleep(PAUSE);
            if is_switching {
                self.switch_to(next);
            }
        }
        Ok(askers.end())
    }

    fn switch_to(&mut self, next: Application) {
        self.generation += 1;
        let traffic = Traffic::to(Generation(self.generation), [next.address()]);
        let old = self.proxy.switch_to(traffic).expect("there was a release");
        let report = self.draining.block_on(old.drained(PATIENCE));
        assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0), "the drain cut something");
        self.application = next;
    }
}

fn main() -> io::Result<()> {
    if play_application()? {
        return Ok(());
    }
    let mut stage = Stage::new()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{CLIENTS} clients ask without a pause; times in ms; every line means: no request failed")?;
    writeln!(
        out,
        "                requests     p50     p99   longest gap   - steady p99   longest wait   - steady p99"
    )?;
    let (mut steady_over, mut switched_over) = (Over::default(), Over::default());
    for round in 1..=ROUNDS {
        let steady = stage.turn(false)?;
        let switched = stage.turn(true)?;
        let rows = [("steady", &steady, &mut steady_over), ("switches", &switched, &mut switched_over)];
        for (name, waits, over) in rows {
            let usual = ms(steady.part(990));
            over.gaps.push(ms(waits.longest_gap()) - usual);
            over.waits.push(ms(waits.longest()) - usual);
            line(&mut out, &format!("{round} {name}"), waits, usual)?;
        }
    }
    let (without, with) = (median(steady_over.gaps), median(switched_over.gaps));
    let verdict = if with <= ADDED_MAX { "met" } else { "not met" };
    writeln!(
        out,
        "longest gap - steady p99, median of {ROUNDS} rounds: {with:.1} ms with {SWITCHES} switches each \
         (at most {ADDED_MAX} ms: {verdict}), {without:.1} ms without"
    )?;
    let (without, with) = (median(steady_over.waits), median(switched_over.waits));
    writeln!(
        out,
        "longest wait of any client - steady p99: {with:.1} ms, {without:.1} ms without: that much is the machine's"
    )
}

/// By how much the rounds were longer than usual, in milliseconds.
#[derive(Default)]
struct Over {
    gaps: Vec<f64>,
    waits: Vec<f64>,
}

/// `usual`: the p99 without switches, in milliseconds.
fn line(out: &mut impl Write, name: &str, waits: &Waits, usual: f64) -> io::Result<()> {
    let (gap, wait) = (ms(waits.longest_gap()), ms(waits.longest()));
    writeln!(
        out,
        "{name:<14} {:>9} {:>7.2} {:>7.2} {gap:>13.2} {:>14.1} {wait:>14.2} {:>14.1}",
        waits.count(),
        ms(waits.part(500)),
        ms(waits.part(990)),
        gap - usual,
        wait - usual,
    )
}
