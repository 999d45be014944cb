//! What `install.sh` and `cargo cinstall` install is found by pkg-config and by CMake, shared and static.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Folder, cargo, has, has_if, here, include, library, run, said, scratch, soname, succeeds};

const PROBE: &str = r#"
#include <rollcore.h>
#include <stdio.h>
int main(void) {
    rollcore *rc;
    if (rollcore_new("{\"simulate\":{}}", &rc, 0) != ROLLCORE_OK) return 1;
    rollcore_free(rc);
    printf("%s\n", rollcore_version());
    return 0;
}
"#;

fn install(prefix: &Path, destdir: Option<&Path>) -> String {
    let mut install = Command::new(here().join("install.sh"));
    install.arg(format!("--prefix={}", prefix.display())).env("ROLLCORE_LIB_DIR", &library().folder);
    if let Some(folder) = destdir {
        install.env("DESTDIR", folder);
    }
    said(&succeeds(&mut install))
}

/// What is running says which version it is, and whether it needed the shared library.
fn probe(program: &Path, prefix: &Path, is_shared: bool) {
    assert_eq!(run(program, [""; 0]).trim(), env!("CARGO_PKG_VERSION"));
    let needed = said(&succeeds(Command::new("readelf").arg("-d").arg(program)));
    assert_eq!(
        needed.contains(&soname()),
        is_shared,
        "{} in {}: {needed}",
        program.display(),
        prefix.display()
    );
}

/// What was installed below `root`, for `prefix`, is found by pkg-config and is enough to build with.
fn is_found_by_pkg_config(root: &Path, prefix: &Path) {
    if !has("pkg-config") {
        return;
    }
    let folder = Folder::new("install");
    let lib = below(root, prefix).join("lib");
    fs::write(folder.path().join("probe.c"), PROBE).expect("it can be written");
    for (name, options, is_shared) in
        [("shared", "--cflags --libs", true), ("static", "--static --cflags --libs", false)]
    {
        let mut asked = Command::new("pkg-config");
        asked.args(options.split(' ')).arg("rollcore").env("PKG_CONFIG_LIBDIR", lib.join("pkgconfig"));
        if root != Path::new("/") {
            asked.env("PKG_CONFIG_SYSROOT_DIR", root);
        }
        let flags = said(&succeeds(&mut asked))
            .replace("-lrollcore", if is_shared { "-lrollcore" } else { "-l:librollcore.a" });
        let program = folder.path().join(name);
        let mut gcc = Command::new("gcc");
        gcc.arg(folder.path().join("probe.c")).arg("-o").arg(&program).args(flags.split_whitespace());
        succeeds(gcc.arg(format!("-Wl,-rpath,{}", lib.display())));
        probe(&program, &lib, is_shared);
    }
}

/// What is in this folder is found by CMake, which need not be told for which prefix it was made.
fn is_found_by_cmake(prefix: &Path) {
    if !has("cmake") {
        return;
    }
    let folder = Folder::new("install");
    fs::write(folder.path().join("probe.c"), PROBE).expect("it can be written");
    let lists = "cmake_minimum_required(VERSION 3.18)\nproject(probe C)\nfind_package(rollcore 0.1 REQUIRED)\n\
                 add_executable(shared probe.c)\ntarget_link_libraries(shared rollcore::rollcore)\n\
                 add_executable(static probe.c)\ntarget_link_libraries(static rollcore::static)\n";
    fs::write(folder.path().join("CMakeLists.txt"), lists).expect("it can be written");
    let build = folder.path().join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(folder.path()).arg("-B").arg(&build);
    succeeds(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    succeeds(Command::new("cmake").arg("--build").arg(&build));
    probe(&build.join("shared"), prefix, true);
    probe(&build.join("static"), prefix, false);
}

/// Where something is that was installed with this DESTDIR.
fn below(root: &Path, prefix: &Path) -> PathBuf {
    root.join(prefix.strip_prefix("/").expect("a prefix is absolute"))
}

/// Debian 12 has one that is too old for this workspace, and does not say its version.
fn has_cargo_c() -> bool {
    let version = Command::new("cargo-cinstall").arg("--version").output();
    has_if(version.is_ok_and(|version| said(&version).starts_with("cargo-c ")), "cargo-c")
}

#[test]
fn what_the_script_installs_is_found_by_pkg_config_shared_and_static() {
    let folder = Folder::new("install");
    let prefix = folder.path().join("usr");
    install(&prefix, None);
    is_found_by_pkg_config(Path::new("/"), &prefix);
}

#[test]
fn what_the_script_installs_is_found_by_cmake_shared_and_static_wherever_it_was_moved() {
    let folder = Folder::new("install");
    install(Path::new("/usr"), Some(folder.path()));
    is_found_by_cmake(&folder.path().join("usr"));
}

#[test]
fn what_cargo_cinstall_installs_is_found_by_pkg_config_and_by_cmake_shared_and_static() {
    if !has_cargo_c() {
        return;
    }
    let (folder, prefix) = (Folder::new("install"), Path::new("/opt/rollcore"));
    let mut install = cargo();
    // It has a cargo of its own inside, and two versions of cargo rebuild everything that the other one has built.
    install.args(["cinstall", "--package", "rollcore-ffi", "--profile", "dev", "--target-dir"]);
    install.arg(scratch("cinstall")).args(["--libdir", "lib", "--prefix"]).arg(prefix);
    succeeds(install.arg("--destdir").arg(folder.path()));
    let installed = below(folder.path(), prefix);
    let name = format!("librollcore.so.{}", env!("CARGO_PKG_VERSION"));
    let dynamic = said(&succeeds(Command::new("readelf").arg("-d").arg(installed.join("lib").join(name))));
    assert!(dynamic.contains(&format!("[{}]", soname())) && dynamic.contains("NODELETE"), "{dynamic}");
    let header = |folder: &Path| fs::read(folder.join("rollcore.h")).expect("the header is there");
    assert_eq!(header(&installed.join("include")), header(&include()), "it is the committed one");
    is_found_by_pkg_config(folder.path(), prefix);
    is_found_by_cmake(&installed);
}
