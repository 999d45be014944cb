//! The heads that the proxy writes: which fields pass (RFC 9110 §7.6.1), and what is added (compat C-93, C-102; RFC 7239).

mod answer;
mod forwarded;
mod lines;
mod request;
mod response;

pub(crate) use answer::write_answer;
pub(crate) use forwarded::{ClientAddress, Hop};
pub(crate) use request::write_request;
pub(crate) use response::{Rewrite, write_response};

use super::wire::Field;

fn write_field(out: &mut Vec<u8>, field: &Field<'_>) {
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
}
