//! HTTP/2, in terms of HTTP/1.1: each request becomes an exchange with [`serve_connection`] on a connection of its own, in
//! memory. So there is one place in which requests wait, are counted, sent again and looked at.
//!
//! ```text
//!   client ══▶ connection ──▶ exchange ──▶ (a pipe) ──▶ serve
//!    HTTP/2      streams      translate    HTTP/1.1
//! ```
//!
//! A tunnel over HTTP/2 (RFC 8441) is not offered: browsers open WebSockets on a connection of their own then.

mod connection;
mod exchange;
mod tasks;
mod translate;

pub(super) use connection::serve_http2;
