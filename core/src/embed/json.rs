//! Reading what a host sends.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::code::{Code, EmbedError};

/// Reads an object; an empty text is an empty one.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, EmbedError> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    // A list would be read as the fields of an object, in their order.
    if text.trim_start().starts_with('[') {
        return Err(EmbedError::new(Code::Argument, "invalid_params", "an object is expected, not a list"));
    }
    serde_json::from_str(text).map_err(|error| {
        let word = match error.classify() {
            Category::Data => "invalid_params",
            Category::Syntax | Category::Eof | Category::Io => "invalid_json",
        };
        EmbedError::new(Code::Argument, word, said(&error))
    })
}

/// How long a message may be, in bytes: it repeats what it is about.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

fn said(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.push('…');
    }
    message
}

/// Reads what was an object already.
pub(super) fn read_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, EmbedError> {
    T::deserialize(value).map_err(|error| EmbedError::new(Code::Argument, "invalid_params", said(&error)))
}
