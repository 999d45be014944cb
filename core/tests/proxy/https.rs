//! HTTPS: certificates by name, new ones while it serves, and clients that do not speak it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcore::{
    BindError, CertificateFiles, DrainingProxy, ProxyOptions, TlsError, TlsNews, TlsSpec, Traffic,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::secured::{Shop, another_key, shown, write, written};
use super::support::{App, Peer, V1, counts_become, field, next, options, within};

async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), host: &str) -> String {
    let request = format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    within(stream.write_all(request.as_bytes())).await.expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let read = within(stream.read_buf(&mut answer)).await.expect("it answers");
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).expect("text")
}

/// The application is told how the client came: RFC 7239 calls it the protocol, and its port is 443 unless `Host` says.
#[tokio::test]
async fn the_application_learns_that_the_client_came_by_https() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    for (host, port) in [("shop.test", "443"), ("shop.test:8443", "8443")] {
        let mut client = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
        let answered = tokio::spawn(async move { ask(&mut client, host).await });
        let mut peer = next(&mut peers).await;
        let head = peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").await;
        assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"), "{head}");
        assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some(port), "{head}");
        assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"), "{head}");
        assert!(within(answered).await.expect("no panic").starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_too_and_nothing_older() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = TcpStream::connect(proxy.local_addr()).await.expect("it listens");
        let mut client = shop.secure_with(stream, "shop.test", &[], &[version]).await.expect("a handshake");
        ask(&mut client, "shop.test").await;
    }
    // A hello of TLS 1.1 (RFC 4346 §7.4.1.2): it is refused with an alert, and not with silence.
    let mut old = Peer::connect(proxy.local_addr()).await;
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    old.send(hello).await;
    let (answer, _) = old.rest().await;
    assert_eq!(answer.as_bytes().first(), Some(&0x15), "an alert: {answer:?}");
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_name() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let first = shop.certificate("first", &["shop.test", "127.0.0.1"]);
    let wild = shop.certificate("wild", &["*.shop.test"]);
    let api = shop.certificate("api", &["api.shop.test", "api2.test"]);
    let spec = TlsSpec {
        certificates: vec![first.clone(), wild.clone(), api.clone()],
        ..TlsSpec::new(first.clone())
    };
    let proxy = DrainingProxy::bind(ProxyOptions { tls: Some(spec), ..options() }).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    // An address is no name that a client could ask for (RFC 6066 §3): it gets the first.
    for (name, files) in [
        ("shop.test", &first),
        ("www.shop.test", &wild),
        ("api.shop.test", &api),
        ("API2.test", &api),
        ("127.0.0.1", &first),
    ] {
        let client = shop.connect(proxy.local_addr(), name, &[]).await;
        assert_eq!(shown(&client), written(files), "{name}");
    }
    // Whoever asks for a name that nobody has can see that he is not there.
    let stream = TcpStream::connect(proxy.local_addr()).await.expect("it listens");
    let error = shop.secure(stream, "a.www.shop.test", &[]).await.expect_err("no certificate is for it");
    assert!(
        error.to_string().contains("NotValidForName") || error.to_string().contains("not valid for name"),
        "{error}"
    );
}

/// Clients ask all the time, on connections that stay and on new ones, while the certificate is replaced again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_certificates_are_served_and_no_request_fails() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let names = ["shop.test"];
    // All of them first: clients believe what was there when they began.
    let versions: Vec<_> = (0..10).map(|n| shop.certificate(&format!("v{n}"), &names)).collect();
    let proxy =
        DrainingProxy::bind(ProxyOptions { tls: Some(TlsSpec::new(versions[0].clone())), ..options() });
    let proxy = proxy.expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    let (address, shop, over) = (proxy.local_addr(), Arc::new(shop), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let (shop, over) = (Arc::clone(&shop), Arc::clone(&over));
            tokio::spawn(async move {
                let mut kept = shop.connect(address, "shop.test", &[]).await;
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    if n % 2 == 0 {
                        kept = shop.connect(address, "shop.test", &[]).await;
                    }
                    ask(&mut kept, "shop.test").await;
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let mut old = shop.connect(address, "shop.test", &[]).await;
    for files in &versions[1..] {
        assert_eq!(proxy.serve_certificates(TlsSpec::new(files.clone())).expect("they are good"), names);
        let client = shop.connect(address, "shop.test", &[]).await;
        assert_eq!(shown(&client), written(files));
    }
    ask(&mut old, "shop.test").await;
    assert_eq!(shown(&old), written(&versions[0]), "it is the connection of the beginning");
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(within(client).await.expect("no request failed") > 0);
    }
}

/// Without a word of anybody: the files are looked at.
#[tokio::test]
async fn files_that_change_are_noticed() {
    let mut shop = Shop::new();
    let (sender, mut news) = mpsc::unbounded_channel();
    let options = shop.options().on_certificates(move |news| drop(sender.send(news.clone())));
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let new = shop.certificate("shop", &["shop.test", "books.test"]);
    let names = ["shop.test", "books.test"].map(str::to_owned).to_vec();
    assert_eq!(next(&mut news).await, TlsNews::Loaded { names });
    let client = shop.connect(proxy.local_addr(), "books.test", &[]).await;
    assert_eq!(shown(&client), written(&new));
    write(&new.key_path, &another_key(), 0o600);
    let TlsNews::Kept { error } = next(&mut news).await else { panic!("the key is another one") };
    assert!(error.contains("is not the one of the certificate"), "{error}");
    assert!(!error.contains("BEGIN"), "nothing of a key is told: {error}");
    let client = shop.connect(proxy.local_addr(), "books.test", &[]).await;
    assert_eq!(shown(&client), written(&new));
    proxy.close(Duration::ZERO).await;
}

/// Whatever is wrong with the files has a name, and what was served before goes on.
#[tokio::test]
async fn files_that_make_no_sense_are_refused_and_the_old_ones_stay() {
    let mut shop = Shop::new();
    let proxy = DrainingProxy::bind(shop.options()).expect("a free port");
    let good = shop.files("shop");
    let before = written(&good);
    let spoil = |shop: &mut Shop, how: &dyn Fn(&CertificateFiles)| {
        let files = shop.certificate("spoiled", &["shop.test"]);
        how(&files);
        proxy.serve_certificates(TlsSpec::new(files)).expect_err("it was spoiled")
    };
    let code = |error: &TlsError| error.code();
    let error = spoil(&mut shop, &|files| write(&files.key_path, &another_key(), 0o600));
    assert_eq!(code(&error), "tls_key_mismatch", "{error}");
    for mode in [0o640, 0o604, 0o620] {
        let error = spoil(&mut shop, &|files| {
            let key = std::fs::read_to_string(&files.key_path).expect("a key");
            write(&files.key_path, &key, mode);
        });
        assert_eq!(code(&error), "tls_key_exposed", "{error}");
        let (text, path) = (error.to_string(), shop.files("spoiled").key_path);
        let fix = format!("(mode {mode:04o}): run chmod 600 {}", path.display());
        assert!(text.ends_with(&fix), "{text}");
    }
    let error = spoil(&mut shop, &|files| write(&files.cert_path, "no certificate", 0o600));
    assert_eq!(code(&error), "tls_not_pem", "{error}");
    let error =
        spoil(&mut shop, &|files| write(&files.key_path, "-----BEGIN PRIVATE KEY-----\nsecret", 0o600));
    assert_eq!(code(&error), "tls_not_pem", "{error}");
    assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = spoil(&mut shop, &|files| write(&files.cert_path, garbage, 0o600));
    assert_eq!(code(&error), "tls_certificate_useless", "{error}");
    let error = spoil(&mut shop, &|files| std::fs::remove_file(&files.key_path).expect("it is there"));
    assert_eq!(code(&error), "tls_file_unreadable", "{error}");
    let error = spoil(&mut shop, &|files| {
        std::fs::remove_file(&files.key_path).expect("it is there");
        nix::unistd::mkfifo(&files.key_path, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
    });
    assert_eq!(code(&error), "tls_file_unreadable", "a pipe makes nobody wait: {error}");
    let none = TlsSpec { certificates: vec![], ..TlsSpec::new(good) };
    assert_eq!(code(&proxy.serve_certificates(none).expect_err("there is none")), "tls_no_certificates");

    let client = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
    assert_eq!(shown(&client), before);
    assert_eq!(proxy.reload_certificates().expect("the files are as they were"), ["shop.test"]);
}

#[test]
fn a_proxy_without_its_certificates_does_not_begin_to_listen() {
    let mut shop = Shop::new();
    let options = shop.options();
    std::fs::remove_file(shop.files("shop").key_path).expect("it is there");
    let error = DrainingProxy::bind(options).expect_err("it has no key");
    assert!(matches!(error, BindError::Tls(TlsError::Unreadable { .. })), "{error:?}");
    assert_eq!(error.code(), "tls_file_unreadable");
    assert!(DrainingProxy::bind(self::options()).expect("a free port").reload_certificates().is_err());
}

#[tokio::test]
async fn who_speaks_plainly_is_told_so() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let (head, body) = client.get("/").await;
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert_eq!(body, "This port speaks HTTPS.\n");
    client.gone().await;
    assert_eq!(app.connections(), 0);
}

#[tokio::test]
async fn garbage_and_silence_cost_only_those_who_send_them() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let options = shop.options();
    let spec = options.tls.clone().expect("it was set");
    let timeout = Duration::from_millis(300);
    let tls = Some(TlsSpec { handshake_timeout: timeout, ..spec });
    let proxy = DrainingProxy::bind(ProxyOptions { tls, ..options }).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));

    let mut garbage = Peer::connect(proxy.local_addr()).await;
    garbage.send([0x16, 3, 1, 0, 4, 9, 9, 9, 9]).await;
    garbage.gone().await;
    let mut nothing = Peer::connect(proxy.local_addr()).await;
    let mut half = Peer::connect(proxy.local_addr()).await;
    half.send([0x16, 3, 1, 2, 0, 1]).await;
    let mut client = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
    ask(&mut client, "shop.test").await;
    nothing.gone().await;
    half.gone().await;
    ask(&mut client, "shop.test").await;
}

#[tokio::test]
async fn a_websocket_is_relayed_and_counted() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = shop.connect(proxy.local_addr(), "shop.test", &["http/1.1"]).await;
    let upgrade =
        "GET /live HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(upgrade.as_bytes()).await.expect("it reads");
    let mut peer = next(&mut peers).await;
    let head = peer.head().await;
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("wss"), "{head}");
    peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
        .await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhi") {
        assert_ne!(within(client.read_buf(&mut answer)).await.expect("it answers"), 0);
    }
    counts_become(&proxy, V1, 0, 1).await;
    client.write_all(b"ho").await.expect("it reads");
    assert_eq!(peer.exactly(2).await, "ho");
    client.shutdown().await.expect("it reads");
    peer.gone().await;
    drop(peer);
    let mut rest = Vec::new();
    within(client.read_to_end(&mut rest)).await.expect("it ends properly");
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn closing_ends_idle_clients_and_those_who_never_got_in() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut idle = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
    ask(&mut idle, "shop.test").await;
    let mut silent = Peer::connect(proxy.local_addr()).await;
    let report = within(proxy.close(Duration::from_secs(10))).await;
    assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0));
    assert!(report.took < Duration::from_secs(5), "nobody waits for the silent: {report:?}");
    let mut rest = Vec::new();
    within(idle.read_to_end(&mut rest)).await.expect("the end is said, so that it cannot be made up");
    silent.gone().await;
}

/// An answer that is cut must not look whole: TLS says its end, or it is none.
#[tokio::test]
async fn an_answer_that_breaks_off_has_no_proper_end() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
    client.write_all(b"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n").await.expect("it reads");
    let mut peer = next(&mut peers).await;
    peer.head().await;
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(within(client.read_buf(&mut answer)).await.expect("it answers"), 0);
    }
    drop(peer);
    assert!(within(client.read_to_end(&mut answer)).await.is_err(), "{}", String::from_utf8_lossy(&answer));
}

/// What is encrypted lies in one more buffer on its way: a client that reads late still gets all of it, without a word more
/// from the application.
#[tokio::test]
async fn a_client_that_reads_late_gets_the_last_byte_too() {
    const BYTES: usize = 8 * 1024 * 1024;
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = shop.connect(proxy.local_addr(), "shop.test", &[]).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await.expect("it reads");
    let mut peer = next(&mut peers).await;
    peer.head().await;
    let sending = tokio::spawn(async move {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        peer.send(format!("{BYTES:x}\r\n")).await;
        peer.send(vec![b'x'; BYTES]).await;
        peer.send("\r\n").await;
        // The answer is not over: nothing else makes the rest of it move.
        peer
    });
    let mut answer = Vec::new();
    while !answer.ends_with(b"x\r\n") {
        assert_ne!(within(client.read_buf(&mut answer)).await.expect("it answers"), 0);
    }
    assert!(answer.len() > BYTES);
    drop(within(sending).await.expect("no panic"));
}
