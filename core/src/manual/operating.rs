//! Before the first deploy, beside the deploys, and under a service manager.
//!
//! # Would it work?
//!
//! [`doctor`](crate::doctor) looks at everything that a daemon needs (its socket, its port, its directories, what an earlier
//! one left behind) and, given a release, at whether that could be run: every placeholder, every directory. It changes
//! nothing. `rollcore doctor` prints what it found, `--json` as `{"checks":[…],"ok":…}`.
//!
//! ```
//! use rollcore::{Config, Release, control_presence, doctor};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let mut shop = Config::from_json(r#"{
//!     "application": "shop",
//!     "proxy": { "port": 0 },
//!     "processes": [
//!         { "id": "web", "policy": "proxied", "command": "./serve --port {{port}}", "port": 18182 },
//!         { "id": "mail", "command": "./mail --relay {{env.A_RELAY_THAT_NOBODY_SET}}" }
//!     ]
//! }"#)?.into_application();
//! # shop.control.path = directory.path().join("control.sock");
//! let release = Release::new("v1", directory.path().to_string_lossy())?;
//! let presence = control_presence(&shop.control).await;
//! let checks = doctor(&shop, &presence, Some(&release)).await;
//! let wrong: Vec<_> = checks.iter().filter(|check| !check.ok).map(|check| check.detail.as_str()).collect();
//! assert_eq!(wrong, [
//!     "unresolved templates — mail: Missing template value for {{env.A_RELAY_THAT_NOBODY_SET}}",
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A migration that the application should not see
//!
//! `rollcore pause` lets every new request wait; `rollcore resume` sends them on, in the order in which they came. Nobody
//! notices but by the clock, as long as it takes less than `proxy.limits.parkTimeoutMs` (10 s): whoever has waited for so
//! long, or finds no room (`parkedMax`, `parkedBytesMax`), gets 503.
//!
//! ```text
//! rollcore pause --timeout-ms 8000     # resumes by itself then, whatever happens to this shell
//! ./migrate
//! rollcore resume
//! ```
//!
//! What is under way goes on: `pause` answers with `inFlight`, how many requests that are, and `status` shows how many there
//! are later (`connections.http` of the active release), how many wait (`proxy.parked`) and whether traffic is paused
//! (`proxy.traffic`). Deploys go on during a pause, and the release that is active when it ends gets the requests. A daemon
//! that is replaced, or drains before it ends, resumes first.
//!
//! # What ran before
//!
//! `legacyTakeover` names screen sessions and processes of an older way of deploying. [`stop_legacy`](crate::stop_legacy)
//! ends them with all their descendants; `rollcore predeploy-cleanup` does so when no daemon serves a release yet, after
//! shutting down an idle one and stopping what a killed one has left behind. It never stops itself or what it descends
//! from, and it signals a process only while its pid and its start time are those that it has chosen.
//!
//! A session is meant by its whole name: `shop` does not mean `shop-staging`. From inside of a session that it would have
//! to end, the command refuses to run.
//!
//! # The program of a daemon in the background
//!
//! The daemon is one file. `rollcore ensure-daemon` copies it to `<base>/<digest>/rollcore` and starts the copy, so a
//! daemon goes on when the installation that started it is replaced or deleted. `<digest>` is the SHA-256 of the file, and
//! [`Status::daemon_runtime`](crate::Status::daemon_runtime) repeats it with the version: before it sends a deploy,
//! `deploy --ensure-daemon` compares both with its own, and refuses a daemon that is another program, which is left
//! running. A copy is made once for each digest, checked each time, and removed when nobody has run or prepared it for a
//! day. The base is `/tmp/rollbridge-<uid>-<hash>-runtime`, or what `--daemon-runtime-path` says; it and all directories
//! above it have to be of a kind that nobody else can put a program into.
//!
//! # Numbers
//!
//! `proxy.admin: {port: 9182}` makes the daemon tell its numbers on an address of their own, `127.0.0.1` unless `host` says
//! otherwise: `GET /metrics` is OpenMetrics text, which Prometheus reads, and `GET /healthz` answers 200 as long as the
//! daemon does not end. There is no password, and `rollcore doctor` warns when others than this machine could ask. A daemon
//! that takes over takes this address over, too. A program that links the library has the same in `AdminServer`, behind
//! the feature `metrics`, and what is in it in [`Engine::status`](crate::Engine::status).
//!
//! | name, after `rollcore_` | labels | what |
//! | --- | --- | --- |
//! | `requests_total` | `release`, `class` | requests that have ended; `class` is `2xx` and so on, or `none` when nothing was answered |
//! | `request_duration_seconds` | `release` | a histogram of doublings from 8 µs: from the head of a request to the last byte of its answer, waiting included, without tunnels |
//! | `upstream_connect_failures_total`, `upstream_resets_total` | `release` | connections to the application that could not be made, or broke |
//! | `retries_total`, `parked_total`, `parked_seconds_total` | `release` | requests that were sent again, that had to wait, and for how long |
//! | `clients_gone_total`, `requests_cut_total` | `release` | requests whose client did not wait, and that were cut |
//! | `tunnels_total`, `tunnels_cut_total` | `release` | tunnels that were opened, and cut |
//! | `received_bytes_total`, `sent_bytes_total` | `release` | bodies and tunnels, without heads and framing |
//! | `requests_in_flight`, `tunnels_open` | `release` | what is under way |
//! | `active_release_info` | `release` | 1 for the one that has the traffic |
//! | `connections`, `connections_max`, `connections_refused_total` | | clients |
//! | `requests_parked`, `traffic_paused` | | who waits now, and whether everybody does |
//! | `access_log_lines_total`, `access_log_lines_dropped_total`, `access_log_stuck` | | the access log, if there is one |
//! | `processes` | `state` | how many are `running`, and so on |
//! | `process_restarts` | `release`, `process` | restarts by themselves, of the processes that are there |
//!
//! What no release was chosen for has an empty `release`: requests that made no sense, or came when none was active. Of
//! releases without traffic the last 32 are told; a release that is deployed again goes on with its counts.
//!
//! # A line for each request
//!
//! `proxy.accessLog: {path: "/var/log/shop/access.log"}` writes JSON, a line for each request when it has ended:
//!
//! ```json
//! {"at":"2026-11-21T07:40:01.123Z","release":"v1","peer":"127.0.0.1","method":"GET","host":"shop.test","path":"/cart",
//!  "protocol":"HTTP/1.1","status":200,"bytesIn":0,"bytesOut":5,"durationMs":1.234,"firstByteMs":1.0}
//! ```
//!
//! `parkedMs`, `connectFailures`, `resets`, `retries`, `tunnel`, `requestId` and `ending` (`broken-off`, `client-gone`,
//! `cut`) are there when there is something to say. The query of the path and the user agent are left out unless `query`
//! and `userAgent` ask for them, because secrets are in queries; of all other fields only `Host` and `X-Request-Id` are
//! written. Control characters are escaped. `-` is the standard output. A new file is readable for its owner and his group.
//!
//! No request ever waits for the log: what has no room is dropped, counted in the status (`proxy.accessLog`), and told by a
//! line `{"at":…,"dropped":12}`. A file that was moved away (logrotate) is made anew within a second without a signal, and
//! no line is lost. The log follows the config with each deploy.
//!
//! # Under a service manager
//!
//! `rollcore unit systemd` and `rollcore unit launchd` print a service file for a config, with the paths of this program
//! and that config. What they are about:
//!
//! - Only the daemon gets SIGTERM (`KillMode=mixed`), because it alone knows in which order and how patiently its processes
//!   are to be stopped. When it is gone, systemd kills whoever is left of the service, so nothing runs on unsupervised;
//!   after a crash the daemon is started again and, with a `statePath`, brings back the release that was active.
//! - The service manager has to be more patient than the config: [`longest_shutdown`](crate::longest_shutdown), and 15 s.
//!   With a process that may take for ever (`gracefulStopMs: "indefinite"`) it must wait for ever, too.
//! - An end that was asked for is a success, and is not followed by a start.
//! - launchd does not kill what has left the daemon's process group. There, `rollcore recover` is for the time after a
//!   crash.
//!
//! `rollcore unit systemd --socket` prints a socket unit to go with it: systemd opens the proxy's address and passes it on
//! (`LISTEN_FDS`, sd_listen_fds(3)). Whoever connects while the daemon is started, restarted or replaced by a new version
//! waits in the socket instead of being refused, and a port below 1024 needs no privileges. Of several sockets the proxy
//! takes the one named `proxy` (`FileDescriptorName=`), and only if it listens on `proxy.host` and `proxy.port`. A program
//! that links the library hands such a socket to [`EngineOptions::listener`](crate::EngineOptions::listener). Processes
//! hear nothing of it.
//!
//! On SIGTERM and SIGINT a daemon takes no new connections, gives open requests and tunnels `proxy.drainTimeoutMs`, and then
//! stops everything. `rollcore shutdown` does not wait for requests.
//!
//! ```
//! use rollcore::{Config, longest_shutdown};
//!
//! let config = |stop: &str| Config::from_json(&format!(r#"{{
//!     "application": "shop",
//!     "proxy": {{ "drainTimeoutMs": 20000 }},
//!     "processes": [{{ "id": "web", "policy": "proxied", "command": "./serve", "port": 18182, "gracefulStopMs": {stop} }}]
//! }}"#)).map(Config::into_application);
//! let seconds = |stop| config(stop).map(|shop| longest_shutdown(&shop).map(|longest| longest.as_secs()));
//! assert_eq!(seconds("10000")?, Some(20 + 10 + 5 + 5));
//! assert_eq!(seconds("\"indefinite\"")?, None);
//! # Ok::<(), rollcore::ConfigError>(())
//! ```
