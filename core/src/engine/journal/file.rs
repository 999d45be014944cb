//! The state file itself: read, written, removed. Never through a link, never half, and nothing but ours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::snapshot::STATE_BYTES_MAX;

/// Who may read and write it: it says what runs here and where.
const MODE: u32 = 0o600;

/// Others could have written it.
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// Why a state file is not read. Its absence is no reason.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum ReadError {
    #[error("{} cannot be read: {source}", path.display())]
    System { path: PathBuf, source: io::Error },
    /// What it says decides what is killed and what is run.
    #[error("{} is {what}, so what it says is not believed; remove it, or give it back to its owner", path.display())]
    NotTrusted { path: PathBuf, what: String },
    #[error("{} is larger than {STATE_BYTES_MAX} bytes and is not read; remove it", path.display())]
    TooLarge { path: PathBuf },
}

/// What the file holds; `None` when there is none.
pub(in crate::engine) fn read(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    let not_trusted = |what: String| ReadError::NotTrusted { path: path.to_owned(), what };
    // O_NONBLOCK, because opening a pipe would wait for its writer.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(not_trusted("a symbolic link".to_owned()));
        }
        Err(source) => return Err(ReadError::System { path: path.to_owned(), source }),
    };
    let found = file.metadata().map_err(|source| ReadError::System { path: path.to_owned(), source })?;
    if !found.is_file() {
        return Err(not_trusted("not a file".to_owned()));
    }
    if found.uid() != Uid::effective().as_raw() {
        return Err(not_trusted(format!("a file of user {}", found.uid())));
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(not_trusted("writable by everybody".to_owned()));
    }
    text_of(file, path).map(Some)
}

fn text_of(file: File, path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut text = Vec::new();
    let limit = u64::try_from(STATE_BYTES_MAX).unwrap_or(u64::MAX);
    match file.take(limit + 1).read_to_end(&mut text) {
        Ok(bytes) if bytes > STATE_BYTES_MAX => Err(ReadError::TooLarge { path: path.to_owned() }),
        Ok(_) => Ok(text),
        Err(source) => Err(ReadError::System { path: path.to_owned(), source }),
    }
}

/// Replaces the file as a whole: whoever reads it finds the old text or the new one. A link at its place is replaced, and
/// not followed.
pub(in crate::engine) fn write(path: &Path, text: &str) -> io::Result<()> {
    let draft = draft_of(path)?;
    let written = write_draft(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _nothing_of_it_stays = fs::remove_file(&draft);
    }
    written
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Nothing, or what a daemon that was killed had begun.
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(".new");
    Ok(path.with_file_name(name))
}

/// Removes the file, and what a write that was interrupted left beside it. It is no error when there is none.
pub(in crate::engine) fn remove(path: &Path) -> io::Result<()> {
    for path in [draft_of(path)?, path.to_owned()] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("state.json");
        (directory, path)
    }

    #[test]
    fn what_is_written_is_private_whole_and_read_again() {
        let (directory, path) = place();
        assert_eq!(read(&path).expect("there is none"), None);
        write(&path, "one").expect("it can be written");
        write(&path, "two").expect("it can be replaced");
        assert_eq!(read(&path).expect("it is ours").as_deref(), Some(&b"two"[..]));
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "no draft stays");
        remove(&path).expect("it can be removed");
        remove(&path).expect("nothing to do");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn a_link_is_neither_followed_nor_believed() {
        let (directory, path) = place();
        let target = directory.path().join("target");
        fs::write(&target, "precious").expect("it can be written");
        symlink(&target, &path).expect("a link");
        assert!(read(&path).expect_err("a link").to_string().contains("a symbolic link"));
        write(&path, "state").expect("the link is replaced");
        assert_eq!(fs::read_to_string(&target).expect("it is there"), "precious");
        symlink(&target, directory.path().join("state.json.new")).expect("a link where the draft goes");
        write(&path, "state").expect("that link is replaced, too");
        assert_eq!(fs::read_to_string(&target).expect("it is there"), "precious");
    }

    #[test]
    fn what_others_may_have_written_is_not_believed() {
        let (_directory, path) = place();
        fs::write(&path, "{}").expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
        assert!(read(&path).expect_err("anybody's").to_string().contains("writable by everybody"));
        fs::remove_file(&path).expect("it is there");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(read(&path).expect_err("a pipe").to_string().contains("not a file"));
    }

    /// 100 MB are refused without being read.
    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let (_directory, path) = place();
        let file = File::create(&path).expect("it can be made");
        file.set_len(100 << 20).expect("a sparse file");
        assert!(matches!(read(&path), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_left() {
        let (directory, path) = place();
        assert!(write(&directory.path().join("no/state.json"), "x").is_err());
        assert!(write(Path::new("/"), "x").is_err());
        fs::create_dir(&path).expect("a directory in its place");
        assert!(write(&path, "x").is_err());
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "no draft stays");
    }
}
