//! Resident memory per idle connection and per tunnel.

use std::io;
use std::time::Duration;

use crate::answer::Failure;
use crate::load::Client;
use crate::scenario::{self, Scenario};
use crate::subject::{Place, Running, Subject};

/// How many connect at once.
const AT_ONCE: usize = 64;
/// How often those ask who come first: until all that they can need at the same time has been needed.
const WARM_UP_ROUNDS: usize = 100;
/// After the last answer, so that what is put away in the background has been.
const REST: Duration = Duration::from_millis(1500);

/// What a connection takes, in bytes.
#[derive(Debug)]
pub struct Taken {
    pub subject: Subject,
    /// With a few connections, before the others come.
    pub at_start: u64,
    /// Per idle connection that has made one request; per open tunnel that has echoed once.
    pub idle: Result<f64, Failure>,
    pub tunnel: Result<f64, Failure>,
}

/// Measures everybody, each anew for each figure.
///
/// # Errors
/// When a subject cannot be started.
pub fn measure(subjects: &[Subject], place: Place, idle: usize, tunnels: usize) -> io::Result<Vec<Taken>> {
    let of = |name| scenario::find(name).expect("it is one of ours");
    let (request, tunnel) = (of("small-c64"), of("ws-c64"));
    let mut found = Vec::new();
    for subject in subjects.iter().copied().filter(|subject| !subject.is_tuned()) {
        let running = subject.start(place)?;
        let (at_start, idle) = crate::block_on(each_takes(&running, request, idle))?;
        drop(running);
        let running = subject.start(place)?;
        let (_, tunnel) = crate::block_on(each_takes(&running, tunnel, tunnels))?;
        found.push(Taken { subject, at_start, idle, tunnel });
    }
    Ok(found)
}

async fn each_takes(
    running: &Running,
    scenario: &'static Scenario,
    count: usize,
) -> (u64, Result<f64, Failure>) {
    // Code and buffers that so many need at once are no cost of the others.
    let first = warm_up(running, scenario).await;
    tokio::time::sleep(REST).await;
    let before = running.process.resident();
    let others = connect(running, scenario, count).await;
    tokio::time::sleep(REST).await;
    let after = running.process.resident();
    let taken = match (first, others) {
        (Ok(_), Ok(_)) => Ok(after.saturating_sub(before) as f64 / count as f64),
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    };
    (before, taken)
}

/// Connections that have asked again and again, all at once.
async fn warm_up(running: &Running, scenario: &'static Scenario) -> Result<Vec<Client>, Failure> {
    let mut clients = connect(running, scenario, AT_ONCE).await?;
    for _ in 0..WARM_UP_ROUNDS {
        let asking = clients.iter_mut().map(|client| client.ask(scenario));
        futures_util::future::try_join_all(asking).await?;
    }
    Ok(clients)
}

/// Connections that have asked once.
async fn connect(
    running: &Running,
    scenario: &'static Scenario,
    count: usize,
) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let some = (count - clients.len()).min(AT_ONCE);
        let asking = (0..some).map(|_| async {
            let mut client = Client::open(running.address, scenario).await?;
            client.ask(scenario).await.map(|()| client)
        });
        clients.extend(futures_util::future::try_join_all(asking).await?);
    }
    Ok(clients)
}
