//! WebSockets as they pass (RFC 6455): where a frame ends, so that a Close frame can be put between two of them, and who
//! still has to say goodbye.

mod close;
mod farewell;
mod frames;

pub(crate) use close::{close_for_application, close_for_client};
pub(crate) use farewell::{Farewell, Next};
