//! How the shared library is linked: under which name programs find it, and that it stays loaded.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A thread of ours may still run when somebody calls dlclose: the code has to stay where it is.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env::var_os("CARGO_FEATURE_CAPI").is_none() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{}", soname());
    }
}

/// As `cargo cinstall` has it: before 1.0 every minor version is another library.
fn soname() -> String {
    let part = |name| env::var(name).expect("cargo sets the version of the package");
    match part("CARGO_PKG_VERSION_MAJOR").as_str() {
        "0" => format!("librollcore.so.0.{}", part("CARGO_PKG_VERSION_MINOR")),
        major => format!("librollcore.so.{major}"),
    }
}
