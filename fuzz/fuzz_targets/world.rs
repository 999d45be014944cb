//! Whatever happens, and when: no invariant breaks.
//!
//! The first byte chooses how the others are read: as a play of the simulator, as one that is moved together, or as
//! one with another application.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::simulate::{Play, Script, Simulation};
use rollcore_fuzz::{Bytes, application, script};

fuzz_target!(|data: &[u8]| {
    let Some((way, rest)) = data.split_first() else { return };
    let mut bytes = Bytes::new(rest);
    match way % 3 {
        0 => silent(&Script::from_bytes(rest), Simulation::play),
        1 => silent(&script(bytes), Simulation::play),
        _ => {
            let application = application(&mut bytes);
            silent(&script(bytes), |script| Simulation::play_with(application.clone(), script));
        }
    }
});

/// # Panics
/// With the shortest play that breaks the same invariant, as a story and as values.
fn silent(script: &Script, play: impl Fn(&Script) -> Play) {
    let Some(broken) = play(script).violation else { return };
    let mut shortest = script.clone();
    for place in (0..script.acts.len()).rev() {
        let mut shorter = shortest.clone();
        shorter.acts.remove(place);
        if play(&shorter).violation.is_some_and(|found| found.invariant == broken.invariant) {
            shortest = shorter;
        }
    }
    panic!("{}\n\n{shortest:#?}", play(&shortest));
}
