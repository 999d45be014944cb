//! Ten thousand plays, each with faults and commands at any moment; no invariant may break in any of them.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcore::simulate::{Act, Fault, FaultKind, ProcessName, Script, Simulation, Variant, What, shrink};

/// How many seeds are played.
const SEEDS: u64 = 10_000;

fn must_hold(script: &Script) {
    if Simulation::play(script).violation.is_none() {
        return;
    }
    let shortest = shrink(script);
    let acts: Vec<String> = shortest.acts.iter().map(ToString::to_string).collect();
    let play = Simulation::play(&shortest);
    panic!("seed {}, {:?}\n{}\n\n{play}", script.seed, shortest.variant, acts.join("\n"));
}

#[test]
fn ten_thousand_seeds_break_no_invariant() {
    let (mut requests, mut switches) = (0, 0);
    for seed in 0..SEEDS {
        let script = Script::from_seed(seed);
        let play = Simulation::play(&script);
        if play.violation.is_some() {
            must_hold(&script);
        }
        requests += play.requests;
        switches += play.switches;
    }
    // A simulator in which nothing happens breaks no invariant either.
    assert!(requests > 10 * SEEDS, "only {requests} requests in {SEEDS} plays");
    assert!(switches as u64 > SEEDS, "only {switches} switches in {SEEDS} plays");
}

/// Plays that once found a bug are kept below, each by the story of its bug. They are scripts, not seeds: a seed means
/// another play as soon as the dice are drawn in another order.
///
/// A script of these acts at these milliseconds.
fn script(acts: impl IntoIterator<Item = (u64, What)>) -> Script {
    let acts = acts.into_iter().map(|(ms, what)| Act { at: Duration::from_millis(ms), what });
    Script { seed: 1, acts: acts.collect(), variant: Variant::default() }
}

fn unkillable(process: ProcessName) -> Option<Fault> {
    Some(Fault { process, kind: FaultKind::Unkillable })
}

/// The fuzz target `world` found this: the singleton of v2 survived SIGKILL, so the restart failed; then the rollback
/// asked for its end again, was told at once that nothing runs, and started that of v1 beside it.
#[test]
fn a_singleton_that_cannot_be_killed_stays_alone() {
    let acts = [
        (2_000, What::Deploy { release: 1, fault: None }),
        (3_010, What::Deploy { release: 2, fault: unkillable(ProcessName::Cron) }),
        (16_581, What::Restart),
        (26_811, What::Rollback),
    ];
    must_hold(&script(acts));
}

/// The fuzz target `world` found this: a first deploy failed, a worker of it survived SIGKILL, and so its ports stayed
/// leased; among them, for ever, that of the broker, a service that had been stopped and forgotten.
#[test]
fn the_port_of_a_stopped_service_goes_back_beside_survivors() {
    let fault = unkillable(ProcessName::Worker);
    // One of these crashes comes while the web process is asked whether it is ready.
    let crashes = (5..2_000)
        .step_by(20)
        .map(|ms| script([(0, What::Deploy { release: 1, fault }), (ms, What::Crash(ProcessName::Web))]));
    let mut stuck = 0;
    for script in crashes {
        must_hold(&script);
        let story = Simulation::play(&script).story;
        stuck += usize::from(story.iter().any(|line| line.contains("RolloutStuck")));
    }
    assert!(stuck > 0, "nothing survived");
}

#[test]
fn the_same_seed_is_the_same_play() {
    for seed in [1, 77, 4_242] {
        let (once, again) =
            (Simulation::play(&Script::from_seed(seed)), Simulation::play(&Script::from_seed(seed)));
        assert_eq!(once.story, again.story);
    }
}

#[test]
fn every_kind_of_act_and_fault_is_played() {
    let mut seen = BTreeSet::new();
    for seed in 0..2_000 {
        for act in Script::from_seed(seed).acts {
            seen.insert(match act.what {
                What::Deploy { fault: Some(fault), .. } => format!("{:?}", fault.kind),
                other => other.to_string().chars().filter(|character| character.is_alphabetic()).collect(),
            });
        }
    }
    for kind in [
        "SpawnFails",
        "ExitsEarly",
        "Hangs",
        "CrashesLater",
        "PortTaken",
        "IgnoresStop",
        "LeavesGrandchild",
        "Unkillable",
        "ExitsOnceAsked",
        "PortStolen",
        "Leaks",
    ] {
        assert!(seen.contains(kind), "no play has {kind}");
    }
    for act in [
        "somebodyrollsback",
        "somebodystopstheactiverelease",
        "somebodyrestartseverything",
        "somebodyshutsdown",
        "somebodyshutsdownandrequestshavetimetoend",
        "somebodyelsetakesover",
        "somebodyeditsthestopsignals",
        "somebodyeditsthedraintimeout",
        "somebodyeditsaplaceholderwithoutavalue",
        "somebodyeditstheportoftheproxy",
    ] {
        assert!(seen.contains(act), "no play has {act}");
    }
}

/// Compat C-79: it is stopped when it exceeds its limit, and started again, over and over.
#[test]
fn a_process_that_leaks_is_restarted_for_its_memory() {
    let fault = Fault { process: ProcessName::Worker, kind: FaultKind::Leaks };
    let play = Simulation::play(&deploys(&[None, Some(fault), None]));
    assert!(play.violation.is_none(), "{play}");
    let told = |what: &str| play.story.iter().filter(|line| line.contains(what)).count();
    assert!(told("MemoryWarning") >= 2, "{play}");
    assert!(told("MemoryLimitExceeded") >= 2, "two replicas:\n{play}");
    assert!(told("reason: Memory") >= 2, "{play}");
}

/// Traffic never goes to a release for which another process answers.
#[test]
fn an_answer_of_somebody_else_is_no_reason_to_switch() {
    let fault = Fault { process: ProcessName::Web, kind: FaultKind::PortStolen };
    let play = Simulation::play(&deploys(&[None, Some(fault)]));
    assert!(play.violation.is_none(), "{play}");
    assert!(play.story.iter().any(|line| line.contains("answer 2: Undone")), "{play}");
}

fn deploys(faults: &[Option<Fault>]) -> Script {
    let acts = faults.iter().zip(1..).map(|(fault, release)| Act {
        at: Duration::from_secs(30) * (u32::from(release) - 1),
        what: What::Deploy { release, fault: *fault },
    });
    Script { seed: 1, acts: acts.collect(), variant: Variant::default() }
}

#[test]
fn a_fault_in_any_process_leaves_the_old_release_serving() {
    let processes = [ProcessName::Web, ProcessName::Worker, ProcessName::Cron];
    for process in processes {
        let fault = Fault { process, kind: FaultKind::SpawnFails };
        let script = deploys(&[None, Some(fault)]);
        let play = Simulation::play(&script);
        assert!(play.violation.is_none(), "{play}");
        let undone = play.story.iter().any(|line| line.contains("answer 2: Undone"));
        assert!(undone, "{} could not be spawned, and the deploy went on:\n{play}", process.as_str());
        must_hold(&script);
    }
}

#[test]
fn a_crash_is_restarted_after_its_delay() {
    let mut sim = Simulation::standard(1);
    sim.deploy("v1");
    sim.run_until(|sim| sim.active() == Some("v1".to_owned()));
    sim.crash("web");
    sim.run_until(|sim| !sim.is_running("web"));
    let crashed = sim.elapsed();
    sim.run_until(|sim| sim.is_running("web"));
    let took = sim.elapsed() - crashed;
    assert!(took >= Duration::from_millis(990) && took <= Duration::from_millis(1_010), "{took:?}");
}

#[test]
fn any_bytes_are_a_play() {
    for bytes in [&[][..], &[255; 64], &[7, 1, 9, 200, 3, 3, 3, 11, 90, 14, 2, 61, 5, 8]] {
        must_hold(&Script::from_bytes(bytes));
    }
}
