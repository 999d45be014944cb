//! Certificates that are replaced on disk, as a tool that renews them does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::shop::{DEADLINE, Shop};

type Client = TlsStream<TcpStream>;

/// Nobody tells the engine: new connections see the new certificate, open ones go on, and no request fails.
#[tokio::test]
async fn new_files_are_served_to_whoever_comes() {
    let directory = tempfile::tempdir().expect("a directory");
    let [cert, key] = ["shop.pem", "shop.key"].map(|name| directory.path().join(name));
    let (old, old_key) = made(&["shop.test"]);
    let (new, new_key) = made(&["shop.test", "www.shop.test"]);
    let mut roots = RootCertStore::empty();
    for made in [&old, &new] {
        roots.add(made.der().clone()).expect("it is a certificate");
    }
    replace(&cert, &old.pem());
    replace(&key, &old_key);
    let shop = Shop::open_with(|config| {
        config["proxy"]["tls"] = json!({ "certificates": [{ "certPath": cert, "keyPath": key }] });
    });
    let shop = shop.await;
    shop.deploy("v1").await.expect("v1 is good");
    let mut open = connect(&shop, &roots).await;
    assert_eq!((ask(&mut open).await, shown(&open)), (200, old.der().clone()));

    replace(&key, &new_key);
    replace(&cert, &new.pem());
    shop.until("loaded", |_| !shop.events("certificates loaded").is_empty()).await;
    assert_eq!(shop.events("certificates loaded"), [json!({ "names": ["shop.test", "www.shop.test"] })]);
    let mut late = connect(&shop, &roots).await;
    assert_eq!((ask(&mut late).await, shown(&late)), (200, new.der().clone()));
    assert_eq!(
        (ask(&mut open).await, shown(&open)),
        (200, old.der().clone()),
        "it is still the same connection"
    );

    // Half of a pair is worse than the old one, which stays.
    replace(&key, &old_key);
    shop.until("refused", |_| !shop.events("certificates not loaded").is_empty()).await;
    let mut later = connect(&shop, &roots).await;
    assert_eq!((ask(&mut later).await, shown(&later)), (200, new.der().clone()));
    drop((open, late, later));
    shop.close().await;
}

fn made(names: &[&str]) -> (rcgen::Certificate, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("names are names");
    (made.cert, made.signing_key.serialize_pem())
}

/// Nobody sees half of a file.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).expect("it can be written");
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::rename(&next, path).expect("it can be renamed");
}

async fn connect(shop: &Shop, roots: &RootCertStore) -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("they are supported")
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let stream = TcpStream::connect(shop.engine.proxy_addr()).await.expect("the proxy listens");
    let name = ServerName::try_from("shop.test").expect("a name");
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    tokio::time::timeout(DEADLINE, handshake).await.expect("in time").expect("a handshake")
}

fn shown(client: &Client) -> CertificateDer<'static> {
    let shown = client.get_ref().1.peer_certificates().expect("the handshake is over");
    shown[0].clone().into_owned()
}

/// Asks on a connection that stays open, and says with which status it was answered.
async fn ask(client: &mut Client) -> u16 {
    let asking = async {
        client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await.expect("it is open");
        let mut answer = String::new();
        while !answer.contains("\r\n\r\nv1") {
            let mut piece = [0; 4096];
            let read = client.read(&mut piece).await.expect("it is answered");
            assert_ne!(read, 0, "closed after {answer:?}");
            answer.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("in time")
}
