//! Where a head ends. Each byte is looked at once, however slowly the head comes.

use memchr::memchr;

/// A search for the empty line after a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadEnd {
    scanned: usize,
}

/// A line that ends with LF alone (RFC 9112 §2.2: a lenient reader would take it for an end, a strict one would not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BareLineFeed;

impl HeadEnd {
    /// How long the head is, with its empty line, once it is all there. `head` is everything since its begin: more each
    /// time.
    ///
    /// # Errors
    /// As soon as a line ends with LF alone.
    pub(crate) fn find(&mut self, head: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        while let Some(offset) = memchr(b'\n', &head[self.scanned..]) {
            let at = self.scanned + offset;
            if at == 0 || head[at - 1] != b'\r' {
                return Err(BareLineFeed);
            }
            self.scanned = at + 1;
            if at >= 3 && head[at - 3..at] == *b"\r\n\r" {
                return Ok(Some(at + 1));
            }
        }
        self.scanned = head.len();
        Ok(None)
    }
}

/// How many bytes of empty lines are in front of a request: a client may send one too many after a body (RFC 9112 §2.2).
pub(crate) fn empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_line_is_the_end() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\n";
        assert_eq!(HeadEnd::default().find(head), Ok(Some(head.len() - 5)));
        for cut in 0..head.len() - 5 {
            let mut end = HeadEnd::default();
            assert_eq!(end.find(&head[..cut]), Ok(None), "{cut}");
            assert_eq!(end.find(head), Ok(Some(head.len() - 5)), "{cut}");
        }
    }

    #[test]
    fn a_bare_line_feed_is_told_at_once() {
        for head in
            [&b"\n"[..], b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n", b"GET / HTTP/1.1\r\n\n"]
        {
            assert_eq!(HeadEnd::default().find(head), Err(BareLineFeed), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn only_whole_empty_lines_are_skipped() {
        assert_eq!(empty_lines(b"\r\n\r\nGET"), 4);
        assert_eq!(empty_lines(b"\r\n\rGET"), 2);
        assert_eq!(empty_lines(b"\rG"), 0);
        assert_eq!(empty_lines(b""), 0);
    }
}
