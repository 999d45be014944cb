//! Processes under test: on which processor they run, and what they have cost so far.

use std::fs;
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use rollcore_benches::pin;

/// How long a process may take to end when it is asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const STOP_POLL: Duration = Duration::from_millis(10);

/// A process and its children. Ends with it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `command` on processor `cpu`; this thread is back on `home` afterwards.
    ///
    /// # Errors
    /// When it cannot be started or put there.
    pub fn start(command: &mut Command, cpu: usize, home: usize) -> io::Result<Self> {
        pin(cpu)?;
        let started = command.spawn();
        pin(home)?;
        started.map(Self)
    }

    /// What it printed to, if that was asked for.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its process and all below it.
    pub fn pids(&self) -> Vec<Pid> {
        let mut found = vec![Pid::from_raw(self.0.id().cast_signed())];
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            found.extend(children(*parent));
            next += 1;
        }
        found
    }

    /// The processor time of all of it, also of threads that have ended.
    pub fn cpu_time(&self) -> Duration {
        self.pids().into_iter().filter_map(cpu_time).sum()
    }

    /// The resident memory of all of it, in bytes.
    pub fn resident(&self) -> u64 {
        self.pids().into_iter().filter_map(resident).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A negative answer means that it has ended already.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(STOP_POLL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .map(Pid::from_raw)
        .collect()
}

/// To the nanosecond, unlike `/proc/<pid>/stat`.
fn cpu_time(pid: Pid) -> Option<Duration> {
    let clock = clock_getcpuclockid(pid).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

/// As the page tables have it; `VmRSS` lags behind.
fn resident(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
