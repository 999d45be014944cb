//! The control socket with real sockets: who gets in, what is answered, and what never happens.

#[path = "control/end.rs"]
mod end;
#[path = "control/socket.rs"]
mod socket;
#[path = "control/stranger.rs"]
mod stranger;
#[path = "control/support.rs"]
mod support;
#[path = "control/talk.rs"]
mod talk;
