//! System calls per request, counted by the kernel's tracepoints while a proxy is at work.
//!
//! In a run of its own: to count costs time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

use crate::load::Load;
use crate::scenario::Scenario;
use crate::subject::{Place, Running, Subject};

const WARM_UP: Duration = Duration::from_millis(300);
/// Of so many turns the one in the middle is told: how often a proxy has to ask for events depends on how busy it was.
const TURNS: usize = 3;
const ALL: &str = "raw_syscalls:sys_enter";
/// Those that a proxy may need for a request; others are in the sum only.
const CALLS: [&str; 26] = [
    "accept4",
    "close",
    "connect",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "fcntl",
    "futex",
    "getpeername",
    "getsockname",
    "getsockopt",
    "ioctl",
    "openat",
    "pread64",
    "pwrite64",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "write",
    "writev",
];

/// Calls per request.
#[derive(Debug)]
pub struct Count {
    pub subject: Subject,
    pub scenario: &'static str,
    pub all: f64,
    /// By name, the most frequent one first; those that hardly ever happen are left out.
    pub by_call: Vec<(String, f64)>,
}

/// Counts for everybody.
///
/// # Errors
/// When a subject cannot be started, or `perf` may not count.
pub fn measure(
    subjects: &[Subject],
    scenarios: &[&'static Scenario],
    place: Place,
    turn: Duration,
) -> io::Result<Vec<Count>> {
    if !crate::subject::is_installed("perf") {
        return Err(io::Error::other("perf is not installed (apt-get install linux-perf)"));
    }
    let mut counts = Vec::new();
    for subject in subjects {
        let running = subject.start(place)?;
        for scenario in scenarios.iter().copied().filter(|scenario| subject.is_for(scenario)) {
            let mut turns = Vec::with_capacity(TURNS);
            for _ in 0..TURNS {
                let found = crate::block_on(count(&running, scenario, turn))??;
                turns.push(per_request(*subject, scenario.name, found));
            }
            turns.sort_by(|a, b| a.all.total_cmp(&b.all));
            counts.push(turns.swap_remove(TURNS / 2));
        }
    }
    Ok(counts)
}

type Found = (BTreeMap<String, u64>, u64);

async fn count(running: &Running, scenario: &'static Scenario, turn: Duration) -> io::Result<Found> {
    let load = Load::start(running.address, scenario);
    tokio::time::sleep(WARM_UP).await;
    let mut perf = Perf::attach(&running.process.pids())?;
    perf.order("enable")?;
    load.look();
    tokio::time::sleep(turn).await;
    let answered = load.look().answered;
    perf.order("disable")?;
    Ok((perf.counts()?, answered))
}

fn per_request(subject: Subject, scenario: &'static str, (counts, answered): Found) -> Count {
    let each = |count: u64| count as f64 / answered.max(1) as f64;
    let all = counts.get(ALL).copied().map_or(f64::NAN, each);
    let mut by_call: Vec<(String, f64)> = counts
        .into_iter()
        .filter_map(|(event, count)| {
            Some((event.strip_prefix("syscalls:sys_enter_")?.to_owned(), each(count)))
        })
        .filter(|(_, count)| *count >= 0.005)
        .collect();
    by_call.sort_by(|a, b| b.1.total_cmp(&a.1));
    Count { subject, scenario, all, by_call }
}

/// `perf stat`, told when to begin and when to end.
struct Perf {
    perf: Child,
    orders: File,
    answers: File,
    folder: TempDir,
}

impl Perf {
    fn attach(pids: &[Pid]) -> io::Result<Self> {
        let folder = crate::subject::folder()?;
        let path = |name: &str| folder.path().join(name);
        let fifo = |name: &str| {
            mkfifo(&path(name), Mode::S_IRUSR | Mode::S_IWUSR)?;
            // For both directions, so that opening waits for nobody.
            OpenOptions::new().read(true).write(true).open(path(name))
        };
        let (orders, answers) = (fifo("orders")?, fifo("answers")?);
        let events: Vec<_> = CALLS.iter().map(|call| format!("syscalls:sys_enter_{call}")).collect();
        let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
        let control = format!("fifo:{},{}", path("orders").display(), path("answers").display());
        let perf = Command::new("perf")
            .args(["stat", "-x,", "-D", "-1", "--control", &control, "-p", &pids.join(",")])
            .args(["-e", &format!("{ALL},{}", events.join(","))])
            .arg("-o")
            .arg(path("counts"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(path("errors"))?)
            .spawn()?;
        Ok(Self { perf, orders, answers, folder })
    }

    /// Returns once it was followed.
    fn order(&mut self, order: &str) -> io::Result<()> {
        writeln!(self.orders, "{order}")?;
        // perf could have ended instead, and nobody would answer.
        std::thread::sleep(Duration::from_millis(100));
        if self.perf.try_wait()?.is_some() {
            let said = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
            return Err(io::Error::other(format!("perf may not count: {}", said.trim())));
        }
        let mut answer = [0; 16];
        self.answers.read(&mut answer).map(drop)
    }

    fn counts(mut self) -> io::Result<BTreeMap<String, u64>> {
        // As from a terminal: it writes what it has, and ends.
        let _ = kill(Pid::from_raw(self.perf.id().cast_signed()), Signal::SIGINT);
        self.perf.wait()?;
        let text = fs::read_to_string(self.folder.path().join("counts"))?;
        Ok(text
            .lines()
            .filter_map(|line| {
                let mut columns = line.split(',');
                let count = columns.next()?.parse().ok()?;
                Some((columns.nth(1)?.to_owned(), count))
            })
            .collect())
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}
