//! Events that a host holds.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use core_impl::embed::{Code, QueuedEvent};

use crate::boundary::{c_text, enter_or};
use crate::registry::{Kind, Registry};
use crate::status::{ROLLCORE_E_ARGUMENT, RollcoreOp, RollcoreStatus};

/// One event that was taken out of the queue.
pub struct RollcoreEvent {
    _private: [u8; 0],
}

/// As C wants it.
struct Held {
    kind: CString,
    json: CString,
    op: u64,
    tag: u64,
    status: Code,
}

static EVENTS: Registry<Held> = Registry::new(Kind::Event);

/// From now on the host owns it.
pub(crate) fn hold(event: QueuedEvent) -> *mut RollcoreEvent {
    let QueuedEvent { kind, op, tag, status, json } = event;
    let held = Held { kind: c_text(kind), json: c_text(json), op, tag, status };
    ptr::without_provenance_mut(EVENTS.add(held))
}

/// `None` for an event that is none, or was freed.
fn get(event: *const RollcoreEvent) -> Option<Arc<Held>> {
    EVENTS.get(event.addr()).ok()
}

/// Its type: "op.done", "process.exit", "log", ... NULL for what is no event. Valid until the event is freed.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_type(event: *const RollcoreEvent) -> *const c_char {
    // The table keeps it until it is freed, and with it the text.
    enter_or(ptr::null(), || get(event).map_or(ptr::null(), |held| held.kind.as_ptr()))
}

/// The operation that is over, of an "op.done"; 0 of any other event.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_op(event: *const RollcoreEvent) -> RollcoreOp {
    enter_or(0, || get(event).map_or(0, |held| held.op))
}

/// The tag that the operation was submitted with, of an "op.done"; 0 of any other event.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_tag(event: *const RollcoreEvent) -> u64 {
    enter_or(0, || get(event).map_or(0, |held| held.tag))
}

/// How the operation went, of an "op.done"; ROLLCORE_OK of any other event. ROLLCORE_E_ARGUMENT for what is no event.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_status(event: *const RollcoreEvent) -> RollcoreStatus {
    enter_or(ROLLCORE_E_ARGUMENT, || get(event).map_or(ROLLCORE_E_ARGUMENT, |held| held.status.as_raw()))
}

/// All of it, as a JSON object. NULL for what is no event. Valid until the event is freed.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_json(event: *const RollcoreEvent) -> *const c_char {
    enter_or(ptr::null(), || get(event).map_or(ptr::null(), |held| held.json.as_ptr()))
}

/// Frees an event. NULL, and one that was freed already, are ignored.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_event_free(event: *mut RollcoreEvent) {
    enter_or((), || drop(EVENTS.remove(event.addr())));
}
