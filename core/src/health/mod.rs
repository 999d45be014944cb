//! Ask until a process is ready.
//!
//! Nothing in this folder knows processes: it gets a URL and a schedule. Whoever knows that the process is gone drops
//! the future, and the asking stops.

pub(crate) mod machine;
mod probe;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use crate::clock;

use machine::{Action, Event, Machine, ProbeOutcome};
pub use machine::{HealthReason, HealthSchedule, Ready};
pub use probe::HttpProbe;

/// Asks one address until the answer is 2xx.
///
/// Redirects are not followed: a process that sends its health check elsewhere has not said that it is ready itself
/// (`HTTP 302`; stricter than compat C-82). A probe that gets no answer is cut at its own timeout, and the whole
/// check at `timeout` (better than compat C-84).
///
/// ```
/// use std::io::{Read, Write};
/// use std::time::Duration;
/// use rollcore::{HealthChecker, HealthSchedule, HttpProbe};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let url = format!("http://{}/ping", app.local_addr()?);
/// std::thread::spawn(move || {
///     let (mut connection, _) = app.accept()?;
///     let _ = connection.read(&mut [0; 1024])?;
///     connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
/// });
///
/// let schedule = HealthSchedule { timeout: Duration::from_secs(10), ..HealthSchedule::default() };
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// let ready = runtime.block_on(HealthChecker::new(HttpProbe::get(url), schedule).wait_ready())?;
/// assert_eq!(ready.attempts, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthChecker {
    probe: HttpProbe,
    schedule: HealthSchedule,
    condition: Option<Condition>,
}

/// What must be true as well, for an answer to count.
#[derive(Clone)]
struct Condition(Arc<dyn Fn() -> Checked + Send + Sync>);

type Checked = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition")
    }
}

impl HealthChecker {
    /// A checker that has not asked yet.
    #[must_use]
    pub fn new(probe: HttpProbe, schedule: HealthSchedule) -> Self {
        Self { probe, schedule, condition: None }
    }

    /// A good answer counts only if `condition` says so, too; else the probe has failed for the reason that it gives.
    /// It is asked after each good answer, in what is left of that probe's time.
    #[must_use]
    pub fn only_if<C, R>(mut self, condition: C) -> Self
    where
        C: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.condition = Some(Condition(Arc::new(move || Box::pin(condition()))));
        self
    }

    /// Asks until the answer is 2xx, or the time is over. Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// [`HealthError`] at `start_delay` + `timeout` after the call, not earlier and not later.
    ///
    /// # Cancel safety
    /// Dropping the future stops the asking and closes the connection of a probe under way.
    pub async fn wait_ready(&self) -> Result<Ready, HealthError> {
        let began = clock::now();
        let mut machine = Machine::new(self.schedule, began);
        let mut attempts = 0;
        let mut event = wait(&machine).await;
        loop {
            let mut probing = false;
            for action in machine.handle(event, clock::now()) {
                match action {
                    Action::Done(Ok(ready)) => return Ok(ready),
                    Action::Done(Err(reason)) => {
                        let url = self.probe.url().to_owned();
                        return Err(HealthError { url, reason, attempts, took: clock::now() - began });
                    }
                    Action::Probe { .. } => {
                        attempts += 1;
                        probing = true;
                    }
                }
            }
            event = if probing { self.ask(&machine).await } else { wait(&machine).await };
        }
    }

    async fn ask(&self, machine: &Machine) -> Event {
        let probe = async { Event::ProbeEnded(self.outcome().await) };
        let (probe, time_up) = (pin!(probe), pin!(wait(machine)));
        tokio::select! { biased; event = probe => event, event = time_up => event }
    }

    async fn outcome(&self) -> ProbeOutcome {
        let outcome = self.probe.ask().await;
        match &self.condition {
            Some(Condition(check)) if outcome.is_good() => match check().await {
                Ok(()) => outcome,
                Err(why) => ProbeOutcome::Rejected(why),
            },
            _ => outcome,
        }
    }
}

/// Not `async fn`: the machine is only read before the first await.
fn wait(machine: &Machine) -> impl Future<Output = Event> + use<> {
    let until = machine.next_timeout().expect("a check that is not done has a next timeout");
    async move {
        tokio::time::sleep(until - clock::now()).await;
        // The runtime's timer is coarser than the clock: never say that it is time before it is.
        while clock::now() < until {
            tokio::time::sleep(until - clock::now()).await;
        }
        Event::TimeUp
    }
}

/// The time was over before the process was ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Health check failed for {url}: {reason}")]
pub struct HealthError {
    /// What was asked.
    pub url: String,
    /// Why the last probe failed.
    pub reason: HealthReason,
    /// How many probes there were.
    pub attempts: u32,
    /// How long the check took.
    pub took: Duration,
}

impl HealthError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "health_check_failed"
    }
}
