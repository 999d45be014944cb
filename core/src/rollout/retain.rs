//! Which stopped releases are forgotten (compat C-132).

use std::cmp::Reverse;

use crate::id::Generation;
use crate::spec::Retention;
use crate::time::Instant;

/// The stopped releases to forget, of all `stopped` ones with the time each stopped.
///
/// The newest `keep` are kept, unless they are older than `max_age`. Of two that stopped at once, the later deployed
/// counts as newer.
pub(super) fn forgotten(
    stopped: &[(Generation, Instant)],
    retention: Retention,
    now: Instant,
) -> Vec<Generation> {
    let mut newest_first = stopped.to_vec();
    newest_first.sort_by_key(|(generation, stopped_at)| Reverse((*stopped_at, *generation)));
    let is_too_old = |stopped_at| retention.max_age.is_some_and(|max_age| now - stopped_at > max_age);
    newest_first
        .iter()
        .enumerate()
        .filter(|(place, (_, stopped_at))| *place >= retention.keep || is_too_old(*stopped_at))
        .map(|(_, (generation, _))| *generation)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    const STOPPED: [(Generation, Instant); 3] = [
        (Generation(1), Instant::from_origin(Duration::from_secs(10))),
        (Generation(2), Instant::from_origin(Duration::from_secs(30))),
        (Generation(3), Instant::from_origin(Duration::from_secs(30))),
    ];

    /// C-132.
    #[test]
    fn the_newest_are_kept() {
        let retention = Retention { keep: 1, max_age: None };
        assert_eq!(forgotten(&STOPPED, retention, at(100)), [Generation(2), Generation(1)]);
    }

    /// C-132.
    #[test]
    fn the_old_ones_go() {
        let retention = Retention { keep: 10, max_age: Some(Duration::from_secs(75)) };
        assert_eq!(forgotten(&STOPPED, retention, at(100)), [Generation(1)]);
    }
}
