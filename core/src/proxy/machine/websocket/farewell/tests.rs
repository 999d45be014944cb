use super::*;

const PATIENCE: Duration = Duration::from_secs(2);
const TEXT: &[u8] = &[0x81, 2, b'h', b'i'];
const BEGUN: &[u8] = &[0x01, 2, b'h', b'i'];
const ENDED: &[u8] = &[0x80, 0];
const CLOSE: &[u8] = &[0x88, 0x80, 1, 2, 3, 4];

fn at(seconds: u64) -> Instant {
    Instant::ORIGIN + Duration::from_secs(seconds)
}

fn farewell() -> Farewell {
    Farewell::new(PATIENCE)
}

fn down(pass: usize, say_close: bool) -> Down {
    Down { pass, say_close }
}

#[test]
fn the_client_hears_it_first_and_tells_the_application() {
    let mut farewell = farewell();
    assert_eq!(farewell.down(TEXT, || at(0)), down(4, false));
    assert_eq!(farewell.next_timeout(), None);
    assert_eq!(farewell.tell(at(1)), Some(Next::SayToClient));
    assert!(farewell.is_said());
    assert_eq!(farewell.down(TEXT, || at(1)), down(0, false), "nothing follows a Close frame");
    assert_eq!(farewell.up(TEXT, || at(1)), 4, "what it said before still passes");
    assert_eq!(farewell.up(CLOSE, || at(2)), 6);
    assert_eq!(farewell.up(TEXT, || at(2)), 0);
    assert_eq!(farewell.next_timeout(), Some(at(4)));
    assert_eq!(farewell.time_up(at(3)), None);
    assert_eq!(farewell.time_up(at(4)), Some(Next::Close));
    assert_eq!(farewell.next_timeout(), None);
    assert_eq!(farewell.tell(at(5)), None, "once is enough");
}

#[test]
fn a_message_is_waited_for() {
    let mut farewell = farewell();
    farewell.down(BEGUN, || at(0));
    assert_eq!(farewell.tell(at(1)), None);
    assert!(!farewell.is_said());
    let rest = [&ENDED[1..], TEXT].concat();
    assert_eq!(farewell.down(&ENDED[..1], || at(1)), down(1, false));
    assert_eq!(farewell.down(&rest, || at(1)), down(1, true), "the next message is too late");
    assert!(farewell.is_said());
}

#[test]
fn an_endless_message_is_ended_after_a_frame() {
    let mut farewell = farewell();
    farewell.down(BEGUN, || at(0));
    assert_eq!(farewell.tell(at(1)), None);
    assert_eq!(farewell.time_up(at(3)), Some(Next::SayToClient));

    let mut farewell = self::farewell();
    farewell.down(&BEGUN[..3], || at(0));
    assert_eq!(farewell.tell(at(1)), None);
    assert_eq!(farewell.time_up(at(3)), None);
    assert_eq!(farewell.down(&BEGUN[3..], || at(4)), down(1, true));
}

#[test]
fn in_the_middle_of_a_frame_nothing_can_be_said() {
    let mut farewell = farewell();
    farewell.down(&TEXT[..3], || at(0));
    assert_eq!(farewell.tell(at(1)), None);
    assert_eq!((farewell.time_up(at(3)), farewell.time_up(at(5))), (None, None));
    assert!(!farewell.is_said());
    assert_eq!(farewell.next_timeout(), None);
}

#[test]
fn for_a_silent_client_we_tell_the_application() {
    let mut farewell = farewell();
    farewell.up(&CLOSE[..0], || at(0));
    assert_eq!(farewell.tell(at(1)), Some(Next::SayToClient));
    assert_eq!(farewell.time_up(at(3)), Some(Next::SayToApplication));
    assert_eq!(farewell.up(TEXT, || at(3)), 0, "nothing follows a Close frame");
    assert_eq!(farewell.time_up(at(5)), Some(Next::Close));

    let mut farewell = self::farewell();
    farewell.up(&TEXT[..3], || at(0));
    assert_eq!(farewell.tell(at(1)), Some(Next::SayToClient));
    assert_eq!(farewell.time_up(at(3)), Some(Next::Close), "it is in the middle of a frame");
}

#[test]
fn who_goes_already_or_speaks_something_else_is_left_alone() {
    for bytes in [CLOSE, b"no frames at all"] {
        let mut farewell = farewell();
        farewell.down(bytes, || at(0));
        assert_eq!(farewell.tell(at(1)), None);
        assert_eq!(farewell.down(TEXT, || at(1)), down(4, false));
        let mut farewell = self::farewell();
        farewell.up(bytes, || at(0));
        assert_eq!(farewell.tell(at(1)), None);
        assert_eq!(farewell.up(TEXT, || at(1)), 4);

        for is_down in [true, false] {
            let mut farewell = self::farewell();
            farewell.down(BEGUN, || at(0));
            assert_eq!(farewell.tell(at(1)), None);
            if is_down {
                assert_eq!(farewell.down(bytes, || at(1)), down(bytes.len(), false));
            } else {
                assert_eq!(farewell.up(bytes, || at(1)), bytes.len());
            }
            assert_eq!(farewell.next_timeout(), None, "{bytes:x?} {is_down}");
        }
    }
}
