//! Evaluating a config that is a program: in a process of its own, in bounded time, so that nothing that it does can
//! harm whoever asks.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Said;
use super::program::Evaluated;
use super::text::CONFIG_BYTES_MAX;
use super::watched::{self, Limits, Outcome};

/// How long a config may take; then it is stopped and refused.
pub(super) const EVALUATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Escapes make the result longer than what it says, sixfold at most.
const RESULT_BYTES_MAX: usize = 6 * CONFIG_BYTES_MAX as usize;

/// What an evaluator tells.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Failed {
        error: String,
        /// Whether it may be an ES module that was not taken for one.
        #[serde(default)]
        again: bool,
    },
    Evaluated(Evaluated),
}

impl Answer {
    pub(super) fn into_result(self) -> Result<Evaluated, String> {
        match self {
            Self::Evaluated(evaluated) => Ok(evaluated),
            Self::Failed { error, .. } => Err(error),
        }
    }
}

/// A config that is a program.
pub(super) struct Module<'m> {
    /// Where it is; absolute.
    pub(super) path: &'m Path,
    /// Takes what it prints.
    pub(super) said: Said<'m>,
    pub(super) timeout: Duration,
    /// Why a program of its language may end before it has told anything.
    pub(super) ends_early: &'static str,
    /// What to do when there is no evaluator for its language.
    pub(super) missing: &'static str,
}

impl Module<'_> {
    /// Runs `evaluator`, which tells on its descriptor what the config came to.
    pub(super) fn evaluate_by(&self, evaluator: Command) -> Result<Answer, String> {
        let limits = Limits { timeout: self.timeout, result_bytes_max: RESULT_BYTES_MAX };
        match watched::run(evaluator, limits, self.said) {
            Ok(Outcome::Told(line)) => serde_json::from_slice(&line)
                .map_err(|error| format!("{} gave something unreadable: {error}", self.name())),
            Ok(Outcome::Ended(status)) => Err(self.ended(status)),
            Ok(Outcome::TimedOut) => Err(format!(
                "{} did not come to an end within {:?} and was stopped. It has to give its config, and nothing else.",
                self.name(),
                self.timeout
            )),
            Ok(Outcome::TooLarge) => Err(format!("{} is larger than {CONFIG_BYTES_MAX} bytes", self.name())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("{} {}", self.name(), self.missing))
            }
            Err(error) => Err(format!("{} cannot be evaluated: {error}", self.name())),
        }
    }

    fn ended(&self, status: ExitStatus) -> String {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
        };
        format!("{} ended {how} before there was a config: {}", self.name(), self.ends_early)
    }

    fn name(&self) -> String {
        format!("Config module {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::time::Instant;

    /// What comes of a shell script in the place of an evaluator, and what it printed.
    fn evaluated(script: &str, timeout: Duration) -> (Result<Answer, String>, String) {
        let printed = RefCell::new(String::new());
        let said = |bytes: &[u8]| printed.borrow_mut().push_str(&String::from_utf8_lossy(bytes));
        let module = Module {
            path: Path::new("/srv/shop/rollbridge.js"),
            said: &said,
            timeout,
            ends_early: "why?",
            missing: "has no evaluator",
        };
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        let answer = module.evaluate_by(command);
        (answer, printed.into_inner())
    }

    fn refusal(script: &str, timeout: Duration) -> String {
        evaluated(script, timeout).0.and_then(Answer::into_result).expect_err(script)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn the_result_is_what_comes_on_its_own_descriptor() {
        let (answer, printed) =
            evaluated("echo out; echo err >&2; echo '{\"config\": 7}' >&3; echo late", LONG);
        assert_eq!(answer.and_then(Answer::into_result).expect("a result").config, 7);
        assert!(printed.starts_with("out\nerr\n"), "{printed}");
    }

    fn goes_on(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_program_that_goes_on_is_stopped_with_all_that_it_started() {
        let short = Duration::from_millis(300);
        for script in [
            "sleep 1000 & echo $!; wait",
            "exec 3>&-; sleep 1000 & echo $!; wait",
            "exec 3>&- >&- 2>&-; while :; do :; done",
            "trap '' TERM; while :; do :; done",
        ] {
            let (answer, printed) = evaluated(script, short);
            let told = answer.expect_err(script);
            assert!(told.contains("did not come to an end within 300ms and was stopped"), "{told}");
            let deadline = Instant::now() + LONG;
            for pid in printed.lines() {
                while goes_on(pid) {
                    assert!(Instant::now() < deadline, "{pid} of {script} goes on");
                    std::thread::yield_now();
                }
            }
        }
    }

    #[test]
    fn a_result_ends_the_wait_whoever_holds_the_descriptors() {
        let (answer, _) = evaluated("echo '{\"config\": {}}' >&3; sleep 1000 & sleep 1000", LONG);
        assert!(answer.is_ok(), "{answer:?}");
    }

    #[test]
    fn an_end_without_a_result_is_told_with_its_exit() {
        assert_eq!(
            refusal("exit 7", LONG),
            "Config module /srv/shop/rollbridge.js ended with exit code 7 before there was a config: why?"
        );
        assert!(refusal("kill -9 $$", LONG).contains("ended by signal 9 before"));
        assert!(refusal("echo nonsense >&3", LONG).contains("gave something unreadable"));
        assert!(refusal("echo '{\"error\": \"no\"}' >&3", LONG) == "no");
    }

    #[test]
    fn a_result_without_an_end_is_refused_in_time() {
        let endless = refusal("exec cat /dev/zero >&3", LONG);
        assert!(endless.ends_with("is larger than 16777216 bytes"), "{endless}");
    }

    #[test]
    fn what_is_printed_is_cut() {
        let (answer, printed) = evaluated("head -c 1000000 /dev/zero; echo '{\"config\": 1}' >&3", LONG);
        assert!(answer.is_ok());
        assert!(printed.len() < 70_000 && printed.ends_with("which is not shown)\n"), "{}", printed.len());
    }

    #[test]
    fn a_missing_evaluator_is_told() {
        let module = Module {
            path: Path::new("/x.js"),
            said: &|_| {},
            timeout: LONG,
            ends_early: "",
            missing: "has no evaluator",
        };
        let told = module.evaluate_by(Command::new("/no/such/program")).expect_err("there is none");
        assert_eq!(told, "Config module /x.js has no evaluator");
    }
}
