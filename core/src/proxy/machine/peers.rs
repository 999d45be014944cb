//! How many connections each address has.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Who counts as one: an IPv4 address, or the /64 of an IPv6 address, because that is what one customer gets
/// (RFC 6177 §2) and may pick addresses from as he likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerKey {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl PeerKey {
    /// An IPv4 address of an IPv6 socket counts as an IPv4 address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The addresses that have a connection, and how many each has. Holds nothing of those that have none.
#[derive(Debug, Default)]
pub(crate) struct Peers(BTreeMap<PeerKey, usize>);

impl Peers {
    /// Counts one more, unless that would be more than `max`; says whether it did.
    #[must_use]
    pub(crate) fn enter(&mut self, peer: PeerKey, max: usize) -> bool {
        let now = self.count(peer);
        let may = now < max;
        if may {
            self.0.insert(peer, now + 1);
        }
        may
    }

    /// One that was counted has gone.
    pub(crate) fn leave(&mut self, peer: PeerKey) {
        match self.count(peer) {
            0 | 1 => self.0.remove(&peer),
            more => self.0.insert(peer, more - 1),
        };
    }

    pub(crate) fn count(&self, peer: PeerKey) -> usize {
        self.0.get(&peer).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(address: &str) -> PeerKey {
        PeerKey::of(address.parse().expect(address))
    }

    #[test]
    fn an_ipv4_address_is_one_and_so_is_a_64_of_ipv6() {
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::9"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    }

    #[test]
    fn one_too_many_is_not_counted() {
        let (mut peers, one, other) = (Peers::default(), key("192.0.2.1"), key("192.0.2.2"));
        assert!(peers.enter(one, 2) && peers.enter(one, 2));
        assert!(!peers.enter(one, 2) && peers.enter(other, 2));
        peers.leave(one);
        assert!(peers.enter(one, 2) && !peers.enter(one, 2));
        assert!(!peers.enter(key("192.0.2.3"), 0));
    }

    proptest! {
        /// Whatever comes and goes: nobody has more than he may, and nothing is left of whoever has gone.
        #[test]
        fn the_count_is_exact(moves in prop::collection::vec((0_u8..4, any::<bool>()), 0..200)) {
            let (mut peers, mut open) = (Peers::default(), [0_usize; 4]);
            for (who, comes) in moves {
                let (peer, open) = (PeerKey::V4([10, 0, 0, who]), &mut open[usize::from(who)]);
                if comes {
                    prop_assert_eq!(peers.enter(peer, 3), *open < 3);
                    *open = (*open + 1).min(3);
                } else if *open > 0 {
                    peers.leave(peer);
                    *open -= 1;
                }
                prop_assert_eq!(peers.count(peer), *open);
            }
            prop_assert_eq!(peers.0.len(), open.iter().filter(|open| **open > 0).count());
        }
    }
}
