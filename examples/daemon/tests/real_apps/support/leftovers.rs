//! What could be left behind: processes that carry a mark in their environment, and ports.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that a daemon hands down to everything it starts.
pub const MARK: &str = "ROLLCORE_TEST_MARK";

/// A value of [`MARK`] that nobody else has.
pub fn mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Every process with this mark, as `pid command`. A zombie has no environment, so it is not one of them.
pub fn marked(mark: &str) -> Vec<String> {
    let pids = fs::read_dir("/proc")
        .expect("there is a /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| has_mark(*pid, mark)).map(told).collect()
}

fn has_mark(pid: u32, mark: &str) -> bool {
    let wanted = format!("{MARK}={mark}");
    // One that has ended meanwhile, or is not ours, cannot be read.
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
}

fn told(pid: u32) -> String {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", command.replace('\0', " ").trim_end())
}

/// For a test that has failed already: what it started must not stay.
pub fn kill_marked(mark: &str) {
    let pids = marked(mark).into_iter().filter_map(|told| told.split(' ').next()?.parse().ok());
    for pid in pids {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The ports below those that the system hands out for outgoing connections: one of these could be taken between its
/// lease and its use.
const FIRST: u16 = 12_000;
const LAST: u16 = 32_000;
/// How many ports a daemon of these tests may lease.
const BLOCK: u16 = 20;

/// A range in which every port is free. No other test of this program gets it.
pub fn free_ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let blocks = (LAST - FIRST) / BLOCK;
    // Another run of these tests at the same time begins elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(blocks)).expect("it is a remainder");
    for _ in 0..blocks {
        let block = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % blocks;
        let first = FIRST + block * BLOCK;
        let range = (first, first + BLOCK - 1);
        if bound_ports(range).is_empty() {
            return range;
        }
    }
    panic!("there are no {BLOCK} free ports in a row in {FIRST}-{LAST}");
}

/// Those in the range that somebody listens on.
pub fn bound_ports((first, last): (u16, u16)) -> Vec<u16> {
    (first..=last).filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err()).collect()
}
