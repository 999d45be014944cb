//! `rollcore ensure-daemon`: a daemon runs in the background afterwards (compat C-214 to C-222).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::Uid;
use rollcore::{Application, ControlClient, ControlError, RuntimeIdentity};
use tokio::time::Instant;

use super::client::{Answer, LOOK_TIMEOUT, block_on, load, request};
use crate::cli::{EnsureArgs, StartArgs};
use crate::config_file::Loaded;
use crate::output::{Failed, Outcome, print_response};
use crate::runtime::{self, Copy};

/// How often a daemon that was started is asked whether it is there.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long somebody else's daemon may take to answer when ours ended at once: two were started together.
const OTHER_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of its log is shown when a daemon did not start.
const LOG_LINES_SHOWN: usize = 20;

/// How much of a digest is shown, in hexadecimal digits.
const DIGEST_DIGITS_SHOWN: usize = 12;

/// How far back the log is read for that, in bytes.
const LOG_BYTES_READ: u64 = 16 * 1024;

pub(super) fn run(args: &EnsureArgs) -> Outcome {
    let loaded = load(&args.config)?;
    let status = block_on(ensure(&loaded, &args.start))??;
    print_response(status)
}

/// The status of the daemon that runs for this config; it is started if none does.
pub(super) async fn ensure(loaded: &Loaded, args: &StartArgs) -> Result<Answer, Failed> {
    let timeout = start_timeout(&args.daemon_start_timeout_ms)?;
    let application = loaded.config.application();
    let copy = prepare(application, args)?;
    match look(application).await {
        Ok((status, _)) => return verified(status, application, &copy.identity),
        Err(error) if error.is_unreachable() => {}
        Err(error) => return Err(Failed::because(error)),
    }
    let files = Files::of(application, args);
    let child = start(&copy, &loaded.path, &files).map_err(Failed::because)?;
    let (status, pid) = Starting { application, files: &files, child, timeout }.ready().await?;
    let status = verified(status, application, &copy.identity)?;
    write_pid(&files.pid, pid).map_err(Failed::because)?;
    Ok(status)
}

fn start_timeout(typed: &str) -> Result<Duration, Failed> {
    let ms = typed.parse::<f64>().ok().filter(|ms| *ms >= 1.0 && ms.is_finite());
    ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
        .ok_or_else(|| Failed::because("--daemon-start-timeout-ms must be a positive number"))
}

/// Asks whoever is there for the status, and who it is.
async fn look(application: &Application) -> Result<(Answer, Option<u32>), ControlError> {
    let mut client = ControlClient::connect(&application.control.path).await?;
    let pid = client.server_pid().map(rollcore::Pid::get);
    Ok((client.request(&request("status", &[]), LOOK_TIMEOUT).await?, pid))
}

/// The copy of this program that a daemon would run from. It is made before anybody is asked, so that what is wrong with
/// its place is told whether or not a daemon runs (compat C-217).
fn prepare(application: &Application, args: &StartArgs) -> Result<Copy, Failed> {
    let base = args.daemon_runtime_path.clone();
    let base = base.unwrap_or_else(|| runtime::default_base(&application.name));
    let this = runtime::of_this_program().map_err(Failed::because)?;
    runtime::prepare(&base, &this).map_err(Failed::because)
}

/// Refuses the daemon of another application, and one that is another program (compat C-219). It is left running.
fn verified(status: Answer, application: &Application, this: &RuntimeIdentity) -> Result<Answer, Failed> {
    let status = ours(status, application)?;
    let runs = status.get("daemonRuntime").cloned();
    let runs = runs.and_then(|identity| serde_json::from_value::<RuntimeIdentity>(identity).ok());
    if runs.as_ref().is_some_and(|runs| runs.is_same_program(this)) {
        return Ok(status);
    }
    let other =
        runs.map_or_else(|| "does not say what it runs".to_owned(), |runs| format!("runs {}", told(&runs)));
    Err(Failed::Because(format!(
        "The running Rollbridge daemon has a legacy or mismatched runtime. The deploy was not sent. It {other}; this is \
         {}. Shut it down and start it again to change over.",
        told(this)
    )))
}

fn told(identity: &RuntimeIdentity) -> String {
    let digest: String = identity.digest.chars().take(DIGEST_DIGITS_SHOWN).collect();
    format!("{} ({digest}) from {}", identity.version, identity.path)
}

/// Refuses the daemon of another application.
fn ours(status: Answer, application: &Application) -> Result<Answer, Failed> {
    let expected = &application.name;
    match status.get("application").and_then(serde_json::Value::as_str) {
        Some(name) if name == expected => Ok(status),
        Some(name) => Err(Failed::Because(format!(
            "A Rollbridge daemon for \"{name}\" is using {}; expected \"{expected}\".",
            application.control.path.display()
        ))),
        None => Err(Failed::Because(format!(
            "A non-Rollbridge process is using {}.",
            application.control.path.display()
        ))),
    }
}

/// What a daemon in the background leaves on the disk.
struct Files {
    log: PathBuf,
    pid: PathBuf,
}

impl Files {
    fn of(application: &Application, args: &StartArgs) -> Self {
        let default = |suffix: &str| PathBuf::from(format!("/tmp/rollbridge-{}.{suffix}", application.name));
        Self {
            log: args.daemon_log_path.clone().unwrap_or_else(|| default("log")),
            pid: args.daemon_pid_path.clone().unwrap_or_else(|| default("pid")),
        }
    }
}

/// Starts the copy of this program as a daemon: no terminal, no input, its output in the log.
fn start(copy: &Copy, config: &Path, files: &Files) -> Result<Child, String> {
    let log = own_file(&files.log, OpenOptions::new().append(true))?;
    let also_log = log.try_clone().map_err(|error| error.to_string())?;
    Command::new(&copy.program)
        .env(runtime::MANIFEST_VARIABLE, &copy.manifest)
        .arg("daemon")
        // It outlives whoever starts it, be it a process that another daemon supervises.
        .env_remove(rollcore::START_VARIABLE)
        .env_remove(rollcore::MARK_VARIABLE)
        .arg("--own-session")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(also_log)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", copy.program.display()))
}

/// Opens a file for us alone. The default paths are in a directory that everybody can write: a link, or a file that
/// somebody else put there, is refused.
fn own_file(path: &Path, options: &mut OpenOptions) -> Result<File, String> {
    let told = |error: io::Error| format!("cannot open {}: {error}", path.display());
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(told)?;
    }
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
    let file = options.create(true).mode(0o600).custom_flags(flags).open(path).map_err(told)?;
    let found = file.metadata().map_err(told)?;
    if found.is_file() && found.uid() == Uid::effective().as_raw() {
        Ok(file)
    } else {
        Err(format!("{} is not a regular file of yours; remove it or choose another path", path.display()))
    }
}

fn write_pid(path: &Path, pid: u32) -> Result<(), String> {
    let mut file = own_file(path, OpenOptions::new().write(true).truncate(true))?;
    writeln!(file, "{pid}").map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// A daemon that was started and has not answered yet.
struct Starting<'a> {
    application: &'a Application,
    files: &'a Files,
    child: Child,
    timeout: Duration,
}

impl Starting<'_> {
    /// Waits until a daemon answers, and tells its pid.
    async fn ready(mut self) -> Result<(Answer, u32), Failed> {
        let mut until = Instant::now() + self.timeout;
        let mut ended = None;
        loop {
            let error = match look(self.application).await {
                Ok((status, pid)) => return Ok((status, pid.unwrap_or_else(|| self.child.id()))),
                Err(error) => error,
            };
            if Instant::now() >= until {
                return Err(Failed::Because(self.verdict(ended, &error)));
            }
            if ended.is_none() {
                ended = self.child.try_wait().map_err(Failed::because)?;
                if ended.is_some() {
                    until = until.min(Instant::now() + OTHER_TIMEOUT);
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn verdict(&self, ended: Option<ExitStatus>, last_error: &ControlError) -> String {
        let ms = self.timeout.as_millis();
        let mut verdict = format!("Rollbridge daemon did not become ready within {ms}ms.");
        match ended {
            Some(status) => verdict += &format!(" It ended: {status}."),
            None => verdict += &format!(" Last error: {last_error}"),
        }
        let lines = last_lines(&self.files.log);
        if !lines.is_empty() {
            verdict += &format!("\nThe end of its log, {}:\n{lines}", self.files.log.display());
        }
        verdict
    }
}

fn last_lines(log: &Path) -> String {
    let text = end_of(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.len().saturating_sub(LOG_LINES_SHOWN);
    lines[shown..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let begin = file.metadata()?.len().saturating_sub(LOG_BYTES_READ);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
