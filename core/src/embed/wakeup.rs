//! A hint for hosts that have no descriptor to poll: a function that is called when the queue is no longer empty.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

use super::bell::{eventfd, raise};
use super::code::EmbedError;
use super::inbox::Inbox;
use super::own_threads;
use crate::threads::without_signals;

type Hint = Box<dyn FnMut() + Send>;

/// The hint, and the thread that gives it.
#[derive(Default)]
pub(super) struct Wakeup {
    hint: Arc<Mutex<Option<Hint>>>,
    thread: Mutex<Option<Running>>,
}

struct Running {
    stop: Arc<EventFd>,
    thread: JoinHandle<()>,
}

impl Wakeup {
    /// When this returns, the one before does not run, and never runs again.
    pub(super) fn set(&self, hint: Option<Hint>, inbox: &Inbox) -> Result<(), EmbedError> {
        if hint.is_some() {
            self.start(inbox)?;
        }
        *self.hint.lock().unwrap_or_else(PoisonError::into_inner) = hint;
        Ok(())
    }

    fn start(&self, inbox: &Inbox) -> Result<(), EmbedError> {
        let mut running = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Ok(());
        }
        let failed = |error| EmbedError::system("cannot start the thread for wake-ups", &error);
        let (pipe, stop) = (inbox.wake_pipe()?, Arc::new(eventfd().map_err(failed)?));
        let (hint, stopped) = (Arc::clone(&self.hint), Arc::clone(&stop));
        let run = move || {
            own_threads::enter();
            run(&pipe, &stopped, &hint);
        };
        let named = thread::Builder::new().name("rollcore-wakeup".to_owned());
        let thread = without_signals(|| named.spawn(run)).map_err(failed)?;
        *running = Some(Running { stop, thread });
        Ok(())
    }

    /// Waits for the thread to end. Not to be called on it.
    pub(super) fn end(&self) {
        let running = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, thread }) = running {
            raise(&stop);
            let _ended_or_panicked = thread.join();
        }
    }
}

fn run(pipe: &OwnedFd, stop: &EventFd, hint: &Mutex<Option<Hint>>) {
    loop {
        let mut both =
            [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) if both[1].any().unwrap_or(true) => return,
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return tracing::error!(%error, "nobody is woken up any more"),
        }
        let mut bytes = [0; 16];
        // The library empties it, too, when the queue is empty again: then nobody has to be told any more.
        if matches!(nix::unistd::read(pipe, &mut bytes), Ok(1..)) {
            let mut hint = hint.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(hint) = hint.as_mut()
                && catch_unwind(AssertUnwindSafe(hint)).is_err()
            {
                tracing::error!("the function for wake-ups panicked");
            }
        }
    }
}
