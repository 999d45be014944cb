//! Where server-sent events end (WHATWG HTML §9.2.6), in the content of an answer.

/// A place in a stream of events, known from its first byte on.
///
/// A blank line ends an event. A line ends with LF, CR, or both. A comment belongs to no event, so a stream may also end
/// after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    line: Line,
    /// Whether a field has come that no blank line has followed.
    in_event: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    /// At a start, too; but a LF would belong to the line before.
    AfterReturn,
    Within,
}

impl Events {
    /// Before the first event.
    pub(crate) const START: Self = Self { line: Line::Start, in_event: false };

    /// Whether no event has begun that has not ended.
    pub(crate) fn is_between(&self) -> bool {
        !self.in_event && self.line != Line::Within
    }

    /// All of `content` passes.
    pub(crate) fn pass(&mut self, content: &[u8]) {
        let mut passed = 0;
        while passed < content.len() {
            passed += self.step(&content[passed..]);
        }
    }

    /// `content` passes as far as the first place between two events, which may be where it begins; says how many bytes
    /// that are. `None` when all has passed and there was none.
    pub(crate) fn pass_to_end(&mut self, content: &[u8]) -> Option<usize> {
        let mut passed = 0;
        loop {
            if self.is_between() {
                // A line end is not torn apart.
                if self.line == Line::AfterReturn && content.get(passed) == Some(&b'\n') {
                    passed += self.step(&content[passed..]);
                }
                return Some(passed);
            }
            if passed == content.len() {
                return None;
            }
            passed += self.step(&content[passed..]);
        }
    }

    /// At least one byte, and no further than the end of a line.
    fn step(&mut self, content: &[u8]) -> usize {
        if self.line == Line::Within {
            let text = content.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(content.len());
            if text > 0 {
                return text;
            }
        }
        self.line = match (self.line, content[0]) {
            (Line::AfterReturn | Line::Within, b'\n') => Line::Start,
            (Line::Within, b'\r') => Line::AfterReturn,
            (Line::Start | Line::AfterReturn, b'\r') => {
                self.in_event = false;
                Line::AfterReturn
            }
            (Line::Start, b'\n') => {
                self.in_event = false;
                Line::Start
            }
            (Line::Start | Line::AfterReturn, b':') | (Line::Within, _) => Line::Within,
            (Line::Start | Line::AfterReturn, _) => {
                self.in_event = true;
                Line::Within
            }
        };
        1
    }
}

#[cfg(test)]
mod tests;
