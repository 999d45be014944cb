//! Whom the socket is given to: numbers as they are, names by `/etc/passwd` and `/etc/group` (compat C-157).

use nix::unistd::{Gid, Group, Uid, User};

use super::bind_error::ControlBindError;
use crate::spec::OwnerName;

/// The user that `name` means.
pub(super) fn user(name: &OwnerName) -> Result<Uid, ControlBindError> {
    let known = |name: &str| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    let unknown = |name: &str| ControlBindError::UnknownUser { name: name.to_owned() };
    resolve(name, known, unknown).map(Uid::from_raw)
}

/// The group that `name` means.
pub(super) fn group(name: &OwnerName) -> Result<Gid, ControlBindError> {
    let known = |name: &str| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
    let unknown = |name: &str| ControlBindError::UnknownGroup { name: name.to_owned() };
    resolve(name, known, unknown).map(Gid::from_raw)
}

fn resolve(
    name: &OwnerName,
    known: impl Fn(&str) -> Option<u32>,
    unknown: impl Fn(&str) -> ControlBindError,
) -> Result<u32, ControlBindError> {
    match name {
        OwnerName::Id(id) => Ok(*id),
        // A number in quotes is a number.
        OwnerName::Name(name) => name.parse().ok().or_else(|| known(name)).ok_or_else(|| unknown(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> OwnerName {
        OwnerName::Name(name.to_owned())
    }

    /// C-157.
    #[test]
    fn names_numbers_and_quoted_numbers_are_known() {
        assert_eq!(user(&name("root")).ok(), Some(Uid::from_raw(0)));
        assert_eq!(user(&name("4711")).ok(), Some(Uid::from_raw(4711)));
        assert_eq!(group(&OwnerName::Id(12)).ok(), Some(Gid::from_raw(12)));
    }

    /// C-157.
    #[test]
    fn an_unknown_name_says_what_to_do() {
        let error = user(&name("nobody-has-this-name")).expect_err("nobody has it").to_string();
        assert_eq!(
            error,
            "Unknown user \"nobody-has-this-name\". Use a numeric id, or ensure the user exists in /etc/passwd \
             (name resolution covers local users only)."
        );
        let error = group(&name("no-such-group")).expect_err("nobody has it").to_string();
        assert_eq!(
            error,
            "Unknown group \"no-such-group\". Use a numeric id, or ensure the group exists in /etc/group \
             (name resolution covers local groups only)."
        );
    }
}
