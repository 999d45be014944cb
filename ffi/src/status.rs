//! The numbers of the header. They are those of `rollcore::embed::Code`.

use core_impl::embed::Code;

/// How a call went: ROLLCORE_OK, another number of 0 or more for what is no failure, or a negative one.
///
/// It is an int32_t and no enum, so that a number that an older header does not know is still a number.
pub type RollcoreStatus = i32;

/// The number of an operation: never 0, never used again in the same handle.
pub type RollcoreOp = u64;

/// It was done.
pub const ROLLCORE_OK: i32 = 0;
/// Nothing happened in the time that was given. No failure.
pub const ROLLCORE_TIMEOUT: i32 = 1;
/// A signal came, or somebody called rollcore_interrupt. No failure.
pub const ROLLCORE_INTERRUPTED: i32 = 2;
/// There is nothing more to come. No failure.
pub const ROLLCORE_CLOSED: i32 = 3;
/// NULL, no UTF-8, bad JSON, an unknown method or field, a handle that is none or was freed.
pub const ROLLCORE_E_ARGUMENT: i32 = -1;
/// A config is wrong; the detail of the error lists everything that is.
pub const ROLLCORE_E_CONFIG: i32 = -2;
/// There is no such operation, process, lease, proxy or release.
pub const ROLLCORE_E_NOT_FOUND: i32 = -3;
/// Not now: no engine is open, or one is already; another operation is under way.
pub const ROLLCORE_E_STATE: i32 = -4;
/// The system refused: an address in use, no descriptors left.
pub const ROLLCORE_E_IO: i32 = -5;
/// This process is a fork of the one that made the handle.
pub const ROLLCORE_E_FORKED: i32 = -6;
/// It would wait for itself: a call that waits, inside of the wake-up function.
pub const ROLLCORE_E_DEADLOCK: i32 = -7;
/// This build, or the simulator, cannot do it.
pub const ROLLCORE_E_UNSUPPORTED: i32 = -8;
/// Somebody cancelled the operation.
pub const ROLLCORE_E_CANCELLED: i32 = -9;
/// It was tried and failed: a deploy was undone, a health check ran out of time.
pub const ROLLCORE_E_FAILED: i32 = -10;
/// A mistake of ours: something panicked. The handle can be used and freed.
pub const ROLLCORE_E_PANIC: i32 = -99;

const _: () = {
    assert!(ROLLCORE_OK == Code::Ok as i32);
    assert!(ROLLCORE_TIMEOUT == Code::Timeout as i32);
    assert!(ROLLCORE_INTERRUPTED == Code::Interrupted as i32);
    assert!(ROLLCORE_CLOSED == Code::Closed as i32);
    assert!(ROLLCORE_E_ARGUMENT == Code::Argument as i32);
    assert!(ROLLCORE_E_CONFIG == Code::Config as i32);
    assert!(ROLLCORE_E_NOT_FOUND == Code::NotFound as i32);
    assert!(ROLLCORE_E_STATE == Code::State as i32);
    assert!(ROLLCORE_E_IO == Code::Io as i32);
    assert!(ROLLCORE_E_FORKED == Code::Forked as i32);
    assert!(ROLLCORE_E_DEADLOCK == Code::Deadlock as i32);
    assert!(ROLLCORE_E_UNSUPPORTED == Code::Unsupported as i32);
    assert!(ROLLCORE_E_CANCELLED == Code::Cancelled as i32);
    assert!(ROLLCORE_E_FAILED == Code::Failed as i32);
    assert!(ROLLCORE_E_PANIC == Code::Panic as i32);
};
