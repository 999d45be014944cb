//! Listening, and ending without losing anybody.

use std::future::Future;
use std::io;
use std::pin::pin;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::{Mode, answer, release, tell};

/// What a connection and a tunnel of the sample application know.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) release: String,
    pub(super) mode: Mode,
    /// Becomes true when the application was asked to end.
    pub(super) ending: watch::Receiver<bool>,
    /// Held by whoever still has work to finish.
    pub(super) busy: mpsc::Sender<()>,
}

/// Serves until `asked_to_end`, then finishes what is in flight.
pub(super) async fn until(asked_to_end: impl Future<Output = ()>, mode: Mode) -> io::Result<()> {
    let port = std::env::var("ROLLCORE_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (end, ending) = watch::channel(false);
    let (busy, mut all_idle) = mpsc::channel(1);
    let site = Site { release: release(), mode, ending, busy };
    tell(&format!("{} is listening on {}", site.release, listener.local_addr()?));
    let mut asked_to_end = pin!(asked_to_end);
    loop {
        tokio::select! {
            () = &mut asked_to_end => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { tokio::spawn(connection(stream, site.clone())); }
                Err(error) => tell(&format!("accept: {error}")),
            },
        }
    }
    drop((listener, site));
    end.send_replace(true);
    // Ends when the last connection and the last tunnel have dropped their `busy`.
    all_idle.recv().await;
    Ok(())
}

async fn connection(stream: TcpStream, site: Site) {
    if site.mode == Mode::HangOnAccept {
        return ended(&mut site.ending.clone()).await;
    }
    // A delayed small write would look like a slow release.
    let _ = stream.set_nodelay(true);
    let mut ending = site.ending.clone();
    let service = service_fn(|request| answer::answer(request, site.clone()));
    let mut serving =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    let outcome = tokio::select! {
        outcome = &mut serving => outcome,
        () = ended(&mut ending) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    // The other side went away in the middle of something; it knows best why.
    drop(outcome);
}

/// Resolves when the application is asked to end.
pub(super) async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = ending.wait_for(|ending| *ending).await;
}
