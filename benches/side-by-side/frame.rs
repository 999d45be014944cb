//! Short WebSocket messages (RFC 6455 §5.2), as far as an echo needs them.

use std::io;

/// What a client says; the same each time.
pub const MESSAGE: &[u8] = b"how are you over there?";

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
const FINAL_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
/// The length of the head of a short frame, and of one with a mask.
const HEAD: usize = 2;
const MASKED_HEAD: usize = 6;
/// Longer messages have their length elsewhere; nobody here sends any.
const SHORT_MAX: u8 = 125;

/// [`MESSAGE`] as a client sends it.
pub fn from_client() -> Vec<u8> {
    let mut frame = vec![FINAL_TEXT, MASKED | MESSAGE.len() as u8];
    frame.extend_from_slice(&MASK);
    frame.extend(MESSAGE.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// [`MESSAGE`] as a server sends it.
pub fn from_server() -> Vec<u8> {
    let mut frame = vec![FINAL_TEXT, MESSAGE.len() as u8];
    frame.extend_from_slice(MESSAGE);
    frame
}

/// Appends the first message of a client to `back`, as a server sends it, and says how long it was; `None` until it is
/// complete.
///
/// # Errors
/// When it is no short message of a client.
pub fn unmask(bytes: &[u8], back: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let length = second & !MASKED;
    if second & MASKED == 0 || length > SHORT_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let end = MASKED_HEAD + usize::from(length);
    let Some(frame) = bytes.get(..end) else { return Ok(None) };
    let (head, payload) = frame.split_at(MASKED_HEAD);
    back.extend_from_slice(&[first, length]);
    back.extend(payload.iter().zip(head[HEAD..].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Ok(Some(end))
}
