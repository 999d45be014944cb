//! What was asked, for those who count and write it down: the head that went to the application says it all.

use crate::proxy::record::Said;

/// A head, or as much of it as somebody may want.
#[derive(Debug, Default)]
pub(super) struct Asked(Box<[u8]>);

impl Asked {
    /// The request line of `head`; all of it for somebody who wants more.
    pub(super) fn of(head: &[u8], keeps_lines: bool) -> Self {
        let end = memchr::memchr(b'\r', head).filter(|_| !keeps_lines).unwrap_or(head.len());
        Self(head[..end].into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The method, and the target with its query.
    pub(super) fn line(&self) -> (&[u8], &[u8]) {
        words(&self.0)
    }

    /// Completes what was said.
    pub(super) fn complete<'a>(&'a self, said: &mut Said<'a>) {
        let mut lines = self.0.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        (said.method, said.target) = words(lines.next().unwrap_or_default());
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else { return };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"host") {
                said.host = value;
            } else if name.eq_ignore_ascii_case(b"user-agent") {
                said.user_agent = value;
            } else if name.eq_ignore_ascii_case(b"x-request-id") {
                said.request_id = value;
            }
        }
    }
}

fn words(line: &[u8]) -> (&[u8], &[u8]) {
    let mut words = line.split(|byte| *byte == b' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /a?b HTTP/1.1\r\nHOST: shop\r\nUser-Agent: curl/8 (x: y)\r\nX-Request-Id: 7\r\n\r\n";

    #[test]
    fn a_head_says_it_all() {
        let mut said = Said::by("127.0.0.1:1".parse().expect("an address"));
        let asked = Asked::of(HEAD, true);
        asked.complete(&mut said);
        assert_eq!((said.method, said.target), (&b"GET"[..], &b"/a?b"[..]));
        assert_eq!(
            (said.host, said.user_agent, said.request_id),
            (&b"shop"[..], &b"curl/8 (x: y)"[..], &b"7"[..])
        );
    }

    #[test]
    fn nothing_but_the_line_is_kept_unless_somebody_wants_more() {
        let asked = Asked::of(HEAD, false);
        assert_eq!(&*asked.0, b"GET /a?b HTTP/1.1");
        assert_eq!(asked.line(), (&b"GET"[..], &b"/a?b"[..]));
        assert_eq!(Asked::default().line(), (&b""[..], &b""[..]));
    }
}
