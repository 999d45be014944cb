//! HTTPS, HTTP/2, and fronts that say who their clients are.
//!
//! # Certificates
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let (cert, key) = (directory.path().join("fullchain.pem"), directory.path().join("key.pem"));
//! # let made = rcgen::generate_simple_self_signed(["shop.test".to_owned(), "*.shop.test".to_owned()])?;
//! # std::fs::write(&cert, made.cert.pem())?;
//! # std::fs::write(&key, made.signing_key.serialize_pem())?;
//! # use std::os::unix::fs::PermissionsExt;
//! # std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
//! use rollcore::{Config, DrainingProxy, ProxyOptions};
//! use serde_json::json;
//!
//! let config = json!({
//!     "proxy": { "port": 0, "tls": { "certificates": [{ "certPath": cert, "keyPath": key }] } },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 0 }]
//! });
//! let application = Config::from_json(&config.to_string())?.into_application();
//! let options = ProxyOptions { tls: application.proxy.tls, ..ProxyOptions::new("127.0.0.1", 0) };
//! # #[cfg(feature = "tls")] {
//! let proxy = DrainingProxy::bind(options)?;
//! assert_eq!(proxy.reload_certificates()?, ["shop.test", "*.shop.test"]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The port then speaks TLS 1.2 and 1.3 and nothing else: a request in clear is answered with 400. Applications see
//! `X-Forwarded-Proto: https`, or `wss` for a WebSocket.
//!
//! A client gets the first certificate that is for the name it asks for. Names are those in the certificate; `*.shop.test`
//! stands for `www.shop.test`, and not for `shop.test` or `a.www.shop.test`. Whoever asks for another name, or for none,
//! gets the first of all.
//!
//! Nobody but its owner may read or write the file of a key; one that others may is refused, with the command that helps.
//! `rollcore doctor` tells for which names certificates are, or why they cannot be served.
//!
//! # New certificates
//!
//! The files are looked at every 5 s, and read with every config. New connections get what they hold then; those that are
//! there stay as they are, and no request fails. `certificates loaded` tells the names. Files that make no sense change
//! nothing: `certificates not loaded` tells what is wrong with them, unless they make sense 5 s later. Other files, and other
//! limits, are taken over with the next deploy; from HTTP to HTTPS and back it takes a new daemon.
//!
//! # HTTP/2
//!
//! It is offered to whoever speaks TLS (`proxy.tls.http2`, on by default). A request of HTTP/2 becomes one of HTTP/1.1 to
//! the application, with everything that holds for those: it waits for a process that is restarted, is counted, and belongs
//! to the release that is active when it comes. Not offered: HTTP/2 without TLS, and WebSockets over HTTP/2 (RFC 8441);
//! browsers open a connection of their own for those.
//!
//! Trailers pass in answers. In requests those pass that the field `Trailer` names, except what must not come so late
//! (RFC 9110 §6.5.1: lengths, hosts, credentials and the like). HTTP/2 may bring others unannounced; the HTTP/1.1 library that
//! writes the request wants to know them before the body, and holding the body back until its end would cost more than
//! leaving them out, which every intermediary may do. gRPC sends trailers in answers only.
//!
//! When the proxy ends, clients are told so (GOAWAY), and what is under way is answered.
//!
//! # A front that says who its client is
//!
//! A load balancer that passes connections through can say whose they are with the PROXY protocol, version 1 or 2. With
//! `proxy.proxyProtocol` every connection has to begin so, before TLS if there is TLS. Only addresses in
//! `proxy.trustedFronts` are let in: a stranger could say anything. The client that is named is then the client: in
//! `X-Forwarded-For`, in limits and in logs. `LOCAL` and `UNKNOWN` stand for the front itself.
