//! What runs is written down, so that no process is lost when the daemon is killed (compat C-201 to C-208).
//!
//! `snapshot.rs` says what is written and `leftover.rs` what it means to the next daemon, both pure; `file.rs` reads and
//! writes. The writer here is a task of its own: the conductor only says that something is new. At most one write is
//! under way, and the next one has whatever is the latest then.
//!
//! A process that is spawned is in the file a moment later. One that the file does not have yet when the daemon is killed
//! is found by its environment, which names the daemon; see `supervisor/census.rs`.

pub(super) mod file;
mod leftover;
mod snapshot;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, oneshot};

use crate::clock;
use crate::event::Event;
use crate::id::Pid;
use crate::report::Change;
use crate::rollout::Input;
use crate::spec::Application;
use crate::supervisor::{Census, Host, start_time_of_child};

use super::Shared;
use super::events::EventHub;
use super::orphan::{self, Orphans, Wrote};
use super::status::Status;

use leftover::EARLIER_HOSTS_MAX;
pub(super) use leftover::{Entry, Leftover, Wanted};
use snapshot::Snapshot;

/// How often what runs is written down when nothing happens (C-201).
const WRITE_INTERVAL: Duration = Duration::from_secs(5);

/// How far apart two writes are at least; what happens in between is in the later one.
const WRITE_PAUSE_MIN: Duration = Duration::from_millis(20);

/// What an engine writes down, and what it found written.
#[derive(Debug, Default)]
pub(super) struct Journal {
    path: Option<PathBuf>,
    host: Option<Host>,
    /// Who an earlier daemon left behind.
    pub(super) orphans: Orphans,
    /// What an earlier daemon had active.
    pub(super) wanted: Option<Wanted>,
    news: Notify,
    /// Who has left the file to us, and may still live; 0 is nobody.
    predecessor: AtomicU32,
    writer: Mutex<Option<oneshot::Sender<End>>>,
}

/// The last that the writer hears.
#[derive(Debug)]
struct End {
    how: Ending,
    done: oneshot::Sender<Result<(), String>>,
}

/// How the writing ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything is stopped: the file is removed, unless orphans are left (C-206).
    Clean,
    /// Something could not be stopped: the next daemon has to know.
    WithSurvivors,
    /// The file is left as it is, because it is somebody else's from now on (compat C-165).
    HandedOver,
}

impl Journal {
    /// Reads what an earlier daemon left, and tells of it (C-207).
    ///
    /// Of a file that does not say who wrote it nobody can say whether its writer lives; whoever takes over from him does
    /// not take what he runs for orphans (C-164, C-166).
    pub(super) async fn open(application: &Application, events: &EventHub, takes_over: bool) -> Self {
        let Some(path) = application.state.as_ref().map(|state| state.path.clone()) else {
            return Self { host: Host::current(), ..Self::default() };
        };
        let found = tokio::task::spawn_blocking({
            let path = path.clone();
            move || look(&path, takes_over)
        });
        let found = found.await.unwrap_or_default();
        found.problem.into_iter().for_each(|error| events.record(Event::StateIgnored { error }));
        let orphans = found.orphans.seen();
        let count = orphans.len();
        orphans.into_iter().for_each(|orphan| events.record(Event::OrphanDetected(orphan)));
        if count > 0 {
            events.record(Event::OrphansFound { count });
        }
        let (orphans, wanted) = (found.orphans, found.wanted);
        Self { path: Some(path), host: Host::current(), orphans, wanted, ..Self::default() }
    }

    /// What every process of this engine carries in its environment.
    pub(super) fn mark(&self) -> Option<String> {
        self.host.as_ref().map(Host::mark)
    }

    /// Begins to write, if there is somewhere to. Returns after the first write, or its failure.
    pub(super) async fn begin(shared: &Arc<Shared>) {
        let Some(path) = shared.journal.path.clone() else { return };
        let (end, ended) = oneshot::channel();
        let earlier = shared.journal.lock().replace(end);
        if let Some(earlier) = earlier {
            // It was begun before, and goes on.
            *shared.journal.lock() = Some(earlier);
            return;
        }
        let (written, first) = oneshot::channel();
        tokio::spawn(Writer::new(Arc::clone(shared), path).run(written, ended));
        // Without the first write there is nothing to wait for.
        let _ = first.await;
    }

    /// This one writes no more, though it may live on.
    pub(super) fn follows(&self, predecessor: Pid) {
        self.predecessor.store(predecessor.get(), Ordering::Relaxed);
    }

    /// Something happened that the next daemon has to know.
    pub(super) fn has_news(&self) {
        self.news.notify_one();
    }

    /// Writes for the last time; nothing is written after it (C-206).
    ///
    /// # Errors
    /// What the system said.
    pub(super) async fn end(&self, how: Ending) -> Result<(), String> {
        let Some(writer) = self.lock().take() else { return Ok(()) };
        let (done, is_done) = oneshot::channel();
        // A writer that is gone writes nothing any more.
        if writer.send(End { how, done }).is_err() {
            return Ok(());
        }
        is_done.await.unwrap_or(Ok(()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<End>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The marks of daemons whose processes may still be there.
    fn earlier(&self) -> Vec<String> {
        self.orphans.hosts().iter().take(EARLIER_HOSTS_MAX).cloned().collect()
    }
}

/// Whether the next daemon has to know of this.
pub(super) fn is_news(input: &Input) -> bool {
    use Change::{Exited, NotStarted, Started, Stopped};
    matches!(
        input,
        Input::Told { change: Started { .. } | NotStarted { .. } | Exited { .. } | Stopped(_), .. }
    )
}

#[derive(Default)]
struct Found {
    orphans: Orphans,
    wanted: Option<Wanted>,
    problem: Option<String>,
}

/// For the blocking pool.
fn look(path: &std::path::Path, takes_over: bool) -> Found {
    let text = match file::read(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Found::default(),
        Err(error) => return Found { problem: Some(error.to_string()), ..Found::default() },
    };
    let leftover = Leftover::parse(&text);
    if takes_over && leftover.host.is_none() {
        return Found::default();
    }
    let mut hosts = orphan::hosts(&leftover);
    // A daemon that lives looks after its processes itself. When it is killed later, its mark is known.
    let is_me = |host: &Host| host.pid == std::process::id();
    if leftover.host.as_ref().is_some_and(|host| !is_me(host) && host.is_alive()) {
        return Found { orphans: Orphans::new(Vec::new(), hosts), ..Found::default() };
    }
    // An earlier engine of this same program has the same mark.
    hosts.retain(|mark| Host::current().is_none_or(|me| me.mark() != *mark));
    let wrote = Wrote::of(leftover.host.as_ref());
    let left = orphan::find(&leftover.entries, &hosts, wrote, &Census::take());
    Found { orphans: Orphans::new(left, hosts), wanted: leftover.wanted, problem: None }
}

/// The task that writes.
struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    /// What went wrong the last time, which is not told again and again.
    problem: Option<String>,
}

impl Writer {
    fn new(shared: Arc<Shared>, path: PathBuf) -> Self {
        Self { shared, path, problem: None }
    }

    async fn run(mut self, written: oneshot::Sender<()>, mut end: oneshot::Receiver<End>) {
        self.write().await;
        let _ = written.send(());
        let end = loop {
            tokio::select! {
                end = &mut end => break end,
                () = self.next_write() => self.write().await,
            }
        };
        if let Ok(End { how, done }) = end {
            let _ = done.send(self.end(how).await);
        }
    }

    async fn next_write(&self) {
        tokio::time::sleep(WRITE_PAUSE_MIN).await;
        let _news_or_not = tokio::time::timeout(WRITE_INTERVAL, self.shared.journal.news.notified()).await;
    }

    async fn write(&mut self) {
        match self.try_write().await {
            Ok(()) => self.problem = None,
            Err(problem) if self.problem.as_ref() == Some(&problem) => {}
            Err(problem) => {
                self.shared.events.record(Event::StatePersistFailed { error: problem.clone() });
                self.problem = Some(problem);
            }
        }
    }

    async fn try_write(&self) -> Result<(), String> {
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        let writing = tokio::task::spawn_blocking(move || {
            check_owner(&path, &shared.journal)?;
            let text = snapshot(&shared)?;
            file::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))
        });
        writing.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn end(&mut self, how: Ending) -> Result<(), String> {
        match how {
            Ending::Clean => self.clear().await,
            Ending::WithSurvivors => self.try_write().await,
            Ending::HandedOver => Ok(()),
        }
    }

    async fn clear(&self) -> Result<(), String> {
        let (shared, path) = (Arc::clone(&self.shared), self.path.clone());
        let clearing = tokio::task::spawn_blocking(move || {
            check_owner(&path, &shared.journal)?;
            let journal = &shared.journal;
            let orphans = journal.orphans.records();
            let cleared = match orphans.is_empty() {
                true => file::remove(&path),
                false => {
                    let host = journal.host.as_ref();
                    file::write(&path, &snapshot::orphans_only(&orphans, host, &journal.earlier()))
                }
            };
            cleared.map_err(|error| format!("{}: {error}", path.display()))
        });
        clearing.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Two daemons must not write over each other: who wrote last goes on as long as he lives.
fn check_owner(path: &std::path::Path, journal: &Journal) -> Result<(), String> {
    // What cannot be read is nobody's: it is replaced.
    let Ok(Some(text)) = file::read(path) else { return Ok(()) };
    let ours = [std::process::id(), journal.predecessor.load(Ordering::Relaxed)];
    let owner = Leftover::parse(&text).host.filter(|host| !ours.contains(&host.pid) && host.is_alive());
    match owner {
        Some(owner) => Err(format!("{} belongs to the daemon with pid {}", path.display(), owner.pid)),
        None => Ok(()),
    }
}

fn snapshot(shared: &Shared) -> Result<String, String> {
    let journal = &shared.journal;
    let status = shared.status();
    let start_times =
        pids(&status).filter_map(|pid| Some((u64::from(pid), start_time_of_child(pid)?))).collect();
    let is_restored = status.active_release_id.is_some();
    let snapshot = Snapshot {
        status: serde_json::to_value(&status).map_err(|error| error.to_string())?,
        events: shared.events.recent(None).iter().map(|event| json!(event)).collect(),
        at: clock::wall(),
        host: journal.host.clone(),
        earlier: journal.earlier(),
        wanted: journal.wanted.clone().filter(|_| !is_restored),
        start_times,
        orphans: journal.orphans.records(),
    };
    snapshot.text().map_err(|bytes| format!("what runs takes {bytes} bytes to write down, which is too much"))
}

fn pids(status: &Status) -> impl Iterator<Item = u32> {
    let releases = status.releases.iter().chain(&status.starting).flat_map(|release| &release.processes);
    let singles = status.services.iter().chain(&status.singletons).chain(&status.displaced);
    releases.chain(singles.map(|single| &single.process)).filter_map(|process| process.pid)
}
