//! Where C ends: text in, text out, panics, forks. The only file with unsafe blocks.
//!
//! Handles and events are numbers in the shape of pointers (see [`registry`](crate::registry)); nothing here or elsewhere
//! ever looks behind one. What is looked behind is: strings that a host lends, strings that come back to be freed.

use std::any::Any;
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use core_impl::embed::{Code, EmbedError};

use crate::status::RollcoreStatus;

/// Where a host wants something to be written; NULL when it does not.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// Where a host wants an error to be written; NULL when it does not.
pub(crate) type ErrorOut<'a> = Out<'a, *mut c_char>;

/// Runs the body of an exported function: what it returns or panics with becomes a status and an error.
pub(crate) fn enter(error: ErrorOut<'_>, body: impl FnOnce() -> Result<Code, Failure>) -> RollcoreStatus {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(code)) => return code.as_raw(),
        Ok(Err(failure)) => failure,
        Err(panic) => panicked(panic.as_ref()).into(),
    };
    give(error, || given(failure.json));
    failure.code.as_raw()
}

/// An error, as it crosses.
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) json: String,
}

impl From<EmbedError> for Failure {
    fn from(error: EmbedError) -> Self {
        Self { code: error.code, json: error.to_json() }
    }
}

/// Runs the body of an exported function that has no status: a panic becomes `otherwise`.
pub(crate) fn enter_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

fn panicked(panic: &(dyn Any + Send)) -> EmbedError {
    let message = format!("a panic, which is a mistake in rollcore: {}", said(panic));
    EmbedError::new(Code::Panic, "panic", message)
}

/// What a panic says.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Writes what `value` makes, if somebody wants it.
pub(crate) fn give<T>(out: Out<'_, T>, value: impl FnOnce() -> T) {
    if let Some(out) = out {
        out.write(value());
    }
}

/// Where something has to be written.
pub(crate) fn required<'a, T>(out: Out<'a, T>, name: &str) -> Result<&'a mut MaybeUninit<T>, EmbedError> {
    out.ok_or_else(|| argument(format!("{name} is NULL")))
}

pub(crate) fn argument(message: impl Into<String>) -> EmbedError {
    EmbedError::new(Code::Argument, "invalid_argument", message)
}

/// A string of ours, which the host owns from now on and gives back to [`take_back`].
pub(crate) fn given(text: impl Into<Vec<u8>>) -> *mut c_char {
    c_text(text).into_raw()
}

/// What we make is JSON and names, and holds no NUL; should it hold one all the same, it ends there.
pub(crate) fn c_text(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    })
}

/// A string that a host lends for the time of a call.
///
/// # Safety of the call
/// As the header says: NULL, or a pointer to bytes that end with a NUL and do not change until the call returns.
pub(crate) fn lent<'a>(text: *const c_char, name: &str) -> Result<&'a str, EmbedError> {
    optional(text, name)?.ok_or_else(|| argument(format!("{name} is NULL")))
}

/// As [`lent`], where NULL means nothing.
pub(crate) fn optional<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>, EmbedError> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL; that it ends with a NUL and stays as it is during the call is the rule of the header, and
    // everybody here copies what he keeps.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|error| argument(format!("{name} is not UTF-8: {error}")))
}

/// A string that [`given`] made comes back. NULL is none.
pub(crate) fn take_back(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the rule of the header: only strings of ours, made by `CString::into_raw`, come here, and once.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// How many forks lie between the first process and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Which fork this process is. Handles know theirs.
pub(crate) fn generation() -> u64 {
    FORKS.load(Ordering::SeqCst)
}

/// Counts forks from now on, in the child.
pub(crate) fn watch_forks() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::SeqCst);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function touches one atomic number, and its code stays loaded (`-z nodelete`).
        let _no_memory = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
