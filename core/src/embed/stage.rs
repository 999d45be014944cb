//! Where methods are carried out: on this machine, or in a made-up world.
//!
//! A stage is given one [`Call`] after the other, in the order in which the host submitted them, on a thread of the
//! library, and may keep that thread only for a moment: what takes time goes on elsewhere. It tells what happens by its
//! [`Outlet`], and ends each call by its [`Done`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::call::Call;
use super::code::EmbedError;
use super::event::QueuedEvent;
use super::inbox::Inbox;
use super::params::Snapshot;

/// Carries methods out.
pub(super) trait Stage: Send + Sync + 'static {
    /// Begins `call`. Must not block. Dropping `done` without an answer is an answer, too: `panic`, or `closed` when the
    /// handle ends.
    fn begin(self: Arc<Self>, call: Call, done: Done);

    /// How something is, from memory alone.
    ///
    /// # Errors
    /// When there is no such thing.
    fn snapshot(&self, of: Snapshot) -> Result<Value, EmbedError>;

    /// Ends everything; what was begun is answered. When it takes too long, it is dropped, and what is left is killed.
    fn end(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Where a stage says what happens. Clones are the same.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Inbox>);

impl Outlet {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self(inbox)
    }

    /// An event that nobody asked for. `kind` is one of [`event_types`](super::event_types); `fields` is what it says
    /// besides its type.
    pub(super) fn tell(&self, kind: &str, fields: Map<String, Value>) {
        self.0.push(kind, fields);
    }

    /// So many events were dropped before they came here.
    pub(super) fn lost(&self, count: u64) {
        self.0.lost(count);
    }
}

/// The end of one operation. It ends exactly once, whatever becomes of this.
pub(super) struct Done {
    inbox: Arc<Inbox>,
    op: u64,
    tag: u64,
    cancelled: oneshot::Receiver<()>,
    is_answered: bool,
}

impl Done {
    pub(super) fn new(inbox: Arc<Inbox>, op: u64, tag: u64, cancelled: oneshot::Receiver<()>) -> Self {
        Self { inbox, op, tag, cancelled, is_answered: false }
    }

    /// The operation is over.
    pub(super) fn answer(mut self, outcome: Result<Value, EmbedError>) {
        self.finish(&outcome);
    }

    /// Answers with what comes of `work`, unless it is cancelled before. `work` is dropped then.
    pub(super) async fn answer_with(mut self, work: impl Future<Output = Result<Value, EmbedError>>) {
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = is_cancelled(&mut self.cancelled) => Err(EmbedError::cancelled()),
        };
        self.finish(&outcome);
    }

    fn finish(&mut self, outcome: &Result<Value, EmbedError>) {
        self.is_answered = true;
        self.inbox.finish(self.op, QueuedEvent::done(self.op, self.tag, outcome));
    }
}

/// Never, when nobody can cancel it any more.
async fn is_cancelled(cancelled: &mut oneshot::Receiver<()>) {
    if cancelled.await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if !self.is_answered {
            let why = if std::thread::panicking() { EmbedError::panicked() } else { EmbedError::closed() };
            self.finish(&Err(why));
        }
    }
}
