//! One question over HTTP: a fresh connection, a GET, the status of the answer.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::machine::ProbeOutcome;

/// How much of an answer's body is read, so that a small one does not end in a reset; the rest is left unread.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long that may take. The status counts whether or not the body comes to its end.
const BODY_TIMEOUT: Duration = Duration::from_millis(100);

/// An HTTP GET that wants a 2xx (compat C-81).
///
/// Each probe has a connection of its own, so that it says something about a new client.
/// The URL is `http://host[:port]/path?query`; the host may be an IPv6 address in brackets.
///
/// ```
/// # use rollcore::HttpProbe;
/// assert_eq!(HttpProbe::get("http://[::1]:8080/ping").url(), "http://[::1]:8080/ping");
/// ```
#[derive(Clone, Debug)]
pub struct HttpProbe {
    url: String,
    target: Option<Target>,
}

#[derive(Clone, Debug)]
struct Target {
    authority: String,
    place: Place,
    path: Uri,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Port { host: String, port: u16 },
    Socket(PathBuf),
}

impl HttpProbe {
    /// A GET of this URL. One that cannot be asked (not `http`, no host) fails every probe with `fetch failed`.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        let url = url.into();
        Self { target: target(&url), url }
    }

    /// A GET of `path` at a Unix socket. One that cannot be asked (`path` does not begin with `/`) fails every probe with
    /// `fetch failed`.
    ///
    /// ```
    /// # use rollcore::HttpProbe;
    /// assert_eq!(HttpProbe::get_at("/run/web.1", "/ping").url(), "http://unix:/run/web.1:/ping");
    /// ```
    #[must_use]
    pub fn get_at(socket: impl Into<PathBuf>, path: &str) -> Self {
        let socket = socket.into();
        let url = format!("http://unix:{}:{path}", socket.display());
        let target = path.starts_with('/').then(|| path.parse().ok()).flatten();
        let target = target.map(|path| Target {
            authority: "localhost".to_owned(),
            place: Place::Socket(socket),
            path,
        });
        Self { url, target }
    }

    /// What is asked.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn ask(&self) -> ProbeOutcome {
        match self.status().await {
            Some(status) => ProbeOutcome::Status(status),
            None => ProbeOutcome::Failed,
        }
    }

    async fn status(&self) -> Option<u16> {
        let target = self.target.as_ref()?;
        match get(target).await {
            Ok(status) => Some(status),
            Err(error) => {
                tracing::debug!(url = self.url, error, "probe failed");
                None
            }
        }
    }
}

fn target(url: &str) -> Option<Target> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let authority = uri.authority()?.as_str();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned();
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = uri.path_and_query()?.as_str().parse().ok()?;
    Some(Target { authority, place: Place::Port { host, port: uri.port_u16().unwrap_or(80) }, path })
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn get(target: &Target) -> Result<u16, Failed> {
    match &target.place {
        Place::Port { host, port } => ask(TcpStream::connect((host.as_str(), *port)).await?, target).await,
        Place::Socket(socket) => ask(UnixStream::connect(socket).await?, target).await,
    }
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &Target,
) -> Result<u16, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(target.path.clone())
        .header(HOST, &target.authority)
        .header(USER_AGENT, "rollcore-health")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    // The connection is driven here and not in a task: dropping this future closes it.
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let _ = tokio::time::timeout(BODY_TIMEOUT, read_some(response)).await;
        Ok(status)
    };
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    tokio::select! {
        biased;
        status = &mut answer => status,
        _ = &mut connection => answer.await,
    }
}

async fn read_some(response: Response<Incoming>) {
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes >= BODY_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = target("http://[::1]:8080/ping?deep=1").expect("it is a URL");
        assert_eq!(target.authority, "[::1]:8080");
        assert_eq!(target.place, Place::Port { host: "::1".to_owned(), port: 8080 });
        assert_eq!(target.path.to_string(), "/ping?deep=1");
    }

    #[test]
    fn what_cannot_be_asked_has_no_target() {
        for url in ["https://localhost/", "/ping", "not a url", "http://", ""] {
            assert!(target(url).is_none(), "{url:?} has a target");
        }
        assert!(HttpProbe::get_at("/run/web.1", "ping").target.is_none());
    }
}
