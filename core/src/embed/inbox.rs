//! The queue with its lock, its descriptors and its waits.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::bell::{Bell, eventfd, raise};
use super::code::{Code, EmbedError};
use super::event::{Next, QueuedEvent};
use super::filter::Filter;
use super::interrupt::{Interrupts, Wait};
use super::machine::{Awaited, Keep, OPERATIONS_MAX, Popped, Queue};
use crate::clock;
use crate::time::Instant;

/// Everybody who puts something into the queue or takes something out of it has one of these.
pub(super) struct Inbox {
    /// A copy of the bell's, so that it can be lent without the lock.
    event: OwnedFd,
    interrupts: Interrupts,
    inside: Mutex<Inside>,
}

struct Inside {
    queue: Queue<QueuedEvent>,
    bell: Bell,
    filter: Filter,
    /// Who waits for an operation, by an eventfd of his own.
    waiting: BTreeMap<u64, Vec<Arc<EventFd>>>,
    /// Of those operations that were not cancelled yet.
    cancels: BTreeMap<u64, oneshot::Sender<()>>,
    /// Nothing new is begun.
    ending: bool,
    /// Nothing more comes.
    closed: bool,
}

impl Inside {
    /// What changed is seen from outside before anybody else may change it.
    fn changed(&mut self) {
        self.bell.ring(self.queue.is_readable() || self.closed);
    }

    fn wake_waiting(&self, op: u64) {
        self.waiting.get(&op).into_iter().flatten().for_each(|waiting| raise(waiting));
    }
}

impl Inbox {
    pub(super) fn new(room: usize) -> io::Result<Self> {
        let bell = Bell::new()?;
        let event = bell.event().try_clone_to_owned()?;
        let inside = Inside {
            queue: Queue::new(room),
            bell,
            filter: Filter::default(),
            waiting: BTreeMap::new(),
            cancels: BTreeMap::new(),
            ending: false,
            closed: false,
        };
        Ok(Self { event, interrupts: Interrupts::new()?, inside: Mutex::new(inside) })
    }

    /// A new operation, and what tells of its cancellation.
    pub(super) fn begin(&self) -> Result<(u64, oneshot::Receiver<()>), EmbedError> {
        let mut inside = self.lock();
        if inside.ending || inside.closed {
            return Err(EmbedError::closed());
        }
        let Some(op) = inside.queue.begin() else {
            let message = format!("{OPERATIONS_MAX} operations are under way, or over and not taken yet");
            return Err(EmbedError::new(Code::State, "too_many_operations", message));
        };
        let (cancel, cancelled) = oneshot::channel();
        inside.cancels.insert(op, cancel);
        Ok((op, cancelled))
    }

    pub(super) fn finish(&self, op: u64, completion: QueuedEvent) {
        let mut inside = self.lock();
        inside.cancels.remove(&op);
        inside.queue.finish(op, completion);
        inside.wake_waiting(op);
        inside.changed();
    }

    pub(super) fn cancel(&self, op: u64) -> Result<(), EmbedError> {
        let mut inside = self.lock();
        if let Some(cancel) = inside.cancels.remove(&op) {
            // It may be ending by itself just now.
            let _nobody_listens = cancel.send(());
            return Ok(());
        }
        if inside.queue.is_known(op) { Ok(()) } else { Err(unknown(op)) }
    }

    /// Puts an event that nobody asked for into the queue, if the host wants it. `fields` is what it says besides its type.
    pub(super) fn push(&self, kind: &str, fields: Map<String, Value>) {
        let mut inside = self.lock();
        if inside.closed || !inside.filter.wants(kind) {
            return;
        }
        let keep = if kind == "process.exit" { Keep::Firmly } else { Keep::WithRoom };
        inside.queue.push(QueuedEvent::unsolicited(kind, &fields), keep);
        inside.changed();
    }

    /// So many events were dropped before they came here.
    pub(super) fn lost(&self, count: u64) {
        if count > 0 {
            let mut inside = self.lock();
            inside.queue.lost(count);
            inside.changed();
        }
    }

    pub(super) fn filter(&self, filter: Filter) {
        self.lock().filter = filter;
    }

    pub(super) fn event_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    pub(super) fn wake_pipe(&self) -> Result<OwnedFd, EmbedError> {
        self.lock().bell.add_pipe()
    }

    pub(super) fn interrupt(&self) {
        self.interrupts.interrupt();
    }

    /// Nothing new is begun from now on.
    pub(super) fn end(&self) {
        self.lock().ending = true;
    }

    /// Nothing more comes: whoever waits hears of it, after what is still in the queue.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        inside.closed = true;
        inside.waiting.values().flatten().for_each(|waiting| raise(waiting));
        inside.changed();
    }

    pub(super) fn next(&self, timeout: Option<Duration>) -> Next {
        let until = deadline(timeout);
        let mut wait = None;
        loop {
            match self.pop() {
                Some(next) => return next,
                None if timeout == Some(Duration::ZERO) => return Next::TimedOut,
                None => {}
            }
            if wait.is_none() {
                wait = self.interrupts.wait();
            }
            let Some(wait) = &wait else { return Next::Interrupted };
            if let Some(next) = asleep(wait, self.event_fd(), until) {
                return next;
            }
        }
    }

    fn pop(&self) -> Option<Next> {
        let mut inside = self.lock();
        let next = match inside.queue.pop() {
            Popped::Event(event) => Next::Event(event),
            Popped::Lagged(dropped) => {
                let fields = Map::from_iter([("dropped".to_owned(), json!(dropped))]);
                Next::Event(QueuedEvent::unsolicited("queue.lagged", &fields))
            }
            Popped::Empty if inside.closed => Next::Closed,
            Popped::Empty => return None,
        };
        inside.changed();
        Some(next)
    }

    pub(super) fn wait(&self, op: u64, timeout: Option<Duration>) -> Result<Next, EmbedError> {
        let until = deadline(timeout);
        let waiting = match self.begin_waiting(op)? {
            Waiting::Done(event) => return Ok(Next::Event(event)),
            Waiting::For(waiting) => waiting,
        };
        let _stops_waiting = Stop { inbox: self, op, waiting: &waiting };
        if timeout == Some(Duration::ZERO) {
            return Ok(Next::TimedOut);
        }
        let Some(wait) = self.interrupts.wait() else { return Ok(Next::Interrupted) };
        loop {
            if let Some(next) = asleep(&wait, waiting.as_fd(), until) {
                return Ok(next);
            }
            let mut inside = self.lock();
            match inside.queue.poll(op) {
                Awaited::Done(event) => return Ok(Next::Event(event)),
                Awaited::Unknown => return Err(unknown(op)),
                Awaited::Pending if inside.closed => return Ok(Next::Closed),
                Awaited::Pending => {}
            }
        }
    }

    fn begin_waiting(&self, op: u64) -> Result<Waiting, EmbedError> {
        // Before the lock, because it may fail.
        let own = Arc::new(eventfd().map_err(|error| EmbedError::system("cannot wait", &error))?);
        let mut inside = self.lock();
        match inside.queue.begin_waiting(op) {
            Awaited::Done(event) => {
                inside.changed();
                Ok(Waiting::Done(event))
            }
            Awaited::Unknown => Err(unknown(op)),
            Awaited::Pending => {
                inside.waiting.entry(op).or_default().push(Arc::clone(&own));
                Ok(Waiting::For(own))
            }
        }
    }

    /// Nothing that is done under the lock leaves it half done, so a panic has not hurt it.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Waiting {
    Done(QueuedEvent),
    For(Arc<EventFd>),
}

/// The end of a wait for an operation, however it ends.
struct Stop<'a> {
    inbox: &'a Inbox,
    op: u64,
    waiting: &'a Arc<EventFd>,
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let mut inside = self.inbox.lock();
        inside.queue.stop_waiting(self.op);
        if let Some(all) = inside.waiting.get_mut(&self.op) {
            all.retain(|one| !Arc::ptr_eq(one, self.waiting));
            // Whoever else waits shall look again: it may be this one who took the completion.
            all.iter().for_each(|one| raise(one));
            if all.is_empty() {
                inside.waiting.remove(&self.op);
            }
        }
        inside.changed();
    }
}

fn unknown(op: u64) -> EmbedError {
    let message = format!("there is no operation {op}, or its completion was taken already");
    EmbedError::new(Code::NotFound, "unknown_operation", message)
}

/// `None`: never.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.map(|timeout| clock::now() + timeout)
}

/// Sleeps until `event` is readable: then it is time to look again, and there is no answer yet.
fn asleep(wait: &Wait<'_>, event: BorrowedFd<'_>, until: Option<Instant>) -> Option<Next> {
    let left = until.map(|until| until - clock::now());
    if left.is_some_and(|left| left.is_zero()) {
        return Some(Next::TimedOut);
    }
    let mut both = [PollFd::new(event, PollFlags::POLLIN), PollFd::new(wait.event(), PollFlags::POLLIN)];
    match poll(&mut both, whole_ms(left)) {
        Err(Errno::EINTR) => Some(Next::Interrupted),
        Err(error) => Some(Next::Failed(EmbedError::system("cannot wait", &error.into()))),
        Ok(_) => {
            let interrupt = both[1].any().unwrap_or(true);
            (interrupt && wait.is_interrupted()).then_some(Next::Interrupted)
        }
    }
}

/// Rounded up: a wait that ends too early would be followed by many short ones.
fn whole_ms(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) => {
            let ms = i32::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
            PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
        }
    }
}
