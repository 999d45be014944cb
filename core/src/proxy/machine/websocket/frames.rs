//! Where frames and messages end, in the bytes of one direction (RFC 6455 §5.2, §5.4).
//!
//! A payload is skipped by its length: what passes costs by the frame, not by the byte.

/// A place in a stream of frames, known from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    at: At,
    frame: Frame,
    /// Whether the last fragment of a message is still to come.
    in_message: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Boundary,
    /// After the first byte of a header.
    Length,
    /// In a length of several bytes.
    LongLength {
        left: u8,
        so_far: u64,
        is_masked: bool,
    },
    /// In the masking key or the payload.
    Payload {
        left: u64,
    },
    /// After a Close frame: nothing follows.
    Closed,
    /// After something that is no frame we know.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Fragment,
    LastFragment,
    Control,
    Close,
}

/// The end of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Of a frame: only there may another one begin, a control frame even between the fragments of a message.
    Frame,
    /// Of a message: nothing is half said.
    Message,
}

impl Frames {
    /// Before the first frame.
    pub(crate) const START: Self = Self { at: At::Boundary, frame: Frame::Control, in_message: false };

    /// Whether a frame, or a message, has just ended or none has begun. Never after a Close frame, nor once lost.
    pub(crate) fn is_at(&self, end: End) -> bool {
        self.at == At::Boundary && (end == End::Frame || !self.in_message)
    }

    /// Whether a whole Close frame has passed.
    pub(crate) fn is_closed(&self) -> bool {
        self.at == At::Closed
    }

    /// Whether something passed that is no frame of RFC 6455: nobody knows any more where one begins.
    pub(crate) fn is_lost(&self) -> bool {
        self.at == At::Lost
    }

    /// All of `bytes` pass.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut passed = 0;
        while passed < bytes.len() {
            passed += self.step(&bytes[passed..]);
        }
    }

    /// `bytes` pass as far as the first such end, which may be where they begin; says how many that are. `None` when all
    /// have passed and there was none.
    pub(crate) fn pass_to(&mut self, end: End, bytes: &[u8]) -> Option<usize> {
        let mut passed = 0;
        loop {
            if self.is_at(end) {
                return Some(passed);
            }
            if passed == bytes.len() {
                return None;
            }
            passed += self.step(&bytes[passed..]);
        }
    }

    /// At least one byte, and no further than the end of a frame.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.at {
            At::Boundary => self.first(bytes[0]),
            At::Length => self.length(bytes[0]),
            At::LongLength { left, so_far, is_masked } => {
                let so_far = so_far << 8 | u64::from(bytes[0]);
                match left {
                    // The most significant bit must be 0.
                    1 if so_far > u64::MAX >> 1 => self.at = At::Lost,
                    1 => self.payload(so_far, is_masked),
                    _ => self.at = At::LongLength { left: left - 1, so_far, is_masked },
                }
            }
            At::Payload { left } => {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.at = At::Payload { left: left - len as u64 };
                if left == len as u64 {
                    self.ended();
                }
                return len;
            }
            At::Closed | At::Lost => return bytes.len(),
        }
        1
    }

    /// The reserved bits are left to the extensions that both sides agreed to.
    fn first(&mut self, byte: u8) {
        let (is_last, opcode) = (byte & 0x80 != 0, byte & 0x0f);
        self.frame = match opcode {
            0 if self.in_message => fragment(is_last),
            1 | 2 if !self.in_message => fragment(is_last),
            8 if is_last => Frame::Close,
            9 | 10 if is_last => Frame::Control,
            _ => return self.at = At::Lost,
        };
        self.at = At::Length;
    }

    fn length(&mut self, byte: u8) {
        let (is_masked, length) = (byte & 0x80 != 0, byte & 0x7f);
        let is_control = matches!(self.frame, Frame::Control | Frame::Close);
        match length {
            126 | 127 if is_control => self.at = At::Lost,
            126 => self.at = At::LongLength { left: 2, so_far: 0, is_masked },
            127 => self.at = At::LongLength { left: 8, so_far: 0, is_masked },
            length => self.payload(length.into(), is_masked),
        }
    }

    fn payload(&mut self, length: u64, is_masked: bool) {
        // The masking key counts as payload: it is skipped just the same.
        let left = if is_masked { length + 4 } else { length };
        self.at = At::Payload { left };
        if left == 0 {
            self.ended();
        }
    }

    fn ended(&mut self) {
        self.at = At::Boundary;
        match self.frame {
            Frame::Fragment => self.in_message = true,
            Frame::LastFragment => self.in_message = false,
            Frame::Control => {}
            Frame::Close => self.at = At::Closed,
        }
    }
}

fn fragment(is_last: bool) -> Frame {
    if is_last { Frame::LastFragment } else { Frame::Fragment }
}

#[cfg(test)]
mod tests;
