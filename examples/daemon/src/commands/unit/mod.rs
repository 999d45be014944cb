//! `rollcore unit`: a service file for the daemon of this config, ready to be installed.

mod launchd;
mod socket;
mod systemd;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rollcore::{Application, longest_shutdown};

use super::client::load;
use crate::cli::{UnitArgs, UnitKind};
use crate::output::{Failed, Outcome, print};

/// Above the longest end that the daemon itself allows: the service manager only steps in when the daemon has failed.
const MARGIN: Duration = Duration::from_secs(15);

/// How many files the daemon may have open: two for each of the 16384 connections of its proxy, and some.
const FILES_MAX: u64 = 65_536;

pub(super) fn run(args: &UnitArgs) -> Outcome {
    let loaded = load(&args.config)?;
    let unit = Unit::of(&loaded.path, loaded.config.application(), args)?;
    print(&match args.kind {
        UnitKind::Systemd if args.socket => socket::text(&unit).map_err(Failed::Because)?,
        UnitKind::Launchd if args.socket => {
            return Err(Failed::Because(
                "launchd passes sockets in a way of its own: --socket is for systemd".to_owned(),
            ));
        }
        UnitKind::Systemd => systemd::text(&unit).map_err(Failed::Because)?,
        UnitKind::Launchd => launchd::text(&unit).map_err(Failed::Because)?,
    })
}

/// What a service file says.
struct Unit {
    application: String,
    program: PathBuf,
    config: PathBuf,
    directory: PathBuf,
    user: Option<String>,
    log: PathBuf,
    /// Where the proxy listens.
    host: String,
    port: u16,
    /// How long the daemon may take to end; `None` means for ever.
    stop_timeout: Option<Duration>,
}

impl Unit {
    fn of(config: &Path, application: &Application, args: &UnitArgs) -> Result<Self, Failed> {
        let config = std::path::absolute(config).map_err(Failed::because)?;
        let directory = config.parent().unwrap_or(Path::new("/")).to_owned();
        let log = args.log_path.as_deref().map(std::path::absolute).transpose().map_err(Failed::because)?;
        Ok(Self {
            application: application.name.clone(),
            program: std::env::current_exe().map_err(Failed::because)?,
            directory,
            config,
            user: args.user.clone(),
            host: application.proxy.host.clone(),
            port: application.proxy.port,
            log: log.unwrap_or_else(|| format!("/var/log/rollcore-{}.log", word(&application.name)).into()),
            stop_timeout: longest_shutdown(application).map(|longest| longest.saturating_add(MARGIN)),
        })
    }

    /// In whole seconds, rounded up.
    fn stop_seconds(&self) -> Option<u64> {
        self.stop_timeout.map(|timeout| timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0))
    }
}

/// Text for a name in a service file: what is no letter, digit, `.`, `_` or `-` becomes `-`.
fn word(text: &str) -> String {
    let safe = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    text.chars().map(|character| if safe(character) { character } else { '-' }).collect()
}

/// A path as text, which a line of a service file can hold.
fn line(path: &Path) -> Result<&str, String> {
    let text = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    one_line(text)
}

fn one_line(text: &str) -> Result<&str, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} has a control character, which a service file cannot hold"));
    }
    Ok(text)
}

#[cfg(test)]
fn example() -> Unit {
    Unit {
        application: "shop".to_owned(),
        program: "/opt/rollcore".into(),
        config: "/srv/shop/rollbridge.js".into(),
        directory: "/srv/shop".into(),
        user: None,
        log: "/var/log/rollcore-shop.log".into(),
        host: "127.0.0.1".to_owned(),
        port: 8182,
        stop_timeout: Some(Duration::from_millis(90_500)),
    }
}
