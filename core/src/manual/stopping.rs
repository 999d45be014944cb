//! How a process ends, with everything it started.
//!
//! # The sequence
//!
//! | | config | default | ends when |
//! | --- | --- | --- | --- |
//! | quiet | `lifecycle.quietCommand` | nothing is run | the command has ended |
//! | drain | `lifecycle.drainCommand`, `lifecycle.drainTimeoutMs` | no wait | the command has ended, or, without one, the process; or the time is over |
//! | stop | `stopSignal` or `lifecycle.stopCommand` | SIGTERM | the group is empty, or `gracefulStopMs` is over |
//! | kill | | SIGKILL | the group is empty, or 5 s are over |
//!
//! `gracefulStopMs` is `proxy.forceStopTimeoutMs` unless set, which is 10 s unless set. `"indefinite"` means that SIGKILL
//! never comes, and that the stop takes as long as the process wants.
//!
//! With a `drainTimeoutMs` and no `drainCommand` the process gets that time to end by itself: for a worker that finishes
//! its job when `quietCommand` tells it to take no more.
//!
//! ```
//! use rollcore::{Command, Exit, Hooks, KillAfter, RunSpec, Signal, StartReason, StopSpec, StopWith, Supervisor};
//! use std::time::Duration;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let spec = |stop| RunSpec { stop, ..RunSpec::new(Command::Shell("exec sleep 60".into()), "/") };
//!
//! // Its own word for stopping, and a hook before it. `$ROLLCORE_PID` is the group of the process.
//! let polite = Supervisor::new(spec(StopSpec {
//!     hooks: Hooks { quiet: Some("kill -0 $ROLLCORE_PID".into()), drain: None },
//!     with: StopWith::Signal(Signal::INT),
//!     ..StopSpec::default()
//! }));
//! polite.start(StartReason::Manual).await?;
//! let report = polite.stop().await;
//! assert_eq!((report.exit, report.killed, report.survivors), (Some(Exit::Signal(Signal::INT)), false, 0));
//!
//! // SIGCONT ends nobody, so this one has to be killed.
//! let stubborn = Supervisor::new(spec(StopSpec {
//!     with: StopWith::Signal("SIGCONT".parse()?),
//!     kill_after: KillAfter::Grace(Duration::from_millis(100)),
//!     ..StopSpec::default()
//! }));
//! stubborn.start(StartReason::Manual).await?;
//! let report = stubborn.stop().await;
//! assert_eq!((report.exit, report.killed, report.survivors), (Some(Exit::Signal(Signal::KILL)), true, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Groups and sessions
//!
//! Every process is started in a session and a group of its own. A stop is over when **everything that it started is
//! gone**, not when the leader has exited: a grandchild that outlives its parent is waited for, and killed when the grace
//! is over. The same is done after a crash, before the next start.
//!
//! Its members are its group, its session, whoever descends from a member, and whoever carries the mark of its start in
//! the environment. So `setsid`, `nohup`, `&` and a classic daemon end with it. The stop signal goes to the session: whoever
//! has left it, such as a background job that is to outlive its worker, may go on until the grace is over. The mark is in `ROLLCORE_START`, one word per supervisor when supervisors run below supervisors. What is to live on has to be
//! let go: `env -u ROLLCORE_START setsid …`. `rollcore ensure-daemon` does so for the daemon that it starts.
//!
//! Who is *not* found: a program that has a session of its own, whose parents are gone, and whose environment shows no
//! mark, because it was cleared (`env -i`) or overwritten by a long title (as some servers do), all of that before anybody
//! looked. Somebody looks when a stop begins and, with `memory`, at every `checkIntervalMs`. Run such servers in the
//! foreground.
//!
//! ```
//! use rollcore::{Command, RunSpec, StartReason, Supervisor};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let family = Supervisor::new(RunSpec::new(Command::Shell("sleep 60 & sleep 60 & wait".into()), "/"));
//! family.start(StartReason::Manual).await?;
//! assert!(family.stop().await.is_clean(), "all three are gone");
//! # Ok::<(), rollcore::StartError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A string command is run by a shell, and the shell is the leader then. It hands no signal on by itself, but the whole
//! group gets it anyway. With `exec` the program takes the shell's place and its exit is the one that is seen.
//!
//! # Hooks
//!
//! `quietCommand`, `drainCommand` and `stopCommand` are run by `/bin/sh -c` in the process's directory and with its
//! environment, and with `ROLLCORE_PID` (and `ROLLBRIDGE_PID`), the number of its group. What they print is thrown away.
//! A quiet or stop command has as long as `gracefulStopMs`, or 30 s when that is indefinite; a drain command has
//! `drainTimeoutMs`. One that takes longer is killed. A hook has a group and a mark of its own, and leaves nothing behind:
//! whatever it has started ends with it. A hook that fails is an event, and the stop goes on.
//!
//! # The order of a whole release
//!
//! When a release retires: first its requests are drained; then the proxied process and the companions are stopped, side
//! by side; then its handed-over services, which the others may have needed to the end. A companion with
//! `nonBlockingDrain` begins its stop at once, beside the drain of the traffic. How each of them is stopped is what the
//! config says then, not what it said when they were started.
//!
//! [`Engine::stop`](crate::Engine::stop) does not wait for requests. [`Engine::shutdown`](crate::Engine::shutdown) stops
//! everything side by side and then closes the proxy.
//! [`Engine::drain_then_shutdown`](crate::Engine::drain_then_shutdown) lets nobody new in and gives requests and tunnels
//! `proxy.drainTimeoutMs` before that; the daemon does so when it gets a signal.
//!
//! # Making room for another program
//!
//! A new daemon (or a new version of your host) takes the place of the one that runs without a gap: it starts with
//! [`EngineOptions::taking_over`](crate::EngineOptions::taking_over), deploys its release, and calls
//! [`take_over`](crate::take_over). The old one then takes no more commands, runs the quiet commands of its processes,
//! and sends its listening sockets with its answer. Who has connected meanwhile waits in them, and is served by the new
//! one. What the old one had begun it finishes: requests get `Connection: close` with their answer, tunnels have
//! `proxy.drainTimeoutMs`, and then its processes stop as always, services last.
//!
//! For that while both run: two sets of processes, services and singletons included, so a process with a fixed port
//! cannot be taken over this way, and a singleton has to bear a moment beside its successor. The old one's singletons
//! are the first to be stopped. The state file is the new one's from the answer on.
