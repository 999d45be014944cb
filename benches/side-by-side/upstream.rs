//! The application behind every proxy: answers that were made before, in one write each.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::frame;
use crate::scenario::{CHUNK, CHUNKS, SMALL, WEBSOCKET_ACCEPT};

/// A request head is shorter than this, and so is a body that is read.
const BUFFER: usize = 8 * 1024;
const FIELDS_MAX: usize = 32;

struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
    chunked: Vec<u8>,
    upgrade: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        Self {
            small: sized(SMALL),
            medium: sized(64 * 1024),
            large: sized(1024 * 1024),
            chunked: chunked(),
            upgrade: upgrade(),
        }
    }
}

fn head(status: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n{fields}\r\n").into_bytes()
}

fn sized(length: usize) -> Vec<u8> {
    let mut answer = head("200 OK", &format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n"));
    answer.resize(answer.len() + length, b'x');
    answer
}

fn chunked() -> Vec<u8> {
    let mut answer = head("200 OK", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n");
    for _ in 0..CHUNKS {
        answer.extend_from_slice(format!("{CHUNK:x}\r\n").as_bytes());
        answer.resize(answer.len() + CHUNK, b'x');
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn upgrade() -> Vec<u8> {
    let accept =
        format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n");
    head("101 Switching Protocols", &accept)
}

/// Serves for ever.
pub async fn serve(listener: TcpListener) {
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::task::spawn_local(async move {
            // A client that goes away ends its connection, whatever it was about to be told.
            let _ = converse(stream, answers).await;
        });
    }
}

/// What is known of a request once its head is complete.
struct Asked {
    /// Of head and body.
    length: usize,
    answer: Kind,
    is_last: bool,
}

enum Kind {
    Small,
    Medium,
    Large,
    Chunked,
    Upgrade,
}

async fn converse(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let asked = loop {
            match parse(&buffer)? {
                Some(asked) if buffer.len() >= asked.length => break asked,
                _ if stream.read_buf(&mut buffer).await? == 0 => return Ok(()),
                _ => {}
            }
        };
        buffer.drain(..asked.length);
        let answer = match asked.answer {
            Kind::Small => &answers.small,
            Kind::Medium => &answers.medium,
            Kind::Large => &answers.large,
            Kind::Chunked => &answers.chunked,
            Kind::Upgrade => {
                stream.write_all(&answers.upgrade).await?;
                return echo(stream, buffer).await;
            }
        };
        stream.write_all(answer).await?;
        if asked.is_last {
            return stream.shutdown().await;
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<Asked>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let (mut body, mut is_last) = (0, false);
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value).ok().and_then(|text| text.parse::<usize>().ok());
            body = length.ok_or(io::ErrorKind::InvalidData)?;
        } else if field.name.eq_ignore_ascii_case("connection") {
            is_last = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let answer = match request.path.unwrap_or_default() {
        "/64k" => Kind::Medium,
        "/1m" => Kind::Large,
        "/chunked" => Kind::Chunked,
        "/echo" => Kind::Upgrade,
        _ => Kind::Small,
    };
    Ok(Some(Asked { length: head + body, answer, is_last }))
}

/// Sends every message back, unmasked as a server does.
async fn echo(mut stream: TcpStream, mut buffer: Vec<u8>) -> io::Result<()> {
    let mut back = Vec::new();
    loop {
        back.clear();
        while let Some(length) = frame::unmask(&buffer, &mut back)? {
            buffer.drain(..length);
        }
        if !back.is_empty() {
            stream.write_all(&back).await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}
