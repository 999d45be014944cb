//! A copy of this program, named after its digest: whole or not at all, and made once (compat C-216, C-218).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use rollcore::RuntimeIdentity;
use tempfile::TempDir;

use super::{THIS_PROGRAM, base, digest_of, identity, read_manifest};

/// How directories that are not finished yet are called.
const UNFINISHED: &str = ".prepare-";

/// What the program is called in its copy.
const PROGRAM: &str = "rollcore";

/// What says which program the copy is.
const MANIFEST: &str = "runtime.json";

/// How long others who prepare may take; then it is an error.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often is looked whether the others are done.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a copy that nobody runs is kept: whoever prepared it may be about to start it.
const UNUSED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A copy that can be run.
pub(crate) struct Copy {
    pub(crate) identity: RuntimeIdentity,
    pub(crate) program: PathBuf,
    pub(crate) manifest: PathBuf,
}

impl Copy {
    fn at(directory: &Path, digest: &str) -> io::Result<Self> {
        Ok(Self {
            identity: identity(digest.to_owned(), directory)?,
            program: directory.join(PROGRAM),
            manifest: directory.join(MANIFEST),
        })
    }

    /// Whether it is what its name says, and only we could have made it.
    fn is_sound(&self) -> bool {
        let owned = |path: &Path| {
            path.symlink_metadata().is_ok_and(|found| {
                found.is_file() && found.uid() == Uid::effective().as_raw() && found.mode() & 0o022 == 0
            })
        };
        owned(&self.program)
            && owned(&self.manifest)
            && read_manifest(&self.manifest).is_ok_and(|manifest| manifest == self.identity)
            && digest_of(&self.program).is_ok_and(|digest| digest == self.identity.digest)
    }

    /// Whether its program is missing.
    fn is_empty(&self) -> bool {
        self.program.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Keeps it from being taken for a forgotten one.
    fn touch(&self) -> io::Result<()> {
        File::open(&self.manifest)?.set_modified(SystemTime::now())
    }
}

/// The copy of this program below `base`; it is made when there is none. Whoever prepares at the same time gets the same.
pub(crate) fn prepare(base: &Path, this: &RuntimeIdentity) -> Result<Copy, String> {
    let base = base::ensure(base)?;
    let failed = |error: io::Error| format!("cannot prepare {}: {error}", base.display());
    let lock = lock(&base)?;
    let directory = base.join(&this.digest);
    let copy = Copy::at(&directory, &this.digest).map_err(failed)?;
    sweep(&base, &directory);
    match directory.symlink_metadata() {
        // Whoever cleans /tmp takes the files and may leave the directory: what is not there cannot be used by mistake.
        Ok(found) if found.is_dir() && copy.is_empty() => {
            std::fs::remove_dir_all(&directory)
                .and_then(|()| make(&base, &directory, &copy))
                .map_err(failed)?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(&base, &directory, &copy).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    if !copy.is_sound() {
        return Err(format!("Rollbridge daemon runtime validation failed at {}", directory.display()));
    }
    copy.touch().map_err(failed)?;
    drop(lock);
    Ok(copy)
}

fn make(base: &Path, directory: &Path, copy: &Copy) -> io::Result<()> {
    // Gone with this value, unless it got its name.
    let unfinished = TempDir::with_prefix_in(UNFINISHED, base)?;
    let mut program = new_file(&unfinished.path().join(PROGRAM), 0o700)?;
    io::copy(&mut File::open(THIS_PROGRAM)?, &mut program)?;
    program.sync_all()?;
    // Nobody may write to what is to be run.
    drop(program);
    let manifest = new_file(&unfinished.path().join(MANIFEST), 0o600)?;
    serde_json::to_writer_pretty(&manifest, &copy.identity)?;
    manifest.sync_all()?;
    drop(manifest);
    std::fs::rename(unfinished.path(), directory)?;
    let _has_another_name_now = unfinished.keep();
    Ok(())
}

fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn lock(base: &Path) -> Result<Flock<File>, String> {
    let told = |error: &dyn std::fmt::Display| format!("cannot lock {}: {error}", base.display());
    let mut directory = File::open(base).map_err(|error| told(&error))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => directory = back,
            Err((_, Errno::EWOULDBLOCK)) => return Err(told(&"another process holds it")),
            Err((_, error)) => return Err(told(&error.desc())),
        }
        std::thread::sleep(LOCK_INTERVAL);
    }
}

/// Removes what a killed preparer left, and copies that nobody has run for a day. What cannot be removed stays.
fn sweep(base: &Path, current: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_unfinished = name.to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        if is_unfinished || (path != current && is_copy(&path) && is_old(&path) && !is_running(&path)) {
            let _stays = std::fs::remove_dir_all(&path);
        }
    }
}

fn is_copy(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && {
        directory.join(PROGRAM).is_file()
    }
}

fn is_old(directory: &Path) -> bool {
    let modified = directory.join(MANIFEST).metadata().and_then(|found| found.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > UNUSED_KEPT))
}

/// Whether a process runs what is in this directory. The base is ours alone, so the process is ours, too.
fn is_running(directory: &Path) -> bool {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut programs = entries.filter_map(|entry| std::fs::read_link(entry.path().join("exe")).ok());
    programs.any(|program| program.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::of_this_program;

    fn age(copy: &Copy) {
        let old = SystemTime::now() - UNUSED_KEPT - Duration::from_secs(60);
        File::open(&copy.manifest).expect("it is there").set_modified(old).expect("it is ours");
    }

    /// A copy under another name, as an older version would have made it.
    fn older(base: &Path, copy: &Copy) -> Copy {
        let digest = "0".repeat(64);
        let directory = base.join(&digest);
        std::fs::create_dir(&directory).expect("there is none yet");
        for (from, name) in [(&copy.program, PROGRAM), (&copy.manifest, MANIFEST)] {
            std::fs::copy(from, directory.join(name)).expect("it can be copied");
        }
        Copy::at(&directory, &digest).expect("the path is text")
    }

    /// C-216, C-218: made once, whole, checked each time.
    #[test]
    fn a_copy_is_made_once_and_never_trusted_unseen() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let base = place.path().join("runtime");
        let this = of_this_program().expect("it can be read");
        std::fs::create_dir(&base).expect("there is none yet");
        std::fs::create_dir(base.join(".prepare-left")).expect("there is none yet");
        let copy = prepare(&base, &this).expect("it can be made");
        assert!(copy.identity.is_same_program(&this));
        assert_eq!(copy.identity.path, base.join(&this.digest).to_str().expect("the path is text"));
        assert_eq!(read_manifest(&copy.manifest).expect("it is there"), copy.identity);
        assert!(!base.join(".prepare-left").exists());
        let inode = copy.program.metadata().expect("it is there").ino();
        prepare(&base, &this).expect("it is there");
        assert_eq!(copy.program.metadata().expect("it is there").ino(), inode, "it was made again");

        std::fs::remove_file(&copy.program).expect("it is ours");
        assert!(prepare(&base, &this).expect("it is made again").is_sound(), "somebody has cleaned up");

        std::fs::write(&copy.program, "something else").expect("it is ours");
        let error = prepare(&base, &this).err().expect("it is not what its name says");
        let directory = base.join(&this.digest);
        assert_eq!(error, format!("Rollbridge daemon runtime validation failed at {}", directory.display()));
    }

    /// C-216: concurrent preparers converge on one copy.
    #[test]
    fn whoever_prepares_at_the_same_time_gets_the_same() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let base = place.path().join("runtime");
        let this = of_this_program().expect("it can be read");
        std::thread::scope(|scope| {
            let prepare = || prepare(&base, &this).map(|copy| copy.program);
            let preparing: Vec<_> = (0..4).map(|_| scope.spawn(prepare)).collect();
            for one in preparing {
                let program = one.join().expect("it does not panic").expect("it can be made");
                assert_eq!(program, base.join(&this.digest).join(PROGRAM));
            }
        });
        assert_eq!(std::fs::read_dir(&base).expect("it is there").count(), 1);
    }

    /// Only what is old and nobody runs is removed.
    #[test]
    fn forgotten_copies_are_removed_and_those_in_use_stay() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let base = place.path().join("runtime");
        let this = of_this_program().expect("it can be read");
        let copy = prepare(&base, &this).expect("it can be made");
        let old = older(&base, &copy);
        let directory = old.program.parent().expect("it has one").to_owned();
        let current = base.join(&this.digest);
        sweep(&base, &current);
        assert!(directory.exists(), "somebody may be about to start it");

        age(&old);
        std::fs::copy("/bin/sleep", &old.program).expect("there is a sleep");
        let mut user = std::process::Command::new(&old.program).arg("60").spawn().expect("it can be run");
        sweep(&base, &current);
        assert!(directory.exists(), "somebody runs it");
        user.kill().expect("it is our child");
        user.wait().expect("it is our child");
        sweep(&base, &current);
        assert!(!directory.exists());
        assert!(current.exists());
    }
}
