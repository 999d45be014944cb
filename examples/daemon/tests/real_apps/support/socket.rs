//! A WebSocket that asks Velocious as HTTP would.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use super::deadline::DEADLINE;

/// An open one.
pub struct Socket(tungstenite::WebSocket<TcpStream>);

impl Socket {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let (socket, _) =
            tungstenite::client(format!("ws://{address}/websocket"), stream).expect("an upgrade");
        Self(socket)
    }

    /// The body of a good answer to a GET.
    pub fn get(&mut self, path: &str) -> Value {
        let request = json!({ "type": "request", "id": path, "method": "GET", "path": path });
        self.0.send(Message::text(request.to_string())).expect("a request");
        loop {
            let message = self.0.read().expect("an answer");
            let answer: Value = serde_json::from_str(message.to_text().expect("text")).expect("it is JSON");
            // It also tells about its session.
            if answer["type"] == "response" {
                assert_eq!(answer["statusCode"], 200, "{answer}");
                let body = answer["body"].as_str().expect("a body");
                return serde_json::from_str(body).expect("it is JSON");
            }
        }
    }

    /// Says goodbye, and waits for the other side to do the same.
    pub fn close(mut self) {
        self.0.close(None).expect("a goodbye");
        while let Ok(message) = self.0.read() {
            assert!(message.is_close(), "{message}");
        }
    }
}
