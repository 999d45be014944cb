//! A WebSocket that says everything back.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::answer::{Answer, text};
use super::serve::{Site, ended};

/// How long a tunnel may go on after the application was asked to end; then it is closed politely.
const LEAVE_AFTER: Duration = Duration::from_millis(200);
/// How long the other side has to answer that.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers 101 and serves the tunnel behind it.
pub(super) fn open(request: Request<Incoming>, site: &Site) -> Answer {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return text(StatusCode::BAD_REQUEST, "no key\n");
    };
    let Ok(accept) = derive_accept_key(key.as_bytes()).parse() else {
        return text(StatusCode::BAD_REQUEST, "not a key\n");
    };
    tokio::spawn(serve(request, site.clone()));
    let mut answer = Response::new(Empty::new().boxed());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

async fn serve(request: Request<Incoming>, site: Site) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let mut ending = site.ending.clone();
    let leave = async move {
        ended(&mut ending).await;
        tokio::time::sleep(LEAVE_AFTER).await;
    };
    tokio::select! {
        // Whatever went wrong, the other side sees it too.
        _ = say_back(&mut socket) => (),
        () = leave => goodbye(&mut socket).await,
    }
    drop(site.busy);
}

async fn say_back(socket: &mut WebSocketStream<TokioIo<Upgraded>>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        // Pings and closes are answered by the library while we read on.
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn goodbye(socket: &mut WebSocketStream<TokioIo<Upgraded>>) {
    let polite = async {
        socket.close(None).await?;
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<_, Error>(())
    };
    // After the timeout the tunnel is dropped, polite or not.
    let _ = tokio::time::timeout(GOODBYE_TIMEOUT, polite).await;
}
