//! What the sample application answers.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};

use super::Mode;
use super::serve::Site;
use super::tunnel;

pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// How many pieces a slow answer has.
const PIECES: u32 = 10;
const STREAM_PAUSE: Duration = Duration::from_millis(100);
const EVENT_PAUSE: Duration = Duration::from_millis(50);

/// The file in the release's directory that says which orders have happened. It outlives the process.
pub(crate) const ORDERS: &str = "orders";
/// How long an order takes after it has happened: whoever is killed meanwhile has not answered it.
const ORDER_TIME: Duration = Duration::from_millis(20);

pub(super) async fn answer(request: Request<Incoming>, site: Site) -> Result<Answer, Infallible> {
    let mut answer = match (request.method(), request.uri().path()) {
        _ if site.mode == Mode::Answers500 => text(StatusCode::INTERNAL_SERVER_ERROR, "broken\n"),
        (&Method::GET, "/ping") if site.mode == Mode::NeverHealthy => {
            text(StatusCode::SERVICE_UNAVAILABLE, "not healthy\n")
        }
        (&Method::GET, "/ping") => text(StatusCode::OK, "pong\n"),
        (&Method::GET, "/") => text(StatusCode::OK, site.release.clone()),
        (&Method::GET, "/stream") => slowly(STREAM_PAUSE, |piece| format!("piece {piece} of {PIECES}\n")),
        (&Method::GET, "/events") => events(),
        (&Method::GET, "/ws") if request.headers().contains_key(UPGRADE) => tunnel::open(request, &site),
        (&Method::POST, "/echo") => echo(request).await,
        (&Method::POST, "/orders") => order(request).await,
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    };
    if let Ok(release) = site.release.parse() {
        answer.headers_mut().insert("x-release", release);
    }
    Ok(answer)
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed());
    *answer.status_mut() = status;
    answer
}

async fn echo(request: Request<Incoming>) -> Answer {
    match request.into_body().collect().await {
        Ok(body) => text(StatusCode::OK, body.to_bytes()),
        Err(_) => text(StatusCode::BAD_REQUEST, "half a body\n"),
    }
}

async fn order(request: Request<Incoming>) -> Answer {
    let Ok(body) = request.into_body().collect().await else {
        return text(StatusCode::BAD_REQUEST, "half an order\n");
    };
    let number = body.to_bytes();
    if let Err(error) = write_down(&number) {
        return text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"));
    }
    tokio::time::sleep(ORDER_TIME).await;
    text(StatusCode::OK, number)
}

/// In one write, so that a kill leaves no half line.
fn write_down(number: &[u8]) -> io::Result<()> {
    let mut orders = OpenOptions::new().append(true).create(true).open(ORDERS)?;
    orders.write_all(&[number, b"\n"].concat())
}

fn events() -> Answer {
    let mut answer = slowly(EVENT_PAUSE, |piece| format!("data: {piece} of {PIECES}\n\n"));
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/event-stream"));
    answer
}

/// An answer in pieces, with a pause before each but the first.
fn slowly(pause: Duration, piece: impl Fn(u32) -> String + Send + Sync + 'static) -> Answer {
    let pieces = stream::unfold((1, piece), move |(number, piece)| async move {
        if number > PIECES {
            return None;
        }
        if number > 1 {
            tokio::time::sleep(pause).await;
        }
        let frame = Frame::data(Bytes::from(piece(number)));
        Some((Ok::<_, Infallible>(frame), (number + 1, piece)))
    });
    Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}
