//! One client: its lines in, its answers out, in the order in which they are ready (compat C-168).

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{JoinError, JoinSet};

use super::command::{ControlCommand, InvalidCommand};
use super::descriptors;
use super::errno;
use super::gate::{ConnectionId, Gate, LastAnswer};
use super::lines::{LineReader, Next};
use super::reply::ControlReply;
use super::server::{ControlLimits, ControlNote, ServeControl};

/// How long a client that is told off may go on sending before its connection is closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Connection<S> {
    id: ConnectionId,
    gate: Arc<Gate>,
    serve: Arc<S>,
    limits: ControlLimits,
    lines: LineReader<OwnedReadHalf>,
    out: OwnedWriteHalf,
    running: JoinSet<Option<Answer>>,
    reading: Reading,
}

/// An answer that is ready.
struct Answer {
    reply: ControlReply,
    descriptors: Vec<OwnedFd>,
    is_last: bool,
}

impl Answer {
    fn of(reply: ControlReply) -> Self {
        Self { reply, descriptors: Vec::new(), is_last: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    On,
    /// The client has nothing more to ask, but may still listen.
    Over,
    /// We listen no more; what the client still sends is thrown away.
    Refused,
}

/// What happened to the connection.
enum Turn {
    Ended(Option<Result<Option<Answer>, JoinError>>),
    Read(io::Result<Next>),
    Leave,
}

impl<S: ServeControl> Connection<S> {
    pub(super) fn new(
        id: ConnectionId,
        stream: UnixStream,
        gate: Arc<Gate>,
        serve: Arc<S>,
        limits: ControlLimits,
    ) -> Self {
        let (read, out) = stream.into_split();
        let lines = LineReader::new(read, limits.line_bytes_max, Some(limits.line_timeout));
        Self { id, gate, serve, limits, lines, out, running: JoinSet::new(), reading: Reading::On }
    }

    /// Carries the connection to its end.
    pub(super) async fn run(mut self) {
        let gate = Arc::clone(&self.gate);
        let id = self.id;
        tokio::select! {
            biased;
            () = gate.closed_for(id) => {}
            ended = self.converse() => match ended {
                // The client left before its answer, as people do who press Ctrl-C. What it asked for goes on.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => self.serve.note(ControlNote::connection_failed(&error)),
                Ok(()) => {}
            },
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        loop {
            match self.turn().await {
                Turn::Leave => return Ok(()),
                Turn::Read(next) => self.take(next?),
                Turn::Ended(Some(Ok(Some(answer)))) => {
                    self.write(&answer).await?;
                    if answer.is_last {
                        return Ok(());
                    }
                }
                // The server went away before it had an answer to its last command.
                Turn::Ended(Some(Ok(None))) => return Ok(()),
                Turn::Ended(Some(Err(_panicked))) => self.write(&Answer::of(broken_command())).await?,
                Turn::Ended(None) if self.reading == Reading::Refused => return self.linger().await,
                Turn::Ended(None) => return Ok(()),
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        let gate = Arc::clone(&self.gate);
        let may_read = self.reading == Reading::On && self.running.len() < self.limits.in_flight_max;
        let must_wait = !self.running.is_empty() || self.reading != Reading::On;
        let is_idle = self.running.is_empty() && self.lines.is_between_lines();
        tokio::select! {
            biased;
            ended = self.running.join_next(), if must_wait => Turn::Ended(ended),
            next = self.lines.next(), if may_read => Turn::Read(next),
            () = gate.room_wanted(), if is_idle => Turn::Leave,
        }
    }

    fn take(&mut self, next: Next) {
        match next {
            Next::Line(line) => match ControlCommand::parse(&line) {
                Ok(last @ (ControlCommand::Shutdown | ControlCommand::RetireOwner { .. })) => {
                    self.begin_last(last);
                }
                Ok(command) => self.begin(command),
                Err(refusal) => self.refuse(&refusal),
            },
            Next::TooLong => {
                self.reading = Reading::Refused;
                self.refuse(&InvalidCommand::TooLong { bytes_max: self.limits.line_bytes_max });
            }
            Next::TooSlow | Next::End => self.reading = Reading::Over,
        }
    }

    fn begin(&mut self, command: ControlCommand) {
        let serve = Arc::clone(&self.serve);
        self.answer_when(async move {
            let reply = serve.handle(command).await;
            if let Some(error) = reply.error() {
                serve.note(ControlNote::CommandFailed { error });
            }
            Some(Answer::of(reply))
        });
    }

    /// The server carries it out: it must not end with the connection that asked for it.
    fn begin_last(&mut self, command: ControlCommand) {
        self.reading = Reading::Over;
        let answered = self.gate.close_for(self.id, command);
        self.answer_when(async move {
            let LastAnswer { reply, descriptors } = answered?.await.ok()?;
            Some(Answer { reply, descriptors, is_last: true })
        });
    }

    fn refuse(&mut self, refusal: &InvalidCommand) {
        let error = refusal.to_string();
        self.serve.note(ControlNote::CommandFailed { error: &error });
        let reply = ControlReply::failure(refusal.code(), error);
        self.answer_when(std::future::ready(Some(Answer::of(reply))));
    }

    fn answer_when(&mut self, answer: impl Future<Output = Option<Answer>> + Send + 'static) {
        self.running.spawn(answer);
    }

    /// A client that does not read its answers is dropped: answers must not pile up here.
    async fn write(&mut self, answer: &Answer) -> io::Result<()> {
        let line = answer.reply.to_line();
        let writing = async {
            let sent = match answer.descriptors.as_slice() {
                [] => 0,
                descriptors => descriptors::send(self.out.as_ref(), &line, descriptors).await?,
            };
            self.out.write_all(&line[sent..]).await
        };
        let written = tokio::time::timeout(self.limits.write_timeout, writing).await;
        written.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(nix::libc::ETIMEDOUT)))
    }

    /// A close with unread data would be a reset, and the client might never read why it was told off.
    async fn linger(&mut self) -> io::Result<()> {
        self.out.shutdown().await?;
        let _ = tokio::time::timeout(LINGER_TIMEOUT, self.lines.discard()).await;
        Ok(())
    }
}

fn broken_command() -> ControlReply {
    ControlReply::failure("internal", "the command ended without an answer; this is a bug in rollcore")
}

impl<'a> ControlNote<'a> {
    fn connection_failed(error: &'a io::Error) -> Self {
        ControlNote::ConnectionFailed { code: errno::name(error), error: error.to_string() }
    }
}
