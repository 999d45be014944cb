//! `rollcore predeploy-cleanup`: what is in the way of a first deploy is stopped (compat §20). Never starts a daemon.

use std::path::Path;
use std::time::Duration;

use rollcore::{
    Application, ControlClient, ControlPresence, DaemonSeen, Recovery, control_presence, stop_legacy,
};
use serde_json::Value;
use tokio::time::Instant;

use super::client::{CHANGE_TIMEOUT, block_on, load, request};
use crate::cli::CleanupArgs;
use crate::output::{Failed, Outcome, counted, print};

/// How long a daemon that has said that it is shut down may hold its socket.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often its socket is looked at meanwhile.
const GONE_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn run(args: &CleanupArgs) -> Outcome {
    let loaded = load(&args.config)?;
    let told = block_on(clean(loaded.config.application(), args.release_path.as_deref()))??;
    print(&told)
}

async fn clean(application: &Application, release: Option<&Path>) -> Result<String, Failed> {
    let first = match daemon(application).await? {
        Some(daemon) if daemon.serves(application) && !is_upgrade(&daemon, release) => {
            return Ok(
                "Rollbridge daemon already has an active release; no legacy cleanup needed.\n".to_owned()
            );
        }
        Some(_) => {
            shut_down(application).await?;
            "Stopped existing Rollbridge daemon before deploy."
        }
        None => "No active Rollbridge daemon found.",
    };
    let recovered = recover(application).await?;
    let stopped = match &application.legacy {
        Some(legacy) => stop_legacy(legacy).await.map_err(Failed::because)?.len(),
        None => 0,
    };
    Ok(format!(
        "{first}\nRecovered {}.\nStopped {}.\n",
        counted(recovered, "Rollbridge orphaned process", "Rollbridge orphaned processes"),
        counted(stopped, "legacy process", "legacy processes"),
    ))
}

/// The daemon that answers, which must be ours (compat C-224).
async fn daemon(application: &Application) -> Result<Option<DaemonSeen>, Failed> {
    let path = application.control.path.display();
    match control_presence(&application.control).await {
        ControlPresence::Nobody => Ok(None),
        ControlPresence::Daemon(daemon) if daemon.is_of(application) => Ok(Some(daemon)),
        ControlPresence::Daemon(daemon) => Err(Failed::Because(format!(
            "A Rollbridge daemon for \"{}\" is using {path}; expected \"{}\".",
            daemon.application, application.name
        ))),
        ControlPresence::Stranger => Err(Failed::Because(format!(
            "A non-Rollbridge process is using {path}; refusing predeploy cleanup."
        ))),
        ControlPresence::Taken(what) => Err(Failed::Because(format!(
            "{path} is taken by {what}, not by a daemon; refusing predeploy cleanup."
        ))),
        ControlPresence::Unknown(error) => Err(Failed::Because(format!("could not probe {path}: {error}"))),
    }
}

/// Whether the release brings another Rollbridge than the one that is served (compat C-225).
fn is_upgrade(daemon: &DaemonSeen, release: Option<&Path>) -> bool {
    let active = daemon.active.as_ref().and_then(|active| version(Path::new(&active.path)));
    release.and_then(version).zip(active).is_some_and(|(pending, active)| pending != active)
}

fn version(release: &Path) -> Option<String> {
    let package = std::fs::read(release.join("node_modules/rollbridge/package.json")).ok()?;
    let package: Value = serde_json::from_slice(&package).ok()?;
    package["version"].as_str().map(str::to_owned)
}

/// Compat C-226.
async fn shut_down(application: &Application) -> Outcome {
    let path = &application.control.path;
    let mut client = ControlClient::connect(path).await.map_err(Failed::because)?;
    client.request(&request("shutdown", &[]), CHANGE_TIMEOUT).await.map_err(Failed::because)?;
    let deadline = Instant::now() + GONE_TIMEOUT;
    while control_presence(&application.control).await != ControlPresence::Nobody {
        if Instant::now() >= deadline {
            return Err(Failed::Because(format!(
                "Timed out waiting for Rollbridge daemon at {} to shut down.",
                path.display()
            )));
        }
        tokio::time::sleep(GONE_INTERVAL).await;
    }
    Ok(())
}

/// Ends what an earlier daemon left behind, and tells how many that were (compat C-227).
async fn recover(application: &Application) -> Result<usize, Failed> {
    let Some(state) = &application.state else { return Ok(0) };
    let recovery = Recovery::look(state).await.map_err(Failed::because)?;
    let recovered = recovery.stop(application.proxy.force_stop_timeout).await;
    match (recovered.left.len(), recovered.problem) {
        (0, None) => Ok(recovered.stopped.len()),
        (0, Some(problem)) => Err(Failed::Because(format!("The state file could not be removed: {problem}"))),
        (count, _) => Err(Failed::Because(format!(
            "Could not stop {}.",
            counted(count, "Rollbridge orphaned process", "Rollbridge orphaned processes")
        ))),
    }
}
