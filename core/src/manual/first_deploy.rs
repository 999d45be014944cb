//! How to put one release in place of another.
//!
//! # What there is
//!
//! A **release** is a directory that somebody has prepared: the code is there, its dependencies are there, migrations
//! that have to come first have been run. rollcore never writes into it. It is named by an id, which may be a commit, a
//! tag or a time (see [`ReleaseId`](crate::ReleaseId) for the alphabet).
//!
//! A **config** says which processes a release consists of. It is JSON (the daemon of the examples [reads
//! more](super::configs)):
//!
//! ```
//! use rollcore::Config;
//!
//! let config = Config::from_json(r#"{
//!     "application": "shop",
//!     "proxy": { "host": "127.0.0.1", "port": 8182 },
//!     "processes": [
//!         {
//!             "id": "web", "policy": "proxied",
//!             "command": ["./bin/serve", "--port", "{{port}}"],
//!             "port": { "from": 18000, "to": 18009 },
//!             "health": { "path": "/ping", "timeoutMs": 10000 }
//!         },
//!         { "id": "worker", "policy": "companion", "command": "exec ./bin/work", "replicas": 2 },
//!         { "id": "cron", "policy": "singleton", "command": "exec ./bin/cron" },
//!         { "id": "broker", "policy": "service", "command": ["./bin/broker"], "port": 19000 }
//!     ]
//! }"#)?;
//! assert!(config.warnings().is_empty());
//! # Ok::<(), rollcore::ConfigError>(())
//! ```
//!
//! | policy | lives | how many |
//! | --- | --- | --- |
//! | `proxied` | with its release; traffic goes to it when it is ready | one per application |
//! | `companion` | with its release; old and new run side by side | `replicas`, if it has no port |
//! | `singleton` | until a deploy replaces it, after traffic has moved | never two at once |
//! | `service` | through all releases, or with `"deployStrategy": "handoff"` one per release | one |
//!
//! A `command` that is a list is run as it is. One that is a string goes through `/bin/sh -c`, so begin it with `exec`
//! when it is a single program: the shell then gives way to it. `{{port}}`, `{{ports.broker}}`, `{{releaseId}}`,
//! `{{releasePath}}`, `{{revision}}`, `{{application}}`, `{{processId}}`, `{{replicaIndex}}`, `{{replicaCount}}`,
//! `{{proxy.host}}`, `{{proxy.port}}`, `{{proxy.upstreamHost}}` and `{{env.NAME}}` are filled in, in commands, `cwd` and
//! `env`. The same values are in the environment, as `ROLLCORE_PORT`, `ROLLCORE_BROKER_PORT`, `ROLLCORE_RELEASE_ID` and so
//! on.
//!
//! # Two releases
//!
//! ```
//! use rollcore::{Config, Engine, Release, ReleaseId, RollbackTo};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let releases = tempfile::tempdir()?;
//! for id in ["v1", "v2"] {
//!     std::fs::create_dir(releases.path().join(id))?;
//! }
//! let path = |id: &str| releases.path().join(id).to_string_lossy().into_owned();
//!
//! // Stands for yours: it sleeps where yours would serve, and so it is not asked for its health.
//! let engine = Engine::start(Config::from_json(r#"{
//!     "application": "shop", "proxy": { "port": 0 },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": ["sleep", "60"], "port": 0, "health": false }]
//! }"#)?).await?;
//!
//! engine.deploy(Release::new("v1", path("v1"))?).await?;
//! let deployed = engine.deploy(Release::new("v2", path("v2"))?).await?;
//! assert_eq!(deployed.active.as_str(), "v2");
//! assert_eq!(deployed.previous.as_ref().map(ReleaseId::as_str), Some("v1"));
//!
//! // v1 is still remembered, so there is a way back.
//! let back = engine.rollback(RollbackTo::Previous).await?;
//! assert_eq!(back.active.as_str(), "v1");
//!
//! assert_eq!(engine.shutdown().await.survivors, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `deploy` answers when traffic is on the new release and the singletons are replaced. The old release is drained and
//! stopped behind that answer; [`Engine::status`](crate::Engine::status) shows it as `draining`, then as `stopped`, and the
//! event `release drained` tells of its end.
//!
//! # What your application has to do
//!
//! - Listen on `ROLLCORE_PORT`, at the address that `proxy.upstreamHost` names (`127.0.0.1` unless configured).
//! - Answer the health check with 2xx once it can serve, and not before. Redirects do not count.
//! - End on SIGTERM. When a deploy replaces it, traffic has left by then, or has been cut: nothing new comes.
//! - Get along with the release before it, since both run at once for a while: the same database, the same files.
