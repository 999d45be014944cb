//! Where copies lie: only where nobody else could put or change one (compat C-216, C-217).

use std::ffi::OsString;
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use nix::unistd::Uid;
use sha2::{Digest, Sha256};

use super::hexadecimal;

/// Permissions of the directories that we make.
const MODE: u32 = 0o700;

/// Anybody but the owner may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Only owners may remove what is inside.
const STICKY: u32 = 0o1000;

/// The base for an application when none is given.
pub(crate) fn default_base(application: &str) -> PathBuf {
    let digest = hexadecimal(&Sha256::digest(application));
    PathBuf::from(format!("/tmp/rollbridge-{}-{}-runtime", Uid::effective(), &digest[..16]))
}

/// Makes the directories of `base` that are missing, and refuses one that is not safe. Tells its absolute path.
pub(super) fn ensure(base: &Path) -> Result<PathBuf, String> {
    let base = absolute(base).map_err(|error| error.to_string())?;
    let me = Uid::effective().as_raw();
    let mut path = PathBuf::new();
    for part in base.components() {
        path.push(part);
        let found =
            found_or_made(&path).map_err(|error| format!("cannot use {}: {error}", path.display()))?;
        let place = if path == base { Place::Base } else { Place::Ancestor };
        if let Some(problem) = problem(place, &Facts::of(&found), me) {
            return Err(format!("{problem}: {}", path.display()));
        }
    }
    Ok(base)
}

/// Without `.` and `..`, as the shell's `cd` understands them.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let mut parts: Vec<OsString> = Vec::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_owned()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(Path::new("/").join(parts.iter().collect::<PathBuf>()))
}

fn found_or_made(path: &Path) -> io::Result<Metadata> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match DirBuilder::new().mode(MODE).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                // Another one who prepares may have been faster.
                _ => path.symlink_metadata(),
            }
        }
        found => found,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ancestor,
    Base,
}

/// What matters about a component of the path.
#[derive(Clone, Copy, Debug)]
struct Facts {
    is_directory: bool,
    owner: u32,
    mode: u32,
}

impl Facts {
    fn of(found: &Metadata) -> Self {
        Self { is_directory: found.is_dir(), owner: found.uid(), mode: found.mode() }
    }
}

/// Why somebody else could put a program of his there.
fn problem(place: Place, facts: &Facts, me: u32) -> Option<&'static str> {
    let written_by_others = facts.mode & WRITABLE_BY_OTHERS != 0;
    match place {
        _ if !facts.is_directory => {
            Some("Every Rollbridge daemon runtime path component must be a real directory")
        }
        Place::Base if facts.owner != me => {
            Some("Rollbridge daemon runtime path must be owned by the current user")
        }
        Place::Base if written_by_others => {
            Some("Rollbridge daemon runtime path must not be writable by group or other users")
        }
        Place::Ancestor if facts.owner != 0 && facts.owner != me => {
            Some("Rollbridge daemon runtime path ancestor must be owned by root or the current user")
        }
        Place::Ancestor if written_by_others && facts.mode & STICKY == 0 => Some(
            "Rollbridge daemon runtime path ancestor must be sticky or not writable by group or other users",
        ),
        Place::Ancestor | Place::Base => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: u32 = 1000;

    fn judged(place: Place, owner: u32, mode: u32) -> Option<&'static str> {
        problem(place, &Facts { is_directory: true, owner, mode }, ME)
    }

    /// C-217: the table of the contract.
    #[test]
    fn directories_of_others_are_refused() {
        let root = 0;
        assert_eq!(judged(Place::Ancestor, root, 0o755), None);
        assert_eq!(judged(Place::Ancestor, root, 0o1777), None, "such as /tmp");
        assert_eq!(judged(Place::Ancestor, ME, 0o700), None);
        let sticky =
            "Rollbridge daemon runtime path ancestor must be sticky or not writable by group or other users";
        assert_eq!(judged(Place::Ancestor, ME, 0o777), Some(sticky));
        assert_eq!(judged(Place::Ancestor, ME, 0o720), Some(sticky));
        let owned = "Rollbridge daemon runtime path ancestor must be owned by root or the current user";
        assert_eq!(judged(Place::Ancestor, 1001, 0o755), Some(owned));
        assert_eq!(judged(Place::Base, ME, 0o755), None);
        let writable = "Rollbridge daemon runtime path must not be writable by group or other users";
        assert_eq!(judged(Place::Base, ME, 0o770), Some(writable));
        assert_eq!(judged(Place::Base, ME, 0o1777), Some(writable));
        assert!(judged(Place::Base, root, 0o755).is_some());
        let no_directory = Facts { is_directory: false, owner: ME, mode: 0o700 };
        let real = "Every Rollbridge daemon runtime path component must be a real directory";
        assert_eq!(problem(Place::Ancestor, &no_directory, ME), Some(real));
        assert_eq!(problem(Place::Base, &no_directory, ME), Some(real));
    }

    /// C-217: links are no directories, wherever they point to.
    #[test]
    fn a_link_on_the_way_is_refused_and_what_is_missing_is_made_for_us_alone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let base = place.path().join("a/./x/../b");
        let made = ensure(&base).expect("nobody else can write there");
        assert_eq!(made, place.path().join("a/b"));
        assert_eq!(made.metadata().expect("it is there").mode() & 0o777, 0o700);
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path().join("a"), &link).expect("there is no link yet");
        let error = ensure(&link.join("b")).expect_err("it is a link");
        assert_eq!(
            error,
            format!(
                "Every Rollbridge daemon runtime path component must be a real directory: {}",
                link.display()
            )
        );
    }

    /// C-216: the digest of the name, so that no name can leave the directory.
    #[test]
    fn the_default_base_is_named_after_user_and_application() {
        let expected = format!("/tmp/rollbridge-{}-ba7816bf8f01cfea-runtime", Uid::effective());
        assert_eq!(default_base("abc"), Path::new(&expected));
    }
}
