//! How long clients wait beside a thousand that send their heads byte by byte, and beside a thousand that never read what
//! they asked for. Ends with what failed if a request of the others fails, or if one of the crowd is served or dropped.
//!
//! ```sh
//! cargo run --release -p rollcore-benches --bin beside-a-crowd
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use nix::time::{ClockId, clock_gettime};
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{
    Application, Askers, HUGE, Waits, median, ms, play_application, raise_descriptor_limit, runtime,
};
use tokio::net::TcpSocket;

const CROWD: usize = 1000;
/// Those whose waits are measured.
const CLIENTS: usize = 16;
const TURN: Duration = Duration::from_secs(2);
/// Of a slow client, between two bytes of its head.
const BETWEEN_BYTES: Duration = Duration::from_millis(250);
/// How much a client that never reads lets the kernel take for it.
const UNREAD: u32 = 16 * 1024;
/// As on an Ethernet. With the segments of the loopback, 64 KiB long, the kernel takes megabytes for each of them.
const SEGMENT: u32 = 1448;
/// How long the crowd may take until it is there, or gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// The buffers on the way to those who never read are full when this process does nearly nothing for so long.
const QUIET: Duration = Duration::from_millis(200);
const QUIET_USES: Duration = Duration::from_millis(2);
const ROUNDS: usize = 5;
/// By how much the crowd may make the others wait longer.
const RATIO_MAX: f64 = 2.0;

const RELEASE: Generation = Generation(1);

/// Connected, but not asking for anything that could be answered.
fn slow(address: SocketAddr) -> io::Result<Crowd> {
    let clients = (0..CROWD).map(|_| TcpStream::connect(address)).collect::<io::Result<Vec<_>>>()?;
    let go_on = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&go_on);
    let dripping = thread::spawn(move || drip(clients, &flag));
    Ok(Crowd { deaf: Vec::new(), dripping: Some((go_on, dripping)) })
}

/// Sends a byte for each client, one after the other, so that some byte is always on its way. Fails when a client is gone.
fn drip(mut clients: Vec<TcpStream>, go_on: &AtomicBool) -> io::Result<()> {
    let head: Vec<u8> =
        b"GET / HTTP/1.1\r\nHost: shop.test\r\nX: ".iter().copied().chain([b'a'; 4000]).collect();
    let count = u32::try_from(clients.len()).expect("it is small");
    let began = Instant::now();
    for (turn, byte) in (0..).zip(head) {
        for (at, client) in (0..).zip(&mut clients) {
            if !go_on.load(Ordering::Relaxed) {
                return clients.iter_mut().try_for_each(is_waiting);
            }
            client.write_all(&[byte])?;
            let next = BETWEEN_BYTES * turn + BETWEEN_BYTES * (at + 1) / count;
            // A millisecond's worth of clients at once: sleeping for less costs more than sending.
            if at % 4 == 0 {
                thread::sleep(next.saturating_sub(began.elapsed()));
            }
        }
    }
    Err(io::Error::other("the turn was longer than the head"))
}

fn is_waiting(client: &mut TcpStream) -> io::Result<()> {
    client.set_nonblocking(true)?;
    match client.read(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(io::Error::other("a slow client was answered or dropped")),
    }
}

fn has_something_to_read(client: &TcpStream) -> bool {
    client.peek(&mut [0]).is_ok_and(|bytes| bytes > 0)
}

/// They ask for a lot, and never read it.
fn deaf(address: SocketAddr) -> io::Result<Crowd> {
    let request = format!("GET {HUGE} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    let connect = async || {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(UNREAD)?;
        setsockopt(&socket, TcpMaxSeg, &SEGMENT)?;
        socket.connect(address).await?.into_std()
    };
    let runtime = runtime();
    let mut deaf = Vec::new();
    for _ in 0..CROWD {
        let mut client = runtime.block_on(connect())?;
        client.write_all(request.as_bytes())?;
        deaf.push(client);
    }
    Ok(Crowd { deaf, dripping: None })
}

struct Crowd {
    deaf: Vec<TcpStream>,
    dripping: Option<(Arc<AtomicBool>, JoinHandle<io::Result<()>>)>,
}

impl Crowd {
    /// Waits until all of it keep the proxy busy.
    fn settle(&self, proxy: &DrainingProxy) {
        until(|| proxy.clients() == CROWD);
        if self.dripping.is_none() {
            // Until then the application may be what they wait for, and the others with them.
            until(|| self.deaf.iter().all(has_something_to_read));
            until(is_quiet);
        }
    }

    /// Sends it away, unless somebody has gone before.
    fn end(self, proxy: &DrainingProxy) -> io::Result<()> {
        if let Some((go_on, dripping)) = self.dripping {
            go_on.store(false, Ordering::Relaxed);
            dripping.join().expect("it does not panic")?;
        } else if proxy.counts(RELEASE).http < CROWD as u64 {
            return Err(io::Error::other("a client that never reads was answered or dropped"));
        }
        drop(self.deaf);
        until(|| proxy.clients() == 0);
        Ok(())
    }
}

/// # Panics
/// When it takes too long.
fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "the crowd neither comes nor goes");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_quiet() -> bool {
    let used = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
    let before = used();
    thread::sleep(QUIET);
    used() - before < QUIET_USES
}

fn measure(proxy: &DrainingProxy) -> Waits {
    let askers = Askers::start(CLIENTS, proxy.local_addr());
    thread::sleep(TURN);
    askers.end()
}

fn main() -> io::Result<()> {
    if play_application()? {
        return Ok(());
    }
    raise_descriptor_limit();
    let application = Application::start()?;
    let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).map_err(io::Error::other)?;
    assert!(proxy.switch_to(Traffic::to(RELEASE, [application.address()])).is_none());
    let mut out = io::stdout().lock();
    writeln!(out, "{CLIENTS} clients ask without a pause; times in ms; every line means: no request failed")?;
    writeln!(out, "                              requests     p50     p99   p99 beside undisturbed")?;
    let (mut slow_ratios, mut deaf_ratios) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let alone = measure(&proxy);
        line(&mut out, &format!("{round} undisturbed"), &alone, None)?;
        for (name, gather, ratios) in [
            ("slow heads", slow as fn(SocketAddr) -> io::Result<Crowd>, &mut slow_ratios),
            ("that never read", deaf, &mut deaf_ratios),
        ] {
            until(|| proxy.clients() == 0);
            let crowd = gather(proxy.local_addr())?;
            crowd.settle(&proxy);
            let beside = measure(&proxy);
            crowd.end(&proxy)?;
            let ratio = ms(beside.part(990)) / ms(alone.part(990));
            line(&mut out, &format!("{round} beside {CROWD} {name}"), &beside, Some(ratio))?;
            ratios.push(ratio);
        }
    }
    for (name, ratios) in [("slow heads", slow_ratios), ("that never read", deaf_ratios)] {
        let ratio = median(ratios);
        let verdict = if ratio < RATIO_MAX { "met" } else { "not met" };
        writeln!(
            out,
            "p99 beside {CROWD} {name}, median of {ROUNDS} rounds: {ratio:.2}; below {RATIO_MAX}: {verdict}"
        )?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, waits: &Waits, ratio: Option<f64>) -> io::Result<()> {
    let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let (p50, p99) = (ms(waits.part(500)), ms(waits.part(990)));
    writeln!(out, "{name:<28} {:>9} {p50:>7.3} {p99:>7.3} {ratio:>24}", waits.count())
}
