//! The tasks of one connection: they end with it.

use std::sync::{Arc, Mutex};

use tokio::task::{AbortHandle, JoinSet};

use crate::proxy::clients::lock;

/// Starts tasks. All that are left are ended when its [`Owner`] is dropped.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = lock(&self.0);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }
}

impl<T: Future<Output = ()> + Send + 'static> hyper::rt::Executor<T> for Tasks {
    fn execute(&self, task: T) {
        self.spawn(task);
    }
}

/// Ends the tasks when it is dropped: they know each other, so none would be the last to go.
pub(super) struct Owner(pub(super) Tasks);

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.0.0).abort_all();
    }
}
