//! What can be typed (compat C-240 to C-242). Says what is meant; does nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo;

/// Zero-downtime rollouts: a release replaces another under load, and nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "rollcore", version, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon in the foreground.
    Daemon(DaemonArgs),
    /// Deploy a prepared release directory.
    Deploy(DeployArgs),
    /// Go back to the previous release, or to a named one.
    Rollback(ReleaseArgs),
    /// Start the daemon in the background, unless it is running.
    EnsureDaemon(EnsureArgs),
    /// Show what is running.
    Status(ConfigArgs),
    /// Stop the active release, or a named one.
    Stop(ReleaseArgs),
    /// Restart processes in place; the proxied one is replaced by a deploy instead.
    Restart(RestartArgs),
    /// Let requests wait, until they are resumed: for a migration, say.
    Pause(PauseArgs),
    /// Send the requests that wait since a pause.
    Resume(ConfigArgs),
    /// Stop everything, and the daemon.
    Shutdown(ConfigArgs),
    /// Check a config file.
    Validate(ValidateArgs),
    /// Look whether a daemon would work here, and whether it could run a release.
    Doctor(DoctorArgs),
    /// Show the last lines of the processes.
    Logs(LogsArgs),
    /// Show what happened.
    Events(EventsArgs),
    /// List or stop the processes that a killed daemon left behind.
    Recover(RecoverArgs),
    /// Stop what is in the way of a first deploy: an idle daemon, orphans, what ran before.
    PredeployCleanup(CleanupArgs),
    /// Print a service file for systemd or launchd.
    Unit(UnitArgs),
    /// Print a script that completes commands and options in bash, zsh or fish.
    Completion(CompletionArgs),
    /// Run a deploy script in Lua, which is inside of this program.
    Run(RunArgs),
    /// Releases replace each other under load, and nothing is lost: no config, nothing to install.
    Demo(demo::DemoArgs),
    /// The sample application of the demo.
    #[command(hide = true)]
    SampleApp(demo::SampleArgs),
    /// Evaluates a config in Lua, for a `rollcore` that needs it.
    #[command(hide = true)]
    EvaluateLua {
        /// The config; absolute.
        path: PathBuf,
    },
    /// Puts load on an address.
    #[command(hide = true)]
    Load(demo::LoadArgs),
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The config file [default: rollcore.json, .toml, .lua or .js, or rollbridge.js, in this
    /// directory].
    #[arg(short, long, value_name = "path")]
    pub(crate) config: Option<PathBuf>,
    /// Ignored, as in the contract.
    #[arg(hide = true)]
    extra: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DaemonArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Leave the session of whoever started us; for `ensure-daemon`.
    #[arg(long, hide = true)]
    pub(crate) own_session: bool,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
}

/// A release to begin with. What goes with what is checked by the library, in the words of the contract.
#[derive(Debug, Args)]
pub(crate) struct BootstrapArgs {
    /// Begin with the release in this directory; needs --config, --release-id and --revision.
    #[arg(long, value_name = "path")]
    pub(crate) release_path: Option<String>,
    /// Its name.
    #[arg(long, value_name = "id")]
    pub(crate) release_id: Option<String>,
    /// What it was built from.
    #[arg(long, value_name = "sha")]
    pub(crate) revision: Option<String>,
    /// What is shown of this daemon in its status, as sha256:<64 hex digits>.
    #[arg(long, value_name = "digest")]
    pub(crate) boot_attestation: Option<String>,
    /// Replace the daemon that is running, once the release is ready; no connection is refused in between.
    #[arg(long)]
    pub(crate) takeover_owner: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The prepared directory; passed to the daemon as it is.
    #[arg(long, value_name = "path", required = true)]
    pub(crate) release_path: String,
    /// Its name [default: the revision, or the time].
    #[arg(long, value_name = "id")]
    pub(crate) release_id: Option<String>,
    /// What it was built from [default: its name].
    #[arg(long, value_name = "sha")]
    pub(crate) revision: Option<String>,
    /// Start the daemon first, unless it is running.
    #[arg(long)]
    pub(crate) ensure_daemon: bool,
    #[command(flatten)]
    pub(crate) start: StartArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EnsureArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) start: StartArgs,
}

/// How a daemon is started in the background.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Where its output goes; `/tmp/rollbridge-<application>.log` by default.
    #[arg(long, value_name = "path")]
    pub(crate) daemon_log_path: Option<PathBuf>,
    /// Where its pid goes; `/tmp/rollbridge-<application>.pid` by default.
    #[arg(long, value_name = "path")]
    pub(crate) daemon_pid_path: Option<PathBuf>,
    /// Where the copy of this program lies that it runs; `/tmp/rollbridge-<uid>-<hash>-runtime` by default.
    #[arg(long, value_name = "path")]
    pub(crate) daemon_runtime_path: Option<PathBuf>,
    /// How long it may take to answer.
    #[arg(long, value_name = "ms", default_value = "10000", allow_hyphen_values = true)]
    pub(crate) daemon_start_timeout_ms: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Which release.
    #[arg(long, value_name = "id")]
    pub(crate) release_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Only this process or instance.
    #[arg(long, value_name = "id")]
    pub(crate) process: Option<String>,
    /// Only processes of this policy: companion, singleton or service.
    #[arg(long, value_name = "policy")]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Resume by itself after so long [default: when `resume` says so].
    #[arg(long, value_name = "ms")]
    pub(crate) timeout_ms: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse unknown keys, too.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A prepared directory to look at, too.
    #[arg(long, value_name = "path")]
    pub(crate) release_path: Option<PathBuf>,
    /// Its name [default: the revision, or that of the directory].
    #[arg(long, value_name = "id")]
    pub(crate) release_id: Option<String>,
    /// What it was built from [default: its name].
    #[arg(long, value_name = "sha")]
    pub(crate) revision: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The release that is about to be deployed: a daemon is stopped when it brings another Rollbridge.
    #[arg(long, value_name = "path")]
    pub(crate) release_path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UnitArgs {
    /// For which service manager.
    #[arg(value_name = "manager")]
    pub(crate) kind: UnitKind,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Who runs the daemon [default: whoever runs the service manager].
    #[arg(long, value_name = "name")]
    pub(crate) user: Option<String>,
    /// Print the unit of the proxy's socket instead: systemd opens it, and connections wait while the daemon is started.
    #[arg(long)]
    pub(crate) socket: bool,
    /// Where its output goes with launchd; `/var/log/rollcore-<application>.log` by default.
    #[arg(long, value_name = "path")]
    pub(crate) log_path: Option<PathBuf>,
}

/// Who starts services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitKind {
    /// Linux.
    Systemd,
    /// macOS.
    Launchd,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// bash, zsh or fish.
    #[arg(value_name = "shell")]
    pub(crate) shell: String,
    /// Ignored, as in the contract.
    #[arg(hide = true)]
    extra: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Stop them, and clear the state file.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Only this instance.
    #[arg(long, value_name = "id")]
    pub(crate) process: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Only so many of the newest.
    #[arg(long, value_name = "count", allow_hyphen_values = true)]
    pub(crate) limit: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The script.
    #[arg(value_name = "script")]
    pub(crate) script: PathBuf,
    /// What it finds in `arg`.
    #[arg(value_name = "args", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

/// What to say instead of running a command: a help text, or what was typed wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// For stdout; no failure.
    Help(String),
    /// For stderr; a failure.
    Misused(String),
}

/// Reads what was typed.
pub(crate) fn parse(typed: impl IntoIterator<Item = OsString>) -> Result<Command, Instead> {
    match Cli::try_parse_from(typed) {
        Ok(cli) => Ok(cli.command),
        Err(error) => Err(instead(&error)),
    }
}

fn instead(error: &clap::Error) -> Instead {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Instead::Help(error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Instead::Misused(error.to_string()),
        kind => Instead::Misused(match problem(kind, error) {
            Some(problem) => format!("error: {problem}\n{}\n{}", suggestion(error), usage(error)),
            None => error.to_string(),
        }),
    }
}

/// In the words of the contract, where it has some (C-242).
fn problem(kind: ErrorKind, error: &clap::Error) -> Option<String> {
    let argument = || text(error, ContextKind::InvalidArg);
    let value = || text(error, ContextKind::InvalidValue);
    match kind {
        ErrorKind::UnknownArgument => Some(format!("unknown option '{}'", argument()?)),
        ErrorKind::InvalidSubcommand => {
            Some(format!("unknown command '{}'", text(error, ContextKind::InvalidSubcommand)?))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = argument()?;
            Some(match missing.strip_prefix('<').and_then(|name| name.strip_suffix('>')) {
                Some(name) => format!("missing required argument '{name}'"),
                None => format!("required option '{missing}' not specified"),
            })
        }
        ErrorKind::InvalidValue if value().is_none_or(|value| value.is_empty()) => {
            Some(format!("option '{}' argument missing", argument()?))
        }
        _ => None,
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

fn suggestion(error: &clap::Error) -> String {
    [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| text(error, kind))
        .map_or_else(String::new, |nearest| format!("(Did you mean {nearest}?)\n"))
}

fn usage(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => format!("{usage}\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn misused(typed: &str) -> String {
        let words = std::iter::once("rollcore").chain(typed.split_whitespace()).map(OsString::from);
        match parse(words) {
            Err(Instead::Misused(text)) => text,
            other => panic!("{typed}: {other:?}"),
        }
    }

    fn typed(text: &str) -> Command {
        parse(std::iter::once("rollcore").chain(text.split_whitespace()).map(OsString::from)).expect(text)
    }

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    /// C-242.
    #[test]
    fn mistakes_are_told_in_the_words_of_the_contract() {
        let first = |typed: &str| misused(typed).lines().next().map(str::to_owned);
        assert_eq!(first("status --x").as_deref(), Some("error: unknown option '--x'"));
        assert_eq!(first("dance").as_deref(), Some("error: unknown command 'dance'"));
        assert_eq!(
            first("deploy").as_deref(),
            Some("error: required option '--release-path <path>' not specified")
        );
        assert_eq!(
            first("rollback --release-id").as_deref(),
            Some("error: option '--release-id <id>' argument missing")
        );
        for mistake in ["status --x", "dance", "deploy", ""] {
            assert!(misused(mistake).contains("Usage: rollcore"), "{}", misused(mistake));
        }
        assert!(misused("statsu").contains("(Did you mean status?)"));
    }

    /// C-241.
    #[test]
    fn more_words_than_needed_are_ignored() {
        assert!(matches!(typed("status one two"), Command::Status(_)));
        let Command::Deploy(deploy) = typed("deploy --release-path=/r x --release-id v1 -c f") else {
            panic!("a deploy");
        };
        assert_eq!((deploy.release_path.as_str(), deploy.release_id.as_deref()), ("/r", Some("v1")));
        assert_eq!(deploy.config.config, Some(PathBuf::from("f")));
    }
}
