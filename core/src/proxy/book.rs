//! What is counted of a release, over all the times that traffic was switched to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock;
use crate::id::Generation;

use super::machine::{BUCKETS, CLASSES, StatusCounts, TrafficCounts, bucket_of, class_of};
use super::record::{Ending, Record};

/// How many releases without traffic are remembered; what was counted of older ones is forgotten.
pub(crate) const RELEASES_COUNTED_MAX: usize = 32;

/// What is counted of a release. Each worker writes on a page of its own.
pub(crate) struct Book {
    pages: Box<[Page]>,
    name: OnceLock<Arc<str>>,
    tunnels_opened: AtomicU64,
    requests_cut: AtomicU64,
    tunnels_cut: AtomicU64,
}

/// Aligned so that no two workers write to the same cache line, or to the pair of lines that x86 fetches together.
#[repr(align(128))]
pub(crate) struct Page {
    classes: [AtomicU64; CLASSES],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    took_us: AtomicU64,
    connect_failures: AtomicU64,
    resets: AtomicU64,
    retries: AtomicU64,
    parked: AtomicU64,
    parked_us: AtomicU64,
    clients_gone: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

const fn zero<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}

/// Most requests add nothing to most numbers.
fn add(number: &AtomicU64, more: u64) {
    if more != 0 {
        number.fetch_add(more, Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Page {
    fn new() -> Self {
        let [
            bytes_in,
            bytes_out,
            took_us,
            connect_failures,
            resets,
            retries,
            parked,
            parked_us,
            clients_gone,
        ] = zero();
        Self {
            classes: zero(),
            bytes_in,
            bytes_out,
            took_us,
            connect_failures,
            resets,
            retries,
            parked,
            parked_us,
            clients_gone,
            latency: zero(),
        }
    }

    pub(super) fn count(&self, record: &Record<'_>) {
        add(&self.classes[class_of(record.status)], 1);
        add(&self.bytes_in, record.bytes_in);
        add(&self.bytes_out, record.bytes_out);
        add(&self.connect_failures, record.connect_failures.into());
        add(&self.resets, record.resets.into());
        add(&self.retries, record.retries.into());
        if let Some(parked) = record.parked {
            add(&self.parked, 1);
            add(&self.parked_us, micros(parked));
        }
        if record.ending == Ending::ClientGone {
            add(&self.clients_gone, 1);
        }
        // A tunnel takes as long as people talk, and what was never answered took no time to answer.
        if !record.is_tunnel && record.status.is_some() {
            add(&self.latency[bucket_of(record.took())], 1);
            add(&self.took_us, micros(record.took()));
        }
    }

    fn add_to(&self, sum: &mut TrafficCounts) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut classes = sum.statuses.classes();
        classes.iter_mut().zip(&self.classes).for_each(|(sum, number)| *sum += read(number));
        sum.statuses = StatusCounts::from_classes(classes);
        sum.bytes_in += read(&self.bytes_in);
        sum.bytes_out += read(&self.bytes_out);
        sum.connect_failures += read(&self.connect_failures);
        sum.resets += read(&self.resets);
        sum.retries += read(&self.retries);
        sum.parked += read(&self.parked);
        sum.parked_time += Duration::from_micros(read(&self.parked_us));
        sum.clients_gone += read(&self.clients_gone);
        for (bucket, number) in self.latency.iter().enumerate() {
            sum.latency.add_to(bucket, read(number), 0);
        }
        sum.latency.add_to(0, 0, read(&self.took_us));
    }
}

impl Book {
    pub(super) fn new(workers: usize) -> Self {
        let [tunnels_opened, requests_cut, tunnels_cut] = zero();
        Self {
            name: OnceLock::new(),
            pages: (0..workers.max(1)).map(|_| Page::new()).collect(),
            tunnels_opened,
            requests_cut,
            tunnels_cut,
        }
    }

    /// The page of a worker.
    pub(super) fn page(&self, worker: usize) -> &Page {
        &self.pages[worker % self.pages.len()]
    }

    /// What its release is called in the access log; the first name stays.
    pub(super) fn name(&self, name: &str) {
        self.name.get_or_init(|| name.into());
    }

    pub(super) fn release(&self) -> Option<&Arc<str>> {
        self.name.get()
    }

    pub(super) fn tunnel_opened(&self) {
        add(&self.tunnels_opened, 1);
    }

    pub(super) fn count_cut(&self, tunnel: bool) {
        add(if tunnel { &self.tunnels_cut } else { &self.requests_cut }, 1);
    }

    pub(super) fn read(&self) -> TrafficCounts {
        let mut sum = TrafficCounts::none(clock::now());
        self.add_to(&mut sum);
        sum
    }

    fn add_to(&self, sum: &mut TrafficCounts) {
        self.pages.iter().for_each(|page| page.add_to(sum));
        sum.tunnels_opened += self.tunnels_opened.load(Ordering::Relaxed);
        sum.requests_cut += self.requests_cut.load(Ordering::Relaxed);
        sum.tunnels_cut += self.tunnels_cut.load(Ordering::Relaxed);
    }
}

/// The books of all releases that are remembered.
#[derive(Default)]
pub(crate) struct Books(Vec<(Generation, Arc<Book>)>);

impl Books {
    /// The book of a release: the one it had, if it is remembered.
    pub(super) fn open(&mut self, generation: Generation, workers: usize) -> Arc<Book> {
        let found = self.0.iter().position(|(of, _)| *of == generation);
        let entry = match found {
            Some(at) => self.0.remove(at),
            None => (generation, Arc::new(Book::new(workers))),
        };
        let book = Arc::clone(&entry.1);
        // The last one to have traffic stands at the end, and is forgotten last.
        self.0.push(entry);
        self.forget();
        book
    }

    pub(super) fn find(&self, generation: Generation) -> Option<Arc<Book>> {
        self.0.iter().find(|(of, _)| *of == generation).map(|(_, book)| Arc::clone(book))
    }

    /// What is in all books, by what their releases are called: one that was deployed twice has two.
    #[cfg(feature = "metrics")]
    pub(super) fn by_name(&self) -> Vec<(Arc<str>, TrafficCounts)> {
        let mut sums = std::collections::BTreeMap::new();
        let now = clock::now();
        for (_, book) in &self.0 {
            if let Some(name) = book.release() {
                let sum = sums.entry(Arc::clone(name)).or_insert_with(|| TrafficCounts::none(now));
                book.add_to(sum);
            }
        }
        sums.into_iter().collect()
    }

    /// Whoever still counts holds the book.
    fn forget(&mut self) {
        let is_idle = |(_, book): &(Generation, Arc<Book>)| Arc::strong_count(book) == 1;
        let too_many =
            self.0.iter().filter(|entry| is_idle(entry)).count().saturating_sub(RELEASES_COUNTED_MAX);
        let mut forgotten = 0;
        self.0.retain(|entry| {
            let goes = forgotten < too_many && is_idle(entry);
            forgotten += usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::time::Instant;

    use super::super::record::Said;
    use super::*;

    fn record(status: Option<u16>, took: Duration) -> Record<'static> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut record = Record::new(Instant::ORIGIN, Said::by(peer));
        (record.status, record.ended) = (status, Instant::ORIGIN + took);
        record.ending = Ending::Whole;
        record
    }

    #[test]
    fn workers_no_two_of_which_wait_for_each_other_lose_nothing() {
        const EACH: u64 = 20_000;
        let book = Book::new(3);
        std::thread::scope(|scope| {
            // More threads than pages: whoever shares a page loses nothing either.
            for worker in 0..6_usize {
                let book = &book;
                scope.spawn(move || {
                    for n in 0..EACH {
                        let status = if n % 4 == 0 { 503 } else { 200 };
                        let mut record = record(Some(status), Duration::from_micros(n % 1000));
                        (record.bytes_in, record.bytes_out) = (1, 3);
                        (record.connect_failures, record.resets, record.retries) =
                            (u32::from(n % 4 == 0), 1, 2);
                        record.parked = (n % 2 == 0).then_some(Duration::from_micros(10));
                        book.page(worker).count(&record);
                    }
                });
            }
        });
        let read = book.read();
        let all = 6 * EACH;
        assert_eq!(
            read.statuses,
            StatusCounts { successful: all / 4 * 3, server_error: all / 4, ..StatusCounts::default() }
        );
        assert_eq!((read.requests(), read.latency.count()), (all, all));
        assert_eq!((read.bytes_in, read.bytes_out), (all, 3 * all));
        assert_eq!((read.connect_failures, read.resets, read.retries), (all / 4, all, 2 * all));
        assert_eq!((read.parked, read.parked_time), (all / 2, Duration::from_micros(10 * all / 2)));
        assert_eq!(read.latency.sum(), Duration::from_micros(all / 1000 * 499_500));
        assert_eq!(read.clients_gone, 0);
    }

    #[test]
    fn what_was_never_answered_and_what_became_a_tunnel_has_no_latency() {
        let book = Book::new(1);
        let mut gone = record(None, Duration::from_secs(9));
        gone.ending = Ending::ClientGone;
        book.page(0).count(&gone);
        let mut tunnel = record(Some(101), Duration::from_secs(9));
        tunnel.is_tunnel = true;
        book.tunnel_opened();
        book.page(0).count(&tunnel);
        let read = book.read();
        assert_eq!((read.statuses.none, read.statuses.informational, read.clients_gone), (1, 1, 1));
        assert_eq!((read.tunnels_opened, read.latency.count(), read.latency.sum()), (1, 0, Duration::ZERO));
    }

    #[test]
    fn two_readings_tell_what_came_between_them() {
        let book = Book::new(2);
        book.page(0).count(&record(Some(200), Duration::from_millis(1)));
        let earlier = book.read();
        book.page(1).count(&record(Some(404), Duration::from_millis(7)));
        book.count_cut(false);
        let since = book.read().since(&earlier);
        assert_eq!(since.statuses, StatusCounts { client_error: 1, ..StatusCounts::default() });
        assert_eq!((since.requests_cut, since.tunnels_cut), (1, 0));
        assert_eq!(since.latency.quantile(0.0), since.latency.quantile(1.0));
    }

    #[test]
    fn a_release_that_gets_traffic_again_goes_on_with_its_book() {
        let mut books = Books::default();
        books.open(Generation(1), 1).page(0).count(&record(Some(200), Duration::ZERO));
        books.open(Generation(2), 1);
        let again = books.open(Generation(1), 1);
        again.page(0).count(&record(Some(200), Duration::ZERO));
        assert_eq!(books.find(Generation(1)).expect("it is remembered").read().requests(), 2);
        assert_eq!(books.find(Generation(2)).expect("it is remembered").read().requests(), 0);
        assert!(books.find(Generation(3)).is_none());
    }

    #[test]
    fn books_that_are_written_in_are_kept_and_of_the_others_the_last_ones() {
        let mut books = Books::default();
        let held = books.open(Generation(0), 1);
        for generation in 1..=100 {
            books.open(Generation(generation), 1);
        }
        let kept: Vec<_> = books.0.iter().map(|(of, _)| of.0).collect();
        // The one that was opened last was held while the others were counted.
        assert_eq!(kept, std::iter::once(0).chain(68..=100).collect::<Vec<_>>());
        drop(held);
        books.open(Generation(101), 1);
        assert_eq!(books.0.len(), RELEASES_COUNTED_MAX + 1);
        assert!(books.find(Generation(0)).is_none());
    }

    #[test]
    fn pages_share_no_cache_line() {
        assert_eq!(align_of::<Page>(), 128);
        assert_eq!(size_of::<Page>() % 128, 0);
    }
}
