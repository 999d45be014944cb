//! A method that panics, in builds for tests: to see that hosts live on.

use std::sync::Arc;

use super::Inside;
use super::code::{Code, EmbedError};
use super::stage::Done;

/// In no list of methods.
pub(super) const METHOD: &str = "rollcore_panic";

/// `{"where":"call"}` panics on the thread that submits, anything else on a thread of the library.
pub(super) fn submit(inside: &Inside, params: &str, tag: u64) -> Result<u64, EmbedError> {
    assert!(!params.contains("call"), "a panic that was asked for");
    let (op, cancelled) = inside.inbox.begin()?;
    let done = Done::new(Arc::clone(&inside.inbox), op, tag, cancelled);
    let threads = inside.threads.lock().map_err(|_| EmbedError::new(Code::Panic, "panic", "poisoned"))?;
    let runtime = threads.as_ref().and_then(|threads| threads.handle()).ok_or_else(EmbedError::closed)?;
    runtime.spawn(async move {
        let _answered_when_dropped = done;
        panic!("a panic that was asked for");
    });
    Ok(op)
}
