//! A process that has a pid, seen by the task: what comes next of it?

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant as Alarm, sleep_until};

use crate::clock;
use crate::exit::{Exit, Signal};
use crate::id::Pid;
use crate::report::MemorySample;

use super::child::{Child, RawChild};
use super::group::Group;
use super::machine::Event;
use super::memory::{self, MemoryUse};
use super::output::Output;
use super::pipes::Readers;

/// How long to wait for the last lines after the leader's exit, when somebody else still holds its pipes.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

/// How often a group is looked at: there is no event for groups. The first interval doubles up to the last.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(5);
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(100);

/// On a machine with thousands of processes a look takes long; the pause after it is this many times as long.
const LOOK_SHARE: u32 = 10;

/// One start of a process, from its pid to its empty group.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    readers: Option<Readers>,
    phase: Phase,
    watched: bool,
    killed: bool,
    look: Look,
    last_count: Option<usize>,
    /// The signal that is being sent. Until then the leader must not be reaped: its number could be given again.
    signalling: Option<JoinHandle<()>>,
    memory: MemoryUse,
    sampling: Option<JoinHandle<Option<MemorySample>>>,
}

#[derive(Debug)]
enum Phase {
    Lives,
    Ending { exit: Exit, until: Alarm },
    Ended,
}

impl Running {
    /// Takes over what was just spawned.
    pub(super) fn new(mut raw: RawChild, output: &Output, memory: &MemoryUse) -> std::io::Result<Self> {
        let pipes = raw.pipes.take();
        let child = Child::new(raw)?;
        let readers = pipes.map(|pipes| Readers::new(pipes, output)).transpose()?;
        let look = Look::new(child.group().clone());
        Ok(Self {
            child,
            readers,
            phase: Phase::Lives,
            watched: false,
            killed: false,
            look,
            last_count: None,
            signalling: None,
            memory: memory.clone(),
            sampling: None,
        })
    }

    /// The leader's pid.
    pub(super) fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Everything that it started.
    pub(super) fn group(&self) -> &Group {
        self.child.group()
    }

    /// Whether the leader has ended and its exit is about to be told.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    /// Sends a signal to every member.
    pub(super) fn signal(&mut self, signal: Signal) {
        let group = self.child.group().clone();
        let mut before = self.signalling.take();
        self.signalling = Some(tokio::spawn(async move {
            finished(&mut before).await;
            let _panicked_or_not = tokio::task::spawn_blocking(move || group.signal(signal)).await;
        }));
    }

    /// Sends SIGKILL to every member, from now on and at every look.
    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.look.kill();
    }

    /// From now on `next` tells when the group is empty.
    pub(super) fn watch(&mut self) {
        self.watched = true;
    }

    /// From now on `next` tells, once, what the members hold in memory, if the leader lives until then.
    pub(super) fn sample_memory(&mut self) {
        let group = self.child.group().clone();
        self.sampling = Some(tokio::task::spawn_blocking(move || memory::sample(&group)));
    }

    /// What happens next: `Exited` once, `Survivors` whenever their number changes, `GroupEmpty` once after a
    /// `watch`. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let is_signalling = self.signalling.is_some();
            let looks = !is_signalling && (self.killed || self.watched && matches!(self.phase, Phase::Ended));
            tokio::select! {
                biased;
                exit = self.child.exited(), if matches!(self.phase, Phase::Lives) => {
                    self.phase = Phase::Ending { exit, until: clock::alarm(OUTPUT_GRACE) };
                }
                exit = last_lines(&mut self.readers, &self.phase), if self.is_ending() => {
                    self.phase = Phase::Ended;
                    self.sampling = None;
                    self.memory.set(None);
                    return Event::Exited(exit);
                }
                sample = sampled(&mut self.sampling), if self.sampling.is_some() => {
                    self.sampling = None;
                    let rss_bytes = sample.as_ref().map(|sample| sample.rss_bytes);
                    self.memory.set(sample);
                    return Event::Sampled(rss_bytes);
                }
                () = finished(&mut self.signalling), if is_signalling => self.signalling = None,
                count = self.look.next(), if looks => {
                    if let Some(event) = self.counted(count) {
                        return event;
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    fn counted(&mut self, count: usize) -> Option<Event> {
        let is_new = self.last_count.replace(count) != Some(count);
        match count {
            0 if self.watched && matches!(self.phase, Phase::Ended) => {
                self.watched = false;
                self.killed = false;
                Some(Event::GroupEmpty)
            }
            1.. if is_new => Some(Event::Survivors(u32::try_from(count).unwrap_or(u32::MAX))),
            _ => None,
        }
    }

    /// The group is nobody's concern any more: removes the zombie, ends the reading.
    pub(super) fn let_go(mut self) {
        if self.signalling.as_ref().is_none_or(JoinHandle::is_finished) && self.child.reap() {
            return;
        }
        // A signal is still on its way, or not even SIGKILL ended it. Its zombie is removed when it can be.
        tokio::spawn(async move {
            finished(&mut self.signalling).await;
            let _exit = self.child.exited().await;
            self.child.reap();
        });
    }
}

async fn sampled(task: &mut Option<JoinHandle<Option<MemorySample>>>) -> Option<MemorySample> {
    match task {
        Some(task) => task.await.ok().flatten(),
        None => std::future::pending().await,
    }
}

async fn finished(task: &mut Option<JoinHandle<()>>) {
    if let Some(task) = task {
        let _panicked_or_not = task.await;
    }
}

async fn last_lines(readers: &mut Option<Readers>, phase: &Phase) -> Exit {
    let Phase::Ending { exit, until } = phase else { return std::future::pending().await };
    if let Some(readers) = readers {
        let _ended_or_not = tokio::time::timeout_at(*until, readers.ended()).await;
        readers.flush();
    }
    *exit
}

/// Looks at a group again and again, on the blocking pool, since it reads all of `/proc`.
#[derive(Debug)]
struct Look {
    group: Group,
    kills: bool,
    next_at: Alarm,
    interval: Duration,
    under_way: Option<JoinHandle<(usize, Duration)>>,
}

impl Look {
    fn new(group: Group) -> Self {
        Self {
            group,
            kills: false,
            next_at: clock::alarm(Duration::ZERO),
            interval: LOOK_INTERVAL_MIN,
            under_way: None,
        }
    }

    fn kill(&mut self) {
        self.kills = true;
        self.next_at = clock::alarm(Duration::ZERO);
        self.interval = LOOK_INTERVAL_MIN;
    }

    /// How many members there are. Cancel safe: a look that is under way goes on.
    async fn next(&mut self) -> usize {
        let look = match &mut self.under_way {
            Some(look) => look,
            None => {
                sleep_until(self.next_at).await;
                let (group, kills) = (self.group.clone(), self.kills);
                self.under_way.insert(tokio::task::spawn_blocking(move || look_at(&group, kills)))
            }
        };
        // A look that failed saw nobody leave.
        let (count, took) = look.await.unwrap_or((usize::MAX, Duration::ZERO));
        self.under_way = None;
        self.next_at = clock::alarm(self.interval.max(took * LOOK_SHARE));
        self.interval = (self.interval * 2).min(LOOK_INTERVAL_MAX);
        count
    }
}

fn look_at(group: &Group, kills: bool) -> (usize, Duration) {
    let began = clock::now();
    if kills {
        group.signal(Signal::KILL);
    }
    (group.members().len(), clock::now() - began)
}
