//! The system calls that have no safe wrapper: `clone` with a descriptor, `pidfd_open`, `pidfd_send_signal`, `PIDFD_GET_INFO`.
//!
//! The only file of this crate with `unsafe` in it. It decides nothing: see `command.rs` for what is spawned and
//! `child.rs` for what happens to it.
#![expect(unsafe_code, reason = "clone as posix_spawn does it and pidfds have no safe wrapper in nix")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::exit::{Exit, Signal};
use crate::id::Pid;

/// What a start needs, ready to be handed over.
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
/// file, and no other descriptor than 0 to 2. Without pipes, what it prints is thrown away. The descriptor is the process,
/// whoever reaps it and however soon.
///
/// The mask and the dispositions of this thread do not reach it, and the memory of this process is not copied: as
/// `posix_spawn` does it, which gives no descriptor (glibc has one that does since 2.39).
pub(super) fn spawn(
    image: &Image,
    output: Option<(BorrowedFd<'_>, BorrowedFd<'_>)>,
) -> io::Result<(Pid, OwnedFd)> {
    let args = pointers(&image.args);
    let env = pointers(&image.env);
    let plan = Plan {
        path: image.path.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        cwd: image.cwd.as_ptr(),
        output: output.map(|(stdout, stderr)| (stdout.as_raw_fd(), stderr.as_raw_fd())),
        descriptors: image.descriptors_max.and_then(descriptor_limit),
        error: AtomicI32::new(0),
    };
    let mut stack: Vec<u128> = Vec::with_capacity(STACK_BYTES / size_of::<u128>());
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let signals = Blocked::all();
    // SAFETY: until the child has become another program or ended, this thread does not run (VFORK), so everything that
    // `plan` points to lives, and nobody else has the stack, whose end is aligned. No handler of the host can run in the
    // child: all signals are blocked. `in_child` allocates nothing, takes no lock and does not unwind.
    let pid = unsafe {
        let end = stack.as_mut_ptr().add(stack.capacity()).cast();
        libc::clone(in_child, end, flags, (&raw const plan).cast_mut().cast(), &raw mut pidfd)
    };
    let error = io::Error::last_os_error();
    drop(signals);
    let Some(pid) = u32::try_from(pid).ok().and_then(Pid::new) else { return Err(error) };
    // SAFETY: the kernel just gave us this descriptor, nobody else has it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match plan.error.into_inner() {
        0 => Ok((pid, pidfd)),
        error => {
            // It has ended, or does so just now. Perhaps somebody else reaps it.
            let _reaped = waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// What the child needs for its few system calls.
const STACK_BYTES: usize = 64 * 1024;

/// The soft limit of a process. It may not be lowered here: what other threads open meanwhile would fail.
fn descriptor_limit(max: u64) -> Option<libc::rlimit> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    Some(libc::rlimit { rlim_cur: max.min(hard), rlim_max: hard })
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// What a child does between its beginning and its program. It shares our memory until then.
struct Plan {
    path: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    cwd: *const c_char,
    output: Option<(c_int, c_int)>,
    descriptors: Option<libc::rlimit>,
    /// Why there is no program; 0 when there is.
    error: AtomicI32,
}

extern "C" fn in_child(plan: *mut c_void) -> c_int {
    // SAFETY: `spawn` gives a pointer to its plan, which lives until this has ended.
    let plan = unsafe { &*plan.cast::<Plan>() };
    plan.become_program();
    // SAFETY: reads this thread's number of the last error, which is the caller's, who sleeps; ends without anything that
    // is to be done at an exit.
    unsafe {
        plan.error.store(*libc::__errno_location(), Ordering::Relaxed);
        libc::_exit(127)
    }
}

impl Plan {
    /// Returns when a call has failed, with its error in `errno`.
    fn become_program(&self) {
        const DEV_NULL: *const c_char = c"/dev/null".as_ptr();
        // SAFETY: system calls, in a process with one thread and descriptors, dispositions and a mask of its own. Every
        // pointer is to a live value of `spawn`, to a constant or to this frame.
        unsafe {
            default_dispositions();
            if libc::setsid() < 0 || libc::chdir(self.cwd) < 0 || !open_as(0, DEV_NULL, libc::O_RDONLY) {
                return;
            }
            let opened = match self.output {
                Some((stdout, stderr)) => libc::dup2(stdout, 1) == 1 && libc::dup2(stderr, 2) == 2,
                None => open_as(1, DEV_NULL, libc::O_WRONLY) && open_as(2, DEV_NULL, libc::O_WRONLY),
            };
            if !opened {
                return;
            }
            close_from(3);
            if let Some(limit) = &self.descriptors {
                // One that is refused leaves it as many as we have.
                libc::setrlimit(libc::RLIMIT_NOFILE, limit);
            }
            let mut nothing = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(nothing.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, nothing.as_ptr(), std::ptr::null_mut());
            libc::execve(self.path, self.args, self.env);
        }
    }
}

/// Ignored signals would stay ignored, and a handler must not run in a child that shares our memory. Not by way of the C
/// library, which keeps two signals to itself, and ignores them in what it spawns.
///
/// # Safety
/// In a child that shares no dispositions with anybody.
unsafe fn default_dispositions() {
    const SIGNALS: usize = 64;
    // At least as large as the kernel's `struct sigaction`, whose default is all zeros.
    let default = [0_u64; 8];
    for signal in 1..=SIGNALS {
        // SAFETY: reads the live array; SIGKILL and SIGSTOP are refused.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                SIGNALS / 8,
            )
        };
    }
}

/// # Safety
/// `path` is a string of C.
unsafe fn open_as(wanted: c_int, path: *const c_char, flags: c_int) -> bool {
    // SAFETY: as promised.
    unsafe {
        let fd = libc::open(path, flags);
        fd == wanted || (fd >= 0 && libc::dup2(fd, wanted) == wanted)
    }
}

/// # Safety
/// In a child with descriptors of its own, which needs none of them.
unsafe fn close_from(first: c_int) {
    // SAFETY: numbers only; what is not open is not closed.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) == 0 {
            return;
        }
        // Linux before 5.9, or a sandbox that does not know it.
        let limit = libc::sysconf(libc::_SC_OPEN_MAX).clamp(1_024, 1_048_576);
        for fd in first..c_int::try_from(limit).unwrap_or(c_int::MAX) {
            libc::close(fd);
        }
    }
}

/// All signals are blocked on this thread until it is dropped.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: `sigfillset` writes the whole of the one set, `pthread_sigmask` of the other; neither can fail.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: a set that was this thread's mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
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
