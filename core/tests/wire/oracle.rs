//! The same bytes read by hyper, and what has to hold: whatever we accept hyper accepts, with the same boundaries, method,
//! target, fields and body. Where we are stricter we only stop earlier.
//!
//! Also used by the fuzz targets.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use rollcore::internals::{MessageReader, ReadEnd, SeenMessage};

/// More polls than any of these needs.
const POLLS_MAX: usize = 100_000;

/// A connection whose other side says all it will ever say as soon as it is spoken to, or at once.
struct Said<'b> {
    rest: &'b [u8],
    speaks: bool,
}

impl Read for Said<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.speaks {
            return Poll::Pending;
        }
        let len = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..len]);
        self.rest = &self.rest[len..];
        Poll::Ready(Ok(()))
    }
}

impl Write for Said<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.speaks = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn fields(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// The requests that hyper's server finds.
pub fn requests_by_hyper(bytes: &[u8]) -> Vec<SeenMessage> {
    let seen: Rc<RefCell<Vec<SeenMessage>>> = Rc::default();
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, mut body) = request.into_parts();
            let path = head.uri.path_and_query().map_or("", |path| path.as_str());
            seen.borrow_mut().push(SeenMessage {
                method: head.method.to_string(),
                path: path.to_owned(),
                authority: head.uri.authority().map(ToString::to_string),
                is_http_10: head.version == hyper::Version::HTTP_10,
                fields: fields(&head.headers),
                ..SeenMessage::default()
            });
            let is_whole = loop {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            seen.borrow_mut()
                                .last_mut()
                                .expect("it is there")
                                .content
                                .extend_from_slice(&data);
                        }
                    }
                    Some(Err(_)) => break false,
                    None => break true,
                }
            };
            seen.borrow_mut().last_mut().expect("it is there").is_whole = is_whole;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.half_close(true).header_read_timeout(None);
        let mut serving = pin!(server.serve_connection(Said { rest: bytes, speaks: true }, service));
        let mut context = Context::from_waker(Waker::noop());
        let ended = (0..POLLS_MAX).any(|_| serving.as_mut().poll(&mut context).is_ready());
        assert!(ended, "hyper neither reads nor ends");
    }
    seen.take()
}

/// The response that hyper's client finds, after interim ones; `None` when it finds none.
pub fn response_by_hyper(bytes: &[u8], to_head: bool) -> Option<SeenMessage> {
    let mut context = Context::from_waker(Waker::noop());
    let mut shaking = pin!(hyper::client::conn::http1::handshake(Said { rest: bytes, speaks: false }));
    let Poll::Ready(Ok((mut sender, connection))) = shaking.as_mut().poll(&mut context) else { return None };
    let mut request = Request::new(Empty::<Bytes>::new());
    if to_head {
        *request.method_mut() = hyper::Method::HEAD;
    }
    let seen: RefCell<Option<SeenMessage>> = RefCell::default();
    let mut asking = pin!(async {
        if sender.ready().await.is_err() {
            return;
        }
        let Ok(response) = sender.send_request(request).await else { return };
        let (head, mut body) = response.into_parts();
        let mut message = SeenMessage {
            status: head.status.as_u16(),
            fields: fields(&head.headers),
            ..SeenMessage::default()
        };
        message.is_whole = loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        message.content.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => break false,
                None => break true,
            }
        };
        *seen.borrow_mut() = Some(message);
    });
    let mut connection = pin!(connection);
    let mut is_open = true;
    let ended = (0..POLLS_MAX).any(|_| {
        is_open = is_open && connection.as_mut().poll(&mut context).is_pending();
        asking.as_mut().poll(&mut context).is_ready()
    });
    assert!(ended, "hyper neither reads nor ends");
    seen.take()
}

fn sorted(fields: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut fields = fields.to_vec();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// What both must have understood in the same way.
fn understood(message: &SeenMessage) -> SeenMessage {
    let path = match message.path.as_str() {
        // In absolute form the path may be missing.
        "" if message.status == 0 => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    SeenMessage {
        method: message.method.clone(),
        path,
        authority: message.authority.clone(),
        status: message.status,
        is_http_10: message.is_http_10,
        fields: sorted(&message.fields),
        content: message.content.clone(),
        is_whole: message.is_whole,
        ..SeenMessage::default()
    }
}

/// What our reader finds in one piece.
pub fn requests(bytes: &[u8]) -> (Vec<SeenMessage>, Option<ReadEnd>) {
    let mut reader = MessageReader::of_requests();
    reader.push(bytes);
    let (messages, end) = reader.seen();
    (messages.to_vec(), end)
}

/// What our reader finds in one piece.
pub fn response(bytes: &[u8], to_head: bool) -> (Vec<SeenMessage>, Option<ReadEnd>) {
    let mut reader = MessageReader::of_response(to_head);
    reader.push(bytes);
    let (messages, end) = reader.seen();
    (messages.to_vec(), end)
}

/// Returns how many requests were compared.
///
/// # Panics
/// When hyper does not see what we see.
pub fn requests_agree(bytes: &[u8]) -> usize {
    let (ours, end) = requests(bytes);
    if ours.is_empty() {
        return 0;
    }
    let theirs = requests_by_hyper(bytes);
    let told =
        || format!("{:?}\nours: {ours:#?} {end:?}\nhyper: {theirs:#?}", String::from_utf8_lossy(bytes));
    for (at, message) in ours.iter().enumerate() {
        let Some(other) = theirs.get(at) else { panic!("hyper refuses what we accept\n{}", told()) };
        let (mine, mut other) = (understood(message), understood(other));
        if !mine.is_whole {
            // What we refuse in the middle of a body, or what has not come: the same as far as it goes.
            assert!(other.content.starts_with(&mine.content), "another body\n{}", told());
            (other.content, other.is_whole) = (mine.content.clone(), false);
        }
        assert_eq!(mine, other, "{}", told());
    }
    ours.len()
}

/// Returns how many responses were compared.
///
/// # Panics
/// When hyper does not see what we see.
pub fn responses_agree(bytes: &[u8], to_head: bool) -> usize {
    let (ours, end) = response(bytes, to_head);
    let Some(message) = ours.last().filter(|message| !message.is_interim && message.status != 101) else {
        return 0;
    };
    let theirs = response_by_hyper(bytes, to_head);
    let told =
        || format!("{:?}\nours: {ours:#?} {end:?}\nhyper: {theirs:#?}", String::from_utf8_lossy(bytes));
    let Some(other) = &theirs else { panic!("hyper refuses what we accept\n{}", told()) };
    let (mine, mut other) = (understood(message), understood(other));
    if !mine.is_whole {
        assert!(other.content.starts_with(&mine.content), "another body\n{}", told());
        (other.content, other.is_whole) = (mine.content.clone(), false);
    }
    assert_eq!(mine, other, "{}", told());
    1
}

/// # Panics
/// When it matters in which pieces the bytes come. `cuts` are distances, used again and again.
pub fn pieces_agree(bytes: &[u8], cuts: &[usize], reader: impl Fn() -> MessageReader) {
    let seen = |reader: &MessageReader| {
        let (messages, end) = reader.seen();
        // How much of a malformed body was looked at is not part of any message.
        let mut messages = messages.to_vec();
        messages.iter_mut().filter(|message| !message.is_whole).for_each(|message| message.end = 0);
        (messages, end)
    };
    let mut whole = reader();
    whole.push(bytes);
    let mut pieces = reader();
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let len = cuts.next().map_or(1, |cut| *cut).clamp(1, rest.len());
        pieces.push(&rest[..len]);
        rest = &rest[len..];
    }
    assert_eq!(seen(&whole), seen(&pieces), "{:?}", String::from_utf8_lossy(bytes));
}
