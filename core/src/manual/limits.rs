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
//! | the path of a Unix socket, [`SOCKET_PATH_BYTES_MAX`](crate::SOCKET_PATH_BYTES_MAX) | 107 bytes | `socket_path_too_long`; the deploy fails before it has begun |
//! | names that are tried for the directory of the sockets | 32 | `socket_directory_failed`; the deploy is undone |
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
//! The keys of `proxy.limits`; in Rust they are fields of [`ProxyLimits`](crate::ProxyLimits), `headTimeoutMs` is
//! `head_timeout`. A key that is missing or `null` has its default. A changed limit holds from the next deploy or rollback
//! on, without a restart: for new connections and for new requests; what is under way keeps what it began with. In Rust,
//! [`DrainingProxy::set_limits`](crate::DrainingProxy::set_limits) does it at once.
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `connectionsMax`, clients that are connected | 16 384, or fewer: see below | more wait in the socket's queue; for them those who have been answered, and idle for a second since, are closed, up to 16 at once |
//! | `connectionsPerPeerMax`, of one address (IPv6: of its /64) that is no trusted front | no limit | more are closed at once |
//! | `headTimeoutMs`, from the first byte of a request's head to its last | 60 s | 408, and the connection is closed |
//! | `idleTimeoutMs`, between two requests and before the first | 60 s | the connection is closed |
//! | `headBytesMax`, of a request or an answer; 1 KiB to 1 MiB | 64 KiB | 431; for an answer 502 |
//! | `headFieldsMax`, of a request or an answer; 256 at most | 100 | 431; for an answer 502 |
//! | `bodyBytesMax`, of a request | no limit | 413 |
//! | `clientStallTimeoutMs`, a client that takes nothing of its answer or sends nothing of its body | 60 s | its connection is closed |
//! | `clientUnsentBytesMax`, of an answer, held by the system for a client that takes nothing; 4 KiB to 1 GiB | 256 KiB, and a segment more: 64 KiB at most | the rest stays with the application |
//! | `halfCloseTimeoutMs`, a client that has closed its side and takes nothing | 5 s | it is taken to be gone; 0: at once |
//! | `upstreamConnectTimeoutMs` | 5 s | 502 |
//! | `upstreamConnectsMax`, connections to one process that are being made at once | 64 | more requests wait for their turn |
//! | `upstreamFirstByteTimeoutMs`, from the end of the request to the first byte of its answer | no limit | 504 |
//! | `upstreamSilenceTimeoutMs`, in the middle of an answer | no limit | the answer breaks off |
//! | `requestTimeoutMs`, from its head to the end of its answer; tunnels are excepted | no limit | 504, or the answer breaks off |
//! | `upstreamIdleTimeoutMs`, or less if the process says so | 4 s | the connection to the process is closed; 0: none is kept |
//! | `upstreamIdleMax`, per thread | 256 | more are closed |
//! | `tunnelIdleTimeoutMs`, silent in both directions | no limit | it is closed |
//! | `tunnelHalfCloseTimeoutMs`, one side has ended and nothing passes | 5 s | it is closed |
//! | `windDownWindowMs`, before the end of a drain's budget; a quarter of it at most | 10 s | WebSockets get a Close frame, streams of events end, one after the other; 0: what is left is cut |
//! | `tunnelCloseTimeoutMs`, each step of that for a WebSocket | 2 s | the next step is taken without it |
//! | `parkTimeoutMs`, a request that waits for a process to come back or for traffic to be resumed | 10 s | 503, or 502 when nobody listens; 0: none waits |
//! | `parkedMax`, requests that wait so | 1024 | one more is answered at once |
//! | `parkedBytesMax`, what they take together | 16 MiB | one more is answered at once |
//! | `keptBodyBytesMax`, of a request's body, until its answer begins | 16 KiB | a request with a longer one is never sent twice |
//!
//! And those that are no keys of `proxy.limits`:
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `proxy.drainTimeoutMs` | 60 s | what is open to the old release is cut and counted |
//! | `proxy.workers`, threads that serve; needs a new daemon | 1, at most 1024 | |
//! | the socket's queue | 4096, or the system's own limit if lower | the system refuses or delays connections |
//! | accepted in a row | 16 | those who are there have their turn |
//! | no descriptor, memory or port for a connection to the process | 1 s, tried again after 5 to 500 ms; idle connections are closed | 503, `Service unavailable` |
//! | no descriptor to accept with | 1 s, looked again after 5 to 500 ms | who waits is closed, with the descriptor kept for this |
//! | a process's queue at a Unix socket | its own | another attempt after 1 to 20 ms, within `upstreamConnectTimeoutMs` |
//! | a process's queue at a port of the loopback | its own | another attempt after 1 to 100 ms, within `upstreamConnectTimeoutMs`; elsewhere the system makes it, after 1, 3 and 7 s |
//! | what lies in a Unix socket to a process, unread | 512 KiB, or the system's own limit if lower | the client is read more slowly |
//! | what lies in a TCP socket from a process, unread | 128 KiB, for a client that takes what comes 512 KiB; and up to as much again, or the system's own limit if lower | the process waits |
//! | the word of the supervisor that a process has ended | 500 ms after a refused connection | who waits for it gets 502 |
//! | a try whether a restarted process listens | one at a time, 2 to 50 ms after a refused one | |
//! | a request whose new connection died | three times more, after 5, 20 and 80 ms | 502 |
//! | a pause, [`PAUSE_TIMEOUT_MAX`](crate::PAUSE_TIMEOUT_MAX) | none; 1 h if it has a time | a longer one is refused |
//! | an answer, a request's body, an open WebSocket | none | a release that is drained has its budget |
//! | closing the proxy in a shutdown | 5 s | what is left is cut |
//! | idle clients of an owner that retires | 5 s for another request | their connections are closed |
//! | `wind_down_window` | the last 10 s of a drain, at most a quarter of its budget | in its first half who is left is asked to go, one after the other; zero: nobody is asked |
//! | `tunnel_close_timeout` | 2 s for each step | the next step is taken without the answer: a WebSocket that was asked to go is closed |
//! | [`HOLDERS_MAX`](crate::HOLDERS_MAX) | 32 | more of those who hold a drain are counted, but not shown; the oldest are |
//! | [`HOLDER_PATH_BYTES_MAX`](crate::HOLDER_PATH_BYTES_MAX) | 256 bytes | the rest of their path is not shown |
//! | cutting | 2 s | the report tells what was cut until then |
//!
//! Each client needs two descriptors, one for itself and one for the application, and the control socket, the pipes of
//! processes and files need some: of `RLIMIT_NOFILE` a quarter, 256 at most, is left to others, and half of the rest is
//! the most that `connectionsMax` can be. So 1024 descriptors allow 384 clients, and the default needs 33 024. The
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
//! | a PROXY header (`proxy.proxyProtocol`) | 2064 bytes, `headTimeoutMs` | the connection is closed |
//! | a client that gets in while nobody new is let in | 1 s | its connection is closed |
//! | looking at the files of certificates | every 5 s | a change is served that much later |
//! | a file of a certificate or a key | 1 MiB | it is refused |
//! | `http2.streamsMax` | 100 requests at once on a connection | more are refused, and may be sent again |
//! | `http2.resetsMax` | 20 requests that are taken back before they were looked at | the connection is closed |
//! | requests that we reset for mistakes of the client | 1024 | the connection is closed |
//! | `http2.streamWindowBytes`, `.connectionWindowBytes` | 256 KiB, 1 MiB of bodies not yet passed on | the client waits |
//! | an answer that is not yet sent | 64 KiB per request | the application waits |
//! | `http2.pingIntervalMs`, `.pingTimeoutMs` | 20 s, 20 s | the connection is closed |
//! | `idleTimeoutMs` without a request | 60 s, up to twice that | GOAWAY |
//! | fields of an answer over HTTP/2 | 272 | the request is reset |
//!
//! # The engine
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | events, [`EVENTS_MAX_DEFAULT`](crate::EVENTS_MAX_DEFAULT) | 1000 | older ones are dropped; a reader by cursor learns how many |
//! | things that happen because of one question to a [`Rehearsal`](crate::simulate::Rehearsal) | 5,000,000 | it fails: `every question is answered` |
//! | made-up time after its answer, for what is never at rest | 150 s | it goes on with the next question |
//! | events of a [`Scene`](crate::simulate::Scene); lines of its story | 1000; 10,000 | older ones are dropped |
//! | events that wait for a `for await` loop of the Node package | 10,000 | older ones are dropped; the loop gets `queue.lagged` |
//! | events that the Node package takes in one turn | 500 | whatever else the program has to do gets its turn |
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
//! # A script in Lua
//!
//! Of `rollcore run` and of the module, see [Lua](super::embedding_in_lua).
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `OUTPUT_BYTES_MAX`, of one command of `sh` | 16 MiB | all of it is shown, and the command is an error |
//! | `timeout` of `sh` | none; a week at most | it is stopped, and an error |
//! | `STOP_GRACE`, for a command to end | 5 s | it is killed with all that it started; at a terminal only itself |
//! | `REST_TIMEOUT`, for the output of what a command left running | 100 ms of silence | it is read no more |
//! | `KEPT_MAX`, events that nobody took | 4096 | the oldest are dropped, and `queue.lagged` says how many |
//! | `DEPTH_MAX`, levels of a table | 100 | an error |
//! | `VALUES_MAX`, values in a table | 1 000 000 | an error |
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
//! | `NAME_CHARS_MAX`, of a name in the place of a mistake | 200 characters | the rest is dropped |
//!
//! # A handle of another language
//!
//! | limit | default | then |
//! | --- | --- | --- |
//! | `queue`, events that nobody asked for | 4096 | the oldest are dropped; `queue.lagged` says how many |
//! | exits of processes that nobody reads | 65 536 | as above |
//! | operations under way, or over and not taken | 65 536 | one more is refused: `too_many_operations` |
//! | wake pipes | 64 | one more is refused |
//! | `workerThreads` | 1, at most 64 | |
//! | `graceMs`, to end everything | 10 s, at most an hour | processes that are left are killed |
//! | processes, proxies, hosts of leased ports that stand alone | 1024, 256, 64 | one more is refused |
//! | names of these | 200 bytes | refused |
//! | exits that `restart.decide` looks at | 10 000 | refused |
//! | a text in an event of the log; a message about bad JSON | 16 KiB; 4 KiB | the rest is left out |
//!
//! # In numbers
//!
//! ```
//! use rollcore::{
//!     ControlLimits, EVENTS_MAX_DEFAULT, EVENTS_WAIT_MAX, HOLDERS_MAX, HOLDER_PATH_BYTES_MAX, HealthSchedule, HealthSpec, KillAfter,
//!     PROBE_TIMEOUT, ProxyLimits, ProxyOptions,
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
//! assert_eq!((proxy.workers, proxy.upgrades), (1, vec!["websocket".to_owned()]));
//! // Every field: a limit that is added does not compile here until it stands in the table, too.
//! let ProxyLimits {
//!     connections_max, connections_per_peer_max, head_timeout, idle_timeout, head_bytes_max, head_fields_max, body_bytes_max,
//!     client_stall_timeout, client_unsent_bytes_max, half_close_timeout, upstream_connect_timeout, upstream_connects_max, upstream_first_byte_timeout,
//!     upstream_silence_timeout, request_timeout, upstream_idle_timeout, upstream_idle_max, tunnel_idle_timeout,
//!     tunnel_half_close_timeout, wind_down_window, tunnel_close_timeout, park_timeout, parked_max, parked_bytes_max, kept_body_bytes_max,
//! } = proxy.limits;
//! assert_eq!((connections_max, connections_per_peer_max), (16_384, None));
//! assert_eq!((head_timeout, idle_timeout, head_bytes_max, head_fields_max), (seconds(60), seconds(60), 64 * 1024, 100));
//! assert_eq!((body_bytes_max, client_stall_timeout, half_close_timeout), (None, seconds(60), seconds(5)));
//! assert_eq!(client_unsent_bytes_max, 256 * 1024);
//! assert_eq!((upstream_connect_timeout, upstream_connects_max), (seconds(5), 64));
//! assert_eq!((upstream_first_byte_timeout, upstream_silence_timeout, request_timeout), (None, None, None));
//! assert_eq!((upstream_idle_timeout, upstream_idle_max), (seconds(4), 256));
//! assert_eq!((tunnel_idle_timeout, tunnel_half_close_timeout), (None, seconds(5)));
//! assert_eq!((wind_down_window, tunnel_close_timeout), (seconds(10), seconds(2)));
//! assert_eq!((park_timeout, parked_max, parked_bytes_max), (seconds(10), 1024, 16 << 20));
//! assert_eq!(kept_body_bytes_max, 16 * 1024);
//!
//! assert_eq!((HOLDERS_MAX, HOLDER_PATH_BYTES_MAX), (32, 256));
//!
//! let control = ControlLimits::default();
//! assert_eq!((control.line_bytes_max, control.line_timeout), (1024 * 1024, seconds(10)));
//! assert_eq!((control.connections_max, control.in_flight_max, control.write_timeout), (64, 32, seconds(30)));
//! assert_eq!((SOCKET_PATH_BYTES_MAX, EVENTS_WAIT_MAX, PROBE_TIMEOUT), (107, seconds(30), seconds(1)));
//! assert_eq!((REPLY_BYTES_MAX, RELEASE_ID_BYTES_MAX, EVENTS_MAX_DEFAULT.get()), (64 << 20, 200, 1000));
//! assert_eq!(blocking::DROP_TIMEOUT_DEFAULT, seconds(20));
//! ```
