//! How to watch a rollout go wrong before you run it.
//!
//! # A made-up world
//!
//! What decides in production is pure: it is told what happened and what time it is, and says what to do. The simulator
//! drives those same decisions with made-up processes, ports, probes and requests, at made-up times. An hour takes a
//! moment, and the same seed is the same hour every time.
//!
//! [`Simulation`](crate::simulate::Simulation) can be driven by hand:
//!
//! ```
//! use rollcore::simulate::Simulation;
//!
//! let mut sim = Simulation::standard(7);
//! sim.deploy("v1");
//! sim.run_until(|sim| sim.active().as_deref() == Some("v1"));
//! sim.crash("web");
//! sim.run_until(|sim| !sim.is_running("web"));
//! sim.run_until(|sim| sim.is_running("web"));
//! sim.deploy("v2");
//! sim.run_until(|sim| sim.active().as_deref() == Some("v2"));
//! ```
//!
//! # Scripts and seeds
//!
//! A [`Script`](crate::simulate::Script) says who does what and when, and [`Simulation::play`](crate::simulate::Simulation::play)
//! plays it to its end and shuts down. What is left to chance follows from its seed. After every turn the invariants of the
//! design are checked: traffic points at one ready release, a failed rollout changes nothing, a singleton is alone, every
//! lease has a reason, restarts stay within their limit, every request is answered or counted, every question gets one
//! answer.
//!
//! ```
//! use rollcore::simulate::{Act, Fault, FaultKind, ProcessName, Script, Simulation, Variant, What};
//! use std::time::Duration;
//!
//! let at = |ms, what| Act { at: Duration::from_millis(ms), what };
//! let fault = Some(Fault { process: ProcessName::Web, kind: FaultKind::Hangs });
//! let script = Script {
//!     seed: 1,
//!     variant: Variant::default(),
//!     acts: vec![
//!         at(0, What::Deploy { release: 1, fault: None }),
//!         at(4_000, What::Load { requests: 20, lasting: Duration::from_millis(300), tunnels: false }),
//!         at(4_100, What::Deploy { release: 2, fault }),
//!     ],
//! };
//! let play = Simulation::play(&script);
//! assert!(play.violation.is_none(), "{play}");
//! assert!(play.story.iter().any(|line| line.contains("answer 2: Undone")), "{play}");
//! println!("{play}"); // The story, a line for each thing that happened, with its time.
//!
//! // Or let a seed write the script.
//! assert_eq!(Script::from_seed(42), Script::from_seed(42));
//! for seed in 0..50 {
//!     let play = Simulation::play(&Script::from_seed(seed));
//!     assert!(play.violation.is_none(), "{play}");
//! }
//! ```
//!
//! [`Script::from_bytes`](crate::simulate::Script::from_bytes) makes a play of any bytes, for a fuzzer.
//!
//! # Shrinking
//!
//! When a script breaks an invariant, [`shrink`](crate::simulate::shrink) leaves out every act without which it still
//! breaks. One that breaks nothing is returned as it is.
//!
//! ```
//! use rollcore::simulate::{Script, shrink};
//! assert_eq!(shrink(&Script::from_seed(42)), Script::from_seed(42));
//! ```
//!
//! # An engine that answers
//!
//! Whoever writes a deploy script, or a binding for another language, wants an engine to ask, without processes and without
//! waiting. [`Rehearsal`](crate::simulate::Rehearsal) is one: it is given your config, makes the decisions of the real one,
//! and tells the same events. Its processes are healthy, but those of releases that are said to be broken, which never become
//! ready. Time passes only while something is asked.
//!
//! ```
//! use rollcore::simulate::{Answer, Rehearsal};
//! use rollcore::{Config, ReleaseId};
//!
//! let config = Config::from_json(r#"{
//!     "application": "shop", "proxy": { "port": 8182 },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 0, "health": { "path": "/ping" } }]
//! }"#)?;
//! let (v1, v2) = (ReleaseId::new("v1")?, ReleaseId::new("v2")?);
//! let mut engine = Rehearsal::new(config.into_application(), 1).broken([v2.clone()]);
//! engine.deploy(v1.clone(), "/srv/shop/v1", None)?;
//! let scene = engine.deploy(v2, "/srv/shop/v2", None)?;
//! let Answer::Undone { cause, .. } = &scene.outcome else { panic!("{:?}", scene.outcome) };
//! assert_eq!(cause.code(), "exited_before_ready");
//! assert!(scene.events.iter().any(|event| event.event.message() == "rollout undone"));
//! assert_eq!(engine.active(), Some(&v1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Hosts in other languages get it by an option of their handle: `{"simulate": {"seed": 1, "broken": ["v2"]}}`. There each
//! operation is over at once, so nothing is ever under way to be cancelled or to be `busy` with; and there is only the
//! engine: processes, ports, proxies and health checks alone are `not_simulated`.
//!
//! # What it does not simulate
//!
//! Scripts are played with one of the standard applications: a `web`, two `worker`s, a `cron` and a `broker`
//! ([`Variant`](crate::simulate::Variant) chooses among them). [`Simulation::new`](crate::simulate::Simulation::new) takes
//! an application of your own, which can be driven by hand; requests are only followed to a proxied process that is called
//! `web`, and processes of it never fail but when `crash` or `broken` says so. Nothing is known of what your processes really do, of a
//! slow disk, or of HTTP: bytes are for the tests of the proxy.
