//! A socket allocator with real directories, from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rollcore::{ProcessId, SOCKET_PATH_BYTES_MAX, SocketAllocator, SocketLease};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

async fn lease(allocator: &SocketAllocator, process: &str) -> SocketLease {
    allocator.lease(&ProcessId::new(process)).await.expect("there is room")
}

async fn refused(home: &Path) -> (&'static str, String) {
    let error = SocketAllocator::new(home).lease(&ProcessId::new("web")).await.expect_err("it cannot be");
    (error.code(), error.to_string())
}

fn directory_of(lease: &SocketLease) -> PathBuf {
    lease.path().parent().expect("it is in a directory").to_owned()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[tokio::test]
async fn leases_differ_and_are_in_one_private_directory() {
    let home = home();
    let allocator = SocketAllocator::new(home.path());
    let (web, again, other) = (
        lease(&allocator, "web").await,
        lease(&allocator, "web").await,
        lease(&allocator.clone(), "a/b").await,
    );
    let directory = directory_of(&web);
    assert_eq!(directory.parent(), Some(home.path()));
    let name = |lease: &SocketLease| lease.path().strip_prefix(&directory).expect("it is there").to_owned();
    assert_eq!([name(&web), name(&again), name(&other)], ["web.1", "web.2", "a_b.3"].map(PathBuf::from));
    let mode = fs::metadata(&directory).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_lease_takes_its_socket_along_and_nothing_else() {
    let home = home();
    let allocator = SocketAllocator::new(home.path());
    let (web, file) = (lease(&allocator, "web").await, lease(&allocator, "file").await);
    let _listener = UnixListener::bind(web.path()).expect("the name is free");
    fs::write(file.path(), "mine").expect("it can be written");
    let (socket, kept, directory) = (web.path().to_owned(), file.path().to_owned(), directory_of(&web));
    web.give_back();
    file.give_back();
    assert!(!socket.exists());
    assert_eq!(fs::read_to_string(&kept).expect("it is no socket"), "mine");
    drop(allocator);
    assert!(directory.exists(), "something of somebody is still in it");
    fs::remove_file(kept).expect("it is there");
    fs::remove_dir(directory).expect("it is empty");
}

#[tokio::test]
async fn the_directory_goes_with_the_last_of_them() {
    let home = home();
    let allocator = SocketAllocator::new(home.path());
    let web = lease(&allocator, "web").await;
    let directory = directory_of(&web);
    drop(allocator);
    assert!(directory.exists());
    drop(web);
    assert!(!directory.exists());
}

/// Somebody had emptied /tmp: no release could ever be deployed again.
#[tokio::test]
async fn a_directory_that_was_removed_is_made_again() {
    let home = home();
    let allocator = SocketAllocator::new(home.path());
    let first = directory_of(&lease(&allocator, "web").await);
    fs::remove_dir(&first).expect("it is empty");
    let second = lease(&allocator, "web").await;
    assert!(directory_of(&second).exists());
    UnixListener::bind(second.path()).expect("the name is free");
}

#[tokio::test]
async fn what_dead_programs_left_is_removed_and_what_others_have_is_not() {
    let home = home();
    let lives = SocketAllocator::new(home.path());
    let alive = lease(&lives, "web").await;
    let _listener = UnixListener::bind(alive.path()).expect("the name is free");

    let place = |name: &str| home.path().join(name);
    for name in
        ["rollcore-sockets-0000000a", "rollcore-sockets-0000000b", "rollcore-sockets-notours", "other"]
    {
        fs::create_dir(place(name)).expect("the name is free");
        chmod(&place(name), 0o700);
        drop(UnixListener::bind(place(name).join("web.1")).expect("the name is free"));
    }
    fs::write(place("rollcore-sockets-0000000b").join("kept"), "").expect("it can be written");
    let open = place("rollcore-sockets-0000000c");
    fs::create_dir(&open).expect("the name is free");
    chmod(&open, 0o755);
    std::os::unix::fs::symlink(place("other"), place("rollcore-sockets-0000000d")).expect("the name is free");

    assert_eq!(SocketAllocator::new(home.path()).sweep().await, 1);
    assert!(!place("rollcore-sockets-0000000a").exists());
    assert!(place("rollcore-sockets-0000000b").join("kept").exists());
    assert!(!place("rollcore-sockets-0000000b").join("web.1").exists(), "it was a dead program's");
    assert!(open.exists(), "ours are private");
    for name in ["rollcore-sockets-notours", "other", "rollcore-sockets-0000000d"] {
        assert!(place(name).join("web.1").exists(), "{name}");
    }
    assert!(alive.path().exists());
    assert_eq!(SocketAllocator::new(home.path().join("nothing")).sweep().await, 0);
}

#[tokio::test]
async fn where_sockets_cannot_be_private_there_are_none() {
    let home = home();
    chmod(home.path(), 0o777);
    let (code, error) = refused(home.path()).await;
    assert_eq!(code, "socket_directory_not_private");
    assert!(error.contains("(mode 777)") && error.contains("control.path"), "{error}");
    chmod(home.path(), 0o1777);
    let _lease = lease(&SocketAllocator::new(home.path()), "web").await;

    let (code, error) = refused(&home.path().join("missing")).await;
    assert_eq!(code, "socket_directory_failed");
    assert!(error.ends_with("ENOENT: No such file or directory"), "{error}");

    let (code, error) = refused(&home.path().join("d".repeat(SOCKET_PATH_BYTES_MAX))).await;
    assert_eq!(code, "socket_path_too_long");
    assert!(error.contains("107 at most"), "{error}");
}

/// A path that is relative here is nothing to a process in another directory.
#[tokio::test]
async fn leases_are_absolute() {
    let allocator = SocketAllocator::new(".");
    let web = allocator.lease(&ProcessId::new("web")).await;
    // Where this program runs may be too deep for any socket; then that is said of the whole path.
    match web {
        Ok(web) => assert!(web.path().is_absolute()),
        Err(error) => assert!(error.to_string().contains(" at most: /"), "{error}"),
    }
}
