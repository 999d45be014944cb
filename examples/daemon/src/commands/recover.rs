//! `rollcore recover`: list or stop what a daemon that was killed left behind (compat C-209 to C-213).

use std::path::Path;

use rollcore::{
    Application, ControlPresence, Orphan, RecoverError, Recovered, Recovery, SocketAllocator, StateSpec,
    control_presence,
};

use super::client::{block_on, load};
use crate::cli::RecoverArgs;
use crate::output::{Failed, Outcome, complain, counted, print};

pub(super) fn run(args: &RecoverArgs) -> Outcome {
    let loaded = load(&args.config)?;
    let application = loaded.config.application();
    let Some(state) = &application.state else {
        return Err(Failed::Plain(
            "No statePath is configured; set statePath in the config to enable recovery.".to_owned(),
        ));
    };
    block_on(recover(application, state, args.force))?
}

async fn recover(application: &Application, state: &StateSpec, is_forced: bool) -> Outcome {
    refuse_beside_a_daemon(application).await?;
    let recovery = match Recovery::look(state).await {
        Ok(recovery) => recovery,
        Err(RecoverError::DaemonAlive { .. }) => return Err(in_use(&state.path)),
        Err(error) => return Err(Failed::because(error)),
    };
    if !is_forced {
        return print(&listed(&recovery.orphans()));
    }
    let recovered = recovery.stop(application.proxy.force_stop_timeout).await;
    SocketAllocator::for_application(application).sweep().await;
    tell(&recovered)
}

/// Compat C-210.
async fn refuse_beside_a_daemon(application: &Application) -> Outcome {
    match control_presence(&application.control).await {
        // What lies at the path is not for us to judge: nobody answers there.
        ControlPresence::Nobody | ControlPresence::Taken(_) => Ok(()),
        ControlPresence::Daemon(_) | ControlPresence::Stranger | ControlPresence::Unknown(_) => {
            Err(in_use(&application.control.path))
        }
    }
}

fn in_use(path: &Path) -> Failed {
    Failed::Plain(format!(
        "A daemon (or another process) is using {}; stop it before recovering — recover is for cleaning up after a \
         crash.",
        path.display()
    ))
}

/// Compat C-211.
fn listed(orphans: &[Orphan]) -> String {
    if orphans.is_empty() {
        return "No orphaned processes found.\n".to_owned();
    }
    format!(
        "Found {} (run with --force to stop):\n{}Review the list first — a recycled pid could be an unrelated \
         process.\n",
        count(orphans),
        lines(orphans)
    )
}

/// Compat C-212, C-213.
fn tell(recovered: &Recovered) -> Outcome {
    let Recovered { stopped, left, problem } = recovered;
    if let Some(problem) = problem {
        complain(&format!("The state file could not be removed: {problem}\n"));
    }
    if !left.is_empty() {
        complain(&failure(stopped, left));
        return Err(Failed::Told);
    }
    match stopped.is_empty() {
        true => print("No orphaned processes found; cleared the state file.\n")?,
        false => print(&stopped_list(stopped))?,
    }
    if problem.is_some() { Err(Failed::Told) } else { Ok(()) }
}

fn stopped_list(stopped: &[Orphan]) -> String {
    format!("Stopped {}:\n{}", count(stopped), lines(stopped))
}

fn failure(stopped: &[Orphan], left: &[Orphan]) -> String {
    let before = if stopped.is_empty() { String::new() } else { stopped_list(stopped) };
    format!(
        "{before}Could not stop {} — still running (check permissions/ownership):\n{}Left the state file in place so \
         you can investigate and re-run recover.\n",
        count(left),
        lines(left)
    )
}

fn count(orphans: &[Orphan]) -> String {
    counted(orphans.len(), "orphaned process", "orphaned processes")
}

fn lines(orphans: &[Orphan]) -> String {
    orphans.iter().map(line).collect()
}

fn line(orphan: &Orphan) -> String {
    let release = orphan.release.as_ref().map_or_else(String::new, |release| format!(", release {release}"));
    format!("  {} (pid {}{release})\n", orphan.id, orphan.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(id: &str, pid: u32, release: Option<&str>) -> Orphan {
        Orphan { id: id.to_owned(), pid, release: release.map(str::to_owned) }
    }

    /// C-211.
    #[test]
    fn what_was_found_is_listed_as_in_the_contract() {
        assert_eq!(listed(&[]), "No orphaned processes found.\n");
        assert_eq!(
            listed(&[orphan("worker#0", 29_195, Some("v1")), orphan("beacon", 29_193, None)]),
            "Found 2 orphaned processes (run with --force to stop):\n  worker#0 (pid 29195, release v1)\n  beacon (pid \
             29193)\nReview the list first — a recycled pid could be an unrelated process.\n"
        );
        assert!(listed(&[orphan("a", 7, None)]).starts_with("Found 1 orphaned process (run with"));
    }

    /// C-212, C-213.
    #[test]
    fn what_was_stopped_and_what_was_not_is_told_as_in_the_contract() {
        let (worker, beacon) = (orphan("worker#0", 29_195, Some("v1")), orphan("beacon", 29_193, None));
        assert_eq!(
            stopped_list(&[worker.clone(), beacon.clone()]),
            "Stopped 2 orphaned processes:\n  worker#0 (pid 29195, release v1)\n  beacon (pid 29193)\n"
        );
        assert_eq!(
            failure(&[worker], &[beacon]),
            "Stopped 1 orphaned process:\n  worker#0 (pid 29195, release v1)\nCould not stop 1 orphaned process — still \
             running (check permissions/ownership):\n  beacon (pid 29193)\nLeft the state file in place so you can \
             investigate and re-run recover.\n"
        );
    }
}
