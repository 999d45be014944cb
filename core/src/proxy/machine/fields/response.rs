//! A response's head as the client gets it.

use super::write_field;
use crate::proxy::machine::wire::{Body, Known, Response};

/// In what way the client's head differs from the application's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// The client's connection ends with this response.
    pub(crate) close: bool,
    /// The client gets chunks where the application ends with its connection.
    pub(crate) add_chunks: bool,
    /// The client gets the content of the application's chunks until the end of its connection (compat C-100).
    pub(crate) remove_chunks: bool,
}

impl Rewrite {
    /// Whether the head passes byte by byte.
    pub(crate) fn is_verbatim(self, response: &Response<'_, '_>) -> bool {
        self == Self::default() && response.is_plain
    }
}

/// Writes the head (compat C-98). `upgrade`: what the connection becomes.
pub(crate) fn write_response(
    out: &mut Vec<u8>,
    response: &Response<'_, '_>,
    rewrite: Rewrite,
    upgrade: Option<&[u8]>,
) {
    out.extend_from_slice(b"HTTP/1.1");
    out.extend_from_slice(response.status_line);
    out.extend_from_slice(b"\r\n");
    let is_chunked = matches!(response.body, Body::Chunked(_));
    let is_without_body = response.status < 200 || response.status == 204;
    for field in response.fields {
        let known = Known::of(field.name);
        let is_dropped =
            known.is_hop_by_hop() || (known == Known::ContentLength && (is_chunked || is_without_body));
        if !is_dropped && !response.connection.names(field.name, response.fields) {
            write_field(out, field);
        }
    }
    if (is_chunked && !rewrite.remove_chunks) || rewrite.add_chunks {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    } else if rewrite.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::machine::wire::FieldRoom;

    fn written(head: &str, rewrite: Rewrite) -> (bool, String) {
        let mut room = FieldRoom::new();
        let response = Response::parse(head.as_bytes(), false, 100, &mut room).expect("it is fine");
        let mut out = Vec::new();
        write_response(&mut out, &response, rewrite, None);
        (rewrite.is_verbatim(&response), String::from_utf8(out).expect("text"))
    }

    #[test]
    fn what_is_of_one_connection_stays_there() {
        let head = "HTTP/1.0 299 Rather Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: x\r\n\
                    Content-Length: 2\r\n\r\n";
        let (verbatim, out) = written(head, Rewrite::default());
        assert!(!verbatim);
        assert_eq!(
            out,
            "HTTP/1.1 299 Rather Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\n"
        );
    }

    #[test]
    fn framing_is_ours() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(written(chunked, Rewrite::default()), (true, chunked.to_owned()));
        let remove = Rewrite { close: true, remove_chunks: true, add_chunks: false };
        assert_eq!(written(chunked, remove).1, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let add = Rewrite { add_chunks: true, ..Rewrite::default() };
        assert_eq!(written("HTTP/1.1 200 OK\r\n\r\n", add), (false, chunked.to_owned()));
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(written(both, Rewrite::default()), (false, chunked.to_owned()));
        let none = "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(written(none, Rewrite::default()), (false, "HTTP/1.1 204 No Content\r\n\r\n".to_owned()));
    }
}
