//! What the targets share: bytes that spell something which is worth trying.

mod application;
mod bytes;
mod script;
mod spelled;

pub use application::application;
pub use bytes::Bytes;
pub use script::script;
pub use spelled::config;
