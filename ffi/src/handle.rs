//! Handles: made, asked, ended.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use core_impl::embed::{Code, EmbedError, Embedded};

use crate::boundary::{enter, enter_or, give, given, lent, optional, required, watch_forks};
use crate::panics;
use crate::registry::{Kind, Registry};
use crate::status::{RollcoreOp, RollcoreStatus};

/// A handle: an engine, and each hand alone, with threads of its own.
pub struct Rollcore {
    _private: [u8; 0],
}

static HANDLES: Registry<Embedded> = Registry::new(Kind::Handle);

/// What a handle stands for. Whoever calls keeps it until his call returns, even if another thread frees it meanwhile.
pub(crate) fn get(handle: *const Rollcore) -> Result<Arc<Embedded>, EmbedError> {
    HANDLES.get(handle.addr())
}

/// Makes a handle. `options_json` may be NULL:
/// {"workerThreads":1,"queue":4096,"log":"off","graceMs":10000,"simulate":{"seed":1}}.
/// Takes a few milliseconds. *out is yours: end it with rollcore_free().
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_new(
    options_json: *const c_char,
    out: Option<&mut MaybeUninit<*mut Rollcore>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let out = required(out, "out")?;
        let options = optional(options_json, "options_json")?.unwrap_or_default();
        watch_forks();
        panics::log_instead_of_printing();
        let number = HANDLES.add(Embedded::open(options)?);
        HANDLES.catch_up(Embedded::interrupt);
        out.write(ptr::without_provenance_mut(number));
        Ok(Code::Ok)
    })
}

/// Begins `method` with `params_json` (NULL: none) and writes the number of the operation to *op, if it is not NULL.
/// After ROLLCORE_OK exactly one event "op.done" with this number and `tag` follows; it may be in the queue before this
/// returns. After anything else no event follows. Operations are begun in the order in which they are submitted.
/// rollcore_schema(NULL, ...) names the methods.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_submit(
    rc: *mut Rollcore,
    method: *const c_char,
    params_json: *const c_char,
    tag: u64,
    op: Option<&mut MaybeUninit<RollcoreOp>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let params = optional(params_json, "params_json")?.unwrap_or_default();
        let number = get(rc)?.submit(lent(method, "method")?, params, tag)?;
        give(op, || number);
        Ok(Code::Ok)
    })
}

/// Begins to end everything in the handle: the engine, the processes, the proxies, the leases. `options_json` may be NULL:
/// {"drain":true} gives requests and tunnels time first. For hosts that must not wait in rollcore_free(). The handle is to
/// be freed all the same.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_shutdown(
    rc: *mut Rollcore,
    options_json: *const c_char,
    tag: u64,
    op: Option<&mut MaybeUninit<RollcoreOp>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let options = optional(options_json, "options_json")?.unwrap_or_default();
        let number = get(rc)?.submit("shutdown", options, tag)?;
        give(op, || number);
        Ok(Code::Ok)
    })
}

/// How something is, from memory; never waits. `selector_json` may be NULL: {"what":"status"} is the engine, then there are
/// "processes", "proxies" and "leases". *json_out is yours: free it with rollcore_string_free().
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_snapshot(
    rc: *const Rollcore,
    selector_json: *const c_char,
    json_out: Option<&mut MaybeUninit<*mut c_char>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let selector = optional(selector_json, "selector_json")?.unwrap_or_default();
        let json = get(rc)?.snapshot(selector)?;
        give(json_out, || given(json));
        Ok(Code::Ok)
    })
}

/// Ends every wait of this handle that is under way with ROLLCORE_INTERRUPTED, or the next one when there is none.
/// Async-signal-safe, so a signal handler may call it. A handle that is none is ignored.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_interrupt(rc: *mut Rollcore) {
    enter_or((), || HANDLES.act_now(rc.addr(), Embedded::interrupt));
}

/// Ends a handle and everything in it, within graceMs of its options; processes that are left then are killed. Waits that
/// are under way in other threads end with ROLLCORE_CLOSED. NULL, a handle that was freed, and one of the parent of a fork
/// are ignored. Inside of the wake-up function it does nothing.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_free(rc: *mut Rollcore) {
    enter_or((), || {
        let Ok(embedded) = HANDLES.get(rc.addr()) else { return };
        // Before it is out of the table: an interrupt still reaches those who wait in it.
        if embedded.end().is_ok() {
            let _another_thread_was_first = HANDLES.remove(rc.addr());
            HANDLES.catch_up(Embedded::interrupt);
        }
    });
}
