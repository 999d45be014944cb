//! A made-up client: asks on one connection, reads what comes, and knows exactly what may come.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use fastrand::Rng;
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use crate::talk::{Ear, Framing, Head, content, pause, say};
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    token: u64,
    method: &'static str,
    len: usize,
    is_chunked: bool,
    is_upgrade: bool,
    expects: bool,
    is_http_10: bool,
    closes: bool,
    /// Sent before the answer to the one before is there.
    is_early: bool,
}

impl Asked {
    fn new(dice: &mut Rng, token: u64, is_last: bool, content_max: usize) -> Self {
        let method = ["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE"][dice.usize(..8)];
        let has_body = matches!(method, "POST" | "PUT");
        let is_upgrade = is_last && method == "GET" && dice.u8(..4) == 0;
        let len = match dice.u8(..10) {
            0 => dice.usize(..content_max),
            1 => 0,
            _ => dice.usize(..80),
        };
        let is_http_10 = is_last && !is_upgrade && dice.u8(..8) == 0;
        Self {
            token,
            method,
            len: if has_body || is_upgrade { len } else { 0 },
            is_chunked: has_body && !is_http_10 && dice.bool(),
            is_upgrade,
            expects: has_body && !is_http_10 && dice.u8(..6) == 0,
            is_http_10,
            closes: is_last && dice.u8(..4) == 0,
            is_early: dice.bool(),
        }
    }

    fn head(&self) -> String {
        let Self { token, method, len, .. } = self;
        let version = if self.is_http_10 { "1.0" } else { "1.1" };
        let mut head =
            format!("{method} /t{token} HTTP/{version}\r\nHost: shop.test\r\nX-Token: {token}\r\n");
        if self.is_upgrade {
            head += "X-Len: 0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        } else if self.is_chunked {
            head += &format!("X-Len: {len}\r\nTransfer-Encoding: chunked\r\n");
        } else if matches!(*method, "POST" | "PUT") {
            head += &format!("X-Len: {len}\r\nContent-Length: {len}\r\n");
        } else {
            head += "X-Len: 0\r\n";
        }
        if self.expects {
            head += "Expect: 100-continue\r\n";
        }
        if self.closes {
            head += "Connection: close\r\n";
        }
        head + "\r\n"
    }

    fn body(&self, dice: &RefCell<Rng>) -> Vec<u8> {
        let content = content(self.token, self.len);
        if !self.is_chunked {
            return content;
        }
        let mut chunks = Vec::new();
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let len = dice.borrow_mut().usize(1..=rest.len());
            chunks.extend_from_slice(format!("{len:X};x=y\r\n").as_bytes());
            chunks.extend_from_slice(&rest[..len]);
            chunks.extend_from_slice(b"\r\n");
            rest = &rest[len..];
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        chunks
    }
}

/// How far the reader is, for the writer.
#[derive(Default)]
struct Progress {
    answers: Cell<usize>,
    may_continue: Cell<bool>,
    moved: Notify,
}

impl Progress {
    async fn until(&self, is_there: impl Fn(&Self) -> bool) {
        while !is_there(self) {
            self.moved.notified().await;
        }
    }
}

/// Asks, and checks what it is told. Ends when all is answered, its connection is gone, or it has had enough.
pub(crate) async fn run(stream: DuplexStream, world: Rc<World>) {
    let dice = world.dice();
    let count = dice.borrow_mut().usize(1..5);
    let content_max = world.content_max.get();
    let asked: Vec<Asked> = (1..=count)
        .map(|at| Asked::new(&mut dice.borrow_mut(), world.token(), at == count, content_max))
        .collect();
    let aborts = !world.is_kind && dice.borrow_mut().u8(..4) == 0;
    let left = if aborts { dice.borrow_mut().usize(..1500) } else { usize::MAX };
    let (read, write) = tokio::io::split(stream);
    let progress = Progress::default();
    let own_dice = world.dice();
    let half_closes = dice.borrow_mut().u8(..8) == 0;
    tokio::select! {
        () = write_all(write, &asked, &own_dice, left, half_closes, &progress, &world) => {
            world.tally.borrow_mut().aborts += 1;
        }
        () = read_all(Ear::new(read), &asked, &dice, &progress, &world) => {}
    }
}

/// Returns only when the client has had enough; otherwise it waits for the reader.
async fn write_all(
    mut to: WriteHalf<DuplexStream>,
    asked: &[Asked],
    dice: &RefCell<Rng>,
    mut left: usize,
    half_closes: bool,
    progress: &Progress,
    world: &World,
) {
    for (at, request) in asked.iter().enumerate() {
        if !request.is_early {
            progress.until(|progress| progress.answers.get() >= at).await;
        }
        world.tally.borrow_mut().requests += 1;
        let head = request.head().into_bytes();
        let mut sent = if request.expects || request.is_upgrade {
            let sent = say(&mut to, dice, &mut left, &head).await;
            if sent && request.expects {
                progress.until(|progress| progress.may_continue.get() || progress.answers.get() > at).await;
            }
            progress.may_continue.set(false);
            sent && say(&mut to, dice, &mut left, &request.body(dice)).await
        } else {
            say(&mut to, dice, &mut left, &[head, request.body(dice)].concat()).await
        };
        if request.is_upgrade {
            sent = sent && to.shutdown().await.is_ok();
        }
        if left == 0 {
            return;
        }
        if !sent {
            break;
        }
    }
    if half_closes {
        let _ = to.shutdown().await;
    }
    std::future::pending::<()>().await;
}

async fn read_all(
    mut ear: Ear<ReadHalf<DuplexStream>>,
    asked: &[Asked],
    dice: &RefCell<Rng>,
    progress: &Progress,
    world: &World,
) {
    for request in asked {
        pause(dice).await;
        if !read_one(&mut ear, request, progress, world).await {
            return;
        }
        progress.answers.set(progress.answers.get() + 1);
        progress.moved.notify_one();
    }
    pause(dice).await;
    if !ear.unread.is_empty() {
        let more = String::from_utf8_lossy(&ear.unread).into_owned();
        world.problem(format!("more answers than requests: {more:?}"));
    }
}

/// Whether the connection can go on.
async fn read_one(
    ear: &mut Ear<ReadHalf<DuplexStream>>,
    request: &Asked,
    progress: &Progress,
    world: &World,
) -> bool {
    let token = request.token;
    let head = loop {
        let Some(head) = ear.head().await else {
            if world.is_kind {
                world.problem(format!("{token} was not answered"));
            }
            world.tally.borrow_mut().cut_short += 1;
            let begun = &ear.unread[..ear.unread.len().min(9)];
            if !b"HTTP/1.1 ".starts_with(begun) {
                world.problem(format!("{token} got {:?}", String::from_utf8_lossy(&ear.unread)));
            }
            return false;
        };
        let Some(status) = status_of(&head) else {
            world.problem(format!("{token} got a head that is none: {:?}", head.text));
            return false;
        };
        if head.number("x-token").is_some_and(|found| found != token) {
            world.problem(format!("{token} got the answer of somebody else: {:?}", head.text));
            return false;
        }
        match status {
            100 => {
                progress.may_continue.set(true);
                progress.moved.notify_one();
            }
            102..200 => {}
            _ => break head,
        }
    };
    let status = status_of(&head).unwrap_or_default();
    if head.field("x-token").is_none() {
        return own_answer(ear, request, status, &head, world).await;
    }
    world.tally.borrow_mut().answers += 1;
    if status == 101 {
        tunnel(ear, request, world).await;
        return false;
    }
    let has_body = request.method != "HEAD" && status != 204 && status != 304;
    let framing = if has_body { head.framing(Framing::UntilClose) } else { Framing::Length(0) };
    let (body, is_whole) = ear.body(framing).await;
    if body != content(token, body.len()) {
        world.problem(format!("{token} got a body of somebody else"));
    }
    let expected = head.number("x-len").filter(|_| has_body);
    let is_all = expected.is_none_or(|expected| expected == body.len() as u64);
    if is_whole && !is_all && (world.is_kind || framing != Framing::UntilClose && !may_end_early(&head)) {
        world.problem(format!("{token} looks whole with {} bytes: {:?}", body.len(), head.text));
    }
    if !is_whole {
        world.tally.borrow_mut().cut_short += 1;
        if world.is_kind {
            world.problem(format!("{token} broke off"));
        }
        return false;
    }
    let ends = framing == Framing::UntilClose || request.closes || request.is_http_10 || says_close(&head);
    if ends {
        nothing_follows(ear, token, world).await;
    }
    !ends
}

/// An application that ends an answer with its connection cannot be told from one that dies.
fn may_end_early(head: &Head) -> bool {
    head.field("transfer-encoding").is_some()
}

fn says_close(head: &Head) -> bool {
    head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

fn status_of(head: &Head) -> Option<u16> {
    head.first_line().strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

/// Whether the connection can go on.
async fn own_answer(
    ear: &mut Ear<ReadHalf<DuplexStream>>,
    request: &Asked,
    status: u16,
    head: &Head,
    world: &World,
) -> bool {
    let token = request.token;
    world.tally.borrow_mut().own_answers += 1;
    if world.is_kind || !matches!(status, 502 | 503) {
        world.problem(format!("{token} got {:?}", head.text));
    }
    let framing =
        if request.method == "HEAD" { Framing::Length(0) } else { head.framing(Framing::UntilClose) };
    let (_, is_whole) = ear.body(framing).await;
    let ends = request.is_upgrade || request.is_http_10 || request.closes || says_close(head);
    if ends && is_whole {
        nothing_follows(ear, token, world).await;
    }
    is_whole && !ends
}

async fn nothing_follows(ear: &mut Ear<ReadHalf<DuplexStream>>, token: u64, world: &World) {
    while ear.more().await {}
    if !ear.unread.is_empty() {
        let more = String::from_utf8_lossy(&ear.unread).into_owned();
        world.problem(format!("more after the last answer, to {token}: {more:?}"));
    }
}

async fn tunnel(ear: &mut Ear<ReadHalf<DuplexStream>>, request: &Asked, world: &World) {
    world.tally.borrow_mut().tunnels += 1;
    if !request.is_upgrade {
        world.problem(format!("{} became a tunnel unasked", request.token));
    }
    let (echo, _) = ear.body(Framing::UntilClose).await;
    if echo != content(request.token, echo.len()) || echo.len() > request.len {
        world.problem(format!("{} hears somebody else", request.token));
    }
    if world.is_kind && echo.len() != request.len {
        world.problem(format!("{} hears {} bytes of {}", request.token, echo.len(), request.len));
    }
}
