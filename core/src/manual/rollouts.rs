//! What a deploy does, what is taken back when it fails, and what to do when even that fails.
//!
//! # Steps and undos
//!
//! A deploy is a list of [`Step`](crate::Step)s, and each step has an [`Undo`](crate::Undo) that can be carried out even
//! when the step was only half done.
//!
//! ```text
//!  Preflight → LeasePorts → StartService* → Start* → AwaitReady → Switch → RefreshServices → ReplaceSingleton* │ retire
//!  └──────────────────────────────── each has an undo ───────────────────────────────────────────────────────┘
//!      a step fails: undo it and the finished ones in reverse ──▶ Undone     an undo fails too ──▶ Stuck
//! ```
//!
//! | step | what is done | undo |
//! | --- | --- | --- |
//! | preflight | every placeholder must have a value | nothing |
//! | lease ports | a port for each process that has one: all or none | give them back |
//! | start service | a persistent service that is not there yet, or is dead | stop it, if this rollout started it |
//! | start | one instance of the release: handed-over services, then companions, then the proxied one | stop it |
//! | await ready | ask the proxied process for its health until it answers 2xx | nothing |
//! | switch traffic | new requests go to the new release | send them to the old one again, and drain the new one |
//! | refresh services | the next start of a service runs what the new release says | the old definition |
//! | replace singleton | stop the old instance, then start the new one | stop the new one, then start the old one again |
//!
//! [`plan`](crate::plan) lists the steps of a config:
//!
//! ```
//! use rollcore::{Config, plan};
//!
//! let config = Config::from_json(r#"{
//!     "application": "shop", "proxy": {},
//!     "processes": [
//!         { "id": "web", "policy": "proxied", "command": "./serve", "port": { "from": 18000, "to": 18009 } },
//!         { "id": "cron", "policy": "singleton", "command": "./cron" }
//!     ]
//! }"#)?;
//! let steps: Vec<String> = plan(config.application(), &Default::default()).iter().map(ToString::to_string).collect();
//! assert_eq!(steps, [
//!     "preflight", "lease ports", "start web", "await ready web", "switch traffic", "refresh services",
//!     "replace singleton cron",
//! ]);
//! # Ok::<(), rollcore::ConfigError>(())
//! ```
//!
//! The old release runs until all of this has worked, which is why even the switch can be taken back. `deploy` answers
//! then; draining and stopping the old release comes behind it and cannot fail the deploy any more. A retirement that
//! cannot finish is the event `release drain failed`, and the old release is `failed` in the status.
//!
//! # A deploy that fails
//!
//! ```
//! use rollcore::{Config, DeployError, Engine, Release};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! // v1 works; any other release finds no database. It has no health check, so it has to run for a moment to count.
//! let engine = Engine::start(Config::from_json(r#"{
//!     "application": "shop", "proxy": { "port": 0 },
//!     "processes": [{
//!         "id": "web", "policy": "proxied", "port": 0, "health": false, "minUptimeMs": 200,
//!         "command": "[ {{releaseId}} = v1 ] && exec sleep 60; echo no database >&2; exit 3"
//!     }]
//! }"#)?).await?;
//! engine.deploy(Release::new("v1", "/")?).await?;
//! let before = engine.status().releases[0].processes[0].pid;
//!
//! let error = engine.deploy(Release::new("v2", "/")?).await.expect_err("v2 cannot run");
//! let DeployError::Undone { step, .. } = &error else { panic!("{error:?}") };
//! assert_eq!(step.to_string(), "start web");
//! assert_eq!(error.code(), "exited_before_ready");
//! assert!(error.to_string().contains("exited with code 3 before it was ready"));
//! assert!(error.to_string().contains("no database"), "its last lines are in the error");
//!
//! let status = engine.status();
//! assert_eq!(status.active_release_id.as_ref().map(|id| id.as_str()), Some("v1"));
//! assert_eq!(status.releases.len(), 1, "nothing is left of v2");
//! assert_eq!(status.releases[0].processes[0].pid, before, "v1 has not noticed");
//! engine.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a failed deploy leaves alone: the release that traffic goes to, its processes with their pids, the running
//! services, every port they hold, and the config in force. What it cannot leave alone is a singleton that had to make
//! room: the old one is started again, with a new pid. Requests that the new release had already got are drained as those
//! of any release are, and cut when `proxy.drainTimeoutMs` is over.
//!
//! A process that exits while it is being asked for its health fails the deploy at once, with its exit and its last
//! lines; nobody waits for the health check to time out.
//!
//! # Busy
//!
//! One operation at a time has the lock: a deploy, a rollback, a stop or a restart. Whoever comes second is told at once
//! who holds it ([`DeployError::Busy`](crate::DeployError::Busy), code `busy`), and nothing is queued. `Status::busy` says the
//! same. Retiring an old release needs no lock, so the next deploy can begin while it drains.
//!
//! A shutdown goes before everything: whatever is under way is answered with an error whose code is `shutting_down`.
//!
//! # Stuck
//!
//! An undo can fail in two ways. A process can survive SIGKILL for 5 s: it then sits in the kernel, usually waiting for a
//! disk or a network file system, and nobody can end it. And an old singleton that made room can refuse to start again.
//! Every other undo is tried all the same, so traffic is back where it was; but the answer is
//! [`DeployError::Stuck`](crate::DeployError::Stuck), and somebody has to look.
//!
//! ```
//! use rollcore::simulate::{Act, Fault, FaultKind, ProcessName, Script, Simulation, Variant, What};
//! use std::time::Duration;
//!
//! // The cron of v1 cannot be ended, so v2 cannot have its own.
//! let fault = Some(Fault { process: ProcessName::Cron, kind: FaultKind::Unkillable });
//! let script = Script {
//!     seed: 1,
//!     variant: Variant::default(),
//!     acts: vec![
//!         Act { at: Duration::ZERO, what: What::Deploy { release: 1, fault } },
//!         Act { at: Duration::from_secs(10), what: What::Deploy { release: 2, fault: None } },
//!     ],
//! };
//! let play = Simulation::play(&script);
//! assert!(play.violation.is_none(), "{play}");
//! assert!(play.story.iter().any(|line| line.contains("answer 2: Stuck")), "{play}");
//! ```
//!
//! 1. Read the error: it names the step that failed, the undo that failed, and why each did.
//! 2. Find the process. The event `process survived SIGKILL` names its instance; a release that has survivors stays in the
//!    status as `failed` and keeps its ports.
//! 3. Remove what holds it. When it is gone that is noticed: a release that had been active is `stopped` then, one that
//!    never was is forgotten, and its ports are given back. [`Engine::stop`](crate::Engine::stop) with the id of the failed
//!    release kills it once more.
//! 4. A singleton or a service that is down comes back with the next deploy, or with
//!    [`Engine::restart`](crate::Engine::restart).
//!
//! # Going back on purpose
//!
//! [`Engine::rollback`](crate::Engine::rollback) is a deploy of a release that is still remembered, with the same steps and
//! undos: the one that had traffic most recently, or a named one. `releaseRetention.keep` stopped releases are remembered
//! (10 unless configured), for `releaseRetention.maxAgeMs` if that is set. Their directories are yours to keep.
//!
//! The release may still be draining. Then it is started beside itself, and those whom the old processes are answering
//! notice nothing. That takes a port more than is in use; in a range of two ports there is none, so the rollback first
//! waits until the draining processes have answered or their budget is spent, and have ended. A deploy does not wait: it
//! says `port_range_exhausted`.
//!
//! # A config that has changed
//!
//! A deploy or a rollback can come with a new config ([`Engine::reload_with`](crate::Engine::reload_with)). It is in force
//! when traffic is on the new release, and the old one is again when that is undone. From then on
//!
//! - the old release retires as the new config says: `proxy.drainTimeoutMs`, `nonBlockingDrain`, `stopSignal`,
//!   `gracefulStopMs` and `lifecycle` of each of its processes;
//! - the next start of a persistent service, be it after a crash or by hand, runs what the new config says, rendered for
//!   the new release. Its process that runs is not touched.
//!
//! # Services that are dead
//!
//! A deploy leaves a persistent service alone that runs or waits for its restart. One that has given up, or could not be
//! started again, is started by the next deploy as the new release defines it, on the port it has. When that deploy fails
//! it is as dead as it was before.
