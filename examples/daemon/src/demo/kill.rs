//! The last act: the application is killed, three times, under requests that may be sent twice and requests that may
//! not.
//!
//! A GET may be sent again, so none may fail: whoever asks waits a little longer. A POST may have happened when the
//! application died, so it is never sent again: its client is told, and nothing has happened twice. What did happen
//! stands in a file of the application's.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::load::{Kind, Load, LoadOptions, Tally};
use super::report::Switch;
use super::sample::ORDERS;
use super::story::Story;

const KILLS: u32 = 3;
/// How long it may take until enough is answered again: the restart delay, the start, and much more.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(60);
/// What the client of a POST that was lost is told.
const TOLD: [&str; 2] = [": 502 ", ": 503 "];

/// What became of the requests under which the application was killed.
#[derive(Debug, Default)]
pub(super) struct Killed {
    kills: u32,
    pub(super) tally: Tally,
    /// How often an order happened that had happened before.
    doubled: usize,
    /// How many were answered, and did not happen.
    forgotten: u64,
}

impl Killed {
    /// `happened`: the orders that the application has on file, one per line.
    fn new(kills: u32, tally: Tally, happened: &str) -> Self {
        let happened: Vec<&str> = happened.lines().collect();
        let different: HashSet<&str> = happened.iter().copied().collect();
        let answered = tally.kinds.get(&Kind::Order).map_or(0, |orders| orders.ok);
        Self {
            kills,
            tally,
            doubled: happened.len() - different.len(),
            forgotten: answered.saturating_sub(different.len() as u64),
        }
    }

    fn count(&self, kind: Kind, of: fn(&super::load::Line) -> u64) -> u64 {
        self.tally.kinds.get(&kind).map_or(0, of)
    }

    /// Whether every client that got no answer was told so by the proxy.
    fn all_told(&self) -> bool {
        let lost = self.tally.kinds.get(&Kind::Order);
        lost.is_none_or(|lost| {
            lost.errors.iter().all(|error| TOLD.iter().any(|told| error.contains(told)))
                && lost.sent == lost.ok + lost.failed
        })
    }

    /// What should not be.
    fn complaints(&self) -> Vec<String> {
        let reads = self.tally.kinds.get(&Kind::Get);
        let reads_failed = reads.is_none_or(|line| line.failed > 0 || line.ok == 0 || line.ok != line.sent);
        let first_error = reads.and_then(|line| line.errors.first()).cloned().unwrap_or_default();
        let wrong = [
            (self.kills != KILLS, format!("it was killed {} times", self.kills)),
            (reads_failed, format!("not every GET was answered {first_error}")),
            (self.count(Kind::Order, |line| line.ok) == 0, "no POST was answered".to_owned()),
            (self.doubled > 0, format!("{} POSTs happened twice", self.doubled)),
            (self.forgotten > 0, format!("{} POSTs were answered and did not happen", self.forgotten)),
            (!self.all_told(), "a POST was lost in silence".to_owned()),
        ];
        wrong.into_iter().filter_map(|(is_wrong, what)| is_wrong.then_some(what)).collect()
    }
}

/// What the view and the table say.
impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [reads, reads_failed] =
            [self.count(Kind::Get, |line| line.ok), self.count(Kind::Get, |line| line.failed)];
        let [orders, lost] =
            [self.count(Kind::Order, |line| line.ok), self.count(Kind::Order, |line| line.failed)];
        let reported = if self.all_told() { "all reported" } else { "NOT all reported" };
        write!(f, "killed {} times; GETs: {reads} answered, {reads_failed} failed; ", self.kills)?;
        write!(f, "POSTs: {orders} answered, {lost} lost ({reported}), {} doubled", self.doubled)
    }
}

impl Story<'_> {
    pub(super) async fn kill_the_app(&mut self) {
        const TITLE: &str = "kill the app";
        let options = LoadOptions::of_a_kill(self.engine.proxy_addr(), self.args.connections);
        let on_stage = self.view.begin(TITLE);
        let load = Load::start(options);
        let begin = Instant::now();
        let (mut kills, mut problem) = (0, None);
        while kills < KILLS && problem.is_none() {
            kills += 1;
            on_stage.now(&format!("kill -9, {kills} of {KILLS}"));
            problem = self.kill_once(&load).await.err();
        }
        let gap = load.ledger().window_gap();
        let tally = load.stop().await;
        let took = begin.elapsed();
        let happened = fs::read_to_string(self.active_directory().join(ORDERS)).unwrap_or_default();
        let killed = Killed::new(kills, tally, &happened);
        let complaints: Vec<String> = problem.into_iter().chain(killed.complaints()).collect();
        match complaints.is_empty() {
            true => on_stage.ended(&killed.to_string()),
            false => on_stage.went_wrong(&complaints.join("; ")),
        }
        self.complaints.extend(complaints.iter().map(|complaint| format!("{TITLE}: {complaint}")));
        let outcome = format!("killed {kills} times, {} doubled", killed.doubled);
        self.switches.push(Switch { act: TITLE.to_owned(), outcome, took, longest_gap: Some(gap) });
        self.killed = killed;
    }

    /// Kills it while it answers, and waits until it answers again.
    async fn kill_once(&self, load: &Load) -> Result<(), String> {
        self.answers_more(load).await?;
        let (pid, restarts) = self.web().ok_or("there is no process to kill")?;
        let leader = Pid::from_raw(i32::try_from(pid).map_err(|error| error.to_string())?);
        kill(leader, Signal::SIGKILL).map_err(|error| format!("cannot kill {pid}: {error}"))?;
        let restarted = async {
            while self.web().is_none_or(|(_, now)| now == restarts) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let restarted = tokio::time::timeout(ANSWERS_TIMEOUT, restarted).await;
        restarted.map_err(|_| "it was not started again".to_owned())?;
        self.answers_more(load).await
    }

    async fn answers_more(&self, load: &Load) -> Result<(), String> {
        let wanted = load.ledger().tally().ok() + self.args.answers / 5;
        let enough = load.ledger().reaches(ANSWERS_TIMEOUT, |tally: &Tally| tally.ok() >= wanted).await;
        if enough { Ok(()) } else { Err("it did not answer in time".to_owned()) }
    }

    /// Where the active release is.
    fn active_directory(&self) -> PathBuf {
        let active = self.engine.status().active_release_id.clone();
        self.directory.join(active.as_ref().map_or("", |id| id.as_str()))
    }

    /// The active web process, and how often it was started again.
    fn web(&self) -> Option<(u32, u32)> {
        let status = self.engine.status();
        let active = status.releases.iter().find(|release| release.state == "active")?;
        let web = active.processes.iter().find(|process| process.id.process().as_str() == "web")?;
        Some((web.pid?, web.restarts))
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Line;
    use super::*;

    fn account(sent: u64, ok: u64, errors: &[&str]) -> Line {
        let errors: Vec<String> = errors.iter().map(|&error| error.to_owned()).collect();
        Line { sent, ok, failed: errors.len() as u64, errors, ..Line::default() }
    }

    fn complaints(reads: Line, orders: Line, happened: &str) -> Vec<String> {
        let kinds = [(Kind::Get, reads), (Kind::Order, orders)].into();
        Killed::new(KILLS, Tally { kinds, ..Tally::default() }, happened).complaints()
    }

    #[test]
    fn a_post_may_be_lost_but_never_in_silence_and_never_twice() {
        let (reads, lost) = (account(9, 9, &[]), "POST /orders: 502 Bad Gateway: Bad gateway");
        let orders = account(3, 2, &[lost]);
        let nothing: [String; 0] = [];
        assert_eq!(complaints(reads.clone(), orders.clone(), "1\n2\n"), nothing);
        assert_eq!(
            complaints(reads.clone(), orders.clone(), "1\n2\n3\n"),
            nothing,
            "it happened, and the answer was lost"
        );
        assert_eq!(complaints(reads.clone(), orders.clone(), "1\n2\n2\n"), ["1 POSTs happened twice"]);
        assert_eq!(complaints(reads.clone(), orders, "1\n"), ["1 POSTs were answered and did not happen"]);
        let silent = account(3, 2, &["POST /orders: no answer within 30s"]);
        assert_eq!(complaints(reads, silent, "1\n2\n"), ["a POST was lost in silence"]);
        let unread = account(9, 8, &[lost]);
        assert_eq!(
            complaints(unread, account(1, 1, &[]), "1\n"),
            [format!("not every GET was answered {lost}")]
        );
    }
}
