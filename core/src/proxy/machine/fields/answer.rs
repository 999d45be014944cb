//! The answers that the proxy gives itself (compat C-90, C-91).

use crate::proxy::machine::wire::decimal;

/// Writes a whole answer: a status, and a line of text that says the same unless there is more to say.
pub(crate) fn write_answer(out: &mut Vec<u8>, status: u16, text: Option<&str>, close: bool, to_head: bool) {
    let (reason, usual) = words(status);
    let text = text.unwrap_or(usual);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(decimal(status.into()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
    out.extend_from_slice(decimal(text.len() as u64).as_bytes());
    out.extend_from_slice(if close { b"\r\nConnection: close\r\n\r\n" } else { b"\r\n\r\n" });
    if !to_head {
        out.extend_from_slice(text.as_bytes());
    }
}

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("Bad Request", "Bad request\n"),
        408 => ("Request Timeout", "Request timeout\n"),
        413 => ("Content Too Large", "Content too large\n"),
        417 => ("Expectation Failed", "Expectation failed\n"),
        431 => ("Request Header Fields Too Large", "Request header fields too large\n"),
        501 => ("Not Implemented", "Not implemented\n"),
        502 => ("Bad Gateway", "Bad gateway\n"),
        503 => ("Service Unavailable", "No active release\n"),
        504 => ("Gateway Timeout", "Gateway timeout\n"),
        505 => ("HTTP Version Not Supported", "HTTP version not supported\n"),
        _ => ("Internal Server Error", "Internal server error\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_whole() {
        let written = |close, to_head| {
            let mut out = Vec::new();
            write_answer(&mut out, 503, None, close, to_head);
            String::from_utf8(out).expect("text")
        };
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 18\r\n";
        assert_eq!(written(false, false), format!("{head}\r\nNo active release\n"));
        assert_eq!(written(true, true), format!("{head}Connection: close\r\n\r\n"));
    }
}
