//! Ending orphans (compat C-212): SIGTERM to the group, and after a grace SIGKILL to whoever is left.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::event::Orphan;
use crate::supervisor::Census;
use crate::time::Instant;

use super::LeftBehind;

/// How long a process may take to end of SIGKILL; one that is still there then is reported as such.
pub(in crate::engine) const KILL_CONFIRM_TIMEOUT: Duration = Duration::from_millis(500);

/// How often they are looked at: nobody tells us of the end of a process that is not our child. The first interval
/// doubles up to the last.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(5);
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(100);

/// What has become of some orphans.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Stopped {
    pub(in crate::engine) gone: Vec<Orphan>,
    pub(in crate::engine) left: Vec<Orphan>,
}

/// Ends these, side by side: politely, and after `grace` with SIGKILL.
///
/// # Cancel safety
/// What was asked to end may still end; nobody else is signalled.
pub(in crate::engine) async fn stop(
    these: Vec<LeftBehind>,
    hosts: Arc<[String]>,
    grace: Duration,
) -> Stopped {
    let order: Vec<(u32, Orphan)> = these.iter().map(|left| (left.stray.number(), left.orphan())).collect();
    let polite = clock::now() + grace;
    let left = watch(these, &hosts, Act::AskOnce, polite).await;
    let left = match left.is_empty() {
        true => left,
        false => watch(left, &hosts, Act::Kill, clock::now() + KILL_CONFIRM_TIMEOUT).await,
    };
    let is_left = |number: u32| left.iter().any(|left| left.stray.number() == number);
    let (left, gone): (Vec<_>, Vec<_>) = order.into_iter().partition(|(number, _)| is_left(*number));
    let orphans = |of: Vec<(u32, Orphan)>| of.into_iter().map(|(_, orphan)| orphan).collect();
    Stopped { gone: orphans(gone), left: orphans(left) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// SIGTERM, at the first look.
    AskOnce,
    /// SIGKILL, at each look: somebody may just be forking.
    Kill,
    Nothing,
}

/// Looks at them until all are gone or it is `until`. Returns who is left.
async fn watch(
    mut these: Vec<LeftBehind>,
    hosts: &Arc<[String]>,
    act: Act,
    until: Instant,
) -> Vec<LeftBehind> {
    let mut act_now = act;
    let mut interval = LOOK_INTERVAL_MIN;
    loop {
        these = look(these, Arc::clone(hosts), act_now).await;
        let now = clock::now();
        if these.is_empty() || now >= until {
            return these;
        }
        act_now = if act == Act::AskOnce { Act::Nothing } else { act };
        tokio::time::sleep(interval.min(until - now)).await;
        interval = (interval * 2).min(LOOK_INTERVAL_MAX);
    }
}

async fn look(these: Vec<LeftBehind>, hosts: Arc<[String]>, act: Act) -> Vec<LeftBehind> {
    let unseen = these.clone();
    let looked = tokio::task::spawn_blocking(move || look_and_act(these, &hosts, act));
    // A look that failed saw nobody leave.
    looked.await.unwrap_or(unseen)
}

fn look_and_act(mut these: Vec<LeftBehind>, hosts: &[String], act: Act) -> Vec<LeftBehind> {
    let census = Census::take();
    these.retain_mut(|left| left.stray.look(&census, hosts));
    for left in &these {
        match act {
            Act::AskOnce => left.stray.ask_to_end(),
            Act::Kill => left.stray.kill(),
            Act::Nothing => {}
        }
    }
    these
}
