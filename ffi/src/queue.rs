//! The queue of a handle.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::time::Duration;

use core_impl::embed::{Code, Next};

use crate::boundary::{Failure, enter, enter_or, give, given, optional, required};
use crate::event::{RollcoreEvent, hold};
use crate::handle::{Rollcore, get};
use crate::status::{RollcoreOp, RollcoreStatus};

/// A hint that the queue is no longer empty. Called on a thread of the library with all signals blocked, never by two
/// threads at once. It must not wait for anything, least of all here.
pub type RollcoreWakeupFn = Option<extern "C" fn(user_data: *mut c_void)>;

/// Below 0: for ever.
fn timeout(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// An eventfd that is readable while the queue is not empty. Poll it for POLLIN, never read, write or close it: it is the
/// library's, and is closed by rollcore_free(). -1 for a handle that is none.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_fd(rc: *const Rollcore) -> c_int {
    enter_or(-1, || get(rc).map_or(-1, |embedded| embedded.event_fd().as_raw_fd()))
}

/// The reading end of a new pipe, for event loops that insist on reading: a byte comes when the queue is no longer empty.
/// Read it or only poll it, then take events until there are none. Yours: close it. -1 for a handle that is none, and when
/// there are no descriptors left or 64 were given away.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_dup_wake_fd(rc: *const Rollcore) -> c_int {
    enter_or(-1, || {
        let pipe = get(rc).ok().and_then(|embedded| embedded.wake_pipe().ok());
        pipe.map_or(-1, IntoRawFd::into_raw_fd)
    })
}

/// Takes the next event, or waits for one: timeout_ms at most, not at all when it is 0, for ever when it is below 0.
/// ROLLCORE_OK: *out is yours, free it with rollcore_event_free(). ROLLCORE_TIMEOUT: there was none.
/// ROLLCORE_INTERRUPTED: a signal handler ran on this thread, or somebody called rollcore_interrupt().
/// ROLLCORE_CLOSED: the handle is being freed and there is nothing more to come.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_next_event(
    rc: *mut Rollcore,
    timeout_ms: i32,
    out: Option<&mut MaybeUninit<*mut RollcoreEvent>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let out = required(out, "out")?;
        match get(rc)?.next_event(timeout(timeout_ms)) {
            Next::Event(event) => {
                out.write(hold(event));
                Ok(Code::Ok)
            }
            other => without_event(other),
        }
    })
}

/// Waits for the end of one operation, takes its completion out of the queue and leaves everything else there. Times as in
/// rollcore_next_event(). ROLLCORE_OK: *result_json, if not NULL, gets its result, which is yours. When the operation
/// failed, its status is returned and *error gets its error; the same when the wait itself fails:
/// ROLLCORE_E_NOT_FOUND with the code "unknown_operation" means that somebody has taken the completion already.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_wait(
    rc: *mut Rollcore,
    op: RollcoreOp,
    timeout_ms: i32,
    result_json: Option<&mut MaybeUninit<*mut c_char>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let done = match get(rc)?.wait(op, timeout(timeout_ms))? {
            Next::Event(done) => done,
            other => return without_event(other),
        };
        let result = done.outcome().map_err(|json| Failure { code: done.status, json: json.to_owned() })?;
        give(result_json, || given(result));
        Ok(Code::Ok)
    })
}

fn without_event(next: Next) -> Result<Code, Failure> {
    match next {
        Next::TimedOut => Ok(Code::Timeout),
        Next::Interrupted => Ok(Code::Interrupted),
        Next::Failed(error) => Err(error.into()),
        _ => Ok(Code::Closed),
    }
}

/// Asks for the end of an operation. Its completion still comes: with ROLLCORE_E_CANCELLED, unless it was faster. What has
/// been begun and cannot be left half done (a deploy, a stop) goes on without anybody who waits for it.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_cancel(rc: *mut Rollcore, op: RollcoreOp) -> RollcoreStatus {
    enter(None, || {
        get(rc)?.cancel(op)?;
        Ok(Code::Ok)
    })
}

/// Which events that nobody asked for are put into the queue from now on: {"types":["process.*","rollout.*","log"]}. NULL,
/// as at the beginning: all of them.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_subscribe(
    rc: *mut Rollcore,
    filter_json: *const c_char,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        get(rc)?.subscribe(optional(filter_json, "filter_json")?.unwrap_or_default())?;
        Ok(Code::Ok)
    })
}

/// From now on `fn` is called with `user_data` whenever the queue is no longer empty; NULL: nobody is. When this returns,
/// the function before does not run and never runs again. For C alone: most other languages must not be called on a thread
/// that they do not know.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_set_wakeup(
    rc: *mut Rollcore,
    r#fn: RollcoreWakeupFn,
    user_data: *mut c_void,
) -> RollcoreStatus {
    enter(None, || {
        let user_data = user_data.expose_provenance();
        let hint = r#fn.map(|hint| -> Box<dyn FnMut() + Send> {
            Box::new(move || hint(ptr::with_exposed_provenance_mut(user_data)))
        });
        get(rc)?.set_wakeup(hint)?;
        Ok(Code::Ok)
    })
}
