//! The threads that work runs on when nobody lends any.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::without_signals;

/// How long the threads may take to end; one that takes longer is left to itself.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Which threads.
pub(crate) struct Workers {
    /// What they are called, before a number.
    pub(crate) name: &'static str,
    /// How many.
    pub(crate) count: usize,
    /// What each of them does first.
    pub(crate) at_start: Arc<dyn Fn() + Send + Sync>,
    /// What each of them does last.
    pub(crate) at_end: Arc<dyn Fn() + Send + Sync>,
}

impl Workers {
    pub(crate) fn named(name: &'static str, count: usize) -> Self {
        Self { name, count, at_start: Arc::new(|| ()), at_end: Arc::new(|| ()) }
    }
}

/// A runtime that can be used, and dropped, anywhere.
pub(crate) struct Threads {
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    pub(crate) fn start(workers: Workers) -> io::Result<Self> {
        let Workers { name, count, at_start, at_end } = workers;
        let number = AtomicUsize::new(0);
        let name = move || format!("{name}-{}", number.fetch_add(1, Ordering::Relaxed));
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(count).thread_name_fn(name).enable_all();
        builder.on_thread_start(move || at_start()).on_thread_stop(move || at_end());
        Ok(Self { runtime: Some(without_signals(|| builder.build())?) })
    }

    /// Where to begin what nobody waits for; `None` once it is being dropped.
    #[cfg(feature = "embed")]
    pub(crate) fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// Waits for `future`. `None`: it panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.begin(future)?.recv().ok()
    }

    /// Waits for `future`, which goes on when the time is over. `None`: it panicked, or takes longer.
    pub(crate) fn run_within<T: Send + 'static>(
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

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}

impl Drop for Threads {
    /// Waits until what runs is dropped, for [`END_TIMEOUT`] at most. On a thread of its own, because a runtime must not
    /// be waited for inside another one.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let (give, take) = mpsc::channel::<Runtime>();
        let end = move || take.recv().map(|runtime| runtime.shutdown_timeout(END_TIMEOUT));
        let named = thread::Builder::new().name("rollcore-end".to_owned());
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
