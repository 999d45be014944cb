//! A signal ends a script: the first one as a failure, which takes back what was done; the second closes what is open and
//! ends; the third ends.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use rollcore_lua::Engines;

use crate::commands::Signals;

/// Wakes whatever the script waits for, so that it looks at the signal.
pub(super) type Wake = Box<dyn Fn() + Send>;

/// What arrived, and whom to wake.
#[derive(Default)]
pub(super) struct Interrupt {
    /// Its number; 0 when there is none.
    signal: AtomicI32,
    wake: Mutex<Option<Wake>>,
    /// The script has ended, and what comes afterwards is not interrupted.
    rests: AtomicBool,
}

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP from now on.
    pub(super) fn listen(engines: Engines) -> io::Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        let told = Arc::clone(&interrupt);
        std::thread::Builder::new().name("rollcore-signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                told.arrived(signals.next().await);
                engines.interrupt();
                let code = 128 + signals.next().await;
                std::thread::spawn(move || {
                    engines.close();
                    std::process::exit(code);
                });
                signals.next().await;
                std::process::exit(code);
            });
        })?;
        Ok(interrupt)
    }

    fn arrived(&self, signal: i32) {
        self.signal.store(signal, Ordering::SeqCst);
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// The signal that wants the script to end.
    pub(super) fn signal(&self) -> Option<Signal> {
        Signal::try_from(self.signal.load(Ordering::SeqCst)).ok()
    }

    /// The signal that ends whatever the script does.
    pub(super) fn raises(&self) -> Option<Signal> {
        if self.rests.load(Ordering::SeqCst) { None } else { self.signal() }
    }

    /// The script has ended; nothing is raised any more.
    pub(super) fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
    }

    /// The script has ended because of it; what takes things back is not disturbed any more.
    pub(super) fn forget(&self) {
        self.signal.store(0, Ordering::SeqCst);
    }

    /// Whom to wake from now on, in the place of whoever was before.
    pub(super) fn waking(&self, wake: Option<Wake>) -> Option<Wake> {
        std::mem::replace(&mut *self.wake.lock().unwrap_or_else(PoisonError::into_inner), wake)
    }
}
