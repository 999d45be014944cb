//! Where a head ends. Each byte is looked at once, however slowly the head comes.

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
        while self.scanned < head.len() {
            let block = (self.scanned + BLOCK).min(head.len());
            // The last block may overlap with the one before it, of which is known that nothing is there.
            let begin = block.checked_sub(BLOCK + BEFORE);
            let window = begin.and_then(|begin| head[begin..block].first_chunk());
            if window.is_some_and(|window| !may_end(window)) {
                self.scanned = block;
            } else if let Some(end) = self.look(&head[..block])? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Byte by byte.
    fn look(&mut self, head: &[u8]) -> Result<Option<usize>, BareLineFeed> {
        for at in self.scanned..head.len() {
            if head[at] != b'\n' {
                continue;
            }
            if at == 0 || head[at - 1] != b'\r' {
                return Err(BareLineFeed);
            }
            if at >= 3 && head[at - 3..at] == *b"\r\n\r" {
                self.scanned = at + 1;
                return Ok(Some(at + 1));
            }
        }
        self.scanned = head.len();
        Ok(None)
    }
}

/// How many bytes are looked at in one go.
const BLOCK: usize = 16;
/// What a LF may mean is seen by the bytes in front of it.
const BEFORE: usize = 2;

/// Whether a line in the block ends with LF alone, or is empty. Without a branch, so that it is a few wide instructions.
fn may_end(window: &[u8; BLOCK + BEFORE]) -> bool {
    let mut found = false;
    for at in BEFORE..BLOCK + BEFORE {
        let is_odd = (window[at - 1] != b'\r') | (window[at - 2] == b'\n');
        found |= (window[at] == b'\n') & is_odd;
    }
    found
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
    fn blocks_hide_nothing() {
        for len in 0..3 * BLOCK {
            let line = [b"X: ".to_vec(), vec![b'x'; len], b"\r\n".to_vec()].concat();
            let head = [&line[..], &line, b"\r\n", b"GET /\r\n\r\n"].concat();
            let end = 2 * line.len() + 2;
            assert_eq!(HeadEnd::default().find(&head), Ok(Some(end)), "{len}");
            let bare = [&line[..], &line[..line.len() - 2], b"\n", &line].concat();
            assert_eq!(HeadEnd::default().find(&bare), Err(BareLineFeed), "{len}");
            for cut in 0..end {
                let mut search = HeadEnd::default();
                assert_eq!(search.find(&head[..cut]), Ok(None), "{len} {cut}");
                assert_eq!(search.find(&head), Ok(Some(end)), "{len} {cut}");
            }
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
