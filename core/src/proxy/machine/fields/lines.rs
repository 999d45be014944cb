//! Fields that pass as they came: neighbours in one piece.

use core::ops::Range;

use super::write_field;
use crate::proxy::machine::wire::Field;

/// The lines of a head that pass. They are written when the next one is no neighbour any more.
pub(super) struct Lines<'b> {
    head: &'b [u8],
    piece: Range<usize>,
}

impl<'b> Lines<'b> {
    pub(super) fn of(head: &'b [u8]) -> Self {
        Self { head, piece: 0..0 }
    }

    /// One more. A line with more or less than one space after its colon is written anew.
    pub(super) fn pass(&mut self, out: &mut Vec<u8>, field: &Field<'b>) {
        let Some(line) = self.line(field) else {
            self.end(out);
            return write_field(out, field);
        };
        if line.start == self.piece.end {
            self.piece.end = line.end;
        } else {
            self.end(out);
            self.piece = line;
        }
    }

    /// Writes what is left.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head[self.piece.clone()]);
        self.piece = 0..0;
    }

    /// Where it is in the head, if it is spelled as we would.
    fn line(&self, field: &Field<'b>) -> Option<Range<usize>> {
        let place = |part: *const u8| (part as usize).checked_sub(self.head.as_ptr() as usize);
        let (name, value) = (place(field.name.as_ptr())?, place(field.value.as_ptr())?);
        let end = value + field.value.len();
        let is_ours = value == name + field.name.len() + b": ".len()
            && self.head.get(value - 1) == Some(&b' ')
            && self.head.get(end..end + 2) == Some(b"\r\n");
        is_ours.then_some(name..end + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &str) -> Vec<Field<'_>> {
        let lines = head.split_terminator("\r\n").map(|line| line.split_once(':').expect("a field"));
        lines.map(|(name, value)| Field { name, value: value.trim().as_bytes() }).collect()
    }

    fn passed(head: &str, names: &[&str]) -> String {
        let (mut out, mut lines) = (Vec::new(), Lines::of(head.as_bytes()));
        for field in fields(head).iter().filter(|field| names.contains(&field.name)) {
            lines.pass(&mut out, field);
        }
        lines.end(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_passes_keeps_its_order() {
        let head = "A: 1\r\nB: 2\r\nC:3\r\nD:  4 \r\nE: \r\nF: 6\r\n";
        assert_eq!(
            passed(head, &["A", "B", "C", "D", "E", "F"]),
            "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: \r\nF: 6\r\n"
        );
        assert_eq!(passed(head, &["A", "F"]), "A: 1\r\nF: 6\r\n");
        assert_eq!(passed(head, &["B", "C"]), "B: 2\r\nC: 3\r\n");
        assert_eq!(passed(head, &[]), "");
    }

    #[test]
    fn what_is_not_of_this_head_is_written_all_the_same() {
        let (mut out, mut lines) = (Vec::new(), Lines::of(b"A: 1\r\n"));
        lines.pass(&mut out, &Field { name: "Z", value: b"26" });
        lines.end(&mut out);
        assert_eq!(out, b"Z: 26\r\n");
    }
}
