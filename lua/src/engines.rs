//! What the scripts of one Lua have opened, for the program around it: a signal arrives on another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rollcore::embed::Embedded;

/// The handles that a Lua has open. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    open: Arc<Mutex<Vec<Weak<Embedded>>>>,
}

impl Engines {
    /// Ends every wait that is under way: it looks whether it has to go on.
    pub fn interrupt(&self) {
        for engine in self.all() {
            engine.interrupt();
        }
    }

    /// Closes them all, each within its grace, and stops their processes. What is closed already stays so.
    pub fn close(&self) {
        for engine in self.all() {
            // In the child of a fork there is nothing to close.
            let _closed_or_not_ours = engine.end();
        }
    }

    pub(crate) fn add(&self, engine: &Arc<Embedded>) {
        let mut open = self.lock();
        open.retain(|engine| engine.strong_count() > 0);
        open.push(Arc::downgrade(engine));
    }

    fn all(&self) -> Vec<Arc<Embedded>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Embedded>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
