//! Clients that ask without a pause, and how long each answer took.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::{Client, SMALL, runtime};

/// Clients at work, on a thread of their own.
#[derive(Debug)]
pub struct Askers {
    go_on: Arc<AtomicBool>,
    thread: JoinHandle<Waits>,
}

/// What they saw: no request failed.
#[derive(Debug)]
pub struct Waits {
    /// How long each answer took; the shortest first.
    sorted: Vec<Duration>,
    longest_gap: Duration,
}

impl Askers {
    /// So many clients on kept connections, which ask for a few bytes again and again.
    #[must_use]
    pub fn start(count: usize, address: SocketAddr) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&go_on);
        let thread = thread::spawn(move || {
            let clients = (0..count).map(|_| ask(address, &flag));
            let answers = runtime().block_on(async { join_all(clients).await });
            Waits::of(answers.into_iter().flatten().collect())
        });
        Self { go_on, thread }
    }

    /// Ends them.
    ///
    /// # Panics
    /// When a request failed.
    #[must_use]
    pub fn end(self) -> Waits {
        self.go_on.store(false, Ordering::Relaxed);
        self.thread.join().expect("no request fails")
    }
}

async fn ask(address: SocketAddr, go_on: &AtomicBool) -> Vec<(Instant, Duration)> {
    let mut client = Client::connect(address).await;
    let mut answers = Vec::new();
    while go_on.load(Ordering::Relaxed) {
        let began = Instant::now();
        client.get(SMALL).await;
        let ended = Instant::now();
        answers.push((ended, ended - began));
    }
    answers
}

impl Waits {
    fn of(mut answers: Vec<(Instant, Duration)>) -> Self {
        answers.sort_unstable();
        let longest_gap = answers.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default();
        let mut sorted: Vec<_> = answers.into_iter().map(|(_, wait)| wait).collect();
        sorted.sort_unstable();
        Self { sorted, longest_gap }
    }

    /// How many requests were answered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The wait that so many of a thousand did not exceed.
    #[must_use]
    pub fn part(&self, per_mille: usize) -> Duration {
        let at = (self.sorted.len() * per_mille / 1000).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(at).copied().unwrap_or_default()
    }

    /// The longest wait of any client.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
    }

    /// The longest time in which nobody at all was answered.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }
}

/// The one in the middle; with an even number the upper one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// In milliseconds.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Puts this thread, and what it starts from now on, on one processor.
///
/// # Errors
/// When there is no such processor, or it may not be used.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Thousands of connections need as many descriptors; children inherit the limit.
pub fn raise_descriptor_limit() {
    // Where it cannot be raised, connecting fails and is told.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
