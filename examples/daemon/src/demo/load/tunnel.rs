//! WebSockets: opened, spoken over, closed, and opened again.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Job;
use super::client::with_causes;
use super::tally::Kind;

/// How long the handshake, a round trip or a goodbye may take; then the tunnel has failed.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two messages.
const MESSAGE_EVERY: Duration = Duration::from_millis(50);

type Socket = WebSocketStream<TcpStream>;

/// How a tunnel ended, if it ended well.
enum End {
    Ours,
    ByApp,
}

pub(super) async fn tunnels(mut job: Job, number: u32) {
    for turn in number.. {
        job.ledger.sent(Kind::WebSocket);
        // Lives of different lengths, so that some tunnels are in every phase whenever traffic switches.
        let life = job.options.tunnel_life * (turn % 4 + 1) / 4;
        let begin = Instant::now();
        match open(&job).await {
            Err(error) => job.ledger.failed(Kind::WebSocket, format!("handshake: {error}")),
            Ok((socket, release)) => match live(&mut job, socket, begin + life).await {
                Err(error) => {
                    let after = begin.elapsed().as_millis();
                    job.ledger.failed(Kind::WebSocket, format!("{release}, after {after} ms: {error}"));
                }
                Ok(end) => {
                    if matches!(end, End::ByApp) {
                        job.ledger.closed_by_app(Kind::WebSocket);
                    }
                    job.ledger.ok(Kind::WebSocket, &release, Duration::ZERO);
                }
            },
        }
        if !job.goes_on().await {
            return;
        }
    }
}

async fn open(job: &Job) -> Result<(Socket, String), String> {
    let address = job.options.address;
    let opening = async {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (socket, response) =
            client_async(format!("ws://{address}/ws"), stream).await.map_err(|error| with_causes(&error))?;
        let release = response.headers().get("x-release").and_then(|value| value.to_str().ok());
        Ok((socket, release.unwrap_or_default().to_owned()))
    };
    bounded(opening).await
}

async fn live(job: &mut Job, mut socket: Socket, until: Instant) -> Result<End, String> {
    for number in 0_u64.. {
        let text = format!("message {number}");
        let begin = Instant::now();
        if let Some(end) = bounded(round_trip(&mut socket, &text)).await? {
            return Ok(end);
        }
        job.ledger.message(Kind::WebSocket, begin.elapsed());
        let over = Instant::now() >= until || *job.stop.borrow();
        if over {
            break;
        }
        tokio::time::sleep(MESSAGE_EVERY).await;
    }
    bounded(goodbye(&mut socket)).await
}

/// Sends a text and wants it back. An end, when the application closed the tunnel politely instead.
async fn round_trip(socket: &mut Socket, text: &str) -> Result<Option<End>, String> {
    // What sending into a tunnel that is being closed says does not matter: reading tells how it was closed.
    let sent = socket.send(Message::text(text)).await;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(back))) if back.as_str() == text => return Ok(None),
            Some(Ok(Message::Text(back))) => {
                return Err(format!("{:?} came back for {text:?}", back.as_str()));
            }
            Some(Ok(Message::Close(_))) => {
                drain(socket).await;
                return Ok(Some(End::ByApp));
            }
            Some(Ok(_)) => (),
            Some(Err(error)) => return Err(with_causes(&error)),
            None => return Err(format!("cut without a goodbye ({sent:?})")),
        }
    }
}

async fn goodbye(socket: &mut Socket) -> Result<End, String> {
    socket.close(None).await.map_err(|error| with_causes(&error))?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(_))) => {
                drain(socket).await;
                return Ok(End::Ours);
            }
            Some(Ok(_)) => (),
            Some(Err(error)) => return Err(format!("goodbye: {}", with_causes(&error))),
            None => return Err("cut in the middle of the goodbye".to_owned()),
        }
    }
}

/// Reads until the other side is gone; both sides have said goodbye, so nothing can be lost any more.
async fn drain(socket: &mut Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

async fn bounded<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(TUNNEL_TIMEOUT, work).await.unwrap_or_else(|_| Err(format!("nothing within {TUNNEL_TIMEOUT:?}")))
}
