//! What rollcore does to the program that it is linked into.
//!
//! # Nothing global
//!
//! No signal handler, no SIGCHLD, no `waitpid(-1)`, no panic hook, no logger, no metrics recorder, no change of the
//! environment, the working directory or the umask. Several engines in one program do not know one another, so give them
//! port ranges that do not overlap. Diagnostics go to `tracing`, and nowhere when nobody subscribed. The library never
//! prints and never exits.
//!
//! # Threads
//!
//! | | whose | name |
//! | --- | --- | --- |
//! | conductor, supervisors, health checks | the tokio runtime that [`Engine::start`](crate::Engine::start) was called in; needs IO and time | |
//! | spawning, and looking at `/proc` | that runtime's blocking pool | |
//! | requests | the proxy's own, one per `ProxyOptions::workers` | `rollcore-proxy-0` |
//! | all but the requests, for [`blocking::Engine`](crate::blocking::Engine) | its own two, and their blocking pool | `rollcore-engine-0` |
//!
//! Requests do not depend on your runtime: a task of yours that blocks holds up deploys and restarts, not traffic. The
//! threads of rollcore have every signal blocked but those that tell of a bug in the thread itself, so your handlers run on
//! your threads.
//!
//! # Signals
//!
//! Nobody shuts the engine down on SIGTERM but you:
//!
//! ```no_run
//! # async fn serve(engine: rollcore::Engine, mut asked_to_end: tokio::sync::watch::Receiver<bool>) {
//! // However your program hears of SIGTERM.
//! let _ = asked_to_end.wait_for(|ends| *ends).await;
//! let report = engine.shutdown().await;
//! if report.survivors > 0 {
//!     eprintln!("{} processes could not be ended", report.survivors);
//! }
//! # }
//! ```
//!
//! Children start with no signal blocked, every disposition at its default, stdin at its end and no descriptor of yours.
//! They are in sessions of their own, so Ctrl-C on your terminal does not reach them. A host that reaps all children, or
//! ignores SIGCHLD, disturbs nothing; on Linux before 6.15 it only hides how a process ended
//! ([`Exit::Unknown`](crate::Exit)).
//!
//! # What a dropped handle does
//!
//! | dropped | then |
//! | --- | --- |
//! | the future of `deploy`, `rollback`, `stop`, `restart`, `shutdown` | it goes on; only its answer is lost |
//! | an [`Engine`](crate::Engine), not the last | nothing |
//! | the last [`Engine`](crate::Engine) | it shuts down in the background, as long as its runtime lives |
//! | a [`blocking::Engine`](crate::blocking::Engine) | it shuts down, and the drop waits for that, up to a limit |
//! | an [`EventCursor`](crate::EventCursor), or its `next` | nothing |
//! | the last [`Supervisor`](crate::Supervisor) of a process | the process is stopped, politely, in the background |
//! | the future of [`Supervisor::stop`](crate::Supervisor::stop) or `start` | it goes on |
//! | a [`Lease`](crate::Lease) | the port is given back |
//! | the future of [`HealthChecker::wait_ready`](crate::HealthChecker::wait_ready) | the asking stops |
//! | a [`Draining`](crate::Draining), or its `drained` | nothing is cut; requests go on without a budget |
//! | a [`DrainingProxy`](crate::DrainingProxy) | connections are cut, and its threads end |
//! | a tokio runtime with supervisors in it | their processes are killed |
//!
//! ```
//! use rollcore::{Config, Engine, Release, Seq};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let engine = Engine::start(Config::from_json(r#"{
//!     "application": "shop", "proxy": { "port": 0 },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": ["sleep", "60"], "port": 0, "health": false }]
//! }"#)?).await?;
//!
//! // Nobody waits for the answer, and it is deployed all the same.
//! let mut events = engine.events(Seq::START);
//! let impatient = engine.deploy(Release::new("v1", "/")?);
//! let _too_late = tokio::time::timeout(std::time::Duration::from_nanos(1), impatient).await;
//! loop {
//!     let batch = events.next().await;
//!     if batch.events.iter().any(|stamped| stamped.event.message() == "traffic switched") {
//!         break;
//!     }
//! }
//! engine.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program that is killed, or that ends without any of this, leaves its processes running.
//!
//! # One thing only
//!
//! The hands work without an engine. Each has an example in its documentation.
//!
//! | to | take |
//! | --- | --- |
//! | keep a process alive | [`Supervisor`](crate::Supervisor) |
//! | decide about restarts in your own loop | [`RestartPolicy`](crate::RestartPolicy) |
//! | find a free port that two callers cannot both get | [`PortAllocator`](crate::PortAllocator) |
//! | wait until something answers HTTP | [`HealthChecker`](crate::HealthChecker) |
//! | switch a proxy between backends without losing requests | [`DrainingProxy`](crate::DrainingProxy) |
//! | fill in `{{placeholders}}` | [`render`](crate::render) |
//! | check a config | [`Config`](crate::Config) |
//! | serve commands on a Unix socket | [`ControlServer`](crate::ControlServer) |
