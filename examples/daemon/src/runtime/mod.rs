//! Which program this is, and a copy of it for a daemon that must outlive the installation (compat §19).
//!
//! Rollbridge copies a whole package; ours is one file, and the rest is the same: the copy is named after its digest, and
//! a daemon says which one it runs.

mod base;
mod copy;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rollcore::{Engine, RUNTIME_FORMAT, RuntimeIdentity};
use sha2::{Digest, Sha256};

pub(crate) use base::default_base;
pub(crate) use copy::{Copy, prepare};

/// Names `runtime.json` to a daemon that runs from a copy (compat C-220).
pub(crate) const MANIFEST_VARIABLE: &str = "ROLLBRIDGE_DAEMON_RUNTIME_MANIFEST";

/// The file that is running, also when another one has taken its name.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Has `engine` tell which program it is. A daemon that cannot find out says nothing, and is taken for an older one.
pub(crate) async fn tell(engine: &Engine) {
    if let Ok(Ok(identity)) = tokio::task::spawn_blocking(of_daemon).await {
        engine.runtime(identity);
    }
}

/// The program that is running, where it was started from.
pub(crate) fn of_this_program() -> io::Result<RuntimeIdentity> {
    identity(digest_of(Path::new(THIS_PROGRAM))?, &directory()?)
}

/// As [`of_this_program`]; in a copy, what was checked when it was made is not computed again.
fn of_daemon() -> io::Result<RuntimeIdentity> {
    let manifest = std::env::var_os(MANIFEST_VARIABLE).map(PathBuf::from);
    let here = directory()?;
    let own = manifest.filter(|manifest| manifest.parent() == Some(&here));
    match own.and_then(|manifest| read_manifest(&manifest).ok()) {
        Some(identity) if Path::new(&identity.path) == here => Ok(identity),
        _ => of_this_program(),
    }
}

fn directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.parent().map(Path::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn identity(digest: String, directory: &Path) -> io::Result<RuntimeIdentity> {
    let path = directory.to_str().ok_or_else(|| io::Error::other("the path of this program is not UTF-8"))?;
    Ok(RuntimeIdentity {
        digest,
        format: RUNTIME_FORMAT,
        path: path.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn read_manifest(path: &Path) -> io::Result<RuntimeIdentity> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// SHA-256 of a file, in lower-case hexadecimal digits.
fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_sha_256() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "abc").expect("it can be written");
        // The example of FIPS 180-2.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_of(file.path()).expect("it can be read"), expected);
    }

    #[test]
    fn this_program_lies_where_it_was_started_from() {
        let identity = of_this_program().expect("it can be read");
        assert_eq!((identity.digest.len(), identity.format), (64, 1));
        assert!(std::env::current_exe().expect("it has a path").starts_with(&identity.path));
    }
}
