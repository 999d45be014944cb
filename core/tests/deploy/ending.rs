//! The end of an engine, seen from several sides at once.

use std::time::Duration;

use crate::shop::{DEADLINE, Shop};

/// A daemon asks for the shutdown once more when its last client's is answered. What it asked while the conductor ended
/// was neither heard nor dropped, and it waited for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_that_comes_as_the_engine_ends_is_answered() {
    let mut engines = Vec::new();
    for _ in 0..50 {
        engines.push(Shop::open().await.engine);
    }
    for engine in engines {
        let first = engine.clone();
        let first = tokio::spawn(async move { first.shutdown().await });
        let mut others = tokio::task::JoinSet::new();
        for turns in 0..8 {
            let engine = engine.clone();
            others.spawn(async move {
                // Nothing tells the moment at which the conductor ends, so every moment is tried.
                tokio::time::sleep(Duration::from_micros(turns * 40)).await;
                for _ in 0..40 {
                    engine.shutdown().await;
                }
            });
        }
        tokio::time::timeout(DEADLINE, others.join_all()).await.expect("everybody is answered");
        tokio::time::timeout(DEADLINE, first).await.expect("in time").expect("it does not panic");
    }
}
