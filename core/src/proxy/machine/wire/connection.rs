//! What `Connection` says (RFC 9110 §7.6.1).

use super::{Field, Known};
use crate::proxy::machine::tokens;

/// The options of one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionOptions {
    /// `close`.
    pub(crate) close: bool,
    /// `keep-alive`.
    pub(crate) keep_alive: bool,
    /// `upgrade`.
    pub(crate) upgrade: bool,
    /// Whether anything else is named: a field that goes no further.
    pub(crate) names_others: bool,
}

impl ConnectionOptions {
    /// With those of one more line.
    pub(crate) fn add(&mut self, value: &[u8]) {
        // What nearly everybody says.
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for token in tokens([value]) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names_others = true;
            }
        }
    }

    /// Whether a field goes because `Connection` names it. A few are never connection options (RFC 9110 §7.6.1), and
    /// whoever names them wants to confuse.
    pub(crate) fn names(self, name: &str, fields: &[Field<'_>]) -> bool {
        self.names_others
            && !["host", "content-length", "content-type", "authorization", "cookie"]
                .iter()
                .any(|never| name.eq_ignore_ascii_case(never))
            && fields
                .iter()
                .filter(|field| Known::of(field.name) == Known::Connection)
                .any(|field| tokens([field.value]).any(|token| token.eq_ignore_ascii_case(name.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> ConnectionOptions {
        let mut options = ConnectionOptions::default();
        lines.iter().for_each(|line| options.add(line.as_bytes()));
        options
    }

    #[test]
    fn options_are_read_from_every_line() {
        let ConnectionOptions { close, keep_alive, upgrade, names_others } =
            of(&["Keep-Alive", "close ,UPGRADE"]);
        assert!(close && keep_alive && upgrade && !names_others);
        assert!(of(&["x-secret"]).names_others);
        assert_eq!(of(&["", ",,"]), ConnectionOptions::default());
    }

    #[test]
    fn fields_may_be_named_but_not_all() {
        let value = "X-Secret, Host, cookie";
        let fields = [Field { name: "CONNECTION", value: value.as_bytes() }];
        let options = of(&[value]);
        assert!(options.names("x-secret", &fields));
        assert!(!options.names("x-other", &fields));
        for never in ["host", "Cookie"] {
            assert!(!options.names(never, &fields), "{never}");
        }
    }
}
