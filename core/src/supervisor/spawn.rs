//! The system calls that have no safe wrapper: `posix_spawn`, `pidfd_open`, `pidfd_send_signal`, `PIDFD_GET_INFO`.
//!
//! The only file of this crate with `unsafe` in it. It decides nothing: see `command.rs` for what is spawned and
//! `child.rs` for what happens to it.
#![expect(unsafe_code, reason = "posix_spawn and pidfds have no safe wrapper in nix")]

use std::ffi::{CString, c_char, c_int, c_short};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::exit::{Exit, Signal};
use crate::id::Pid;

/// What `posix_spawn` needs, ready to be handed over.
#[derive(Debug)]
pub(super) struct Image {
    /// The program, looked up already.
    pub(super) path: CString,
    /// With the program's name as the first.
    pub(super) args: Vec<CString>,
    /// Each as `NAME=value`.
    pub(super) env: Vec<CString>,
    /// Where it runs.
    pub(super) cwd: CString,
    /// How many descriptors it may have; as many as this process when it is `None`.
    pub(super) descriptors_max: Option<u64>,
}

/// Starts `image` with its own session and group, an empty signal mask, default dispositions, stdin at the end of
/// file, and no other descriptor than 0 to 2. Without pipes, what it prints is thrown away.
///
/// The mask and the dispositions of this thread do not reach it, and the memory of this process is not copied.
pub(super) fn spawn(image: &Image, output: Option<(BorrowedFd<'_>, BorrowedFd<'_>)>) -> io::Result<Pid> {
    let attributes = Attributes::new()?;
    let actions = FileActions::new(image, output)?;
    let args = pointers(&image.args);
    let env = pointers(&image.env);
    let mut pid = 0;
    // SAFETY: every pointer is to a live, initialized value of this frame or of `image`; both arrays end with NULL.
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            image.path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            args.as_ptr(),
            env.as_ptr(),
        )
    })?;
    let pid = u32::try_from(pid).ok().and_then(Pid::new).expect("posix_spawn gives a positive pid");
    image.descriptors_max.into_iter().for_each(|max| limit_descriptors(pid, max));
    Ok(pid)
}

/// Lowers the soft limit of a process that has just begun. `posix_spawn` has no attribute for limits, and ours may not be
/// lowered meanwhile: what other threads open would fail.
fn limit_descriptors(pid: Pid, max: u64) {
    // What could go wrong is that it has ended already.
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let limit = libc::rlimit { rlim_cur: max.min(hard), rlim_max: hard };
    // SAFETY: one live, initialized value is read; nothing is written.
    unsafe { libc::prlimit(pid.as_raw(), libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
}

fn pointers(texts: &[CString]) -> Vec<*mut c_char> {
    texts.iter().map(|text| text.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
}

/// These functions return the error instead of setting `errno`.
fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: `init` writes the whole value, and is called once.
        check(unsafe { libc::posix_spawnattr_init(raw.as_mut_ptr()) })?;
        // SAFETY: initialized by the line above.
        let mut attributes = Self(unsafe { raw.assume_init() });
        let flags = libc::POSIX_SPAWN_SETSIGMASK as c_short
            | libc::POSIX_SPAWN_SETSIGDEF as c_short
            | libc::POSIX_SPAWN_SETSID as c_short;
        let nothing = signal_set(libc::sigemptyset);
        let everything = signal_set(libc::sigfillset);
        // SAFETY: the attributes and both sets are initialized and live.
        unsafe {
            check(libc::posix_spawnattr_setsigmask(&raw mut attributes.0, &raw const nothing))?;
            check(libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const everything))?;
            check(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

fn signal_set(fill: unsafe extern "C" fn(*mut libc::sigset_t) -> c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` and `sigfillset`, the only ones passed, write the whole set and cannot fail.
    unsafe {
        fill(set.as_mut_ptr());
        set.assume_init()
    }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new(image: &Image, output: Option<(BorrowedFd<'_>, BorrowedFd<'_>)>) -> io::Result<Self> {
        const DEV_NULL: *const c_char = c"/dev/null".as_ptr();
        let mut raw = MaybeUninit::uninit();
        // SAFETY: `init` writes the whole value, and is called once.
        check(unsafe { libc::posix_spawn_file_actions_init(raw.as_mut_ptr()) })?;
        // SAFETY: initialized by the line above.
        let mut actions = Self(unsafe { raw.assume_init() });
        let this = &raw mut actions.0;
        // SAFETY: `this` is initialized and live, the paths end with NUL and are copied by the callee.
        unsafe {
            check(libc::posix_spawn_file_actions_addchdir_np(this, image.cwd.as_ptr()))?;
            check(libc::posix_spawn_file_actions_addopen(this, 0, DEV_NULL, libc::O_RDONLY, 0))?;
            if let Some((stdout, stderr)) = output {
                check(libc::posix_spawn_file_actions_adddup2(this, stdout.as_raw_fd(), 1))?;
                check(libc::posix_spawn_file_actions_adddup2(this, stderr.as_raw_fd(), 2))?;
            } else {
                check(libc::posix_spawn_file_actions_addopen(this, 1, DEV_NULL, libc::O_WRONLY, 0))?;
                check(libc::posix_spawn_file_actions_addopen(this, 2, DEV_NULL, libc::O_WRONLY, 0))?;
            }
            check(libc::posix_spawn_file_actions_addclosefrom_np(this, 3))?;
        }
        Ok(actions)
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// A descriptor for the process that has this pid now. Readable when it has ended; closed on exec.
pub(super) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers, touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = c_int::try_from(fd).expect("a descriptor is an int");
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor, nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Registers a pidfd with the runtime, to be awaited.
///
/// # Panics
/// Outside of a tokio runtime.
pub(super) fn listen(pidfd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an `Arc<OwnedFd>` keeps its descriptor open and the same for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

/// Sends `signal` to exactly the process that `pidfd` was opened for.
pub(super) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a live descriptor, a number, and no `siginfo_t`, which the kernel then fills in as `kill` does.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.as_raw(), info, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct pidfd_info` of `linux/pidfd.h` in its first size, which every kernel that has the call accepts.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: the exit code is asked for, and was given.
const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::Ioctl =
    (3 << 30) | ((size_of::<PidfdInfo>() as libc::Ioctl) << 16) | (0xFF << 8) | 11;

/// How a process ended that somebody else has reaped. `Ok(None)`: the kernel will know in a moment.
///
/// # Errors
/// When the kernel does not keep it (before 6.15).
pub(super) fn exit_of_reaped(pidfd: BorrowedFd<'_>) -> io::Result<Option<Exit>> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the kernel writes at most the size that is part of the request's number, which is that of `info`.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((info.mask & PIDFD_INFO_EXIT != 0).then(|| exit_of_status(info.exit_code)))
}

fn exit_of_status(status: c_int) -> Exit {
    if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else {
        Signal::from_raw(libc::WTERMSIG(status)).map_or(Exit::Unknown, Exit::Signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_the_number_of_the_kernel_header() {
        assert_eq!(size_of::<PidfdInfo>(), 64);
        assert_eq!(PIDFD_GET_INFO, 0xC040_FF0B);
    }

    #[test]
    fn a_wait_status_is_a_code_or_a_signal() {
        assert_eq!(exit_of_status(3 << 8), Exit::Code(3));
        assert_eq!(exit_of_status(15), Exit::Signal(Signal::TERM));
        assert_eq!(exit_of_status(9 | 0x80), Exit::Signal(Signal::KILL), "with a core dump");
        assert_eq!(exit_of_status(40), Exit::Unknown, "a realtime signal has no name");
    }
}
