//! What becomes of my processes when the program that runs the engine is killed?
//!
//! They run on: nobody is left to stop them. What is needed is that nobody forgets them.
//!
//! # What is written down
//!
//! With `statePath` in the config, [`Engine::keep_state`](crate::Engine::keep_state) begins to write what runs to that file:
//! at once, every 5 s, and whenever a process is started or ends. A file is replaced as a whole, so it is never half; it is
//! readable by its owner alone, and holds no command, no environment and nothing that a process printed. An orderly end
//! removes it.
//!
//! ```
//! use rollcore::{Config, Engine, Release};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let place = tempfile::tempdir()?;
//! let state = place.path().join("state.json");
//! let mut shop = Config::from_json(r#"{
//!     "application": "shop", "statePath": "state.json", "proxy": { "port": 0 },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": ["sleep", "60"], "port": 0, "health": false }]
//! }"#)?.into_application();
//! shop.state.as_mut().expect("the config has one").path = state.clone();
//!
//! let engine = Engine::start(shop).await?;
//! engine.keep_state().await;
//! engine.restore().await?; // Nobody was killed: nothing to do.
//! engine.deploy(Release::new("v1", place.path().to_string_lossy())?).await?;
//! assert!(state.exists());
//!
//! engine.shutdown().await;
//! assert!(!state.exists());
//! # Ok(())
//! # }
//! ```
//!
//! # Who is found again
//!
//! A pid alone says nothing, because pids are given again. So each process is written down with the time of its start, as the
//! system counts it, and with the boot of the machine. A zombie is dead. And every process of an engine carries
//! `ROLLCORE_DAEMON` in its environment, which names the program that started it: so one is found that was spawned in the
//! very moment of the kill, or whose leader is dead, or that has left its session.
//!
//! Of a file that Rollbridge wrote a pid is all there is. Who is found by that is shown (`status.orphans`), and stopped by
//! `rollcore recover --force` after you have looked at the list, but never by itself.
//!
//! # What happens at the next start
//!
//! [`Engine::start`](crate::Engine::start) reads the file and tells of everybody who is left: an event for each, and
//! `orphans` in the status. It touches nobody. Then, unless `restoreOnStart` is `false`,
//! [`Engine::restore`](crate::Engine::restore) brings the release back that was active:
//!
//! 1. Its directory must still be there.
//! 2. What cannot run twice is ended: singletons, services, and what has only one port to take. SIGTERM, and after
//!    `proxy.forceStopTimeoutMs` SIGKILL. If one of them is not certainly ours, or does not end, the restore fails.
//! 3. The release is deployed, with its id, path and revision.
//! 4. The rest of the earlier program's processes is ended the same way, beside the traffic.
//!
//! A restore that fails is the event `restore failed` with the reason: requests get 503, and nothing else happens. Until it
//! is over, `status` is busy with `restore v1`, and deploys, rollbacks, stops and restarts wait for it; a shutdown does not. A
//! program that is killed while it restores is followed by one that goes on with it.
//!
//! Without a program, [`Recovery`](crate::Recovery) and `rollcore recover` find and stop the same processes. They refuse to
//! while the program that wrote the file still runs.
//!
//! # Two programs, one file
//!
//! Whoever wrote the file goes on writing it as long as it lives. A second program says `state persist failed`, with the pid of
//! the first, and leaves the file alone.
