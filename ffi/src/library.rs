//! The library itself: versions, names, schemas, strings.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use core_impl::embed::{self, Code, EmbedError};
use serde_json::json;

use crate::boundary::{enter, enter_or, give, given, lent, optional, take_back};
use crate::status::RollcoreStatus;

/// The version of the C interface. It changes when something that was there is changed or removed; compare it with
/// rollcore_abi_version() before any other call.
pub const ROLLCORE_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a package version holds no NUL"),
};

/// The version of the C interface that this library speaks: ROLLCORE_ABI_VERSION of its header.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_abi_version() -> u32 {
    ROLLCORE_ABI_VERSION
}

/// The version of the library, such as "0.1.0". Static; never free it.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The name of a status without ROLLCORE_, such as "E_CONFIG"; "UNKNOWN" for a number that is none. Static; never free it.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_status_name(status: RollcoreStatus) -> *const c_char {
    let name = match Code::from_raw(status) {
        Some(Code::Ok) => c"OK",
        Some(Code::Timeout) => c"TIMEOUT",
        Some(Code::Interrupted) => c"INTERRUPTED",
        Some(Code::Closed) => c"CLOSED",
        Some(Code::Argument) => c"E_ARGUMENT",
        Some(Code::Config) => c"E_CONFIG",
        Some(Code::NotFound) => c"E_NOT_FOUND",
        Some(Code::State) => c"E_STATE",
        Some(Code::Io) => c"E_IO",
        Some(Code::Forked) => c"E_FORKED",
        Some(Code::Deadlock) => c"E_DEADLOCK",
        Some(Code::Unsupported) => c"E_UNSUPPORTED",
        Some(Code::Cancelled) => c"E_CANCELLED",
        Some(Code::Failed) => c"E_FAILED",
        Some(Code::Panic) => c"E_PANIC",
        _ => c"UNKNOWN",
    };
    name.as_ptr()
}

/// The JSON Schema of what `name` takes: a method of rollcore_submit(), or "options", "subscribe" or "snapshot".
/// NULL gives all names: {"methods":[...],"events":[...]}.
/// *json_out is yours: free it with rollcore_string_free().
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_schema(
    name: *const c_char,
    json_out: Option<&mut MaybeUninit<*mut c_char>>,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        let schema = match optional(name, "name")? {
            None => json!({ "methods": embed::methods(), "events": embed::event_types() }).to_string(),
            Some(name) => embed::schema(name).ok_or_else(|| {
                EmbedError::new(Code::NotFound, "unknown_schema", "there is no schema of this name")
            })?,
        };
        give(json_out, || given(schema));
        Ok(Code::Ok)
    })
}

/// Whether `json` would be understood as what `kind` names: the parameters of a method, "options", "subscribe",
/// "snapshot" or "config". Nothing is done.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_validate(
    kind: *const c_char,
    json: *const c_char,
    error: Option<&mut MaybeUninit<*mut c_char>>,
) -> RollcoreStatus {
    enter(error, || {
        embed::validate(lent(kind, "kind")?, optional(json, "json")?.unwrap_or_default())?;
        Ok(Code::Ok)
    })
}

/// Frees a string that a function of this header has given through a char **. NULL is fine; anything else is not.
// SAFETY: no other library exports this name; the `rollcore_` prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn rollcore_string_free(string: *mut c_char) {
    enter_or((), || take_back(string));
}
