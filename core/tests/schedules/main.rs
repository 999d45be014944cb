//! Random schedules: clients, applications and switches in any order, with bytes that come in any pieces and peers that die
//! at any byte. An answer never reaches another client, no request gets two, what may happen once happens at most once,
//! and at the end nothing is counted as open. Where nobody misbehaves, nothing fails.
//!
//! `ROLLCORE_SCHEDULES` says how many are played, `ROLLCORE_SCHEDULES_FROM` from which seed on.

mod app;
mod client;
mod talk;
mod world;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rollcore::internals::LoneProxy;
use rollcore::{Counts, Generation, ProxyLimits, ProxyOptions, Traffic};
use tokio::net::UnixListener;
use tokio::task::{JoinSet, LocalSet, spawn_local};

use talk::pause;
use world::{Tally, World};

/// A schedule takes a few milliseconds; one that does not end is given up after so many looks at it. They are counted and
/// not the time, because a machine may stand still for longer than any limit, and then go on as if nothing had been.
const LOOKS_MAX: u32 = 2_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// Never comes within a schedule: what is lost has to show as a schedule that does not end, not as a limit that is met.
const NEVER: Duration = Duration::from_secs(3600);
/// What passes through narrow pipes is short, but for some: each byte costs a system call.
const SHORT_CONTENT: usize = 2_000;
const LONG_CONTENT: usize = 50_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Where the applications listen.
struct Apps {
    listeners: [Rc<UnixListener>; 2],
    paths: [PathBuf; 2],
}

impl Apps {
    fn in_directory(directory: &std::path::Path) -> Self {
        let paths = ["a", "b"].map(|name| directory.join(name));
        let listeners =
            paths.each_ref().map(|path| Rc::new(UnixListener::bind(path).expect("the path is free")));
        Self { listeners, paths }
    }
}

#[test]
fn an_answer_never_reaches_another_client() {
    let (count, first) = (number("ROLLCORE_SCHEDULES", 3_000), number("ROLLCORE_SCHEDULES_FROM", 1));
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < first + count {
        // How often the runtime looks at its sockets changes what meets what.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(1 + u32::try_from(seed / 100 % 7).expect("it is small"))
            .build()
            .expect("a runtime");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let apps = Apps::in_directory(directory.path());
            while seed < first + count {
                tally.add(play(seed, &apps).await);
                seed += 1;
                if seed % 100 == 0 {
                    break;
                }
            }
        });
    }
    let Tally { requests, answers, tunnels, own_answers, cut_short, switches, deaths, aborts } = tally;
    if count >= 100 {
        assert!(answers > count && requests > answers, "{tally:?}");
        assert!(
            [tunnels, own_answers, cut_short, switches, deaths, aborts].iter().all(|many| *many > 0),
            "{tally:?}"
        );
    }
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{count} schedules from {first}: {tally:?}");
}

/// # Panics
/// With the seed, when something is not as it must be.
async fn play(seed: u64, apps: &Apps) -> Tally {
    let world = Rc::new(World::new(seed));
    tokio::select! {
        () = act(&world, apps) => {}
        () = patience() => world.problem(format!("it does not end: {}", world.stage.get())),
    }
    let problems = world.problems();
    assert!(
        problems.is_empty(),
        "ROLLCORE_SCHEDULES_FROM={seed} ROLLCORE_SCHEDULES=1\n{}",
        problems.join("\n")
    );
    *world.tally.borrow()
}

async fn patience() {
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn act(world: &Rc<World>, apps: &Apps) {
    // Where nothing may fail, a busy machine must not be taken for a client that is gone.
    let half_close_timeout = if world.is_kind { NEVER } else { Duration::from_millis(20) };
    let limits = ProxyLimits { half_close_timeout, park_timeout: Duration::ZERO, ..ProxyLimits::default() };
    let proxy = LoneProxy::new(ProxyOptions { limits, ..ProxyOptions::new("127.0.0.1", 0) });
    let accepting: Vec<_> = (0..2)
        .map(|which| spawn_local(app::run(Rc::clone(&apps.listeners[which]), which, Rc::clone(world))))
        .collect();
    let dice = world.dice();
    if world.is_kind || dice.borrow_mut().u8(..8) > 0 {
        let _ = proxy.switch_to(Traffic::to(Generation(1), [apps.paths[1].clone()]));
    }
    let mut serving = JoinSet::new();
    let mut clients = JoinSet::new();
    let count = dice.borrow_mut().usize(1..4);
    let rooms: Vec<usize> =
        (0..count).map(|_| [1, 7, 64, 1024, 65_536][dice.borrow_mut().usize(..5)]).collect();
    let is_narrow = rooms.iter().any(|room| *room < 64) && dice.borrow_mut().u8(..16) > 0;
    world.content_max.set(if is_narrow { SHORT_CONTENT } else { LONG_CONTENT });
    for room in rooms {
        let (ours, theirs) = tokio::io::duplex(room);
        let lone = proxy.clone();
        serving.spawn_local(async move { lone.serve(theirs).await });
        clients.spawn_local(client::run(ours, Rc::clone(world)));
    }
    let switching = spawn_local(switch(proxy.clone(), Rc::clone(world), apps.paths.clone()));
    world.stage.set("clients");
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            world.problem(format!("a client panicked: {error}"));
        }
    }
    world.stage.set("the switch");
    if let Err(error) = switching.await {
        world.problem(format!("the switch panicked: {error}"));
    }
    world.stage.set("the relay");
    while let Some(ended) = serving.join_next().await {
        if let Err(error) = ended {
            world.problem(format!("the relay panicked: {error}"));
        }
    }
    for generation in 1..=LAST_GENERATION {
        let counts = proxy.counts(Generation(generation));
        if counts != Counts::default() {
            world.problem(format!("{counts:?} are left of {generation}"));
        }
    }
    drop(proxy);
    world.stage.set("the applications");
    while world.open.get() > 0 {
        tokio::task::yield_now().await;
    }
    accepting.iter().for_each(tokio::task::JoinHandle::abort);
}

const LAST_GENERATION: u64 = 6;

/// Sends traffic from one application to the other and back.
async fn switch(proxy: LoneProxy, world: Rc<World>, paths: [PathBuf; 2]) {
    let dice = world.dice();
    let mut draining = JoinSet::new();
    for generation in 2..=LAST_GENERATION {
        let turns = dice.borrow_mut().usize(..6);
        for _ in 0..turns {
            pause(&dice).await;
        }
        if dice.borrow_mut().bool() {
            continue;
        }
        let which = usize::from(generation % 2 == 1);
        world.tally.borrow_mut().switches += 1;
        if !world.is_kind && dice.borrow_mut().u8(..8) == 0 {
            drop(proxy.switch_to(Traffic::none()));
            continue;
        }
        world.drained[which].set(false);
        let Some(old) = proxy.switch_to(Traffic::to(Generation(generation), [paths[which].clone()])) else {
            continue;
        };
        if !world.is_kind && dice.borrow_mut().u8(..4) == 0 {
            old.cut_now();
        } else if world.is_kind {
            let was = usize::from(old.generation().0 % 2 == 1);
            let (proxy, world) = (proxy.clone(), Rc::clone(&world));
            draining.spawn_local(async move {
                let report = old.drained(NEVER).await;
                if report.requests_cut + report.tunnels_cut > 0 {
                    world.problem(format!("{report:?}"));
                }
                // Unless it serves another generation as well, nothing reaches it any more.
                let is_its = |generation: u64| usize::from(generation % 2 == 1) == was;
                let is_away = proxy.active().is_some_and(|active| !is_its(active.0));
                let is_empty = (1..=LAST_GENERATION)
                    .filter(|generation| is_its(*generation))
                    .all(|generation| proxy.counts(Generation(generation)) == Counts::default());
                if is_away && is_empty {
                    world.drained[was].set(true);
                }
            });
        }
        if dice.borrow_mut().bool() {
            proxy.sweep();
        }
    }
    while draining.join_next().await.is_some() {}
}
