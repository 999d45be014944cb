//! The rollcore daemon.
fn main() {}
