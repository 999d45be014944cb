//! The side that asks.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Uid;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

use super::descriptors::Receiver;
use super::errno;
use super::lines::{LineReader, Next};
use crate::id::Pid;

/// The longest answer that is read, in bytes; a longer one is [`ControlError::NotAnAnswer`].
pub const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a full backlog is knocked at again before the connect fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a daemon's control socket.
///
/// Asks one question at a time, because answers carry no number (compat C-168). After a failure that leaves the
/// pairing in doubt (a timeout, a closed connection, a dropped future) every further request fails; connect again.
///
/// ```
/// use rollcore::{ControlCommand, ControlClient, ControlReply, ControlServer, ControlSpec, ServeControl};
/// use std::time::Duration;
///
/// struct Parrot;
/// impl ServeControl for Parrot {
///     async fn handle(&self, command: ControlCommand) -> ControlReply {
///         ControlReply::success(&serde_json::json!({ "heard": command.name() }))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("parrot.sock");
/// let spec = ControlSpec { path: path.clone(), ..ControlSpec::default() };
/// let mut serving = ControlServer::bind(&spec).await?.serve(Parrot);
///
/// let mut client = ControlClient::connect(&path).await?;
/// let answer = client.request(&serde_json::json!({"command": "status"}), Duration::from_secs(1)).await?;
/// assert_eq!(answer["heard"], "status");
///
/// serving.close();
/// serving.ended().await;
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ControlClient {
    path: PathBuf,
    server: Option<Pid>,
    /// `None` once the pairing of questions and answers is in doubt.
    wire: Option<Wire>,
}

#[derive(Debug)]
struct Wire {
    answers: LineReader<Receiver>,
    questions: OwnedWriteHalf,
}

/// Why there is no answer, or that it is a refusal.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody can be reached (C-244).
    #[error("connect {} {path}", errno::name(source).unwrap_or_else(|| source.to_string()), path = path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The one who answers is not the one who owns the socket.
    #[error(
        "the process behind {path} runs as user {uid}, who is neither root, nor you, nor the owner of the socket",
        path = path.display()
    )]
    Stranger {
        /// The socket.
        path: PathBuf,
        /// Who it is.
        uid: u32,
    },
    /// The daemon ended, or closed the connection, without an answer (C-245).
    #[error("the daemon closed the connection without an answer")]
    Closed,
    /// The connection broke.
    #[error("the connection to the daemon failed: {0}")]
    Broken(#[source] io::Error),
    /// There was none in time.
    #[error("no answer from the daemon within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// What came is no answer.
    #[error("the answer on the control socket is not one of ours: {0}")]
    NotAnAnswer(String),
    /// The daemon said no.
    #[error("{error}")]
    Refused {
        /// Why, for people.
        error: String,
        /// Why, for programs, if the daemon says.
        code: Option<String>,
    },
}

impl ControlError {
    /// A stable word for programs; for a refusal the daemon's own.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Connect { .. } => "unreachable",
            Self::Stranger { .. } => "stranger",
            Self::Closed => "closed",
            Self::Broken(_) => "broken",
            Self::TimedOut(_) => "timed_out",
            Self::NotAnAnswer(_) => "not_an_answer",
            Self::Refused { code, .. } => code.as_deref().unwrap_or("refused"),
        }
    }

    /// Whether nobody listens there: no daemon runs.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

impl ControlClient {
    /// Connects to the daemon behind `path`.
    ///
    /// The daemon must run as root, as the caller or as the owner of the socket. This notices a socket that was handed
    /// to somebody else; it cannot notice one that a stranger made, so keep sockets in directories that only the
    /// right people can write.
    ///
    /// # Errors
    /// [`ControlError::Connect`] and [`ControlError::Stranger`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ControlError> {
        let path = path.as_ref();
        let stream =
            connect(path).await.map_err(|source| ControlError::Connect { path: path.to_owned(), source })?;
        check_server(path, &stream)?;
        Ok(Self::over(stream, path))
    }

    /// As [`ControlClient::connect`], whoever answers.
    pub(super) async fn connect_unchecked(path: &Path) -> Result<Self, ControlError> {
        let stream =
            connect(path).await.map_err(|source| ControlError::Connect { path: path.to_owned(), source })?;
        Ok(Self::over(stream, path))
    }

    fn over(stream: UnixStream, path: &Path) -> Self {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let server = pid.and_then(|pid| u32::try_from(pid).ok()).and_then(Pid::new);
        let (read, questions) = stream.into_split();
        let answers = LineReader::new(Receiver::new(read), REPLY_BYTES_MAX, None);
        Self { path: path.to_owned(), server, wire: Some(Wire { answers, questions }) }
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process that bound the socket; `None` when the system does not say.
    #[must_use]
    pub fn server_pid(&self) -> Option<Pid> {
        self.server
    }

    /// Asks, and waits for the answer: the fields of a success, without its `status`.
    ///
    /// # Errors
    /// [`ControlError::Refused`] when the daemon answers that it did not do it; otherwise why there is no answer. What
    /// was asked may still be done after a [`ControlError::TimedOut`].
    ///
    /// # Cancel safety
    /// What was asked goes on at the daemon; the answer is lost, and so is this connection.
    pub async fn request(
        &mut self,
        request: &Value,
        timeout: Duration,
    ) -> Result<Map<String, Value>, ControlError> {
        self.request_with_descriptors(request, timeout).await.map(|(answer, _)| answer)
    }

    /// As [`ControlClient::request`], with the descriptors that come with the answer.
    pub(super) async fn request_with_descriptors(
        &mut self,
        request: &Value,
        timeout: Duration,
    ) -> Result<(Map<String, Value>, Vec<OwnedFd>), ControlError> {
        let mut wire = self.wire.take().ok_or(ControlError::Closed)?;
        let answer = tokio::time::timeout(timeout, wire.ask(request)).await;
        let line = answer.map_err(|_| ControlError::TimedOut(timeout))??;
        let answer = read_answer(&line);
        let descriptors = wire.answers.reader().take_descriptors();
        if !matches!(answer, Err(ControlError::NotAnAnswer(_))) {
            self.wire = Some(wire);
        }
        answer.map(|answer| (answer, descriptors))
    }
}

impl Wire {
    async fn ask(&mut self, request: &Value) -> Result<Vec<u8>, ControlError> {
        let mut line = request.to_string().into_bytes();
        line.push(b'\n');
        let sent = self.questions.write_all(&line).await;
        // A server that refuses a question may stop reading it before it ends: its answer says why.
        match (self.answers.next().await, sent) {
            (Ok(Next::Line(line)), _) => Ok(line.to_vec()),
            (Ok(Next::TooLong), _) => {
                Err(ControlError::NotAnAnswer(format!("longer than {REPLY_BYTES_MAX} bytes")))
            }
            (Ok(Next::End | Next::TooSlow), _) => Err(ControlError::Closed),
            (Err(error), _) if error.kind() == io::ErrorKind::ConnectionReset => Err(ControlError::Closed),
            (Err(error), _) => Err(ControlError::Broken(error)),
        }
    }
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    let knocking = async {
        loop {
            match UnixStream::connect(path).await {
                // The backlog is full: somebody is there, and busy.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => return other,
            }
        }
    };
    let full = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(CONNECT_TIMEOUT, knocking).await.map_err(full)?
}

fn check_server(path: &Path, stream: &UnixStream) -> Result<(), ControlError> {
    let failed = |source| ControlError::Connect { path: path.to_owned(), source };
    let uid = stream.peer_cred().map_err(failed)?.uid();
    let owner = std::fs::metadata(path).map_err(failed)?.uid();
    if uid == 0 || uid == Uid::effective().as_raw() || uid == owner {
        Ok(())
    } else {
        Err(ControlError::Stranger { path: path.to_owned(), uid })
    }
}

fn read_answer(line: &[u8]) -> Result<Map<String, Value>, ControlError> {
    let not_one = |why: &str| ControlError::NotAnAnswer(why.to_owned());
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) else {
        return Err(not_one("it is not a JSON object"));
    };
    let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    match text(fields.remove("status")).as_deref() {
        Some("success") => Ok(fields),
        Some("error") => Err(ControlError::Refused {
            error: text(fields.remove("error")).unwrap_or_default(),
            code: text(fields.remove("code")),
        }),
        _ => Err(not_one("it has no status")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_successes_refusals_or_neither() {
        assert_eq!(read_answer(br#"{"status":"success","a":1}"#).expect("a success")["a"], 1);
        let refused = read_answer(br#"{"error":"no","status":"error"}"#).expect_err("a refusal");
        assert_eq!((refused.to_string().as_str(), refused.code()), ("no", "refused"));
        let coded = read_answer(br#"{"error":"no","status":"error","code":"busy"}"#).expect_err("a refusal");
        assert_eq!(coded.code(), "busy");
        for other in ["HTTP/1.1 400 Bad Request", "{}", "[]", r#"{"status":7}"#] {
            assert_eq!(read_answer(other.as_bytes()).expect_err(other).code(), "not_an_answer");
        }
    }
}
