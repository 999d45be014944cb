use proptest::prelude::*;

use super::*;

/// The ends that `pass_to_end` finds in these pieces, each counted once.
fn ends(pieces: &[&[u8]]) -> Vec<usize> {
    let (mut events, mut ends, mut at) = (Events::START, Vec::new(), 0);
    for piece in pieces {
        let mut piece = *piece;
        while !piece.is_empty() {
            let first = events.step(piece);
            (at, piece) = (at + first, &piece[first..]);
            let Some(passed) = events.pass_to_end(piece) else {
                at += piece.len();
                break;
            };
            (at, piece) = (at + passed, &piece[passed..]);
            ends.push(at);
        }
    }
    ends
}

#[test]
fn an_event_ends_with_a_blank_line() {
    for (stream, expected) in [
        ("data: a\n\ndata: b\n\n", vec![9, 18]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", vec![11, 22]),
        ("data: a\r\rdata: b\r\r", vec![9, 18]),
        ("id: 1\nevent: x\ndata: a\n", vec![]),
        ("data: a\n\n\n", vec![9, 10]),
        (": a comment\n:\n", vec![12, 14]),
        ("data: a\n: within\n\n", vec![18]),
        ("data", vec![]),
        ("x\n\r\n", vec![4]),
    ] {
        assert_eq!(ends(&[stream.as_bytes()]), expected, "{stream:?}");
    }
}

#[test]
fn before_the_first_event_and_after_each_one_nothing_is_half_said() {
    let mut events = Events::START;
    assert!(events.is_between());
    assert_eq!(events.pass_to_end(b"data: a\n\n"), Some(0));
    events.pass(b"data: a\n");
    assert!(!events.is_between());
    events.pass(b"\n");
    assert!(events.is_between());
    events.pass(b":keep-alive");
    assert!(!events.is_between(), "half a comment is no line");
    assert_eq!(events.pass_to_end(b"\r\ndata: b"), Some(2), "a line end is not torn apart");
}

proptest! {
    /// Against the way the rule is written down: lines first, blank ones among them.
    #[test]
    fn any_split_has_the_same_ends(
        stream in "(data: [a-c]{0,3}|:[a-c]{0,2}|id|)(\n|\r|\r\n){1,2}(data: [a-c]|:x|)(\n\n|\r\r|\r\n\r\n|\r|\n)(data|:)?[\n\r]{0,4}",
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = stream.as_bytes();
        let mut events = Events::START;
        for (at, byte) in bytes.iter().enumerate() {
            prop_assert_eq!(events.is_between(), nothing_is_half_said(&stream[..at]), "{:?} at {}", &stream, at);
            events.pass(&[*byte]);
        }
        let mut places: Vec<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let mut pieces = Events::START;
        places.windows(2).for_each(|pair| pieces.pass(&bytes[pair[0]..pair[1]]));
        prop_assert_eq!(pieces, events);
    }
}

fn nothing_is_half_said(stream: &str) -> bool {
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let Some((lines, "")) = stream.rsplit_once('\n') else { return stream.is_empty() };
    let since_blank = lines.split('\n').rev().take_while(|line| !line.is_empty());
    since_blank.into_iter().all(|line| line.starts_with(':'))
}
