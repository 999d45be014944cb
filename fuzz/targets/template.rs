//! Any text can be rendered, and what is not a placeholder stays as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::render;

fuzz_target!(|text: &str| {
    match render(text, |_| None::<&str>) {
        Ok(same) => assert_eq!(same, text, "nothing was replaced"),
        Err(missing) => {
            let placeholder = missing.placeholder();
            assert!(text.contains(placeholder));
            assert!(placeholder.starts_with("{{") && placeholder.ends_with("}}"));
        }
    }
    let by_itself = render(text, |key| Some(format!("{{{{{key}}}}}"))).expect("every key has a value");
    let unspaced = |text: &str| text.replace(char::is_whitespace, "");
    assert_eq!(unspaced(&by_itself), unspaced(text), "a placeholder that becomes itself changes nothing");
    let emptied = render(text, |_| Some("")).expect("every key has a value");
    assert!(emptied.len() <= text.len());
});
