//! Who holds which port, and which one to try next. Pure: it is told how a probe ended, and touches no socket.

use std::collections::BTreeMap;

use crate::spec::PortRange;

/// One call that leases ports, maybe several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch(u64);

/// Every port that is leased or being tried, and for whom.
///
/// A port is in the book before it is tried, so that two who search at the same time never try the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaseBook {
    holders: BTreeMap<u16, Batch>,
    batches: u64,
}

/// How an attempt to bind a port ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It can be bound.
    Free,
    /// Somebody listens there.
    InUse,
    /// It cannot be bound for another reason, such as `EACCES`.
    Denied(&'static str),
}

/// Why a range had no port to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// Held by the same batch.
    pub(crate) reserved: u32,
    /// Held by another batch, or by another program.
    pub(crate) in_use: u32,
    /// Could not be bound for another reason.
    pub(crate) denied: u32,
    /// The last such reason.
    pub(crate) code: Option<&'static str>,
}

/// A walk through a range, lowest port first (compat C-49).
#[derive(Clone, Debug)]
pub(crate) struct Search {
    batch: Batch,
    /// Wider than a port, as it ends one after the last.
    next: u32,
    last: u32,
    refusals: Refusals,
}

impl LeaseBook {
    /// A new call.
    pub(crate) fn begin(&mut self) -> Batch {
        self.batches += 1;
        Batch(self.batches)
    }

    /// The next port to try, which is now held for the batch of this search. `None`: the range is exhausted.
    pub(crate) fn next_candidate(&mut self, search: &mut Search) -> Option<u16> {
        while search.next <= search.last {
            let port = u16::try_from(search.next).expect("the last port of a range fits");
            search.next += 1;
            match self.holders.get(&port) {
                None => {
                    self.holders.insert(port, search.batch);
                    return Some(port);
                }
                Some(holder) if *holder == search.batch => search.refusals.reserved += 1,
                Some(_) => search.refusals.in_use += 1,
            }
        }
        None
    }

    /// Holds this very port for a batch, unless somebody has it.
    pub(crate) fn hold(&mut self, port: u16, batch: Batch) -> bool {
        let is_free = !self.holders.contains_key(&port);
        if is_free {
            self.holders.insert(port, batch);
        }
        is_free
    }

    /// Nobody holds it any more.
    pub(crate) fn give_back(&mut self, port: u16) {
        self.holders.remove(&port);
    }

    /// Every port that somebody holds, lowest first.
    pub(crate) fn held(&self) -> Vec<u16> {
        self.holders.keys().copied().collect()
    }
}

impl Search {
    /// Through the whole of `range`.
    pub(crate) fn new(range: PortRange, batch: Batch) -> Self {
        Self { batch, next: range.first().into(), last: range.last().into(), refusals: Refusals::default() }
    }

    /// Says how a candidate was. One that is not free is to be given back.
    pub(crate) fn probed(&mut self, probe: Probe) -> bool {
        match probe {
            Probe::Free => return true,
            Probe::InUse => self.refusals.in_use += 1,
            Probe::Denied(code) => {
                self.refusals.denied += 1;
                self.refusals.code = Some(code);
            }
        }
        false
    }

    /// Why there was no port, once there is no candidate left.
    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals
    }
}

/// A port is tried on every address of its host: taken on one is taken, and free on one is free if the others do
/// not exist here.
pub(crate) fn judge(probes: impl IntoIterator<Item = Probe>) -> Probe {
    let worst = |so_far: Option<Probe>, probe| match (so_far, probe) {
        (Some(Probe::InUse), _) | (_, Probe::InUse) => Some(Probe::InUse),
        (Some(Probe::Free), _) | (_, Probe::Free) => Some(Probe::Free),
        (_, denied) => Some(denied),
    };
    probes.into_iter().fold(None, worst).unwrap_or(Probe::Denied("ENOTFOUND"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(first, last).expect("it ascends")
    }

    /// C-49.
    #[test]
    fn the_lowest_free_port_comes_first_and_is_held_while_it_is_tried() {
        let mut book = LeaseBook::default();
        let (one, other) = (book.begin(), book.begin());
        let mut search = Search::new(range(10, 12), one);
        assert_eq!(book.next_candidate(&mut search), Some(10));
        assert_eq!(book.next_candidate(&mut Search::new(range(10, 12), other)), Some(11));
        assert!(!search.probed(Probe::InUse));
        book.give_back(10);
        assert_eq!(book.next_candidate(&mut search), Some(12), "11 is being tried by the other");
        assert!(search.probed(Probe::Free));
        assert_eq!(book.held(), [11, 12]);
    }

    /// C-51.
    #[test]
    fn an_exhausted_range_says_why() {
        let mut book = LeaseBook::default();
        let (mine, other) = (book.begin(), book.begin());
        assert!(book.hold(1, mine) && book.hold(2, other) && !book.hold(2, mine));
        let mut search = Search::new(range(1, 5), mine);
        for probe in [Probe::InUse, Probe::Denied("EACCES"), Probe::Denied("EADDRNOTAVAIL")] {
            let port = book.next_candidate(&mut search).expect("there are three");
            assert!(!search.probed(probe));
            book.give_back(port);
        }
        assert_eq!(book.next_candidate(&mut search), None);
        let expected = Refusals { reserved: 1, in_use: 2, denied: 2, code: Some("EADDRNOTAVAIL") };
        assert_eq!(search.refusals(), expected);
    }

    #[test]
    fn the_highest_port_is_not_the_end_of_the_world() {
        let mut book = LeaseBook::default();
        let mut search = Search::new(range(65_534, 65_535), book.begin());
        assert_eq!(book.next_candidate(&mut search), Some(65_534));
        assert_eq!(book.next_candidate(&mut search), Some(65_535));
        assert_eq!(book.next_candidate(&mut search), None);
        assert_eq!(book.next_candidate(&mut search), None);
    }

    #[test]
    fn a_host_with_several_addresses_is_free_where_it_exists() {
        use Probe::{Denied, Free, InUse};
        assert_eq!(judge([Free, Denied("EADDRNOTAVAIL")]), Free);
        assert_eq!(judge([Denied("EADDRNOTAVAIL"), Free]), Free);
        assert_eq!(judge([Free, InUse]), InUse);
        assert_eq!(judge([InUse, Denied("EACCES"), Free]), InUse);
        assert_eq!(judge([Denied("EACCES"), Denied("EADDRNOTAVAIL")]), Denied("EADDRNOTAVAIL"));
        assert_eq!(judge([]), Denied("ENOTFOUND"));
    }
}
