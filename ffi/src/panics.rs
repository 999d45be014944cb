//! Panics are told to the log, and not printed on the host's stderr.
//!
//! The standard library of this shared library is its own, and so is its hook: panics of the host are not seen here.

use std::panic;
use std::sync::Once;

use crate::boundary::said;

pub(crate) fn log_instead_of_printing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            let said = said(panic.payload());
            tracing::error!(target: "rollcore::panic", at, "a panic: {said}");
        }));
    });
}
