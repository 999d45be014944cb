//! Any bytes are a play, and no play breaks an invariant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::simulate::{Script, Simulation};

fuzz_target!(|bytes: &[u8]| {
    let play = Simulation::play(&Script::from_bytes(bytes));
    assert!(play.violation.is_none(), "{play}");
});
