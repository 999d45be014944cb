//! A process as it is run: every placeholder filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::restart::RestartPolicy;

use super::{MemorySpec, StopSpec};

/// What a supervisor runs and how it ends it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// What to run.
    pub command: Command,
    /// Where.
    pub cwd: PathBuf,
    /// Environment variables, on top of those of this program.
    pub env: BTreeMap<String, String>,
    /// Variables of this program that it does not get.
    pub env_removed: BTreeSet<String>,
    /// How it is stopped.
    pub stop: StopSpec,
    /// What follows when it exits unasked.
    pub restart: RestartPolicy,
    /// When it counts as started.
    pub readiness: Readiness,
    /// How many of its last lines are kept; older ones are dropped.
    pub output_lines_max: u32,
    /// How much memory it may use; `None` means that nobody looks.
    pub memory: Option<MemorySpec>,
    /// How many descriptors it may have, unless it allows itself more (the soft `RLIMIT_NOFILE`, getrlimit(2)); `None`
    /// for as many as this program may have. A program that uses select(2) must not have more than 1024.
    ///
    /// It is set in the moment after the start: long before anybody has opened so many, but what the program asks for in
    /// its very first instructions may still be the limit of this program.
    pub descriptors_max: Option<u64>,
    /// The Unix socket at which it listens, if it does. One that its last start left there, and at which nobody listens
    /// any more, is removed before it is started: no program binds a path that is taken.
    pub socket: Option<PathBuf>,
}

impl RunSpec {
    /// Runs `command` in `cwd`, with every default.
    #[must_use]
    pub fn new(command: Command, cwd: impl Into<PathBuf>) -> Self {
        Self {
            command,
            cwd: cwd.into(),
            env: BTreeMap::new(),
            env_removed: BTreeSet::new(),
            stop: StopSpec::default(),
            restart: RestartPolicy::default(),
            readiness: Readiness::WhenSpawned,
            output_lines_max: 50,
            memory: None,
            descriptors_max: None,
            socket: None,
        }
    }
}

/// A command whose placeholders are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments, run without a shell. The program is looked up in `PATH` when it holds no `/`.
    Exec {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl fmt::Display for Command {
    /// For people and status, not for a shell: an argument with spaces is not quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Exec { program, args } => {
                f.write_str(program)?;
                args.iter().try_for_each(|arg| write!(f, " {arg}"))
            }
        }
    }
}

/// When a process counts as started. Until then its exit is a failed start, and is not followed by a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// When it has a pid.
    WhenSpawned,
    /// When it has run this long.
    AfterUptime(Duration),
    /// When somebody says so, usually a health check.
    WhenConfirmed,
}
