//! Any line is a command or the reason why it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::ControlCommand;

fuzz_target!(|line: &[u8]| match ControlCommand::parse(line) {
    Ok(command) => assert!(!command.name().is_empty()),
    Err(error) => {
        let text = error.to_string();
        assert!(!text.is_empty() && !error.code().is_empty());
    }
});
