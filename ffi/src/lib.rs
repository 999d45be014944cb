//! `librollcore`: for now, which version it is.
#![expect(unsafe_code, reason = "exported C names are unsafe attributes")]

use std::ffi::{CStr, c_char};

/// The version of the C interface. A host compares it with the number in its header before any other call.
pub const ROLLCORE_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a package version holds no NUL"),
};

/// The version of the C interface that this library speaks.
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
