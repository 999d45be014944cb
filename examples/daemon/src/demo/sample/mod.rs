//! The sample application: what a release of the demo runs, and the tests too.
//!
//! It is this same binary, as the hidden command `rollcore sample-app`. What kind of release it is stands in the file
//! `mode` of its release directory, or in `SAMPLE_MODE`.

mod answer;
mod serve;
mod tunnel;

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

pub(crate) use answer::ORDERS;

/// The sample application's options.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SampleArgs {
    /// What this process is in the sample application.
    #[arg(long, value_enum, default_value_t = Role::Web)]
    role: Role,
}

/// What a process is in the sample application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Answers HTTP and WebSockets.
    Web,
    /// Runs until it is asked to end; so do the others.
    Worker,
    /// At most one of these runs.
    Scheduler,
    /// Outlives releases.
    Broker,
}

/// What kind of release this is. All but the first are broken, each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Works.
    Ok,
    /// Answers, but never with a healthy `/ping`.
    NeverHealthy,
    /// Prints `AUTH_SECRET missing` and exits with code 1.
    CrashAtBoot,
    /// Runs, but never listens.
    NeverListens,
    /// Accepts connections and never answers.
    HangOnAccept,
    /// Answers everything with 500.
    #[value(name = "answers-500")]
    Answers500,
    /// The web works, the scheduler exits at boot.
    SingletonFails,
}

impl Mode {
    fn here() -> Result<Self, String> {
        let text =
            std::env::var("SAMPLE_MODE").or_else(|_| std::fs::read_to_string("mode")).unwrap_or_default();
        match text.trim() {
            "" => Ok(Self::Ok),
            name => <Self as clap::ValueEnum>::from_str(name, true),
        }
    }

    fn breaks_boot_of(self, role: Role) -> bool {
        matches!((self, role), (Self::CrashAtBoot, Role::Web) | (Self::SingletonFails, Role::Scheduler))
    }
}

/// Runs the sample application until it is asked to end.
pub(crate) fn run(args: &SampleArgs) -> ExitCode {
    let mode = match Mode::here() {
        Ok(mode) => mode,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    if mode.breaks_boot_of(args.role) {
        complain("AUTH_SECRET missing");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| runtime.block_on(live(args.role, mode)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn live(role: Role, mode: Mode) -> std::io::Result<()> {
    // Register before anything is announced: who hears of us may ask us to end at once.
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked_to_end = async move {
        tokio::select! { _ = term.recv() => (), _ = interrupt.recv() => () }
    };
    if role == Role::Web && mode != Mode::NeverListens {
        return serve::until(asked_to_end, mode).await;
    }
    tell(&format!("{role:?} of {} is up", release()));
    asked_to_end.await;
    Ok(())
}

fn release() -> String {
    std::env::var("ROLLCORE_RELEASE_ID").unwrap_or_else(|_| "unreleased".to_owned())
}

/// A line on stdout. Nobody may be reading any more, and that is no reason to end.
fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
