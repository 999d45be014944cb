//! What `install.sh` installs is found by pkg-config and by CMake, shared and static.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{has, here, library, run, said, scratch, soname, succeeds};

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

#[test]
fn what_is_installed_is_found_by_pkg_config_shared_and_static() {
    if !has("pkg-config") {
        return;
    }
    let folder = tempfile::tempdir_in(scratch("install")).expect("a folder");
    let prefix = folder.path().join("usr");
    install(&prefix, None);
    fs::write(folder.path().join("probe.c"), PROBE).expect("it can be written");
    for (name, options, is_shared) in
        [("shared", "--cflags --libs", true), ("static", "--static --cflags --libs", false)]
    {
        let mut asked = Command::new("pkg-config");
        asked.args(options.split(' ')).arg("rollcore").env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        let flags = said(&succeeds(&mut asked))
            .replace("-lrollcore", if is_shared { "-lrollcore" } else { "-l:librollcore.a" });
        let program = folder.path().join(name);
        let mut gcc = Command::new("gcc");
        gcc.arg(folder.path().join("probe.c")).arg("-o").arg(&program).args(flags.split_whitespace());
        succeeds(gcc.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display())));
        probe(&program, &prefix, is_shared);
    }
}

#[test]
fn what_is_installed_is_found_by_cmake_shared_and_static_wherever_it_was_moved() {
    if !has("cmake") {
        return;
    }
    let folder = tempfile::tempdir_in(scratch("install")).expect("a folder");
    let root = folder.path().join("root");
    install(Path::new("/usr"), Some(&root));
    let prefix = root.join("usr");
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
    probe(&build.join("shared"), &prefix, true);
    probe(&build.join("static"), &prefix, false);
}
