//! The end of an engine: by a shutdown, and by a bug.

use rollcore::{Application, Engine, Release, Seq};
use tokio::net::TcpStream;

use crate::shop::{DEADLINE, Shop};

/// Whoever asked once more after the end heard of no survivors, whatever the first had heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_shutdown_has_the_answer_of_the_first() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let engine = shop.engine.clone();
    let (one, two) = tokio::join!(engine.shutdown(), engine.shutdown());
    assert_eq!((one.survivors, two), (0, one));
    assert_eq!(engine.shutdown().await, one, "after the end, too");
    shop.close().await;
}

/// A reader of events waited for ever when the engine had ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_events_learns_of_the_end() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let mut events = shop.engine.events(Seq::START);
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        loop {
            let batch = events.next().await;
            if batch.events.is_empty() {
                return read;
            }
            read.extend(batch.events.into_iter().map(|stamped| stamped.event.message().into_owned()));
        }
    });
    shop.close().await;
    let read = tokio::time::timeout(DEADLINE, reading).await.expect("it ends").expect("it does not panic");
    let exits = read.iter().filter(|message| *message == "process exited").count();
    assert_eq!(exits, 5, "nothing of the end is left out");
}

/// A panic of the conductor left a proxy that answered 502 to everybody, and nobody was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_breaks_closes_its_proxy() {
    // No config makes such an application, but a program can: its deploy finds nothing that gets traffic, and panics.
    let mut broken = Application::new("broken", Vec::new());
    broken.proxy.port = 0;
    let engine = Engine::start(broken).await.expect("the engine starts");
    let mut events = engine.events(Seq::START);
    assert!(TcpStream::connect(engine.proxy_addr()).await.is_ok());
    let deploy = engine.deploy(Release::new("v1", "/").expect("safe")).await;
    assert_eq!(deploy.expect_err("the conductor is gone").code(), "shutting_down");
    let all_read = async { while !events.next().await.events.is_empty() {} };
    tokio::time::timeout(DEADLINE, all_read).await.expect("readers learn of the end");
    let refused = async {
        while TcpStream::connect(engine.proxy_addr()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("the front sees that nobody is there");
    assert_eq!(engine.shutdown().await.survivors, 0);
}
