//! The account: what was sent, what came back, from which release, and the longest silence.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;

/// How many error texts are kept per kind; later ones are only counted.
const ERRORS_MAX: usize = 5;

/// Kinds of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// GET on a connection that is used again and again.
    Get,
    /// GET on a connection of its own.
    NewConnection,
    /// POST, the body wanted back.
    Post,
    /// POST of something that must not happen twice.
    Order,
    /// A slow answer, read to its end.
    Stream,
    /// Server-sent events, read to their end.
    Events,
    /// A WebSocket, from its handshake to its end.
    WebSocket,
}

impl Kind {
    /// For the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Get => "GET, keep-alive",
            Self::NewConnection => "GET, new connection",
            Self::Post => "POST",
            Self::Order => "POST, once only",
            Self::Stream => "slow stream",
            Self::Events => "server-sent events",
            Self::WebSocket => "WebSocket",
        }
    }

    /// Whether its answers are frequent enough to measure silence with.
    fn is_quick(self) -> bool {
        matches!(self, Self::Get | Self::NewConnection | Self::Post | Self::Order)
    }
}

/// The account of one kind.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    /// Round trips inside tunnels.
    pub(crate) messages: u64,
    /// Tunnels that the application closed with a Close frame, which is its right.
    pub(crate) closed_by_app: u64,
    pub(crate) by_release: BTreeMap<String, u64>,
    #[serde(rename = "latencyMaxMs", serialize_with = "as_ms")]
    pub(crate) latency_max: Duration,
    /// The first few.
    pub(crate) errors: Vec<String>,
}

/// The whole account at one moment.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    pub(crate) kinds: BTreeMap<Kind, Line>,
    /// The longest time between two good answers, of any kind that is quick.
    #[serde(rename = "longestGapMs", serialize_with = "as_ms")]
    pub(crate) longest_gap: Duration,
}

impl Tally {
    pub(crate) fn sent(&self) -> u64 {
        self.kinds.values().map(|line| line.sent).sum()
    }

    pub(crate) fn ok(&self) -> u64 {
        self.kinds.values().map(|line| line.ok).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.kinds.values().map(|line| line.failed).sum()
    }

    /// Good answers and tunnels by release.
    pub(crate) fn by_release(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (release, count) in self.kinds.values().flat_map(|line| &line.by_release) {
            *all.entry(release.clone()).or_default() += count;
        }
        all
    }
}

fn as_ms<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Tenths are as exact as a busy machine can be.
    serializer.serialize_f64((duration.as_secs_f64() * 10_000.0).round() / 10.0)
}

#[derive(Default)]
struct Book {
    tally: Tally,
    last_good: Option<Instant>,
    /// The longest silence since [`Ledger::begin_window`].
    window_gap: Duration,
    deaf: bool,
}

/// The account as many workers keep it.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    book: Arc<Mutex<Book>>,
    written: Arc<Notify>,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Every entry is written whole, so a book that a panic left behind is still right.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, kind: Kind, entry: impl FnOnce(&mut Line)) {
        entry(self.book().tally.kinds.entry(kind).or_default());
        self.written.notify_waiters();
    }

    pub(super) fn sent(&self, kind: Kind) {
        self.write(kind, |line| line.sent += 1);
    }

    pub(super) fn ok(&self, kind: Kind, release: &str, took: Duration) {
        if kind.is_quick() {
            self.heard();
        }
        self.write(kind, |line| {
            line.ok += 1;
            line.latency_max = line.latency_max.max(took);
            match line.by_release.get_mut(release) {
                Some(count) => *count += 1,
                None => drop(line.by_release.insert(release.to_owned(), 1)),
            }
        });
    }

    pub(super) fn failed(&self, kind: Kind, error: String) {
        self.write(kind, |line| {
            line.failed += 1;
            if line.errors.len() < ERRORS_MAX {
                line.errors.push(error);
            }
        });
    }

    pub(super) fn message(&self, kind: Kind, took: Duration) {
        self.write(kind, |line| {
            line.messages += 1;
            line.latency_max = line.latency_max.max(took);
        });
    }

    pub(super) fn closed_by_app(&self, kind: Kind) {
        self.write(kind, |line| line.closed_by_app += 1);
    }

    /// Counts the silence up to now, and none from here on: the load is being switched off.
    pub(super) fn stop_listening(&self) {
        self.heard();
        self.book().deaf = true;
    }

    fn heard(&self) {
        let now = Instant::now();
        let mut book = self.book();
        if book.deaf {
            return;
        }
        let gap = book.last_good.map_or(Duration::ZERO, |last| now - last);
        book.last_good = Some(now);
        book.window_gap = book.window_gap.max(gap);
        book.tally.longest_gap = book.tally.longest_gap.max(gap);
    }

    /// Begins to look for the longest silence anew.
    pub(crate) fn begin_window(&self) {
        self.book().window_gap = Duration::ZERO;
    }

    /// The longest silence since then, one that still goes on included.
    pub(crate) fn window_gap(&self) -> Duration {
        let book = self.book();
        book.window_gap.max(book.last_good.map_or(Duration::ZERO, |last| last.elapsed()))
    }

    pub(crate) fn tally(&self) -> Tally {
        self.book().tally.clone()
    }

    /// Waits until the account is as wanted. False when it was not, `within` that time.
    pub(crate) async fn reaches(&self, within: Duration, wanted: impl Fn(&Tally) -> bool) -> bool {
        let reached = async {
            loop {
                let written = self.written.notified();
                if wanted(&self.book().tally) {
                    return;
                }
                written.await;
            }
        };
        tokio::time::timeout(within, reached).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_adds_up() {
        let ledger = Ledger::default();
        for _ in 0..3 {
            ledger.sent(Kind::Get);
        }
        ledger.ok(Kind::Get, "v1", Duration::from_millis(3));
        ledger.ok(Kind::Get, "v2", Duration::from_millis(1));
        ledger.failed(Kind::Get, "reset".to_owned());
        let tally = ledger.tally();
        assert_eq!((tally.sent(), tally.ok(), tally.failed()), (3, 2, 1));
        assert_eq!(tally.by_release(), BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]));
        let json = serde_json::to_value(&tally).expect("an account is JSON");
        assert_eq!(json["kinds"]["get"]["latencyMaxMs"], 3.0);
        assert_eq!(json["kinds"]["get"]["errors"][0], "reset");
    }

    #[test]
    fn only_the_first_errors_are_kept_but_all_are_counted() {
        let ledger = Ledger::default();
        for number in 0..100 {
            ledger.failed(Kind::Post, number.to_string());
        }
        let line = ledger.tally().kinds[&Kind::Post].clone();
        assert_eq!((line.failed, line.errors.len()), (100, ERRORS_MAX));
    }
}
