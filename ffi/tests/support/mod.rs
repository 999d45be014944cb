//! Builds the library once, and C programs against it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// How long a host may take, unless its test says otherwise.
pub const HOST_TIMEOUT: Duration = Duration::from_secs(120);

/// `ffi/`.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    here().parent().unwrap().to_owned()
}

/// Where the header is.
pub fn include() -> PathBuf {
    workspace().join("include")
}

/// A folder for what this test binary makes.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ffi").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder for one test, which goes with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(scratch(&format!("{name}/{}-{number}", std::process::id())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _stays = fs::remove_dir_all(&self.0);
    }
}

/// The built library.
pub struct Library {
    /// Holds `librollcore.so`, `librollcore.so.0.N` and `librollcore.a`.
    pub folder: PathBuf,
}

impl Library {
    pub fn shared(&self) -> PathBuf {
        self.folder.join("librollcore.so")
    }
}

/// Cargo, in the workspace. It tells this test about its package, as it does to build scripts: with these in the environment
/// the one of `ring` would run again, in the next build without them once more, and everything above it with it.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let of_this_package = |name: &str| {
        name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| of_this_package(name)) {
        cargo.env_remove(name);
    }
    cargo.current_dir(workspace());
    cargo
}

/// The profile of the tests.
fn profile() -> &'static str {
    if cfg!(debug_assertions) { "test" } else { "bench" }
}

/// Integration tests cannot use a cdylib, and cargo does not build it for them: the profile is that of the tests.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let built = cargo()
            .args(["build", "--package", "rollcore-ffi", "--lib", "--profile", profile()])
            .arg("--message-format=json")
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo is there");
        assert!(built.status.success(), "the library does not build");
        let said = String::from_utf8(built.stdout).unwrap();
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ffi-lib").join(std::process::id().to_string());
        let _of_an_earlier_process = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for name in ["librollcore.so", "librollcore.a"] {
            let file = said.split('"').find(|text| text.ends_with(&format!("/{name}"))).expect(name);
            symlink(file, folder.join(name)).unwrap();
        }
        symlink("librollcore.so", folder.join(soname())).unwrap();
        Library { folder }
    })
}

/// The name that programs look for.
pub fn soname() -> String {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    if major == "0" { format!("librollcore.so.0.{minor}") } else { format!("librollcore.so.{major}") }
}

/// Compiles `tests/hosts/<name>.c` with everything that gcc has to say against it.
pub fn host(name: &str) -> PathBuf {
    compiled(&here().join("tests/hosts").join(format!("{name}.c")), name)
}

/// The same for a program that lies anywhere.
pub fn compiled(source: &Path, name: &str) -> PathBuf {
    let program = scratch("hosts").join(format!("{name}-{}", std::process::id()));
    let folder = &library().folder;
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]);
    gcc.arg("-I").arg(include()).arg(source).arg("-o").arg(&program);
    gcc.arg("-L").arg(folder).arg("-lrollcore").arg(format!("-Wl,-rpath,{}", folder.display()));
    succeeds(&mut gcc);
    program
}

/// Runs it, and shows everything when it fails.
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    output
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A host that runs, and is killed when the test ends before it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Runs a host to its end, and gives what it printed. It fails when the host does, or takes too long.
pub fn run(program: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    run_within(HOST_TIMEOUT, Command::new(program).args(args))
}

pub fn run_within(timeout: Duration, command: &mut Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut host = Running(command.spawn().unwrap());
    let (mut out, mut err) = (host.0.stdout.take().unwrap(), host.0.stderr.take().unwrap());
    let read_err = std::thread::spawn(move || text(&mut err));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(text(&mut out)));
    // What it prints ends with it: the programs that it starts have pipes of their own.
    let printed = told.recv_timeout(timeout);
    if printed.is_err() {
        let _it_takes_too_long = host.0.kill();
    }
    let status = host.0.wait().unwrap();
    let printed = printed.unwrap_or_else(|_| format!("{command:?} takes longer than {timeout:?}"));
    let said = format!("{printed}{}", read_err.join().unwrap());
    assert!(status.success(), "{command:?}: {status}\n{said}");
    said
}

fn text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _until_it_ends = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a program is there; with `ROLLCORE_REQUIRE_TOOLS`, as in CI, it has to be.
pub fn has(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    has_if(asked.is_ok(), program)
}

/// The same for what was looked for in another way.
pub fn has_if(found: bool, program: &str) -> bool {
    assert!(
        found || std::env::var_os("ROLLCORE_REQUIRE_TOOLS").is_none(),
        "{program} is missing: run examples/apps/prepare"
    );
    found
}
