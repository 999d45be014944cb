//! A play that chance alone hardly draws: another seed, and acts that fall together or on a timeout.

use std::time::Duration;

use rollcore::simulate::Script;

use crate::Bytes;

/// Where an act may fall after the one before: with it, beside it, or where something times out.
const GAPS_MS: [u64; 16] =
    [0, 0, 1, 2, 3, 5, 250, 1_000, 1_001, 2_000, 2_003, 3_000, 5_000, 5_250, 20_000, 60_000];

/// The play that all these bytes spell: a seed, its acts, and how they are moved together.
pub fn script(mut bytes: Bytes<'_>) -> Script {
    let seed = bytes.number();
    let moves: [u8; 8] = std::array::from_fn(|_| bytes.byte());
    let mut script = Script::from_bytes(bytes.rest());
    script.seed = seed;
    let mut before = Duration::ZERO;
    for (act, moved) in script.acts.iter_mut().zip(moves.into_iter().chain(std::iter::repeat(0))) {
        // Half of the moves leave the act where it is.
        if let Some(gap) = GAPS_MS.get(usize::from(moved % 32)).filter(|_| moved != 0) {
            act.at = before + Duration::from_millis(*gap);
        }
        before = act.at;
    }
    script
}
