//! Ctrl-C, while a script waits for what does not come.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::build::{LUA54, LUAJIT};
use crate::host::{ended, host, script, text};

#[test]
fn it_ends_a_wait_and_what_was_started() {
    for interpreter in [LUA54, LUAJIT] {
        let mut host = host(interpreter, &script("waits.lua"), &[]);
        let mut child = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut pid = String::new();
        stdout.read_line(&mut pid).expect("it says the pid of what it has started");
        kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid fits")), Signal::SIGINT)
            .expect("it is there");
        let ran = ended(child);
        assert_eq!(ran.status.code(), Some(1), "{interpreter:?}");
        let said = text(&ran.stderr);
        // Between the line and the wait it is Lua that is interrupted, which also says where.
        let message = said.lines().next().unwrap_or_default();
        let is_named = message.starts_with(&format!("{}: ", interpreter.program));
        assert!(is_named && message.ends_with("interrupted!"), "{said}");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        assert!(stat.is_err(), "{interpreter:?}: it goes on: {stat:?}");
    }
}
