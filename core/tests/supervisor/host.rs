//! What a host does to its own process must not reach its children.
//!
//! Tests that change this whole program (its signal mask, its children) run in a copy of it, see `in_a_copy`.

use std::fs;
use std::sync::Arc;

use rollcore::{Command, Exit, RunSpec, Signal};

use crate::support::{DEADLINE, Watched, grace, is_alive, no_restart, pid_in, until, within};

/// Runs a test alone in a copy of this program that ignores SIGCHLD and others if `ignoring`.
///
/// `before` is called before it has other threads. The copy knows what it is by its environment. It is started by a shell, because ignored signals are inherited and
/// there is no safe way to ignore one here.
fn in_a_copy(name: &str, ignoring: &str, before: impl FnOnce(), test: impl Future<Output = ()>) {
    const COPY: &str = "ROLLCORE_TEST_COPY";
    if std::env::var(COPY).is_ok_and(|copy| copy == name) {
        before();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(test);
    }
    let program = std::env::current_exe().expect("this program has a path");
    let copy = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{ignoring}; exec \"$0\" \"$@\"")])
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env(COPY, name)
        .output()
        .expect("the copy can be started");
    let output = String::from_utf8_lossy(&copy.stdout) + String::from_utf8_lossy(&copy.stderr);
    assert!(copy.status.success() && output.contains("1 passed"), "{output}");
}

async fn exit_and_lines(command: &[&str]) -> (Exit, Vec<String>) {
    let args = command[1..].iter().map(|arg| (*arg).to_owned()).collect();
    let command = Command::Exec { program: command[0].to_owned(), args };
    let (mut watched, _) = Watched::started(RunSpec { command, ..no_restart("") }).await;
    let (exit, _, lines) = watched.exit().await;
    (exit, lines)
}

/// C-54: its session and group, no stdin, pipes.
#[test]
fn a_child_inherits_nothing_of_the_host() {
    let ignoring = "trap '' CHLD HUP USR1 PIPE TERM";
    // Threads inherit the mask: none that could spawn is left out.
    let block_signals =
        || nix::sys::signal::SigSet::all().thread_block().expect("a thread may block its signals");
    in_a_copy("host::a_child_inherits_nothing_of_the_host", ignoring, block_signals, async {
        // The host leaks a descriptor, too.
        let leaked =
            nix::fcntl::open("/dev/zero", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
        let leaked = leaked.expect("it is there");
        let own = fs::read_to_string("/proc/thread-self/status").expect("it is there");
        assert!(
            !own.contains("SigBlk:\t0000000000000000") && !own.contains("SigIgn:\t0000000000000000"),
            "{own}"
        );

        let (_, lines) = exit_and_lines(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).await;
        assert_eq!(lines[0], "SigBlk:\t0000000000000000");
        assert_eq!(lines[1], "SigIgn:\t0000000000000000");

        // The fourth is what `ls` reads.
        let (_, lines) = exit_and_lines(&["ls", "-l", "/proc/self/fd"]).await;
        let targets: Vec<&str> = lines.iter().filter_map(|line| line.split(" -> ").nth(1)).collect();
        assert_eq!(targets.len(), 4, "{lines:?}");
        assert_eq!(targets[0], "/dev/null");
        assert!(targets[1].starts_with("pipe:") && targets[2].starts_with("pipe:"), "{targets:?}");
        assert!(targets[3].starts_with("/proc/"), "{targets:?}");
        drop(leaked);

        let (_, lines) = exit_and_lines(&["cut", "-d ", "-f1,5,6", "/proc/self/stat"]).await;
        let ids: Vec<&str> = lines[0].split(' ').collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "pid, group and session: {ids:?}");

        // It hears the polite signal, and its end is heard.
        let (watched, _) = Watched::started(grace("exec sleep 1000", DEADLINE)).await;
        let report = within(watched.supervisor.stop()).await;
        assert!(is_it_or_forgotten(report.exit, Exit::Signal(Signal::TERM)), "{report:?}");
    });
}

/// Of a child that ends with code 7 after its start was told, and not before: one that is reaped before anybody could
/// open its pidfd is lost.
async fn exit_when_told() -> Exit {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "while [ ! -e go ]; do sleep 0.01; done; exit 7";
    let (mut watched, _) =
        Watched::started(RunSpec { cwd: directory.path().into(), ..no_restart(line) }).await;
    fs::write(directory.path().join("go"), "").expect("it can be written");
    watched.exit().await.0
}

/// Kernels before 6.15 forget the exit of a process that somebody else reaps.
fn is_it_or_forgotten(exit: Option<Exit>, expected: Exit) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("it is there");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let remembers = (numbers.next(), numbers.next()) >= (Some(6), Some(15));
    exit == Some(expected) || !remembers && exit == Some(Exit::Unknown)
}

#[test]
fn a_host_that_ignores_sigchld_does_not_hide_an_exit() {
    in_a_copy("host::a_host_that_ignores_sigchld_does_not_hide_an_exit", "trap '' CHLD", || (), async {
        for _ in 0..10 {
            let exit = exit_when_told().await;
            assert!(is_it_or_forgotten(Some(exit), Exit::Code(7)), "{exit:?}");
        }
        // Its zombie is gone at once, and with it what holds the number of the group: who is left is found all the same.
        let (mut watched, _) = Watched::started(no_restart("sleep 1000 & echo $!; exit 7")).await;
        let grandchild = pid_in(&watched.exit().await.2);
        within(watched.supervisor.stop()).await;
        assert!(!is_alive(grandchild));
    });
}

#[test]
fn a_host_that_reaps_everything_does_not_hide_an_exit() {
    in_a_copy("host::a_host_that_reaps_everything_does_not_hide_an_exit", ":", || (), async {
        use nix::sys::wait::{WaitPidFlag, waitpid};
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let thief = {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut stolen = 0;
                while done.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                    let took =
                        waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some());
                    stolen += u32::from(took);
                    std::thread::yield_now();
                }
                stolen
            })
        };
        for _ in 0..20 {
            let exit = exit_when_told().await;
            assert!(is_it_or_forgotten(Some(exit), Exit::Code(7)), "{exit:?}");
        }
        done.store(1, std::sync::atomic::Ordering::Relaxed);
        assert!(thief.join().expect("it does not panic") > 0, "nothing was stolen: this test shows nothing");
    });
}

#[test]
fn fifty_at_once_leave_nothing_behind() {
    in_a_copy("host::fifty_at_once_leave_nothing_behind", ":", || (), async {
        let open = || fs::read_dir("/proc/self/fd").expect("it is there").count();
        let before = open();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            tasks.spawn(async move {
                let line =
                    format!("sleep 1000 & echo {number}; [ $(({number} % 2)) = 0 ] && exit {number}; wait");
                let (mut watched, _) = Watched::started(no_restart(&line)).await;
                if number % 2 == 0 {
                    let (exit, _, lines) = watched.exit().await;
                    assert_eq!((exit, lines), (Exit::Code(number), vec![number.to_string()]));
                }
                let report = within(watched.supervisor.stop()).await;
                let expected = (number % 2 == 1).then_some(Exit::Signal(Signal::TERM));
                assert_eq!((report.exit, report.killed, report.survivors), (expected, false, 0));
            });
        }
        while let Some(result) = within(tasks.join_next()).await {
            result.expect("it went well");
        }
        assert_eq!(children(), Vec::<String>::new());
        until(|| open() <= before).await;
    });
}

fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let is_mine =
        |stat: &String| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split(' ').nth(2) == Some(&me));
    let entries = fs::read_dir("/proc").expect("it is there").flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok()).filter(is_mine).collect()
}
