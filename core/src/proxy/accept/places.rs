//! Who may be connected: so many in all, and so many from one address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::super::clients::lock;
use super::super::machine::{PeerKey, Peers};

/// Who is connected to a proxy, and who could not be; see [`DrainingProxy::admissions`](crate::DrainingProxy::admissions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admissions {
    /// How many clients are connected.
    pub connections: usize,
    /// How many may be: `connections_max` of the limits, or less when this process may not have two descriptors for
    /// each, and some for other uses (see the manual, "Limits").
    pub connections_max: usize,
    /// How many connections were closed at once because their address had as many as it may.
    pub refused_by_peer: u64,
    /// How many were closed at once because there was no descriptor for them, and none became free in time.
    pub refused_by_shortage: u64,
}

/// The places of a proxy. All its workers share them.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: AtomicUsize,
    peers: Mutex<Peers>,
    /// A place became free, or there are more of them.
    room: Notify,
    refused_by_peer: AtomicU64,
    refused_by_shortage: AtomicU64,
}

impl Places {
    /// A place, if fewer than `max` are taken.
    pub(crate) fn take(self: &Arc<Self>, max: usize) -> Option<Place> {
        let one_more = |taken| (taken < max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Place { places: Arc::clone(self), peer: None })
    }

    /// A place beyond all limits: for whoever was promised one.
    pub(crate) fn promised(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Place { places: Arc::clone(self), peer: None }
    }

    /// Waits until there may be a free place, unless there is one.
    ///
    /// # Cancel safety
    /// Nothing is lost: whoever else waits is woken instead.
    pub(crate) async fn room(&self, max: impl Fn() -> usize) {
        let mut room = std::pin::pin!(self.room.notified());
        // Before looking: a place that becomes free in between would otherwise never be noticed.
        room.as_mut().enable();
        if self.taken.load(Ordering::Acquire) >= max() {
            room.await;
        }
    }

    /// There may be more places than before: everybody who waits looks again.
    pub(crate) fn changed(&self) {
        self.room.notify_waiters();
    }

    pub(crate) fn refused_by_shortage(&self) {
        self.refused_by_shortage.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn admissions(&self, connections_max: usize) -> Admissions {
        Admissions {
            connections: self.taken.load(Ordering::Acquire),
            connections_max,
            refused_by_peer: self.refused_by_peer.load(Ordering::Relaxed),
            refused_by_shortage: self.refused_by_shortage.load(Ordering::Relaxed),
        }
    }
}

/// The place of one connection; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// Boxed, because most places are not counted by address, and every connection has one.
    peer: Option<Box<PeerKey>>,
}

impl Place {
    /// Counts it for its address, unless that has `max` already: then the place is given back.
    pub(crate) fn of_peer(mut self, address: IpAddr, max: usize) -> Option<Self> {
        let peer = PeerKey::of(address);
        if let Some(before) = self.peer.take() {
            lock(&self.places.peers).leave(*before);
        }
        if !lock(&self.places.peers).enter(peer, max) {
            self.places.refused_by_peer.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.peer = Some(Box::new(peer));
        Some(self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.take() {
            lock(&self.places.peers).leave(*peer);
        }
        self.places.taken.fetch_sub(1, Ordering::AcqRel);
        self.places.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Arc<Places> {
        Arc::default()
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = places();
        let (one, two) = (places.take(2), places.take(2));
        assert!(one.is_some() && two.is_some() && places.take(2).is_none());
        assert!(places.take(3).is_some(), "the limit is the one of now");
        drop(one);
        assert!(places.take(2).is_some());
        drop(two);
        let promised = places.promised();
        assert_eq!(places.admissions(2).connections, 1);
        drop(promised);
        assert_eq!(places.admissions(2), Admissions { connections_max: 2, ..Admissions::default() });
    }

    #[test]
    fn who_has_too_many_gives_the_place_back() {
        let places = places();
        let address = IpAddr::from([192, 0, 2, 1]);
        let place = |max| places.take(10).and_then(|place| place.of_peer(address, max));
        let first = place(1).expect("it is the first one");
        assert!(place(1).is_none());
        let admissions = places.admissions(10);
        assert_eq!((admissions.connections, admissions.refused_by_peer), (1, 1));
        drop(first);
        assert!(place(1).is_some());
        assert_eq!(places.admissions(10).connections, 0);
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_room() {
        let places = places();
        let place = places.take(1).expect("it is free");
        let waits = tokio::spawn({
            let places = Arc::clone(&places);
            async move {
                loop {
                    if let Some(place) = places.take(1) {
                        return place;
                    }
                    places.room(|| 1).await;
                }
            }
        });
        tokio::task::yield_now().await;
        drop(place);
        let place = waits.await.expect("it is woken");
        places.room(|| 2).await;
        drop(place);
    }
}
