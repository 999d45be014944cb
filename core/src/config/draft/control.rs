//! The spelling of `control` (compat C-16).

use std::path::PathBuf;

use serde_json::Value;

use crate::spec::{ControlSpec, OwnerName};

use super::super::read::{Field, Notes, Section, whole_number};

pub(super) fn read(mut control: Section<'_>, application: &str, notes: &mut Notes) -> ControlSpec {
    let group = owner(&control.field("group"), notes);
    let mode = mode(&control.field("mode"), notes);
    let owner = owner(&control.field("owner"), notes);
    let path = control.field("path").text(notes);
    control.close(notes);
    // The name is what existing scripts connect to.
    let path = path.unwrap_or_else(|| format!("/tmp/rollbridge-{application}.sock"));
    ControlSpec { path: PathBuf::from(path), mode, owner, group }
}

/// The highest permissions there are; set-uid, set-gid and sticky mean nothing on a socket.
const MODE_MAX: u32 = 0o777;

fn mode(field: &Field<'_>, notes: &mut Notes) -> Option<u32> {
    let value = field.set()?;
    let mode = match value {
        Value::String(text) => octal(text),
        _ => whole_number(value).and_then(|mode| u32::try_from(mode).ok()),
    };
    let mode = mode.filter(|mode| *mode <= MODE_MAX);
    if mode.is_none() {
        field.refuse(
            "must be an octal file mode between 0 and 0o777",
            format!("Set {} to an octal permission string like \"660\" or \"0o660\".", field.key),
            notes,
        );
    }
    mode
}

/// One to four octal digits, with or without `0o`.
fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let is_octal =
        (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    is_octal.then(|| u32::from_str_radix(digits, 8).expect("these are four octal digits at most"))
}

fn owner(field: &Field<'_>, notes: &mut Notes) -> Option<OwnerName> {
    let value = field.set()?;
    let name = match value {
        Value::String(name) if !name.is_empty() && !name.contains('\0') => {
            Some(OwnerName::Name(name.clone()))
        }
        // The highest number means "leave it" to chown(2), so it is nobody's.
        _ => whole_number(value)
            .and_then(|id| u32::try_from(id).ok())
            .filter(|id| *id != u32::MAX)
            .map(OwnerName::Id),
    };
    if name.is_none() {
        field.refuse(
            "must be a non-negative integer id or a name",
            format!("Set {} to a non-negative integer id or a user/group name.", field.key),
            notes,
        );
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-16.
    #[test]
    fn modes_are_octal_with_or_without_a_prefix() {
        for (text, mode) in [("660", 0o660), ("0o600", 0o600), ("0777", 0o777), ("0", 0), ("7777", 0o7777)] {
            assert_eq!(octal(text), Some(mode), "{text}");
        }
        for text in ["", "0o", "8", "00660", "-1", "+1", "0O600", " 660", "rw"] {
            assert_eq!(octal(text), None, "{text}");
        }
    }
}
