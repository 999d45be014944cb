//! The Unix socket: JSON lines in, JSON lines out (compat §15).
//!
//! ```text
//!  client.rs ──line──▶ server.rs ──▶ connection.rs ──ControlCommand──▶ ServeControl
//!            ◀─line───            ◀─              ◀──ControlReply────
//! ```
//!
//! `command.rs` and `reply.rs` are the words on the wire, without effects; `socket.rs` binds the file so that nobody
//! can connect before its permissions are right. Nothing but `dispatch.rs` knows the engine.

mod bind_error;
mod client;
mod command;
mod connection;
mod descriptors;
mod dispatch;
mod ending;
mod errno;
mod file;
mod gate;
mod lines;
mod owner;
mod presence;
mod reply;
mod server;
mod socket;
mod takeover;

pub use bind_error::ControlBindError;
pub use client::{ControlClient, ControlError, REPLY_BYTES_MAX};
pub use command::{ControlCommand, EVENTS_WAIT_MAX, EventsQuery, InvalidCommand};
pub use presence::control_presence;
pub use reply::ControlReply;
pub use server::{ControlEnd, ControlLimits, ControlNote, ControlServer, ServeControl, Serving};
pub use socket::PROBE_TIMEOUT;
pub use takeover::{TakeoverError, take_over};
