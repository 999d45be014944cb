//! Any text is rendered or names what is missing; values go in as they are, and only once.
//!
//! The bytes up to the first zero are the text, those behind it the value of every placeholder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::render;

/// Stands for a value where the places of values are looked for. It belongs to no key and to no text here.
const MARK: &str = "\u{1}";

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let text = String::from_utf8_lossy(&data[..end]).replace(MARK, "");
    let value = String::from_utf8_lossy(data.get(end + 1..).unwrap_or_default());

    let marked = render(&text, |_| Some(MARK)).expect("nothing is missing");
    assert_eq!(render(&marked, nothing).as_deref(), Ok(marked.as_str()), "a placeholder was passed over");
    let rendered = render(&text, |_| Some(&value)).expect("nothing is missing");
    assert_eq!(rendered, marked.replace(MARK, &value), "a value did not go in as it is");

    match render(&text, nothing) {
        Ok(unchanged) => assert_eq!((unchanged.as_str(), marked.as_str()), (text.as_str(), text.as_str())),
        Err(missing) => is_named(&text, missing.placeholder(), &missing.to_string()),
    }
    if !text.contains("{{") {
        assert_eq!(marked, text, "text without a placeholder changed");
    }
    if !text.contains(char::is_whitespace) {
        let same = render(&text, |key| Some(format!("{{{{{key}}}}}")));
        assert_eq!(same, Ok(text), "a key is not what stands between the braces");
    }
});

fn nothing(_key: &str) -> Option<&'static str> {
    None
}

fn is_named(text: &str, placeholder: &str, message: &str) {
    assert!(text.contains(placeholder), "{placeholder:?} is not in {text:?}");
    assert!(placeholder.starts_with("{{") && placeholder.ends_with("}}"), "{placeholder:?}");
    assert_eq!(message, format!("Missing template value for {placeholder}"));
}
