//! Makes a script that breaks an invariant as short as it can be.

use super::{Script, Simulation};

/// Leaves out every act without which the same invariant still breaks.
///
/// What is left to chance depends on the seed alone, not on the acts before, so that leaving one out does not change
/// the others.
#[must_use]
pub fn shrink(script: &Script) -> Script {
    let mut shortest = script.clone();
    let Some(broken) = Simulation::play(script).violation else { return shortest };
    let still_breaks = |script: &Script| {
        Simulation::play(script).violation.is_some_and(|found| found.invariant == broken.invariant)
    };
    let mut place = shortest.acts.len();
    while place > 0 {
        place -= 1;
        let mut shorter = shortest.clone();
        shorter.acts.remove(place);
        if still_breaks(&shorter) {
            shortest = shorter;
            place = shortest.acts.len().min(place + 1);
        }
    }
    shortest
}
