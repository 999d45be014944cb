//! Any text is a config or a list of what is wrong with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::{Config, ProcessPolicy};

fuzz_target!(|text: &str| match Config::from_json(text) {
    Ok(config) => must_be_valid(text, &config),
    Err(error) => {
        assert!(!error.to_string().is_empty());
        assert!(error.issues().iter().all(|issue| !issue.message.is_empty() && !issue.fix.is_empty()));
    }
});

fn must_be_valid(text: &str, config: &Config) {
    assert_eq!(Config::from_json(text).as_ref(), Ok(config), "the same text is the same config");
    let processes = &config.application().processes;
    let proxied = processes.iter().filter(|process| process.policy == ProcessPolicy::Proxied);
    assert_eq!(proxied.count(), 1);
    assert!(config.application().proxied().port.is_some());
    for (index, process) in processes.iter().enumerate() {
        assert!(process.replicas >= 1 && process.output_lines_max >= 1);
        assert!(!process.id.as_str().contains('#'));
        let twin =
            processes[..index].iter().find(|other| other.id == process.id && !process.id.as_str().is_empty());
        assert_eq!(twin, None, "ids are unique");
    }
}
