//! How a process ended, and what can be sent to one.

use std::fmt;
use std::str::FromStr;

/// A signal, by its Linux number.
///
/// ```
/// use rollcore::Signal;
/// assert_eq!("SIGTERM".parse(), Ok(Signal::TERM));
/// assert_eq!(Signal::KILL.to_string(), "SIGKILL");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// Names and numbers as `signal(7)` lists them for x86-64 and ARM. The first name of a number is the one that is shown;
/// the others are read, because Node knows them too.
const NAMES: [(&str, i32); 33] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
    ("SIGPOLL", 29),
    ("SIGIOT", 6),
];

impl Signal {
    /// The polite request to end.
    pub const TERM: Self = Self(15);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// The end; cannot be refused.
    pub const KILL: Self = Self(9);

    /// The signal with this number; `None` for what `signal(7)` does not list.
    #[must_use]
    pub fn from_raw(number: i32) -> Option<Self> {
        NAMES.iter().any(|(_, known)| *known == number).then_some(Self(number))
    }

    /// The number as system calls take it.
    #[must_use]
    pub fn as_raw(self) -> i32 {
        self.0
    }

    /// The name with its `SIG`, as Node and the shell write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, number)| *number == self.0)
            .map(|(name, _)| *name)
            .expect("a signal is only made from the table")
    }
}

/// No such signal name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a signal name; use one such as SIGTERM or SIGINT")]
pub struct UnknownSignal(pub String);

impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(name: &str) -> Result<Self, UnknownSignal> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| Self(*number))
            .ok_or_else(|| UnknownSignal(name.to_owned()))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It called `exit` with this code.
    Code(i32),
    /// A signal ended it.
    Signal(Signal),
    /// Somebody else reaped it and the kernel does not say any more.
    Unknown,
}

impl Exit {
    /// The code, if it exited with one.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::Unknown => None,
        }
    }

    /// The signal, if one ended it.
    #[must_use]
    pub fn signal(self) -> Option<Signal> {
        match self {
            Self::Signal(signal) => Some(signal),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Exit {
    /// Reads well after "the process".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by {signal}"),
            Self::Unknown => f.write_str("ended, and nobody knows how"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for (name, number) in NAMES {
            let signal: Signal = name.parse().expect(name);
            assert_eq!(signal.as_raw(), number);
            assert_eq!(Signal::from_raw(number), Some(signal));
        }
        assert_eq!("SIGIOT".parse::<Signal>().map(Signal::name), Ok("SIGABRT"));
        assert_eq!("SIGPOLL".parse::<Signal>().map(Signal::name), Ok("SIGIO"));
        assert_eq!("SIGNONSENSE".parse::<Signal>(), Err(UnknownSignal("SIGNONSENSE".into())));
        assert_eq!(Signal::from_raw(0), None);
    }

    #[test]
    fn an_exit_reads_as_a_sentence() {
        assert_eq!(Exit::Code(1).to_string(), "exited with code 1");
        assert_eq!(Exit::Signal(Signal::KILL).to_string(), "was ended by SIGKILL");
    }
}
