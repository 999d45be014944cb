//! The threads that an engine runs on when nobody lends it any.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::threads::without_signals;

/// How many threads there are. The proxy has its own; these only conduct.
const WORKERS: usize = 2;

/// How long the threads may take to end; one that takes longer is left to itself.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A runtime that can be used, and dropped, anywhere.
pub(super) struct Threads {
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let number = AtomicUsize::new(0);
        let name = move || format!("rollcore-engine-{}", number.fetch_add(1, Ordering::Relaxed));
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).thread_name_fn(name).enable_all();
        Ok(Self { runtime: Some(without_signals(|| builder.build())?) })
    }

    /// Waits for `future`. `None`: it panicked.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.begin(future)?.recv().ok()
    }

    /// Waits for `future`, which goes on when the time is over. `None`: it panicked, or takes longer.
    pub(super) fn run_within<T: Send + 'static>(
        &self,
        timeout: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let within = async move { tokio::time::timeout(timeout, future).await.ok() };
        self.run(within).flatten()
    }

    /// Not `block_on`, which panics inside another runtime.
    fn begin<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<mpsc::Receiver<T>> {
        let (tell, told) = mpsc::sync_channel(1);
        // Whoever asked waits, so somebody hears it.
        self.runtime.as_ref()?.spawn(async move { tell.send(future.await) });
        Some(told)
    }
}

impl Drop for Threads {
    /// Waits until what runs is dropped, for [`END_TIMEOUT`] at most. On a thread of its own, because a runtime must not
    /// be waited for inside another one.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let (give, take) = mpsc::channel::<Runtime>();
        let end = move || take.recv().map(|runtime| runtime.shutdown_timeout(END_TIMEOUT));
        let named = thread::Builder::new().name("rollcore-engine-end".to_owned());
        match without_signals(|| named.spawn(end)) {
            Ok(ending) => {
                if let Err(mpsc::SendError(runtime)) = give.send(runtime) {
                    runtime.shutdown_background();
                }
                let _ended_or_panicked = ending.join();
            }
            Err(_) => runtime.shutdown_background(),
        }
    }
}
