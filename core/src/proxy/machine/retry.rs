//! Whether a request whose connection died may be sent again (RFC 9110 §9.2.2). Nothing is ever sent twice that could
//! happen twice.

/// How many new connections may die under one request; after that it is the request that kills them.
const FRESH_DEATHS_MAX: u32 = 4;

/// How much of a request was on its way when its connection died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Not a byte: nobody was reached.
    Nothing,
    /// Some or all, and we still have all of it.
    Kept,
    /// Some of it is gone.
    Gone,
}

/// A connection that died under a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    /// What had been sent.
    pub(crate) sent: Sent,
    /// Whether a byte of an answer had come.
    pub(crate) answered: bool,
    /// Whether the request may happen twice.
    pub(crate) is_idempotent: bool,
    /// Whether the connection was a new one: a kept one may have died before.
    pub(crate) was_fresh: bool,
}

/// The deaths of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths {
    fresh: u32,
}

impl Deaths {
    /// Whether to send the request again.
    pub(crate) fn may_retry(&mut self, death: Death) -> bool {
        if death.was_fresh {
            self.fresh += 1;
        }
        let is_safe = match death.sent {
            Sent::Nothing => true,
            Sent::Kept => death.is_idempotent,
            Sent::Gone => false,
        };
        is_safe && !death.answered && self.fresh < FRESH_DEATHS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEATH: Death = Death { sent: Sent::Kept, answered: false, is_idempotent: true, was_fresh: false };

    #[test]
    fn only_what_may_happen_twice_is_sent_twice() {
        let retry = |death| Deaths::default().may_retry(death);
        assert!(retry(DEATH));
        assert!(retry(Death { sent: Sent::Nothing, is_idempotent: false, ..DEATH }));
        assert!(!retry(Death { is_idempotent: false, ..DEATH }));
        assert!(!retry(Death { sent: Sent::Gone, ..DEATH }));
        assert!(!retry(Death { answered: true, ..DEATH }));
        assert!(!retry(Death { answered: true, sent: Sent::Nothing, ..DEATH }));
    }

    #[test]
    fn a_request_that_kills_is_not_sent_for_ever() {
        let mut deaths = Deaths::default();
        assert!((0..100).all(|_| deaths.may_retry(DEATH)), "kept connections die for reasons of their own");
        for _ in 1..FRESH_DEATHS_MAX {
            assert!(deaths.may_retry(Death { was_fresh: true, ..DEATH }));
        }
        assert!(!deaths.may_retry(Death { was_fresh: true, ..DEATH }));
    }
}
