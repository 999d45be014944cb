//! The log as its readers see it: files, pipes and full disks.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::time::Instant;

use super::super::record::{Ending, Said};
use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

fn record(target: &[u8]) -> Record<'_> {
    let said = Said {
        method: b"GET",
        target,
        host: b"shop.test",
        user_agent: b"curl/8",
        request_id: b"r1",
        ..Said::by(SocketAddr::from(([192, 0, 2, 7], 4711)))
    };
    let mut record = Record::new(crate::clock::now(), said);
    (record.status, record.ending) = (Some(200), Ending::Whole);
    record.ended = crate::clock::now();
    record
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = crate::clock::now();
    while !holds() {
        assert!(crate::clock::now() - began < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the log is there");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn missing(lines: &[Value]) -> u64 {
    lines.iter().filter_map(|line| line["dropped"].as_u64()).sum()
}

#[test]
fn a_line_holds_no_secret_unless_it_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let (plain, open) = (directory.path().join("plain"), directory.path().join("open"));
    for (path, more) in [(&plain, false), (&open, true)] {
        let spec = AccessLogSpec { query: more, user_agent: more, ..AccessLogSpec::new(path) };
        let log = AccessLog::start(spec).expect("a thread");
        log.take(&record(b"/cart?token=secret"));
        until("it is written", || log.counts().written == 1);
    }
    let (plain_line, open_line) = (&lines(&plain)[0], &lines(&open)[0]);
    assert_eq!((&plain_line["path"], &plain_line["host"]), (&"/cart".into(), &"shop.test".into()));
    assert_eq!((&plain_line["peer"], &plain_line["requestId"]), (&"192.0.2.7".into(), &"r1".into()));
    assert!(plain_line.get("userAgent").is_none() && plain_line.get("release").is_none());
    assert_eq!(
        (&open_line["path"], &open_line["userAgent"]),
        (&"/cart?token=secret".into(), &"curl/8".into())
    );
    assert_eq!(fs::metadata(&plain).expect("it is there").permissions().mode() & 0o137, 0);
}

/// logrotate moves the file, and says nothing.
#[test]
fn no_line_is_lost_when_the_file_is_moved_again_and_again() {
    const EACH: u64 = 500;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let log = AccessLog::start(AccessLogSpec::new(&path)).expect("a thread");
    for round in 0..3_u64 {
        until("there is a file", || path.exists());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..EACH).for_each(|_| log.take(&record(b"/"))));
            }
            fs::rename(&path, directory.path().join(format!("access.log.{round}"))).expect("it is moved");
        });
        until("they are written", || log.counts().written == (round + 1) * 2 * EACH);
    }
    until("there is a file", || path.exists());
    let names = ["access.log", "access.log.0", "access.log.1", "access.log.2"];
    let all: usize = names.iter().map(|name| lines(&directory.path().join(name)).len()).sum();
    assert_eq!((all as u64, log.counts().dropped), (3 * 2 * EACH, 0));
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_missing_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pipe");
    mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("a pipe");
    // Both ends, so that it opens at once and neither end of it comes too early.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    let log = Arc::new(AccessLog::start(AccessLogSpec::new(&path)).expect("a thread"));
    let target = [b'x'; 500];
    let mut taken = 0_u64;
    until("the queue is full", || {
        log.take(&record(&target));
        taken += 1;
        log.counts().dropped > 100
    });
    until("it is stuck", || log.counts().stuck);
    // The rest cannot wait either: this is where a blocking log would hang.
    (0..1000).for_each(|_| log.take(&record(&target)));
    taken += 1000;

    let counts = Arc::clone(&log.counts);
    let reader = std::thread::spawn(move || {
        let mut read: Vec<Value> = Vec::new();
        for line in BufReader::new(reader).lines() {
            let line: Value = serde_json::from_str(&line.expect("it is read")).expect("each line is JSON");
            if line["path"] == "/last" {
                return read;
            }
            read.push(line);
        }
        read
    });
    until("the queue is empty", || {
        counts.written.load(Ordering::Relaxed) + counts.dropped.load(Ordering::Relaxed) == taken
    });
    until("it is well", || !log.counts().stuck);
    log.take(&record(b"/last"));
    let read = reader.join().expect("the reader read");
    let dropped = log.counts().dropped;
    assert!(dropped >= 1000);
    assert_eq!(missing(&read), dropped);
    assert_eq!(read.iter().filter(|line| line.get("path").is_some()).count() as u64, taken - dropped);
}

#[test]
fn a_pipe_without_a_reader_gets_its_lines_when_one_comes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pipe");
    mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("a pipe");
    let log = AccessLog::start(AccessLogSpec::new(&path)).expect("a thread");
    log.take(&record(b"/early"));
    until("it is stuck", || log.counts().stuck);
    let mut first = String::new();
    BufReader::new(fs::File::open(&path).expect("it opens")).read_line(&mut first).expect("it is read");
    assert!(first.contains("/early"), "{first}");
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let log = AccessLog::start(AccessLogSpec::new("/dev/full")).expect("a thread");
    (0..100).for_each(|_| log.take(&record(b"/")));
    until("all are dropped", || log.counts().dropped == 100);
    let counts = log.counts();
    assert!(counts.stuck && counts.written == 0, "{counts:?}");
}

#[test]
fn an_end_writes_what_is_there_and_waits_for_no_reader() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let (file, pipe) = (directory.path().join("file"), directory.path().join("pipe"));
    let log = Arc::new(AccessLog::start(AccessLogSpec::new(&file)).expect("a thread"));
    (0..100).for_each(|_| log.take(&record(b"/")));
    runtime.block_on(log.finish());
    assert_eq!(lines(&file).len(), 100);

    mkfifo(&pipe, Mode::from_bits_truncate(0o600)).expect("a pipe");
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("it opens");
    let log = Arc::new(AccessLog::start(AccessLogSpec::new(&pipe)).expect("a thread"));
    (0..2000).for_each(|_| log.take(&record(b"/")));
    until("the pipe is full", || log.counts().stuck);
    let began = crate::clock::now();
    runtime.block_on(log.finish());
    assert!(crate::clock::now() - began < DEADLINE);
    reader.read_exact(&mut [0; 1]).expect("what was written is there");
}

#[test]
fn times_are_those_of_the_calendar() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let log = AccessLog::start(AccessLogSpec::new(&path)).expect("a thread");
    let (before, mut made) = (crate::clock::wall(), record(b"/"));
    made.began = Instant::ORIGIN + (made.ended.since_origin().saturating_sub(Duration::from_micros(1500)));
    log.take(&made);
    until("it is written", || log.counts().written == 1);
    let line = &lines(&path)[0];
    let (at, after) = (line["at"].as_str().expect("a text"), crate::clock::wall());
    assert!(before.to_string()[..19] <= at[..19] && at[..19] <= after.to_string()[..19], "{at}");
    assert_eq!(line["durationMs"], 1.5);
}
