//! Hosts that do what hosts do: fork, ignore SIGCHLD, end in the midst of it.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::build::{ALL, Interpreter, LUA51, LUA54};
use crate::host::{ended, host, printed, script, text};

/// In luaposix, or in the same of our own for a Lua that has none.
#[test]
fn after_a_fork_the_childs_engine_is_dead_and_the_parents_is_not() {
    let helpers = tempfile::tempdir().expect("a temporary directory");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(helpers.path().join("hostfork.so"));
    let compiled = cc.arg(script("hostfork.c")).output().expect("there is a C compiler");
    assert!(compiled.status.success(), "{}", text(&compiled.stderr));
    for interpreter in ALL {
        let mut host = host(interpreter, &script("fork.lua"), &[]);
        with(&mut host, helpers.path());
        assert_eq!(printed(host), "passed\n", "{interpreter:?}");
    }
}

/// Adds a directory to where modules are looked for.
fn with(host: &mut Command, directory: &Path) {
    let before = host.get_envs().find(|(name, _)| *name == "LUA_CPATH").and_then(|(_, value)| value);
    let before = before.expect("it is set").to_string_lossy().into_owned();
    host.env("LUA_CPATH", format!("{}/?.so;{before}", directory.display()));
}

#[test]
fn every_exit_is_right_where_sigchld_is_ignored() {
    for interpreter in ALL {
        let ignoring = host(interpreter, &script("ignored.lua"), &[]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' CHLD; exec \"$@\"", "sh"])
            .arg(ignoring.get_program())
            .args(ignoring.get_args());
        for (name, value) in ignoring.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        assert_eq!(printed(shell), "passed\n", "{interpreter:?}");
    }
}

/// Ends the script in one way, and tells its exit code, what it complained of, and whether what it started goes on.
fn ends(interpreter: Interpreter, how: &str) -> (Option<i32>, String, bool) {
    let mut host = host(interpreter, &script("ends.lua"), &[how]);
    let child = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
    let ran = ended(child);
    let pid = Pid::from_raw(text(&ran.stdout).trim().parse().expect("it prints a pid"));
    let goes_on =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    if goes_on {
        let _ = kill(pid, Signal::SIGKILL);
    }
    (ran.status.code(), text(&ran.stderr), goes_on)
}

#[test]
fn what_was_started_ends_with_the_host_unless_it_skips_cleaning_up() {
    for interpreter in ALL {
        assert_eq!(ends(interpreter, ""), (Some(0), String::new(), false), "{interpreter:?}");
        assert_eq!(ends(interpreter, "close"), (Some(3), String::new(), false), "{interpreter:?}");
        assert_eq!(ends(interpreter, "exit"), (Some(3), String::new(), true), "{interpreter:?}");
        // Lua 5.1 knows no second argument of `os.exit`.
        let goes_on = interpreter.feature == LUA51.feature;
        assert_eq!(ends(interpreter, "tidy"), (Some(3), String::new(), goes_on), "{interpreter:?}");
        let (code, complaint, goes_on) = ends(interpreter, "error");
        assert_eq!((code, goes_on), (Some(1), false), "{interpreter:?}");
        assert!(complaint.contains("ends.lua:7: a bug of the host"), "{complaint}");
    }
}

#[test]
fn a_hundred_hosts_exit_in_the_midst_of_it() {
    for number in 0..100 {
        let mut host = host(LUA54, &script("exits.lua"), &[]);
        let child = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let ran = ended(child);
        assert_eq!(
            (ran.status.code(), text(&ran.stderr)),
            (Some(3), String::new()),
            "{number}: {:?}",
            ran.status
        );
    }
}
