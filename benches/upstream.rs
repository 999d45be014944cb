//! The application behind the proxy, and where to find it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// How long an answer to [`SLOW`] takes.
pub const SLOW_TAKES: Duration = Duration::from_millis(20);

/// Answered with a few bytes. What is sent is read to its end first.
pub const SMALL: &str = "/small";
/// Answered with 64 KiB.
pub const LARGE: &str = "/large";
/// Answered with 8 MiB, which is more than the sockets on the way to a client that reads nothing take.
pub const HUGE: &str = "/huge";
/// Answered like [`SMALL`], after a while.
pub const SLOW: &str = "/slow";

static LARGE_BODY: [u8; 64 * 1024] = [b'x'; 64 * 1024];
static HUGE_BODY: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 8 << 20].into());

/// Starts an application on a thread of its own. It serves until the program ends.
///
/// # Panics
/// When it cannot listen.
#[must_use]
pub fn start_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.set_nonblocking(true).expect("a new socket can be changed");
    let address = listener.local_addr().expect("it listens");
    thread::Builder::new()
        .name("upstream".into())
        .spawn(|| crate::runtime().block_on(serve(listener)))
        .expect("there is room for a thread");
    address
}

async fn serve(listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime has IO");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true).expect("a new connection can be changed");
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // A client that goes away in the middle gets no answer whatever it is.
    let _ = request.into_body().collect().await;
    let body = match path.as_str() {
        LARGE => Bytes::from_static(&LARGE_BODY),
        HUGE => HUGE_BODY.clone(),
        SLOW => {
            tokio::time::sleep(SLOW_TAKES).await;
            Bytes::from_static(b"at last")
        }
        _ => Bytes::from_static(b"hello"),
    };
    Ok(Response::new(Full::new(body)))
}
