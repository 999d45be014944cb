//! The made-up application: answers each request with what belongs to its token, in many ways, and dies in many.

use std::cell::RefCell;
use std::rc::Rc;

use fastrand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use crate::talk::{Ear, Framing, Head, content, pause, say};
use crate::world::World;

/// Accepts for ever.
pub(crate) async fn run(listener: Rc<UnixListener>, which: usize, world: Rc<World>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let world = Rc::clone(&world);
        world.open.set(world.open.get() + 1);
        tokio::task::spawn_local(async move {
            serve(stream, which, &world).await;
            world.open.set(world.open.get() - 1);
        });
    }
}

struct Connection<'w> {
    world: &'w World,
    which: usize,
    dice: RefCell<Rng>,
    ear: Ear<OwnedReadHalf>,
    mouth: OwnedWriteHalf,
    /// How many bytes it may still say before it dies.
    left: usize,
}

async fn serve(stream: UnixStream, which: usize, world: &World) {
    let dice = world.dice();
    let dies = !world.is_kind && dice.borrow_mut().u8(..4) == 0;
    let left = if dies { dice.borrow_mut().usize(..600) } else { usize::MAX };
    let (read, mouth) = stream.into_split();
    let mut connection = Connection { world, which, dice, ear: Ear::new(read), mouth, left };
    while connection.answer_one().await {}
    if connection.left == 0 {
        world.tally.borrow_mut().deaths += 1;
    }
    // Half a head of a request that may happen once only has reached us, too.
    if let Some(token) = token_of_post(&connection.ear.unread) {
        world.meet(token);
    }
}

fn token_of_post(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(60))?).ok()?;
    text.strip_prefix("POST /t")?.split_once(' ')?.0.parse().ok()
}

impl Connection<'_> {
    /// Whether there may be another one.
    async fn answer_one(&mut self) -> bool {
        let Some(head) = self.ear.head().await else { return false };
        let Some(token) = head.number("x-token").filter(|token| self.world.owns(*token)) else {
            return false;
        };
        if self.world.is_kind && self.world.drained[self.which].get() {
            self.world.problem(format!("{token} reached a release that was drained"));
        }
        let method = head.first_line().split(' ').next().unwrap_or_default().to_owned();
        if head.first_line() != format!("{method} /t{token} HTTP/1.1") {
            self.world.problem(format!("{token} came with {:?}", head.first_line()));
        }
        if method == "POST" {
            self.world.meet(token);
        }
        if !self.world.is_kind && self.dice.borrow_mut().u8(..24) == 0 {
            // Dies with a request in hand.
            self.world.tally.borrow_mut().deaths += 1;
            return false;
        }
        if head.field("upgrade").is_some() && self.dice.borrow_mut().u8(..4) > 0 {
            return self.tunnel(token).await;
        }
        let early = !self.world.is_kind && self.dice.borrow_mut().u8(..8) == 0;
        let mut is_whole = true;
        if !early {
            is_whole = self.read_body(token, &head).await;
        }
        if !is_whole {
            return false;
        }
        pause(&self.dice).await;
        let goes_on = self.answer(token, method == "HEAD").await;
        goes_on && !early
    }

    async fn read_body(&mut self, token: u64, head: &Head) -> bool {
        let (body, is_whole) = self.ear.body(head.framing(Framing::Length(0))).await;
        if body != content(token, body.len()) {
            self.world.problem(format!("{token} has somebody else's body"));
        }
        if is_whole && head.number("x-len") != Some(body.len() as u64) {
            self.world.problem(format!("{token} looks whole with {} bytes", body.len()));
        }
        is_whole
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        say(&mut self.mouth, &self.dice, &mut self.left, bytes.as_ref()).await
    }

    async fn answer(&mut self, token: u64, to_head: bool) -> bool {
        let roll = |dice: &RefCell<Rng>, sides: u8| dice.borrow_mut().u8(..sides);
        while roll(&self.dice, 8) == 0 {
            let status = if roll(&self.dice, 2) == 0 { "100 Continue" } else { "103 Early Hints" };
            if !self.say(format!("HTTP/1.1 {status}\r\nX-Token: {token}\r\n\r\n")).await {
                return false;
            }
        }
        if !self.world.is_kind && roll(&self.dice, 24) == 0 {
            let odd =
                ["HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\nX: y\r\n"];
            let odd = odd[usize::from(roll(&self.dice, 3))];
            self.say(format!("{odd}X-Token: {token}\r\n\r\nx")).await;
            return false;
        }
        let len = match roll(&self.dice, 8) {
            0 => 0,
            1 => self.dice.borrow_mut().usize(..self.world.content_max.get()),
            _ => self.dice.borrow_mut().usize(..60),
        };
        let closes = roll(&self.dice, 6) == 0;
        let close = if closes { "Connection: close\r\n" } else { "" };
        let common = format!("X-Token: {token}\r\nX-Len: {len}\r\n{close}");
        let body = if to_head { Vec::new() } else { content(token, len) };
        let (said, ends) = match roll(&self.dice, 8) {
            0 if len == 0 => (self.say(format!("HTTP/1.1 204 No Content\r\n{common}\r\n")).await, closes),
            0 => (self.say(format!("HTTP/1.1 304 Not Modified\r\n{common}\r\n")).await, closes),
            1 => {
                let head = format!("HTTP/1.1 200 OK\r\n{common}\r\n").into_bytes();
                (self.say([head, body].concat()).await, !to_head || closes)
            }
            2 | 3 => {
                let head =
                    format!("HTTP/1.1 200 OK\r\n{common}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                let chunks = if to_head { Vec::new() } else { self.chunks(&body) };
                (self.say([head, chunks].concat()).await, closes)
            }
            _ => {
                let head = format!("HTTP/1.1 200 OK\r\n{common}Content-Length: {len}\r\n\r\n").into_bytes();
                (self.say([head, body].concat()).await, closes)
            }
        };
        if !said || ends {
            return false;
        }
        if self.world.is_kind {
            return true;
        }
        match roll(&self.dice, 12) {
            // Closes without having said so.
            0 => false,
            1 => {
                pause(&self.dice).await;
                false
            }
            _ => true,
        }
    }

    fn chunks(&self, mut body: &[u8]) -> Vec<u8> {
        let mut chunks = Vec::new();
        while !body.is_empty() {
            let len = self.dice.borrow_mut().usize(1..=body.len());
            chunks.extend_from_slice(format!("{len:x}\r\n").as_bytes());
            chunks.extend_from_slice(&body[..len]);
            chunks.extend_from_slice(b"\r\n");
            body = &body[len..];
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        chunks
    }

    /// Says back what it hears.
    async fn tunnel(&mut self, token: u64) -> bool {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Token: {token}\r\n\r\n"
        );
        if !self.say(head).await {
            return false;
        }
        loop {
            let heard = std::mem::take(&mut self.ear.unread);
            if !self.say(heard).await || !self.ear.more().await {
                let _ = self.mouth.shutdown().await;
                return false;
            }
        }
    }
}
