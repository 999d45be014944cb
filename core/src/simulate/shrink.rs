//! Makes a script that breaks an invariant as short as it can be.

use super::{Script, Simulation};

/// Leaves out every act without which the same invariant still breaks.
///
/// What is left to chance depends on the seed alone, not on the acts before, so that leaving one out does not change
/// the others.
#[must_use]
pub fn shrink(script: &Script) -> Script {
    let Some(broken) = Simulation::play(script).violation else { return script.clone() };
    shortest(script, |script| {
        Simulation::play(script).violation.is_some_and(|found| found.invariant == broken.invariant)
    })
}

fn shortest(script: &Script, still_breaks: impl Fn(&Script) -> bool) -> Script {
    let mut shortest = script.clone();
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

#[cfg(test)]
mod tests {
    use super::super::What;
    use super::*;

    #[test]
    fn only_the_acts_that_matter_are_left() {
        let has = |script: &Script, what: &What| script.acts.iter().any(|act| act.what == *what);
        let breaks = |script: &Script| has(script, &What::Rollback) && has(script, &What::Stop);
        let found = (0..).map(Script::from_seed).find(|script| breaks(script) && script.acts.len() > 6);
        let shortest = shortest(&found.expect("chance draws everything"), breaks);
        assert!(breaks(&shortest));
        assert_eq!(shortest.acts.len(), 2, "{shortest:?}");
    }

    #[test]
    fn a_script_that_breaks_nothing_stays_as_it_is() {
        assert_eq!(shrink(&Script::from_seed(1)), Script::from_seed(1));
    }
}
