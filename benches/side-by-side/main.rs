//! rollcore's proxy beside nginx, HAProxy and a relay that parses nothing: what a request, a connection and a tunnel cost.
//!
//! All proxies stand before the same application and take turns. The proxy under test is alone on one processor, the
//! clients and the application share another one. What counts is the processor time of the proxy per request, as a ratio
//! to a peer's in the same round. How to run and to read it: `benches/README.md`.

mod answer;
mod bars;
mod frame;
mod load;
mod memory;
mod process;
mod relay;
mod report;
mod role;
mod rounds;
mod scenario;
mod subject;
mod syscalls;
mod upstream;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::task::LocalSet;

use role::Role;
use scenario::{SCENARIOS, Scenario};
use subject::{Place, Running, Subject};

/// What rollcore's proxy costs, beside nginx, HAProxy and a byte relay.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// Which traffic; all of it if nothing is named.
    #[arg(value_parser = scenario_by_name)]
    scenarios: Vec<&'static Scenario>,
    /// How often everybody takes a turn; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one turn is measured, in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Leaves peers out: rollcore and these only.
    #[arg(long, value_delimiter = ',')]
    beside: Option<Vec<String>>,
    /// One more peer: this program as another commit built it.
    #[arg(long)]
    earlier: Option<PathBuf>,
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Peers add no forwarded fields, although rollcore does.
    #[arg(long)]
    bare: bool,
    /// The processor of the proxies.
    #[arg(long, default_value_t = 0)]
    proxy_cpu: usize,
    /// The processor of the clients and the application.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// How many idle connections are counted.
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// How many tunnels are counted.
    #[arg(long, default_value_t = 2000)]
    tunnels: usize,
    /// Prints Markdown, for a README.
    #[arg(long)]
    markdown: bool,
    #[command(subcommand)]
    role: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What this program starts itself as.
    #[command(hide = true)]
    Role {
        role: Role,
        #[arg(long)]
        upstream: std::net::SocketAddr,
    },
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Processor time per request.
    Cpu,
    /// System calls per request; needs `perf`.
    Syscalls,
    /// Bytes per idle connection and per tunnel.
    Memory,
}

impl Part {
    const ALL: [Self; 3] = [Self::Cpu, Self::Syscalls, Self::Memory];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().expect("none is hidden").get_name())
    }
}

fn scenario_by_name(name: &str) -> Result<&'static Scenario, String> {
    let names = || SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
    scenario::find(name).ok_or_else(|| format!("there are {}", names()))
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    rollcore_benches::raise_descriptor_limit();
    match options.role {
        Some(Command::Role { role, upstream }) => role.play(upstream),
        None => compare(&options),
    }
}

fn compare(options: &Options) -> io::Result<()> {
    rollcore_benches::pin(options.load_cpu)?;
    let mut place = Place {
        proxy_cpu: options.proxy_cpu,
        load_cpu: options.load_cpu,
        upstream: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        is_bare: options.bare,
    };
    let upstream = Running::of_ours("upstream", place, options.load_cpu, tempfile::tempdir()?)?;
    place.upstream = upstream.address;
    if let Some(program) = &options.earlier {
        Subject::let_in(program.clone());
    }
    let subjects = present(options);
    let scenarios: Vec<&'static Scenario> =
        if options.scenarios.is_empty() { SCENARIOS.iter().collect() } else { options.scenarios.clone() };
    let report = report::Report::new(options.markdown);
    report.setting(&subjects, options.rounds, options.seconds, options.bare);

    let turn = Duration::from_secs_f64(options.seconds);
    let has = |part| options.parts.contains(&part);
    let mut verdicts = bars::Verdicts::default();
    if has(Part::Cpu) {
        let samples = rounds::measure(&subjects, &scenarios, place, options.rounds, turn)?;
        report.cpu(&samples, &subjects, &scenarios);
        verdicts.judge_cpu(&samples);
    }
    if has(Part::Syscalls) {
        match syscalls::measure(&subjects, &scenarios, place, turn) {
            Ok(counts) => {
                report.syscalls(&counts, &subjects, &scenarios);
                verdicts.judge_syscalls(&counts);
            }
            Err(error) => report.note(&format!("system calls are not counted: {error}")),
        }
    }
    if has(Part::Memory) {
        let memory = memory::measure(&subjects, place, options.idle, options.tunnels)?;
        report.memory(&memory);
        verdicts.judge_memory(&memory);
    }
    report.verdicts(&verdicts);
    Ok(())
}

/// Who was asked for and is there; who is missing is told.
fn present(options: &Options) -> Vec<Subject> {
    let wanted = |subject: &Subject| match &options.beside {
        _ if *subject == Subject::Earlier => options.earlier.is_some(),
        Some(names) => *subject == Subject::Rollcore || names.iter().any(|name| name == subject.name()),
        None => true,
    };
    let (there, missing): (Vec<_>, Vec<_>) =
        Subject::ALL.into_iter().filter(wanted).partition(|subject| subject.version().is_some());
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|subject| subject.name()).collect();
        report::warn(&format!(
            "left out, not installed: {} (apt-get install nginx haproxy)",
            names.join(", ")
        ));
    }
    there
}

/// Runs `future` with a runtime and room for tasks of this thread.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(LocalSet::new().block_on(&runtime, future))
}
