//! HTTP/1.1 as bytes: what is refused, that hyper understands the same, and that it does not matter how bytes arrive.

mod agree;
mod flood;
mod made_up;
mod oracle;
mod pieces;
