//! rollcore for hosts in other languages: methods by name, one queue of events, one descriptor.
//!
//! The C library and the Lua module are thin borders over this. A host [submits](Embedded::submit) a method with JSON and gets the
//! number of an operation; when that is over, exactly one event `op.done` with this number comes out of the queue. A
//! descriptor is readable while the queue is not empty, so it fits into any event loop; a host without one waits.
//!
//! ```
//! use rollcore::embed::{Embedded, Next};
//! use std::time::Duration;
//!
//! let rollcore = Embedded::open("")?;
//! let define = r#"{ "id": "sleeper", "command": "exec sleep 60" }"#;
//! rollcore.submit("process.define", define, 0)?;
//! let op = rollcore.submit("process.start", r#"{ "id": "sleeper" }"#, 7)?;
//! let Next::Event(started) = rollcore.wait(op, Some(Duration::from_secs(10)))? else { panic!("it takes too long") };
//! assert_eq!((started.kind.as_str(), started.tag), ("op.done", 7));
//! assert!(started.json.contains(r#""ok":true"#), "{}", started.json);
//! rollcore.close();
//! # Ok::<(), rollcore::embed::EmbedError>(())
//! ```
//!
//! # Events
//! An event is a JSON object with `type`. Of the engine it has `at`, `message` and `data`, as the `events` command of a
//! daemon has them, and `seq`, its place in the engine's log; of a process that stands alone the same without `seq`.
//! What happens in an operation is in the queue before its `op.done`. [`event_types`] names the types; hosts ignore those
//! that they do not know.
//!
//! # Threads, signals, fork
//! The library's threads are named `rollcore-…`, block every signal but those that tell of a bug, and never run code of the
//! host, but for the hint of [`set_wakeup`](Embedded::set_wakeup). No handler is installed, no disposition changed, SIGCHLD
//! is left alone. In the child of a fork every call fails with [`Code::Forked`], and dropping the handle does nothing: the
//! processes belong to the parent.

mod bell;
mod call;
mod code;
mod event;
mod filter;
mod inbox;
mod interrupt;
mod json;
mod kinds;
mod log;
pub(crate) mod machine;
mod options;
mod own_threads;
#[cfg(debug_assertions)]
mod panics;
mod params;
mod real;
mod simulated;
mod stage;
mod wakeup;

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::threads::{Threads, Workers};

use call::Call;
use filter::Filter;
use inbox::Inbox;
use options::Options;
use params::Snapshot;
use stage::{Done, Outlet, Stage};
use wakeup::Wakeup;

pub use bell::WAKE_PIPES_MAX;
pub use code::{Code, EmbedError};
pub use event::{Next, QueuedEvent};
pub use kinds::event_types;

/// An engine, and each hand alone, behind methods by name. All of it may be called by several threads at once.
///
/// Dropping it closes it, see [`close`](Self::close).
pub struct Embedded {
    inside: Arc<Inside>,
}

struct Inside {
    inbox: Arc<Inbox>,
    stage: Arc<dyn Stage>,
    /// As many as there may be operations.
    calls: mpsc::UnboundedSender<(Call, Done)>,
    /// `None` once it is closed.
    threads: Mutex<Option<Threads>>,
    wakeup: Wakeup,
    grace: Duration,
    /// The process that opened it.
    home: u32,
}

impl Embedded {
    /// Opens a handle. `options` is JSON, empty for the defaults:
    /// `{"workerThreads":1,"queue":4096,"log":"off","graceMs":10000,"simulate":{"seed":1}}`; see [`schema`] of `options`.
    ///
    /// # Errors
    /// When the options make no sense, or there are no threads or descriptors to be had.
    pub fn open(options: &str) -> Result<Self, EmbedError> {
        let options = Options::read(options)?;
        let failed = |error| EmbedError::system("cannot open a handle", &error);
        let inbox = Arc::new(Inbox::new(options.queue()).map_err(failed)?);
        let outlet = Outlet::new(Arc::clone(&inbox));
        let threads = Threads::start(workers(&options, &outlet)).map_err(failed)?;
        let stage: Arc<dyn Stage> = match &options.simulate {
            Some(simulate) => Arc::new(simulated::Simulated::new(simulate, outlet)?),
            None => Arc::new(real::Real::new(outlet)),
        };
        let (calls, submitted) = mpsc::unbounded_channel();
        if let Some(runtime) = threads.handle() {
            runtime.spawn(carry_out(Arc::clone(&stage), submitted));
        }
        let inside = Inside {
            inbox,
            stage,
            calls,
            threads: Mutex::new(Some(threads)),
            wakeup: Wakeup::default(),
            grace: options.grace(),
            home: std::process::id(),
        };
        Ok(Self { inside: Arc::new(inside) })
    }

    /// Begins `method` with `params` (JSON, empty for none) and gives the number of the operation, never 0. `tag` comes back
    /// with its completion, which may be in the queue before this returns.
    ///
    /// Methods are begun in the order in which they are submitted.
    ///
    /// # Errors
    /// Bad JSON, an unknown method or field, a config that is wrong, a closed handle, too many operations: then no event
    /// follows.
    pub fn submit(&self, method: &str, params: &str, tag: u64) -> Result<u64, EmbedError> {
        self.at_home()?;
        #[cfg(debug_assertions)]
        if method == panics::METHOD {
            return panics::submit(&self.inside, params, tag);
        }
        let call = Call::read(method, params)?;
        let (op, cancelled) = self.inside.inbox.begin()?;
        let done = Done::new(Arc::clone(&self.inside.inbox), op, tag, cancelled);
        // A handle that is being closed does not listen any more: then `done` is dropped, which is the answer.
        let _too_late = self.inside.calls.send((call, done));
        Ok(op)
    }

    /// Asks for the end of an operation. Its completion still comes, with [`Code::Cancelled`] unless it was faster.
    ///
    /// A health check stops asking, an engine that is being opened is given up. What the Rust API calls going on when the
    /// future is dropped does go on: a deploy is walked to its end, a process is stopped; only nobody waits for it any more.
    ///
    /// # Errors
    /// When there is no such operation.
    pub fn cancel(&self, op: u64) -> Result<(), EmbedError> {
        self.at_home()?;
        self.inside.inbox.cancel(op)
    }

    /// Takes the next event, or waits for one: for `timeout`, for ever when it is `None`, not at all when it is zero.
    ///
    /// A signal whose handler runs on this thread ends the wait with [`Next::Interrupted`].
    pub fn next_event(&self, timeout: Option<Duration>) -> Next {
        match self.may_wait(timeout) {
            Ok(()) => self.inside.inbox.next(timeout),
            Err(error) => Next::Failed(error),
        }
    }

    /// Waits for the end of one operation and takes its completion out of the queue; all other events stay there.
    ///
    /// # Errors
    /// When there is no such operation, or its completion was taken already; and as [`Next::Failed`].
    pub fn wait(&self, op: u64, timeout: Option<Duration>) -> Result<Next, EmbedError> {
        self.may_wait(timeout)?;
        self.inside.inbox.wait(op, timeout)
    }

    /// Which unsolicited events are put into the queue from now on: `{"types":["process.*","rollout.*","log"]}`. Without
    /// this all of them are; of `log` there is none unless the options ask for it.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn subscribe(&self, filter: &str) -> Result<(), EmbedError> {
        self.at_home()?;
        let filter: Filter = json::read(filter)?;
        self.inside.inbox.filter(filter);
        Ok(())
    }

    /// How something is, from memory, as JSON: `{"what":"status"}` is the engine (the default), then `processes`, `proxies`
    /// and `leases`.
    ///
    /// # Errors
    /// When it makes no sense, or no engine is open.
    pub fn snapshot(&self, selector: &str) -> Result<String, EmbedError> {
        self.at_home()?;
        let of: Snapshot = json::read(selector)?;
        self.inside.stage.snapshot(of).map(|value| value.to_string())
    }

    /// Readable while the queue is not empty, and when the handle is closed. To be polled, not to be read.
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.inside.inbox.event_fd()
    }

    /// The reading end of a new pipe, for hosts that cannot poll without reading: a byte is there when the queue is no longer
    /// empty. Who reads it takes events until there are none. It is emptied with the queue, so it may be polled just as well.
    ///
    /// # Errors
    /// When there are no descriptors left, or [`WAKE_PIPES_MAX`] were given away.
    pub fn wake_pipe(&self) -> std::io::Result<OwnedFd> {
        self.inside.inbox.wake_pipe().map_err(std::io::Error::other)
    }

    /// Ends every wait that is under way with [`Next::Interrupted`], or the next one when there is none. May be called in a
    /// signal handler.
    pub fn interrupt(&self) {
        if self.is_at_home() {
            self.inside.inbox.interrupt();
        }
    }

    /// From now on `hint` is called, on a thread of the library, when the queue is no longer empty. It must not wait for
    /// anything here. When this returns, the one before does not run and never runs again.
    ///
    /// # Errors
    /// [`Code::Deadlock`] inside of the hint; and when there is no thread to be had.
    pub fn set_wakeup(&self, hint: Option<Box<dyn FnMut() + Send>>) -> Result<(), EmbedError> {
        self.may_wait(None)?;
        self.inside.wakeup.set(hint, &self.inside.inbox)
    }

    /// Ends the engine and everything else, within `graceMs` of the options; processes that are left then are killed. Every
    /// operation that is under way is answered.
    pub fn close(self) {
        drop(self);
    }

    /// As [`close`](Self::close), while others still use the handle: what is in the queue may be taken, then every wait
    /// gives [`Next::Closed`], and every submission is refused. A second call returns at once.
    ///
    /// # Errors
    /// [`Code::Deadlock`] inside of the hint for wake-ups; and in the child of a fork.
    pub fn end(&self) -> Result<(), EmbedError> {
        self.may_wait(None)?;
        self.inside.end();
        Ok(())
    }

    fn is_at_home(&self) -> bool {
        std::process::id() == self.inside.home
    }

    /// Before any lock is touched: a fork may have happened while another thread held it.
    fn at_home(&self) -> Result<(), EmbedError> {
        if self.is_at_home() {
            return Ok(());
        }
        let message = "this process is a fork of the one that opened the handle; open another one here";
        Err(EmbedError::new(Code::Forked, "forked", message))
    }

    fn may_wait(&self, timeout: Option<Duration>) -> Result<(), EmbedError> {
        self.at_home()?;
        if timeout != Some(Duration::ZERO) && own_threads::is_one() {
            let message = "a thread of the library must not wait for the library";
            return Err(EmbedError::new(Code::Deadlock, "deadlock", message));
        }
        Ok(())
    }
}

impl Inside {
    fn end(&self) {
        self.inbox.end();
        let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let _ended_or_too_late = threads.run_within(self.grace, Arc::clone(&self.stage).end());
        // What is left is dropped with its runtime: processes are killed, operations answered.
        drop(threads);
        self.inbox.close();
        self.wakeup.end();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if !self.is_at_home() {
            // Its threads are in the parent, and so are those who hold its locks.
            std::mem::forget(Arc::clone(&self.inside));
        } else if own_threads::is_one() {
            let inside = Arc::clone(&self.inside);
            let _or_never =
                std::thread::Builder::new().name("rollcore-end".to_owned()).spawn(move || inside.end());
        } else {
            self.inside.end();
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

fn workers(options: &Options, outlet: &Outlet) -> Workers {
    let log = log::dispatch(options.log, outlet.clone());
    Workers {
        at_start: Arc::new(move || {
            own_threads::enter();
            log.iter().for_each(log::on_this_thread);
        }),
        at_end: Arc::new(log::off_this_thread),
        ..Workers::named("rollcore", options.worker_threads())
    }
}

/// One after the other, in the order in which they came.
async fn carry_out(stage: Arc<dyn Stage>, mut submitted: mpsc::UnboundedReceiver<(Call, Done)>) {
    while let Some((call, done)) = submitted.recv().await {
        let stage = Arc::clone(&stage);
        // A panic ends this operation: `done` is dropped.
        let _panicked_or_not = catch_unwind(AssertUnwindSafe(|| stage.begin(call, done)));
    }
}

/// The names of all methods.
#[must_use]
pub fn methods() -> &'static [&'static str] {
    call::METHODS
}

/// The JSON Schema of what a method takes, or of `options`, `subscribe` or `snapshot`; `None` for another name.
#[must_use]
pub fn schema(name: &str) -> Option<String> {
    call::schema(name).map(|schema| schema.as_value().to_string())
}

/// Whether `json` would be understood, without doing anything: as the parameters of a method, as `options`, `subscribe` or
/// `snapshot`, or as a `config`.
///
/// # Errors
/// Everything that is wrong with it; an unknown `kind`, too.
pub fn validate(kind: &str, json: &str) -> Result<(), EmbedError> {
    call::validate(kind, json)
}

#[cfg(test)]
mod tests;
