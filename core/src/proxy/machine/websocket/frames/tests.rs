use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};

use super::*;

/// One frame as a well-kept library writes it.
#[derive(Clone, Debug)]
struct Made {
    bytes: Vec<u8>,
    /// Whether a message is half said after it.
    in_message: bool,
}

fn written(mut frame: Frame, mask: Option<[u8; 4]>) -> Vec<u8> {
    frame.header_mut().mask = mask;
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("it fits into memory");
    bytes
}

/// A message in fragments, with pings between them.
fn message() -> impl Strategy<Value = Vec<Made>> {
    let size = prop_oneof![0usize..4, 120usize..130, 65_530usize..65_540];
    let fragments = prop::collection::vec((size, prop::option::of(0usize..125)), 1..4);
    (fragments, any::<bool>(), prop::option::of(any::<[u8; 4]>())).prop_map(|(fragments, is_text, mask)| {
        let last = fragments.len() - 1;
        let mut made = Vec::new();
        for (nth, (size, pinged)) in fragments.into_iter().enumerate() {
            let begin = if is_text { Data::Text } else { Data::Binary };
            let opcode = OpCode::Data(if nth == 0 { begin } else { Data::Continue });
            let in_message = nth < last;
            made.push(Made {
                bytes: written(Frame::message(vec![0x81; size], opcode, !in_message), mask),
                in_message,
            });
            if let Some(size) = pinged {
                made.push(Made { bytes: written(Frame::ping(vec![0x81; size]), mask), in_message });
            }
        }
        made
    })
}

/// Cuts `bytes` at these places, taken modulo its length.
fn cut<'b>(bytes: &'b [u8], places: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Every end of a frame and every end of a message in `pieces`, as the tracker finds them.
fn found(pieces: &[&[u8]], end: End) -> Vec<usize> {
    let (mut frames, mut ends, mut at) = (Frames::START, Vec::new(), 0);
    for piece in pieces {
        let mut piece = *piece;
        while !piece.is_empty() {
            // Over the end where it stands, to the next one.
            let first = frames.step(piece);
            (at, piece) = (at + first, &piece[first..]);
            let Some(passed) = frames.pass_to(end, piece) else {
                at += piece.len();
                break;
            };
            (at, piece) = (at + passed, &piece[passed..]);
            ends.push(at);
        }
    }
    assert!(!frames.is_lost());
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_split_has_the_same_ends(
        messages in prop::collection::vec(message(), 1..4),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let made: Vec<_> = messages.into_iter().flatten().collect();
        let bytes: Vec<u8> = made.iter().flat_map(|made| made.bytes.iter().copied()).collect();
        let ends = made.iter().scan(0, |at, made| {
            *at += made.bytes.len();
            Some((*at, made.in_message))
        });
        let (frames, whole): (Vec<_>, Vec<_>) =
            ends.map(|(at, in_message)| (at, (!in_message).then_some(at))).unzip();
        let messages: Vec<_> = whole.into_iter().flatten().collect();
        let pieces = cut(&bytes, &places);
        prop_assert_eq!(found(&pieces, End::Frame), frames);
        prop_assert_eq!(found(&pieces, End::Message), messages);
        let mut all = Frames::START;
        pieces.iter().for_each(|piece| all.pass(piece));
        let mut at_once = Frames::START;
        at_once.pass(&bytes);
        prop_assert_eq!(all, at_once);
        prop_assert!(all.is_at(End::Message));
    }

    #[test]
    fn anything_passes(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let (first, second) = bytes.split_at(at.index(bytes.len() + 1));
        let (mut frames, mut at_once) = (Frames::START, Frames::START);
        frames.pass(first);
        frames.pass(second);
        at_once.pass(&bytes);
        prop_assert_eq!(frames, at_once);
    }
}

#[test]
fn nothing_follows_a_close_frame() {
    let mut frames = Frames::START;
    let close = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    let bytes = written(Frame::close(Some(close)), None);
    let (last, most) = bytes.split_last().expect("it has bytes");
    frames.pass(most);
    assert!(!frames.is_closed());
    frames.pass(&[*last]);
    assert!(frames.is_closed() && !frames.is_at(End::Frame));
    frames.pass(b"anything");
    assert!(frames.is_closed() && !frames.is_lost());
}

#[test]
fn what_is_no_frame_is_not_followed() {
    let long = |first: u8, byte: u8| [vec![first, 127], vec![byte; 8]].concat();
    for (bytes, is_lost) in [
        (vec![0x83, 0], true),          // a reserved opcode
        (vec![0x8b, 0], true),          // a reserved control opcode
        (vec![0x80, 0], true),          // the continuation of nothing
        (vec![0x01, 0, 0x81, 0], true), // a message within a message
        (vec![0x09, 0], true),          // a control frame in fragments
        (vec![0x89, 126], true),        // a long control frame
        (long(0x82, 0xff), true),       // longer than 63 bits
        (long(0x82, 0x7f), false),
        (vec![0xc1, 0], false), // a reserved bit: permessage-deflate (RFC 7692)
        (vec![0x01, 0, 0x89, 0, 0x80, 0], false),
    ] {
        let mut frames = Frames::START;
        frames.pass(&bytes);
        assert_eq!(frames.is_lost(), is_lost, "{bytes:x?}");
        if is_lost {
            assert_eq!(frames.pass_to(End::Frame, &[0x81, 0]), None, "{bytes:x?}");
        }
    }
}

#[test]
fn the_longest_payload_is_no_trouble() {
    let mut frames = Frames::START;
    frames.pass(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    frames.pass(&[0; 100_000]);
    assert!(!frames.is_at(End::Frame) && !frames.is_lost());
}
