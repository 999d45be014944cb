//! The spelling of `proxy.upgrades`.

use serde_json::Value;

use super::super::read::{Field, Notes};
use super::elements;

/// The protocols that a connection may be upgraded to; `default` when nothing is said.
pub(super) fn read(field: &Field<'_>, default: Vec<String>, notes: &mut Notes) -> Vec<String> {
    let list = match field.set() {
        None => return default,
        Some(Value::Array(list)) => elements(field, list),
        Some(_) => {
            let fix = format!("Set {} to a list of protocols, e.g. [\"websocket\"].", field.key);
            field.refuse("must be an array", fix, notes);
            return default;
        }
    };
    list.iter().filter_map(|protocol| read_one(protocol, notes)).collect()
}

fn read_one(field: &Field<'_>, notes: &mut Notes) -> Option<String> {
    let text = field.required_text(notes)?;
    if !is_protocol(&text) {
        let fix = format!("Set {} to the name of a protocol, e.g. \"websocket\".", field.key);
        field.refuse("must be the name of a protocol", fix, notes);
        return None;
    }
    if text.eq_ignore_ascii_case("h2c") {
        let fix = format!("Remove {}: HTTP/2 in the clear would pass unread.", field.key);
        field.refuse("must not be \"h2c\"", fix, notes);
        return None;
    }
    Some(text)
}

/// RFC 9110 §7.8: a token, and perhaps `/` and another one.
fn is_protocol(text: &str) -> bool {
    let mut parts = text.split('/');
    parts.by_ref().take(2).all(is_token) && parts.next().is_none()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}
