//! What the targets share: bytes that spell something which is worth trying.

mod application;
mod bytes;
#[path = "../../core/tests/wire/oracle.rs"]
pub mod oracle;
mod script;
mod spelled;

pub use application::application;
pub use bytes::Bytes;
pub use script::script;
pub use spelled::config;
