//! What becomes of requests and WebSockets when traffic moves.
//!
//! # Who gets which request
//!
//! The release is chosen **for each request**, when its head has arrived. An idle keep-alive connection belongs to none, so
//! a client that stays connected for hours meets the new release with its next request, over the same connection.
//!
//! A request that has begun stays where it is, to the end of its answer. A WebSocket stays until both sides have closed it.
//! An upgrade to anything else is not passed on; such a request is answered as if it had not asked for one.
//!
//! ```
//! use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
//! use std::io::{BufRead, BufReader, Read, Write};
//! use std::net::{SocketAddr, TcpListener, TcpStream};
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! /// An application that answers with its name, once it is told to.
//! fn application(name: &'static str, go: mpsc::Receiver<()>) -> std::io::Result<SocketAddr> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     std::thread::spawn(move || -> std::io::Result<()> {
//!         loop {
//!             let (mut connection, _) = listener.accept()?;
//!             let mut lines = BufReader::new(connection.try_clone()?).lines();
//!             while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
//!             let _ = go.recv();
//!             write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{name}")?;
//!         }
//!     });
//!     Ok(address)
//! }
//!
//! /// Begins a request; what comes back is its answer.
//! fn ask(proxy: &DrainingProxy) -> std::io::Result<TcpStream> {
//!     let mut client = TcpStream::connect(proxy.local_addr())?;
//!     client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")?;
//!     Ok(client)
//! }
//!
//! fn answer(mut client: TcpStream) -> std::io::Result<String> {
//!     let mut text = String::new();
//!     client.read_to_string(&mut text)?;
//!     Ok(text)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Runtime::new()?;
//! let (v1_may_answer, wait) = mpsc::channel();
//! let v1 = application("v1", wait)?;
//! let (v2_may_answer, wait) = mpsc::channel();
//! let v2 = application("v2", wait)?;
//! let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0))?;
//!
//! assert!(proxy.switch_to(Traffic::to(Generation(1), [v1])).is_none(), "there was none before");
//! let slow = ask(&proxy)?;
//! while proxy.counts(Generation(1)).http == 0 {
//!     std::thread::yield_now();
//! }
//!
//! // Traffic moves while v1 is still at work.
//! let old = proxy.switch_to(Traffic::to(Generation(2), [v2])).expect("v1 had it");
//! v2_may_answer.send(())?;
//! assert!(answer(ask(&proxy)?)?.ends_with("v2"));
//! assert_eq!(old.counts().http, 1, "v1 is still at work");
//!
//! v1_may_answer.send(())?;
//! assert!(answer(slow)?.ends_with("v1"));
//! let report = runtime.block_on(old.drained(Duration::from_secs(10)));
//! assert_eq!((report.open_at_start, report.requests_cut, report.tunnels_cut), (1, 0, 0));
//!
//! // Nobody tells v2 to answer, and the budget is short.
//! let cut = ask(&proxy)?;
//! while proxy.counts(Generation(2)).http == 0 {
//!     std::thread::yield_now();
//! }
//! let old = proxy.switch_to(Traffic::none()).expect("v2 had it");
//! let report = runtime.block_on(old.drained(Duration::from_millis(50)));
//! assert_eq!(report.requests_cut, 1);
//! assert_eq!(answer(cut).unwrap_or_default(), "", "its connection was closed without an answer");
//! # Ok(())
//! # }
//! ```
//!
//! # The budget
//!
//! `proxy.drainTimeoutMs` (60 s unless configured) is how long requests and WebSockets of an old release may go on. What
//! is open after that is cut, counted apart as requests and tunnels in a [`DrainReport`](crate::DrainReport), and told by
//! the event `traffic cut`. An answer that had begun breaks off in a way that its client cannot take for the end.
//!
//! Only then are the old processes stopped.
//!
//! # Asked before they are cut
//!
//! A WebSocket or a stream of events rarely ends by itself, so with many of them the budget is simply how long an old
//! release stays. They are not cut without a word: in the last part of the budget (`proxy.limits.windDownWindowMs`, 10 s,
//! and never more than a quarter of the budget) whoever is left is asked to go.
//!
//! | | what happens |
//! | --- | --- |
//! | a WebSocket | it gets a Close frame with 1012, "Service Restart", and a reason: after a whole message, and nothing follows it. What its client had said until then reaches the application, and so does the client's own Close frame |
//! | a stream of events (`text/event-stream`) | it ends after a whole event, as if the application had ended it. Clients connect again by themselves, with `Last-Event-ID` |
//! | a request that has no answer yet | its answer says `Connection: close` |
//!
//! WebSockets and streams are asked one after the other, the oldest first, spread over the first half of that time: all of
//! them come back at once, and should not come all at the same moment. The second half is for their answers. A client that
//! does not answer is spoken for after `proxy.limits.tunnelCloseTimeoutMs` (2 s), and both sides are closed.
//!
//! Some cannot be asked: a tunnel that speaks something else than WebSocket frames or is in the middle of one, a stream
//! with a `Content-Length` or one that is compressed. These are cut. The event `traffic ended` tells how many went when they
//! were asked, `traffic cut` how many were cut; so does the [`DrainReport`](crate::DrainReport).
//!
//! [`Draining::wind_down_now`](crate::Draining::wind_down_now) asks all of them at once.
//!
//! # Who holds it
//!
//! While a release drains, `status` shows for whom it waits in `connections.holders`: peer, method, path without its query,
//! kind (`http`, `stream` or `websocket`), age, and bytes so far. The 32 oldest are shown; `connectionCount` counts all. A
//! Rust host asks [`Draining::holders`](crate::Draining::holders) or
//! [`DrainingProxy::holders`](crate::DrainingProxy::holders).
//!
//! # Counts
//!
//! While a release is there, `status` shows what is open to it: `connections.http` counts from the head of a request to the
//! end of its answer, `connections.websocket` from the upgrade until both sides are closed. `connectionCount` is the sum.
//!
//! # Without a release, and with a broken one
//!
//! | | answer |
//! | --- | --- |
//! | no release is active | 503, `No active release` |
//! | the process breaks the connection before it answers | 502, `Bad gateway` |
//! | nobody listens, and nobody will (see [restarts](super::tuning_restarts)) | 502, `Bad gateway` |
//! | traffic is paused for longer than `proxy.limits.parkTimeoutMs` | 503, `Traffic is paused` |
//! | this machine has no descriptor left for a connection to it, for a second | 503, `Service unavailable` |
//! | it breaks off in the middle of its answer | the client's connection is cut |
//!
//! A request that may be repeated (GET, HEAD, OPTIONS, TRACE, PUT or DELETE, without a body) is sent again, once, when a
//! kept connection to the process turns out to be dead before a byte of an answer came.
//!
//! # What a process says unasked
//!
//! Bytes that come on an idle connection answer nothing (a 408 before it is closed, or the rest of an answer that was longer
//! than it said). They would be taken for the answer to the next request, so a connection on which anything has come is
//! closed and not used. What the thread has heard of is seen each time. What has come since its last look is seen too, with
//! a system call, before a request that may not be repeated, and before any request on a connection that has been idle for
//! 250 ms. What is left: bytes that come unasked on a connection that has just been used, in the microseconds between the
//! thread's last look and its next request. Nobody can tell them from an answer then, and a process that sends such bytes
//! is broken.
