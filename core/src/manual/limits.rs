//! How many, how long, how large, and what then.
//!
//! Everything that waits or grows has a limit. Those with a key or a field can be changed; the others are what they are, and
//! are listed so that nobody has to find them out.
//!
//! # A rollout
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | operations at once | 1 | the second is refused: `busy` |
//! | `health.timeoutMs` (else `proxy.healthTimeoutMs`) | 30 s, after `health.startDelayMs` | the deploy is undone |
//! | one probe, [`HealthSchedule::probe_timeout`](crate::HealthSchedule) | 5 s | it counts as failed, the next one comes after `health.intervalMs` (250 ms) |
//! | the body of a probe's answer | 64 KiB, 100 ms | the rest is not read; the status counts |
//! | finding out who listens where a probe was answered | 2 s | the answer is believed |
//! | `minUptimeMs` | 1 s for a singleton, else 0 | an exit before that fails the deploy |
//! | ports of a range | | `port_range_exhausted`; the deploy is undone |
//! | ports that the system chooses in vain | 64 | `no_ephemeral_port`; the deploy is undone |
//! | lines of a process in the error of a deploy | 10 | older ones are left out |
//! | `releaseRetention.keep`, `.maxAgeMs` | 10, for ever | an older stopped release is forgotten |
//! | [`RELEASE_ID_BYTES_MAX`](crate::RELEASE_ID_BYTES_MAX) | 200 bytes | the id is refused |
//!
//! # A process
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `restartDelayMs`, `restart.maxDelayMs` | 1 s, no cap | |
//! | `restart.maxRestarts` within `restart.windowMs` | no limit | it stays down: `restart limit reached` |
//! | restarts that are remembered one by one | 1024 | the two closest are taken for one; a limit then holds longer, never shorter |
//! | `lifecycle.drainTimeoutMs` | 0 | the process is asked to end |
//! | `gracefulStopMs` (else `proxy.forceStopTimeoutMs`) | 10 s | SIGKILL |
//! | a quiet or stop command | as `gracefulStopMs`; 30 s when that is indefinite | it is killed, and the stop goes on |
//! | after SIGKILL | 5 s | who is left is reported as a survivor |
//! | looking who is left | 10 times a second at most, and a tenth of the time at most | an end is seen that much later |
//! | marks in `ROLLCORE_START` | 8 | the outermost supervisors do not find what the innermost started |
//! | `memory.limitBytes` | no limit | it is stopped and started again: `memory limit exceeded` |
//! | `memory.warnBytes`, `memory.checkIntervalMs` | never, 5 s | `memory warning`, once per crossing |
//! | `outputLines` | 50 | older lines are dropped |
//! | one line | 64 KiB | it is cut, and says so |
//! | last lines after the exit, while somebody else holds the pipe | 100 ms | later ones are not read |
//!
//! # Traffic
//!
//! Fields are those of [`ProxyLimits`](crate::ProxyLimits). An engine uses the defaults; only `proxy.host`, `proxy.port`
//! and `proxy.drainTimeoutMs` are in the config.
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `proxy.drainTimeoutMs` | 60 s | what is open to the old release is cut and counted |
//! | `workers` | 1 thread | |
//! | `connections_max` | 16 384, or fewer: see below | more wait in the socket's queue |
//! | `connections_per_peer_max` | none | one more of an address (IPv6: of its /64) is closed at once; trusted fronts are excepted |
//! | the socket's queue | 4096, or the system's own limit if lower | the system refuses or delays connections |
//! | accepted in a row | 16 | those who are there have their turn |
//! | no descriptor to accept with | 1 s, looked again after 5 to 500 ms | who waits is closed, with the descriptor kept for this |
//! | `head_bytes_max` | 64 KiB | 431 |
//! | `head_timeout` | 60 s, idle time included | the connection is closed |
//! | `half_close_timeout` | 5 s | a client that has closed its side and takes nothing is taken to be gone |
//! | `upstream_connect_timeout` | 5 s | 502 |
//! | `upstream_idle_timeout` | 4 s, or less if the process says so | the connection to the process is closed |
//! | `upstream_idle_max` | 256 per worker | more are closed |
//! | `tunnel_half_close_timeout` | 5 s without a byte | a WebSocket that one side has ended is closed |
//! | an answer, a request's body, an open WebSocket | none | a release that is drained has its budget |
//! | closing the proxy in a shutdown | 5 s | what is left is cut |
//! | idle clients of an owner that retires | 5 s for another request | their connections are closed |
//! | cutting | 2 s | the report tells what was cut until then |
//!
//! Each client needs two descriptors, one for itself and one for the application, and the control socket, the pipes of
//! processes and files need some: of `RLIMIT_NOFILE` a quarter, 256 at most, is left to others, and half of the rest is
//! the most that `connections_max` can be. So 1024 descriptors allow 384 clients, and the default needs 33 024. The
//! daemon raises its own limit as far as the system lets it, and its processes get the limit that it was started with;
//! the library leaves the limit to its host. What it came to is in [`DrainingProxy::admissions`](crate::DrainingProxy::admissions)
//! and in the status (`proxy.connectionsMax`, with `connectionCount` and `connectionsRefused`).
//!
//! # What is told of the traffic
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | releases without traffic whose counts are remembered | 32 | those of older ones are forgotten |
//! | a request that takes 18 minutes (2³⁰ µs) or longer | | it counts as just that long |
//! | lines of the access log that wait to be written | 8192 | more are dropped and counted |
//! | a method, path, host and so on in a line | 2048 bytes | the rest is left out |
//! | looking whether the file was moved away, or can be opened | every second | lines wait so long |
//! | writing the last lines when the proxy ends | 1 s | they are lost |
//! | `ADMIN_CONNECTIONS_MAX`, who asks `proxy.admin` at once | 16 | the next waits |
//! | `ADMIN_TIMEOUT`, all of a question and its answer there | 10 s | the connection is closed |
//! | a head there | 8 KiB | it is refused |
//! | a new daemon that waits for the old one's `proxy.admin` | 10 s | it goes on without, and warns |
//!
//! # HTTPS and HTTP/2
//!
//! Of `proxy.tls`, and of [`TlsSpec`](crate::TlsSpec) and [`Http2Limits`](crate::Http2Limits).
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `handshakeTimeoutMs` | 10 s | the connection is closed |
//! | a PROXY header (`proxy.proxyProtocol`) | 2064 bytes, `head_timeout` | the connection is closed |
//! | a client that gets in while nobody new is let in | 1 s | its connection is closed |
//! | looking at the files of certificates | every 5 s | a change is served that much later |
//! | a file of a certificate or a key | 1 MiB | it is refused |
//! | `http2.streamsMax` | 100 requests at once on a connection | more are refused, and may be sent again |
//! | `http2.resetsMax` | 20 requests that are taken back before they were looked at | the connection is closed |
//! | requests that we reset for mistakes of the client | 1024 | the connection is closed |
//! | `http2.streamWindowBytes`, `.connectionWindowBytes` | 256 KiB, 1 MiB of bodies not yet passed on | the client waits |
//! | an answer that is not yet sent | 64 KiB per request | the application waits |
//! | `http2.pingIntervalMs`, `.pingTimeoutMs` | 20 s, 20 s | the connection is closed |
//! | `idle_timeout` without a request | 60 s, up to twice that | GOAWAY |
//! | fields of an answer over HTTP/2 | 272 | the request is reset |
//!
//! # The engine
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | events, [`EVENTS_MAX_DEFAULT`](crate::EVENTS_MAX_DEFAULT) | 1000 | older ones are dropped; a reader by cursor learns how many |
//! | events that a reader gets at once | 256 | the next read has more |
//! | questions that wait for the conductor | 256 | the next asker waits |
//! | dropping a [`blocking::Engine`](crate::blocking::Engine) | 20 s | processes that are left are killed |
//! | its threads, after that | 1 s | they are left to themselves |
//!
//! A shutdown takes as long as its slowest stop, which for `"gracefulStopMs": "indefinite"` has no limit.
//!
//! # The state file
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | between two writes when nothing happens | 5 s | |
//! | between two writes when much happens | 20 ms | what happens in between is in the later one |
//! | the file | 16 MiB | when written, the oldest events are left out; when found, it is not read: `state file ignored` |
//! | earlier daemons whose processes are still there | 16 | the processes of older ones are known by what was written only |
//! | the environment of a process that is searched for its daemon | 2 MiB | the rest is not searched |
//! | an orphan that is stopped | `proxy.forceStopTimeoutMs`, then SIGKILL and 500 ms | it is reported as not stopped |
//! | looks for orphans that came while others were stopped | 3 | they are reported as not stopped |
//!
//! # The control socket
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | [`ControlLimits::line_bytes_max`](crate::ControlLimits) | 1 MiB | the line is refused, the connection closed |
//! | `line_timeout` | 10 s from its first byte | the line is dropped, the connection closed |
//! | `connections_max` | 64 | an idle one makes room, else the next waits |
//! | `in_flight_max` | 32 commands of one connection | further lines are read later |
//! | `write_timeout` | 30 s | a client that does not read loses its connection |
//! | no descriptor to accept with | | one is kept for this; the next client waits until that one leaves |
//! | [`SOCKET_PATH_BYTES_MAX`](crate::SOCKET_PATH_BYTES_MAX) | 107 bytes | the path is refused |
//! | [`EVENTS_WAIT_MAX`](crate::EVENTS_WAIT_MAX) | 30 s | a longer wait is cut to it |
//! | [`REPLY_BYTES_MAX`](crate::REPLY_BYTES_MAX) | 64 MiB | the client refuses the answer |
//! | [`PROBE_TIMEOUT`](crate::PROBE_TIMEOUT) | 1 s | a socket that does not answer by then counts as somebody's |
//! | the status of an owner, in [`take_over`](crate::take_over) | 10 s | it is not asked to retire |
//! | the retirement of an owner | 7 days: its quiet commands may take as long as they are configured | as if it had died |
//! | binding the address of a retired owner | 10 s | the candidate ends |
//! | descriptors that come with an answer | 8 | the others are closed |
//!
//! # Beside the deploys
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `legacyTakeover.forceStopTimeoutMs` | as `proxy.forceStopTimeoutMs` | SIGKILL to what ran before |
//! | after that SIGKILL | 5 s | who is left is named, and the deploy is refused |
//! | `screen -X quit` | 5 s | it is killed; its processes are stopped one by one |
//! | a daemon that `predeploy-cleanup` has shut down | 30 s to give up its socket | an error |
//! | `--daemon-start-timeout-ms` | 10 s | an error, with the last lines of the daemon's log |
//! | others who prepare the copy of the program | 30 s | an error |
//! | a copy of the program that nobody runs | a day since it was prepared | it is removed |
//! | `TimeoutStopSec`, `ExitTimeOut` of a service file | [`longest_shutdown`](crate::longest_shutdown) and 15 s | the service manager kills what is left |
//!
//! # A config that is a program
//!
//! Of the daemon, see [configs](super::configs).
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `EVALUATION_TIMEOUT`, one evaluation | 10 s | it is killed with all that it started, and the config is refused |
//! | `CONFIG_BYTES_MAX`, the file, and all text in the result | 16 MiB | it is refused |
//! | `VALUES_MAX`, values in the result | 1 000 000 | it is refused |
//! | `DEPTH_MAX`, levels | 100; 127 in JSON, 80 in TOML | what is deeper means nothing; as text, it is refused |
//! | `MEMORY_BYTES_MAX`, of Lua | 256 MiB | it fails |
//! | `SAID_BYTES_MAX`, what it prints | 64 KiB | the rest is dropped, and it says so |
//! | `MESSAGE_CHARS_MAX`, of what it throws | 4000 characters | the rest is dropped |
//!
//! # In numbers
//!
//! ```
//! use rollcore::{
//!     ControlLimits, EVENTS_MAX_DEFAULT, EVENTS_WAIT_MAX, HealthSchedule, HealthSpec, KillAfter, PROBE_TIMEOUT, ProxyOptions,
//!     RELEASE_ID_BYTES_MAX, REPLY_BYTES_MAX, RestartPolicy, Retention, SOCKET_PATH_BYTES_MAX, StopSpec, blocking,
//! };
//! use std::time::Duration;
//!
//! let (ms, seconds) = (Duration::from_millis, Duration::from_secs);
//! let health = HealthSpec::default();
//! assert_eq!((health.timeout, health.interval, health.start_delay), (seconds(30), ms(250), seconds(0)));
//! assert_eq!(HealthSchedule::default().probe_timeout, seconds(5));
//! assert_eq!(StopSpec::default().kill_after, KillAfter::Grace(seconds(10)));
//! assert_eq!((RestartPolicy::default().delay(), RestartPolicy::default().max_restarts()), (seconds(1), None));
//! assert_eq!(Retention::default(), Retention { keep: 10, max_age: None });
//!
//! let proxy = ProxyOptions::new("127.0.0.1", 0);
//! assert_eq!((proxy.workers, proxy.limits.connections_max, proxy.limits.head_bytes_max), (1, 16_384, 64 * 1024));
//! assert_eq!((proxy.limits.head_timeout, proxy.limits.half_close_timeout), (seconds(60), seconds(5)));
//! assert_eq!((proxy.limits.upstream_connect_timeout, proxy.limits.upstream_idle_timeout), (seconds(5), seconds(4)));
//! assert_eq!((proxy.limits.upstream_idle_max, proxy.limits.tunnel_half_close_timeout), (256, seconds(5)));
//!
//! let control = ControlLimits::default();
//! assert_eq!((control.line_bytes_max, control.line_timeout), (1024 * 1024, seconds(10)));
//! assert_eq!((control.connections_max, control.in_flight_max, control.write_timeout), (64, 32, seconds(30)));
//! assert_eq!((SOCKET_PATH_BYTES_MAX, EVENTS_WAIT_MAX, PROBE_TIMEOUT), (107, seconds(30), seconds(1)));
//! assert_eq!((REPLY_BYTES_MAX, RELEASE_ID_BYTES_MAX, EVENTS_MAX_DEFAULT.get()), (64 << 20, 200, 1000));
//! assert_eq!(blocking::DROP_TIMEOUT_DEFAULT, seconds(20));
//! ```
