//! An engine whose release is active takes the place of the one that has the addresses (compat C-164).
//!
//! ```text
//!  candidate                                   owner
//!  status ───────────────────────────────────▶ is it ours, and on our address?
//!  retire-owner, handover ───────────────────▶ takes no more commands, quiets, lets nobody new in
//!         ◀─── answer + listening sockets ─── goes on with what was begun, then ends
//!  accepts: proxy first, then control
//! ```
//!
//! The sockets are never closed in between, so whoever connects is served by one or the other. An owner that does not
//! hand them over has closed them before it answers, and they are bound anew.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bind_error::ControlBindError;
use super::client::{ControlClient, ControlError};
use super::ending::{CONTROL_SOCKET, PROXY_SOCKET};
use super::server::ControlServer;
use crate::clock;
use crate::engine::{Engine, EngineStartError, Status};
use crate::id::Attestation;
use crate::spec::ControlSpec;

/// How long an owner may take to say who it is.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an owner may take to retire. As long as quiet commands may take; an owner that dies closes the connection.
const RETIRE_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long the address of a retired owner is tried again, and how often.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// Why an engine did not take over. Up to [`TakeoverError::NotOwned`] the owner goes on as if nothing had been asked.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The owner was not asked, or said no.
    #[error("{0}")]
    Control(#[from] ControlError),
    /// Another application's daemon is there.
    #[error("A Rollbridge daemon for \"{found}\" is using {path}; expected \"{expected}\".", path = path.display())]
    NotOwned {
        /// The socket.
        path: std::path::PathBuf,
        /// Whose daemon it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The owner is gone, and its address is not to be had.
    #[error("{0}")]
    Proxy(#[from] EngineStartError),
    /// The owner is gone, and its control socket is not to be had.
    #[error("{0}")]
    Socket(#[from] ControlBindError),
}

impl TakeoverError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Control(error) => error.code(),
            Self::NotOwned { .. } => "another_application",
            Self::Proxy(error) => error.code(),
            Self::Socket(error) => error.code(),
        }
    }
}

/// What an owner has left.
#[derive(Debug, Default)]
struct Estate {
    proxy: Option<TcpListener>,
    control: Option<UnixListener>,
}

/// Retires the owner of the control socket and goes on where it stood: `engine` listens, and the control socket is bound.
///
/// `engine` was started with [`EngineOptions::listens_later`](crate::EngineOptions), and has deployed its release. When
/// nobody is there (the owner has crashed, or there never was one), both addresses are simply bound.
///
/// # Errors
/// [`TakeoverError`]. When the owner refuses it is untouched; when the addresses cannot be had after it has retired,
/// nobody serves, and the host should end.
///
/// # Cancel safety
/// Once asked, the owner retires although nobody takes its place.
pub async fn take_over(
    engine: &Engine,
    control: &ControlSpec,
    attestation: &Attestation,
) -> Result<ControlServer, TakeoverError> {
    let estate = retire(engine, control, attestation).await?;
    let patience = if estate.is_some() { BIND_TIMEOUT } else { Duration::ZERO };
    let Estate { proxy, control: socket } = estate.unwrap_or_default();
    let is_listening = proxy.is_some_and(|listener| match engine.listen_on(listener) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "the socket of the retired owner is not ours");
            false
        }
    });
    if !is_listening {
        listen(engine, patience).await?;
    }
    Ok(match socket.and_then(|socket| ControlServer::adopt(control, socket).ok()) {
        Some(server) => server,
        None => ControlServer::bind(control).await?,
    })
}

/// `None` when there is no owner.
async fn retire(
    engine: &Engine,
    control: &ControlSpec,
    attestation: &Attestation,
) -> Result<Option<Estate>, TakeoverError> {
    let mut client = match ControlClient::connect(&control.path).await {
        Ok(client) => client,
        Err(error) if error.is_unreachable() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let ours = engine.status();
    let theirs = client.request(&json!({ "command": "status" }), STATUS_TIMEOUT).await?;
    check_application(&ours, &theirs, control)?;
    let mut request = json!({ "command": "retire-owner", "attestation": attestation });
    if is_on_the_same_address(&ours, &theirs) {
        request["handover"] = json!(true);
    }
    let owner = client.server_pid();
    match client.request_with_descriptors(&request, RETIRE_TIMEOUT).await {
        Ok((answer, descriptors)) => {
            owner.into_iter().for_each(|owner| engine.follows(owner));
            Ok(Some(Estate::of(&answer, descriptors)))
        }
        Err(error @ ControlError::Refused { .. }) => Err(error.into()),
        // It died of it, or on the way: whatever it had is free.
        Err(error) => {
            tracing::warn!(%error, "the owner went away without an answer");
            Ok(Some(Estate::default()))
        }
    }
}

fn check_application(
    ours: &Status,
    theirs: &Map<String, Value>,
    control: &ControlSpec,
) -> Result<(), TakeoverError> {
    let found = theirs.get("application").and_then(Value::as_str).unwrap_or_default();
    if found == ours.application {
        return Ok(());
    }
    Err(TakeoverError::NotOwned {
        path: control.path.clone(),
        found: found.to_owned(),
        expected: ours.application.clone(),
    })
}

/// Whoever waits on another address has nothing to wait for at ours: its owner serves him. Port 0 is any.
fn is_on_the_same_address(ours: &Status, theirs: &Map<String, Value>) -> bool {
    let Some(proxy) = theirs.get("proxy") else { return false };
    let port = proxy.get("port").and_then(Value::as_u64);
    proxy.get("host").and_then(Value::as_str) == Some(ours.proxy.host.as_str())
        && (ours.proxy.port == 0 || port == Some(u64::from(ours.proxy.port)))
}

impl Estate {
    /// The answer names the descriptors in their order; others are closed.
    fn of(answer: &Map<String, Value>, descriptors: Vec<OwnedFd>) -> Self {
        let names = answer.get("handover").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut estate = Self::default();
        for (name, descriptor) in names.iter().filter_map(Value::as_str).zip(descriptors) {
            match name {
                PROXY_SOCKET => estate.proxy = Some(descriptor.into()),
                CONTROL_SOCKET => estate.control = Some(descriptor.into()),
                _ => {}
            }
        }
        estate
    }
}

/// An owner of another make may still be closing its socket when it answers.
async fn listen(engine: &Engine, patience: Duration) -> Result<(), EngineStartError> {
    let deadline = clock::now() + patience;
    loop {
        match engine.listen() {
            Ok(_) => return Ok(()),
            Err(error) if error.code() != "proxy_address_in_use" || clock::now() >= deadline => {
                return Err(error);
            }
            Err(_) => tokio::time::sleep(BIND_PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[tokio::test]
    async fn sockets_are_asked_for_on_the_same_address_only() {
        let config = r#"{ "application": "shop", "proxy": { "host": "127.0.0.1", "port": 8182 }, "processes": [
            { "id": "web", "policy": "proxied", "command": "true", "port": 0 } ] }"#;
        let config = crate::config::Config::from_json(config).expect("it is valid");
        let options = crate::engine::EngineOptions { listens_later: true, ..Default::default() };
        let engine = Engine::start_with(config, options).await.expect("nothing is bound");
        let (mut ours, control) = (engine.status(), ControlSpec::default());
        let theirs = |host: &str, port: u16| fields(json!({ "proxy": { "host": host, "port": port } }));
        assert!(is_on_the_same_address(&ours, &theirs("127.0.0.1", 8182)));
        assert!(!is_on_the_same_address(&ours, &theirs("127.0.0.1", 8183)));
        assert!(!is_on_the_same_address(&ours, &theirs("0.0.0.0", 8182)));
        assert!(!is_on_the_same_address(&ours, &Map::new()));
        ours.proxy.port = 0;
        assert!(is_on_the_same_address(&ours, &theirs("127.0.0.1", 8183)));

        assert!(check_application(&ours, &fields(json!({ "application": "shop" })), &control).is_ok());
        for other in [json!({ "application": "bank" }), json!({})] {
            let error = check_application(&ours, &fields(other), &control).expect_err("another one");
            assert_eq!(error.code(), "another_application");
        }
    }

    #[test]
    fn what_is_handed_over_is_known_by_its_name() {
        let socket = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a port is free"));
        let estate = Estate::of(&fields(json!({ "handover": ["else", "proxy"] })), vec![socket(), socket()]);
        assert!(estate.proxy.is_some() && estate.control.is_none());
        let estate = Estate::of(&Map::new(), vec![socket()]);
        assert!(estate.proxy.is_none() && estate.control.is_none(), "nobody said what it is");
        let estate = Estate::of(&fields(json!({ "handover": ["proxy", "control"] })), vec![]);
        assert!(estate.proxy.is_none() && estate.control.is_none());
    }
}
