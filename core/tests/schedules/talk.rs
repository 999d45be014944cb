//! Bytes of either side, read and written in pieces of any size. Reads HTTP by itself: nothing here is what it tests.

use std::cell::RefCell;

use fastrand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a token's owner sends: no two tokens have a long text in common.
pub(crate) fn content(token: u64, len: usize) -> Vec<u8> {
    format!("<{token}>").bytes().cycle().take(len).collect()
}

/// Lets others go first, or not.
pub(crate) async fn pause(dice: &RefCell<Rng>) {
    let turns = dice.borrow_mut().u8(..8).saturating_sub(4);
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Writes in pieces; `false` when the other side is gone, or when `left` runs out: the writer has died.
pub(crate) async fn say(
    to: &mut (impl AsyncWrite + Unpin),
    dice: &RefCell<Rng>,
    left: &mut usize,
    mut bytes: &[u8],
) -> bool {
    while !bytes.is_empty() {
        if *left == 0 {
            return false;
        }
        let len =
            if dice.borrow_mut().bool() { bytes.len() } else { dice.borrow_mut().usize(1..=bytes.len()) };
        let len = len.min(*left);
        if to.write_all(&bytes[..len]).await.is_err() {
            return false;
        }
        *left -= len;
        bytes = &bytes[len..];
        pause(dice).await;
    }
    true
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// A head as it came.
pub(crate) struct Head {
    pub(crate) text: String,
}

impl Head {
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.text.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        match (self.field("transfer-encoding"), self.number("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(usize::try_from(length).unwrap_or(usize::MAX)),
            (None, None) => otherwise,
        }
    }
}

/// One direction of a connection.
pub(crate) struct Ear<R> {
    from: R,
    pub(crate) unread: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Ear<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, unread: Vec::new() }
    }

    /// `false` at the end.
    pub(crate) async fn more(&mut self) -> bool {
        matches!(self.from.read_buf(&mut self.unread).await, Ok(1..))
    }

    /// `None` when the connection ends before.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = self.take(at + 4);
                return Some(Head { text: String::from_utf8_lossy(&head).into_owned() });
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The content, and whether it was whole.
    pub(crate) async fn body(&mut self, framing: Framing) -> (Vec<u8>, bool) {
        match framing {
            Framing::Length(length) => self.exactly(length).await,
            Framing::UntilClose => {
                while self.more().await {}
                (self.take(self.unread.len()), true)
            }
            Framing::Chunked => {
                let mut content = Vec::new();
                loop {
                    let Some(size) = self.line().await else { return (content, false) };
                    let size = size.split(';').next().unwrap_or_default().trim().to_owned();
                    let Ok(size) = usize::from_str_radix(&size, 16) else { return (content, false) };
                    if size == 0 {
                        return (content, self.line().await.as_deref() == Some(""));
                    }
                    let (chunk, whole) = self.exactly(size).await;
                    content.extend_from_slice(&chunk);
                    if !whole || self.line().await.as_deref() != Some("") {
                        return (content, false);
                    }
                }
            }
        }
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.unread.len() < length {
            if !self.more().await {
                return (self.take(self.unread.len()), false);
            }
        }
        (self.take(length), true)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|end| end == b"\r\n") {
                let line = self.take(at + 2);
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }
}
