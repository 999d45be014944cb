//! Made-up connections through the relay itself: whatever comes, it does not panic, and at the end nothing is counted as
//! open (compat C-105).
//!
//! `ROLLCORE_FLOOD` says how many connections, of two requests each on average.

use std::rc::Rc;
use std::time::Duration;

use rollcore::internals::LoneProxy;
use rollcore::{Counts, Generation, ProxyLimits, ProxyOptions, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, LocalSet, spawn_local};

use crate::made_up;

const V1: Generation = Generation(1);

/// One in so many connections meets an application; the others find that the release has none, which is quicker.
const WITH_APPLICATION: u64 = 16;

/// Says `200` whenever it hears something.
async fn answer(mut stream: UnixStream) {
    let mut heard = [0; 4096];
    while matches!(stream.read(&mut heard).await, Ok(1..)) {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}

async fn ask(client: DuplexStream, bytes: Vec<u8>, leaves_early: bool) {
    let (mut read, mut write) = tokio::io::split(client);
    let writing = async {
        let _ = write.write_all(&bytes).await;
        let _ = write.shutdown().await;
        if !leaves_early {
            std::future::pending::<()>().await;
        }
    };
    let mut heard = Vec::new();
    // It leaves as soon as all is said, or when all is answered.
    tokio::select! {
        () = writing => {}
        _ = read.read_to_end(&mut heard) => {}
    }
}

#[test]
fn a_flood_of_made_up_requests_leaves_nothing_behind() {
    let count =
        std::env::var("ROLLCORE_FLOOD").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000_u64);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let requests = LocalSet::new().block_on(&runtime, async {
        let path = directory.path().join("app");
        let listener = Rc::new(UnixListener::bind(&path).expect("the path is free"));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(answer(stream));
            }
        });
        let limits = ProxyLimits {
            half_close_timeout: Duration::ZERO,
            park_timeout: Duration::ZERO,
            ..ProxyLimits::default()
        };
        let proxy = LoneProxy::new(ProxyOptions { limits, ..ProxyOptions::new("127.0.0.1", 0) });
        let mut requests = 0;
        for seed in 0..count {
            let has_application = seed % WITH_APPLICATION == 0;
            if seed % WITH_APPLICATION <= 1 {
                let backends = has_application.then(|| path.clone());
                drop(proxy.switch_to(Traffic::to(V1, backends)));
            }
            let bytes = made_up::requests(seed);
            requests += made_up::requests_in(seed);
            let (ours, theirs) = tokio::io::duplex(if seed % 3 == 0 { 5 } else { 65_536 });
            let mut both = JoinSet::new();
            let lone = proxy.clone();
            both.spawn_local(async move { lone.serve(theirs).await });
            both.spawn_local(ask(ours, bytes, seed % 5 == 0));
            while let Some(ended) =
                tokio::time::timeout(Duration::from_secs(30), both.join_next()).await.unwrap_or_else(|_| {
                    panic!(
                        "seed {seed} does not end: {:?}",
                        String::from_utf8_lossy(&made_up::requests(seed))
                    )
                })
            {
                assert!(
                    ended.is_ok(),
                    "seed {seed}: {:?}",
                    String::from_utf8_lossy(&made_up::requests(seed))
                );
            }
            assert_eq!(proxy.counts(V1), Counts::default(), "seed {seed}");
        }
        requests
    });
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{requests} requests on {count} connections");
}
