//! How the shared library is linked: under which name programs find it, and that it stays loaded. And what CMake finds it by.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cmake");
    // A thread of ours may still run when somebody calls dlclose: the code has to stay where it is.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env::var_os("CARGO_FEATURE_CAPI").is_none() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{}", soname());
    } else {
        fill_cmake();
    }
}

/// As `cargo cinstall` has it: before 1.0 every minor version is another library.
fn soname() -> String {
    match cargo_says("CARGO_PKG_VERSION_MAJOR").as_str() {
        "0" => format!("librollcore.so.0.{}", cargo_says("CARGO_PKG_VERSION_MINOR")),
        major => format!("librollcore.so.{major}"),
    }
}

/// `cargo cinstall` installs them from here; `install.sh` does the same without cargo.
fn fill_cmake() {
    let folder = Path::new(&cargo_says("OUT_DIR")).join("cmake");
    fs::create_dir_all(&folder).expect("cargo made the folder above it");
    for name in ["rollcore-config.cmake", "rollcore-config-version.cmake"] {
        let template = fs::read_to_string(format!("cmake/{name}.in")).expect("it is beside this file");
        let filled =
            template.replace("@soname@", &soname()).replace("@version@", &cargo_says("CARGO_PKG_VERSION"));
        fs::write(folder.join(name), filled).expect("the folder is cargo's");
    }
}

fn cargo_says(name: &str) -> String {
    env::var(name).expect("cargo says so to every build script")
}
