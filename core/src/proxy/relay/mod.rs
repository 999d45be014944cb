//! HTTP/1.1 between a client and an application: heads are read and written anew, bodies pass as they are.
//!
//! ```text
//!   connection ──▶ exchange ──▶ flight ──▶ upstream (pool)      one request
//!    one client     its story    up          │
//!        ▲                                   ▼
//!        └──────────── reply ◀──────────── the answer         or a tunnel
//! ```
//!
//! One task per client drives both sides; what it decides is in `machine/`. Whoever waits holds no buffer.

mod account;
mod alarm;
mod asked;
mod buffer;
mod client_stream;
mod connection;
mod exchange;
mod flight;
mod guest;
mod moment;
mod own_answer;
mod plan;
mod pool;
mod reply;
mod tunnel;
mod upstream;

pub(crate) use connection::serve_connection;
pub(crate) use pool::Pool;
