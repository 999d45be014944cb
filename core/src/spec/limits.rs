//! What a proxy puts up with: every limit by name, with what follows when it is reached.

use std::time::Duration;

/// What a proxy puts up with. Each limit says what follows when it is reached; `None` means that there is no such limit.
///
/// ```
/// use rollcore::ProxyLimits;
/// let limits = ProxyLimits { connections_per_peer_max: Some(64), ..ProxyLimits::default() };
/// assert_eq!(limits.upstream_connect_timeout.as_secs(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// How many clients may be connected. More wait in the socket's queue until one leaves. Default 16 384; never more
    /// than there are descriptors for, see the manual, "Limits".
    pub connections_max: usize,
    /// How many connections one address may have, fronts that are trusted excepted; more are closed at once. Default: no
    /// limit.
    pub connections_per_peer_max: Option<usize>,
    /// How long a client may take from the first byte of a request head to its last; then it is answered with 408 and its
    /// connection is closed. Default 60 s (compat C-107).
    pub head_timeout: Duration,
    /// How long a client may be silent between two requests, or before its first; then its connection is closed.
    /// Default 60 s.
    pub idle_timeout: Duration,
    /// The largest request head, in bytes. A larger one is answered with 431. Also the largest response head; a larger
    /// one is a 502. Default 64 KiB.
    pub head_bytes_max: usize,
    /// How many fields a head may have; a request with more is answered with 431, a response with more is a 502.
    /// Default 100, at most 256.
    pub head_fields_max: usize,
    /// The largest request body, in bytes. A larger one is answered with 413 as soon as it is known to be larger.
    /// Default: no limit.
    pub body_bytes_max: Option<u64>,
    /// How long a client may take nothing of its answer, or send nothing of its body, while something waits for it; then
    /// its connection is closed. Default 60 s.
    pub client_stall_timeout: Duration,
    /// How many bytes of an answer the system may hold for a client to which they cannot be sent, because it takes nothing;
    /// then the rest stays with the application, until some were sent. What is on its way to a client does not count, so one
    /// that reads gets everything as fast as before. The system rounds up to whole segments, 64 KiB at most. Default 256 KiB;
    /// Linux alone would hold up to 4 MiB for each (`net.ipv4.tcp_wmem`), and make everybody wait at `net.ipv4.tcp_mem`.
    pub client_unsent_bytes_max: u32,
    /// How long a client that has closed its sending side is still answered while nothing can be sent to it; then it
    /// is taken to be gone and its request is dropped. A client that is really gone says so when something is sent to
    /// it. Default 5 s; zero drops the request at once.
    pub half_close_timeout: Duration,
    /// How long a connection to the application may take; then the answer is 502. Default 5 s.
    pub upstream_connect_timeout: Duration,
    /// How many connections to one backend may be under way to be established at once; more requests wait for their turn,
    /// at most as long as a connection may take. So a switch or a restart does not overrun the application's queue.
    /// Default 64; 0 means 1.
    pub upstream_connects_max: usize,
    /// How long the application may take from the end of the request to the first byte of its answer; then the answer is
    /// 504. Default: no limit (compat C-107).
    pub upstream_first_byte_timeout: Option<Duration>,
    /// How long the application may be silent in the middle of an answer; then the answer breaks off. Default: no limit.
    pub upstream_silence_timeout: Option<Duration>,
    /// How long a request may take from its head to the end of its answer; then it is answered with 504, or its answer
    /// breaks off. Tunnels are excepted. Default: no limit.
    pub request_timeout: Option<Duration>,
    /// How long a connection to the application is kept for the next request; then it is closed. When the application
    /// says `Keep-Alive: timeout=…`, one second less than that if it is sooner. Default 4 s: Node closes after 5.
    pub upstream_idle_timeout: Duration,
    /// How many idle connections to the application one worker keeps; more are closed. Default 256.
    pub upstream_idle_max: usize,
    /// How long a tunnel may be silent in both directions; then it is closed. Default: no limit (compat C-107).
    pub tunnel_idle_timeout: Option<Duration>,
    /// How long a tunnel of which one side has ended may pass no byte; then it is closed. Default 5 s: a WebSocket ends
    /// on both sides (RFC 6455 §7.1.1).
    pub tunnel_half_close_timeout: Duration,
    /// How long before the end of a drain its budget is nearly spent: in the first half of this time WebSockets get a Close
    /// frame (1012, "Service Restart") and streams of events end after a whole event, one after the other, so that they do
    /// not all come back at once; the second half is for their answers. At most the last quarter of the budget. Default 10 s;
    /// zero: nobody is asked, what is left is cut.
    pub wind_down_window: Duration,
    /// How long a WebSocket that gets a Close frame may take for each step: to come to the end of a message, to answer, and
    /// to be closed by the application; then the next step is taken without it. Default 2 s.
    pub tunnel_close_timeout: Duration,
    /// How long a request waits for a process that is restarted, or for traffic that is paused; then the answer is 503
    /// (502 when nobody listens). Zero: no request waits. Default 10 s.
    pub park_timeout: Duration,
    /// How many requests may wait so at once; one more is answered at once. Default 1024.
    pub parked_max: usize,
    /// How many bytes the heads and bodies of waiting requests may take together; one more is answered at once. Default
    /// 16 MiB.
    pub parked_bytes_max: usize,
    /// The largest request body that is kept until the answer begins, so that the request can be sent again where that is
    /// safe. Default 16 KiB.
    pub kept_body_bytes_max: usize,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_peer_max: None,
            head_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            head_bytes_max: 64 * 1024,
            head_fields_max: 100,
            body_bytes_max: None,
            client_stall_timeout: Duration::from_secs(60),
            client_unsent_bytes_max: 256 * 1024,
            half_close_timeout: Duration::from_secs(5),
            upstream_connect_timeout: Duration::from_secs(5),
            upstream_connects_max: 64,
            upstream_first_byte_timeout: None,
            upstream_silence_timeout: None,
            request_timeout: None,
            upstream_idle_timeout: Duration::from_secs(4),
            upstream_idle_max: 256,
            tunnel_idle_timeout: None,
            tunnel_half_close_timeout: Duration::from_secs(5),
            wind_down_window: Duration::from_secs(10),
            tunnel_close_timeout: Duration::from_secs(2),
            park_timeout: Duration::from_secs(10),
            parked_max: 1024,
            parked_bytes_max: 16 * 1024 * 1024,
            kept_body_bytes_max: 16 * 1024,
        }
    }
}
