//! What stays, what is better and what is missing for who has used Rollbridge 0.1.21.
//!
//! # What stays
//!
//! - **The config**, key by key: the same spelling, the same defaults, the same issues with the same fixes. A
//!   `rollbridge.js` works as it is, with imports, functions and `process.env`; it is read again before each deploy. See
//!   [configs](super::configs).
//! - **Placeholders and the environment.** `ROLLBRIDGE_PORT` and its siblings are there, beside `ROLLCORE_PORT`.
//! - **The control socket**, by default at the same path (`/tmp/rollbridge-<application>.sock`), with the same lines of
//!   JSON, and the shape of `status`.
//! - **The commands** `daemon`, `deploy`, `rollback`, `ensure-daemon`, `status`, `stop`, `restart`, `shutdown`, `validate`,
//!   `doctor`, `logs`, `events`, `predeploy-cleanup`, `recover` and `completion`, of a binary that is called `rollcore`.
//! - **The order of a deploy**, step by step, and its answer, which does not wait for the drain.
//! - **The messages** of events and errors that scripts look for. Some still say "Rollbridge" for that reason. There are
//!   more of them, such as `rollout step`.
//!
//! ```
//! use rollcore::Config;
//!
//! let error = Config::from_json(r#"{ "proxy": {}, "processes": [{ "id": "web", "command": "./serve" }] }"#)
//!     .expect_err("nothing gets traffic");
//! assert_eq!(error.to_string(), "\
//! Invalid config:
//!   - Config must define exactly one proxied process; found 0");
//! assert_eq!(error.issues()[0].fix, "Mark exactly one process with policy: proxied.");
//! ```
//!
//! # What is better
//!
//! ## Deploys
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | the active web process crashes or is killed | 502 until it is back | requests wait for it, 10 s at most; only what died with it and must not happen twice gets 502 |
//! | a pause for a migration | there is none | `pause` and `resume`: requests wait, and go in their order |
//! | a web process that crashes at boot | is started again until the check times out | the deploy fails at once, with its last lines |
//! | a health probe without an answer | goes on after the timeout | is cut after 5 s, and the check at its timeout |
//! | a redirect as a health answer | is followed | is not ready |
//! | somebody else answers on the port of a new process | traffic goes to a release that does not serve | the deploy fails and names who holds the port |
//! | two leases at the same time | may get the same port | never do |
//! | a singleton that cannot be started | the deploy fails, traffic stays on the new release | everything is taken back |
//! | a singleton that exits at once | counts as deployed | must run for `minUptimeMs` (1000), else the old one comes back |
//! | two deploys at once | both run, and the last to be ready wins | the second is told who holds the lock |
//! | a service that has given up | stays down, deploy after deploy | is started by the next deploy |
//! | a rollback to a release that still drains | cuts its requests | starts beside it; waits for it only when no port is free |
//! | a restart of what cannot be started | says that it was restarted | says what failed, and restarts the others |
//! | a restart of a handoff service | refused | done |
//!
//! ## Processes
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | `setsid`, a classic daemon | outlives stops, crashes and the daemon | ends with its process; a job that left the session may go on until the grace is over |
//! | grandchildren of a process that crashed | live on beside the next start | are gone before it |
//! | memory of a child in another session | does not count | counts |
//! | a process above its memory limit before it is ready | is started again until the check times out | the deploy fails at once |
//! | a line of output in several writes | may become several lines | is one line |
//! | a companion that prints without end | slows every request | is read on another thread than the traffic |
//!
//! ## Traffic
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | `X-Forwarded-Proto: https` of the front | becomes `https,http` | stays the one value it is, for the fronts in `proxy.trustedFronts` (this machine and private networks, unless you say otherwise) |
//! | `X-Forwarded-*` of anybody else | are continued | are replaced by what is seen here |
//! | `//` and `\` in a path | are collapsed and turned | pass as they were sent |
//! | a `DELETE` with a chunked body | arrives with a length of 0 | arrives as it was sent |
//! | IPv6 addresses | fail | work |
//! | a client that resets its connection in the middle of an upgrade | ends the daemon | ends its connection |
//! | a process that dies in the middle of an answer | leaves the client waiting, and the count one too high | the answer is cut, the count is exact |
//! | an upgrade to something else than `websocket` | the connection is closed | is answered without the upgrade, as RFC 9110 says |
//! | requests that are open when a drain ends | lose their process | are cut, counted and told |
//! | a connection to the process | one per request | kept for the next request |
//!
//! ## The config
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | a misspelled key | no effect, no word | a warning that names the nearest known key |
//! | `command` | a shell line | a shell line, or a list that no shell sees |
//! | a config that loops or never answers | the daemon hangs with it | stopped after 10 s, and only its deploy fails |
//! | a file that the config imports changes | seen by the next daemon | seen by the next deploy |
//! | what the config set in `process.env` once | stays, also when the config no longer sets it | is what the config says now |
//! | an error in the config | a stack | its message and its place |
//! | ids and application names | any text | no control characters, for they stand in file names and log lines |
//! | release ids | any text | a safe alphabet, so that a branch name is never a shell command |
//! | times above 2^31-1 ms | become 1 ms | are as long as they say |
//! | times below zero, ports above 65535 | are found out by the first deploy | are refused by `validate`, with a fix |
//!
//! ## The daemon
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | the control socket | anybody may connect until its permissions are set | is private before anybody can connect |
//! | a file, link or socket of somebody else at its path | is removed | is refused and left as it is; a client asks who answers, too |
//! | SIGTERM | stops at once, requests under way fail | no new connections, `proxy.drainTimeoutMs` for those that are open, then the stop |
//! | SIGHUP | ends it at once | is an orderly end, unless it was started with `nohup` |
//! | a daemon that was killed | the next one serves 503 until somebody deploys | the next one brings the release back; `restoreOnStart: false` does not |
//! | whose a pid in the state file is | whoever has it now | pid and start time, never a zombie, and never from before a boot |
//! | processes of a deploy under way | unknown to `status` and `recover` | in both (`starting`), and found even if the daemon is killed as they are spawned |
//! | a state file of somebody else, or a link | believed, followed | neither |
//! | a daemon in the background | copies a whole package | copies one file; the shape of `daemonRuntime` is the same |
//! | `--takeover-owner` | connections are refused between the old daemon and the new one | the listening sockets are handed over: none is refused, no request fails |
//! | quiet commands when an owner retires | all at once, while requests still come in | the proxied process is quieted when its last request is answered |
//! | `--takeover-owner` with nobody there | fails | the addresses are simply bound, so a unit may always say it |
//! | `--takeover-owner` on the socket of another application | retires it | is refused; nothing is touched |
//!
//! ## Commands
//!
//! | | Rollbridge | rollcore |
//! | --- | --- | --- |
//! | `legacyTakeover.screens: ["shop"]` | ends `shop-staging`, too | ends `shop` |
//! | a file at the socket's path | `doctor` finds nothing | `doctor` names it |
//! | service files | are yours to write | `rollcore unit systemd` and `rollcore unit launchd` print them |
//! | completion | bash and zsh | bash, zsh and fish, with what each option is for |
//! | `--version` | is unknown | says the version |
//!
//! # What reads differently
//!
//! For scripts that look closely:
//!
//! - `status` has more keys: `busy`, `starting` (a deploy under way, with its processes; it is in no other list until traffic
//!   moves), `displaced`. Errors have a `code`. Events have more kinds, such as `rollout step`.
//! - A singleton that cannot be started fails the deploy **and** takes it back: `activeReleaseId` is the old release.
//! - `previousReleaseId` and all else are as they were; the text `Rollbridge` in messages is, too.
//! - A second signal while requests are waited for ends the waiting, one more ends the daemon with 128 and its number.
//! - `completion` completes `rollcore`, and its script is the argument parser's own.
//! - The daemon evaluates the config in a `node` of its own each time. What a config does beside giving its value (timers,
//!   servers, signal handlers) ends with that.
//!
//! # What is left out
//!
//! - Nothing of the config and none of the commands.
//! - Quirks that nobody should depend on; `core/tests/compat/clauses.txt` names each, with the reason, and for every other
//!   clause of the contract the test that holds it. `core/tests/compat/better.txt` does the same for what is better.
//!
//! # Moving
//!
//! Let `rollcore validate` tell what is wrong with your `rollbridge.js`, with `node` on the PATH of the daemon. The two
//! daemons use the same socket and the same proxy port. `rollcore predeploy-cleanup` ends the old daemon; then connections
//! are refused for a moment, that one time.
