//! The Python application: HTTP by the standard library, a thread per connection.

use crate::story;
use crate::support::PYTHON;

#[test]
fn twenty_deploys_lose_nothing() {
    story::twenty_deploys(&PYTHON);
}

#[test]
fn a_release_that_exits_at_boot_fails_at_once() {
    story::fails_at_once_with_its_last_line(&PYTHON);
}
