//! The last act: the application is killed, three times, and whoever only reads does not notice but by the clock.
//!
//! The load of this act reads: what a killed application had half done (a stream, a POST) cannot be saved by anybody.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::load::{Load, LoadOptions, Tally};
use super::report::Switch;
use super::story::Story;

const KILLS: u32 = 3;
/// How long it may take until enough is answered again: the restart delay, the start, and much more.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(60);

impl Story<'_> {
    pub(super) async fn kill_the_app(&mut self) {
        let address = self.engine.proxy_addr();
        let reads = LoadOptions {
            keep_alive: self.args.connections,
            posts: 0,
            streams: 0,
            tunnels: 0,
            ..LoadOptions::mixed(address)
        };
        let on_stage = self.view.begin("kill the app".to_owned());
        let load = Load::start(reads);
        let begin = Instant::now();
        let mut problem = None;
        for number in 1..=KILLS {
            on_stage.now(&format!("kill -9, {number} of {KILLS}"));
            problem = problem.or(self.kill_once(&load).await.err());
        }
        let (gap, tally) = (load.ledger().window_gap(), load.stop().await);
        let outcome = format!("killed {KILLS} times, {} answered, {} failed", tally.ok(), tally.failed());
        match &problem {
            None => on_stage.ended(&outcome),
            Some(problem) => on_stage.went_wrong(problem),
        }
        self.complaints.extend(problem.map(|problem| format!("kill the app: {problem}")));
        let took = begin.elapsed();
        self.switches.push(Switch { act: "kill the app".to_owned(), outcome, took, longest_gap: Some(gap) });
        self.killed = tally;
    }

    /// Kills it while it answers, and waits until it answers again.
    async fn kill_once(&self, load: &Load) -> Result<(), String> {
        self.answers_more(load).await?;
        let (pid, restarts) = self.web().ok_or("there is no process to kill")?;
        load.ledger().begin_window();
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

    /// The active web process, and how often it was started again.
    fn web(&self) -> Option<(u32, u32)> {
        let status = self.engine.status();
        let active = status.releases.iter().find(|release| release.state == "active")?;
        let web = active.processes.iter().find(|process| process.id.process().as_str() == "web")?;
        Some((web.pid?, web.restarts))
    }
}
