//! A Close frame (RFC 6455 §5.5.1): why, in a number and in words.

/// "Service Restart": the client may connect again. In the registry of RFC 6455 §11.7.
const SERVICE_RESTART: u16 = 1012;

/// The words that go with it, for whoever looks at his client's log.
const REASON: &str = "this release is being replaced, please connect again";

const LENGTH: usize = 2 + REASON.len();

const FIN_CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

// The payload of a control frame is at most 125 bytes (RFC 6455 §5.5).
const _: () = assert!(LENGTH <= 125);

/// What a server says.
pub(crate) fn close_for_client() -> Vec<u8> {
    let mut frame = vec![FIN_CLOSE, length()];
    frame.extend(payload());
    frame
}

/// What a client says: masked, with a `key` that nobody can foresee (RFC 6455 §5.3).
pub(crate) fn close_for_application(key: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![FIN_CLOSE, MASKED | length()];
    frame.extend(key);
    frame.extend(payload().zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn length() -> u8 {
    u8::try_from(LENGTH).expect("it was compared with 125 above")
}

fn payload() -> impl Iterator<Item = u8> {
    SERVICE_RESTART.to_be_bytes().into_iter().chain(REASON.bytes())
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    /// Read by a library that refuses what the RFC refuses.
    #[test]
    fn both_sides_understand_it() {
        let key = [0x12, 0xff, 0, 0x80];
        for (bytes, role) in [(close_for_client(), Role::Client), (close_for_application(key), Role::Server)]
        {
            let mut socket = WebSocket::from_raw_socket(Answerless(bytes), role, None);
            let Ok(Message::Close(Some(close))) = socket.read() else {
                panic!("no Close frame for {role:?}")
            };
            assert_eq!((u16::from(close.code), close.reason.as_str()), (SERVICE_RESTART, REASON));
        }
    }

    /// Gives its bytes, and takes whatever is answered.
    struct Answerless(Vec<u8>);

    impl std::io::Read for Answerless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.len().min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0.drain(..len);
            Ok(len)
        }
    }

    impl std::io::Write for Answerless {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
