//! Whole messages out of a stream of bytes, by the machines that the relay asks and in the order in which it asks them.
//!
//! For comparisons: everything is copied, nothing is forwarded.

use crate::proxy::machine::wire::{Body, FieldRoom, HeadEnd, Piece, Request, Response, empty_lines};

/// The default of `head_bytes_max`.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The default of `head_fields_max`.
const HEAD_FIELDS_MAX: usize = 100;

/// A message, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenMessage {
    /// The method; empty for a response.
    pub method: String,
    /// Path and query as they came; empty for a response.
    pub path: String,
    /// The authority of a target in absolute form.
    pub authority: Option<String>,
    /// The status; 0 for a request.
    pub status: u16,
    /// Whether it is of HTTP/1.0; never set for a response.
    pub is_http_10: bool,
    /// Names in lower case, in the order in which they came.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body without its framing.
    pub content: Vec<u8>,
    /// Whether all of the body has come.
    pub is_whole: bool,
    /// Where it begins in the stream.
    pub begin: usize,
    /// Where what has come of it ends in the stream.
    pub end: usize,
    /// Whether another message can follow on its connection.
    pub persists: bool,
    /// Whether the next message answers the same request, as after 100.
    pub is_interim: bool,
}

/// Why no more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// What comes next is refused with this status; 502 for a response.
    Refused(u16),
    /// The body is malformed.
    BadBody,
    /// The last message says that it is the last.
    Last,
}

/// Reads requests, or the response to one request.
#[derive(Debug)]
pub struct MessageReader {
    /// `None`: requests are read. Otherwise whether the response is one to HEAD.
    to_head: Option<bool>,
    buffer: Vec<u8>,
    /// How many bytes of the stream were in front of the buffer.
    passed: usize,
    search: HeadEnd,
    body: Option<Body>,
    messages: Vec<SeenMessage>,
    end: Option<ReadEnd>,
}

impl MessageReader {
    /// Of a client.
    #[must_use]
    pub fn of_requests() -> Self {
        Self {
            to_head: None,
            buffer: Vec::new(),
            passed: 0,
            search: HeadEnd::default(),
            body: None,
            messages: Vec::new(),
            end: None,
        }
    }

    /// Of an application that was asked once, with HEAD or with another method.
    #[must_use]
    pub fn of_response(to_head: bool) -> Self {
        Self { to_head: Some(to_head), ..Self::of_requests() }
    }

    /// What has come, and why nothing more is read, if that is so.
    #[must_use]
    pub fn seen(&self) -> (&[SeenMessage], Option<ReadEnd>) {
        (&self.messages, self.end)
    }

    /// More bytes have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while self.end.is_none() && self.turn() {}
    }

    /// Whether there may be more to do without more bytes.
    fn turn(&mut self) -> bool {
        match self.body.take() {
            Some(body) if !body.is_over() => self.take_body(body),
            Some(_) => {
                self.end_message();
                true
            }
            None => self.take_head(),
        }
    }

    fn take_body(&mut self, mut body: Body) -> bool {
        if self.buffer.is_empty() {
            self.body = Some(body);
            return false;
        }
        let Ok(piece) = body.next_piece(&self.buffer) else {
            self.end = Some(ReadEnd::BadBody);
            return false;
        };
        let taken = self.drop_front(piece.len());
        let at = self.passed;
        let message = self.messages.last_mut().expect("a body has a head");
        message.end = at;
        if let Piece::Content(_) = piece {
            message.content.extend_from_slice(&taken);
        }
        self.body = Some(body);
        true
    }

    fn end_message(&mut self) {
        let message = self.messages.last_mut().expect("a body has a head");
        message.is_whole = true;
        let is_last = match self.to_head {
            None => !message.persists,
            Some(_) => !message.is_interim,
        };
        self.end = is_last.then_some(ReadEnd::Last);
    }

    fn take_head(&mut self) -> bool {
        let empty = if self.to_head.is_none() { empty_lines(&self.buffer) } else { 0 };
        if empty > 0 {
            self.drop_front(empty);
            self.search = HeadEnd::default();
        }
        let end = self.search.find(&self.buffer);
        let len = match end {
            Err(_) => return self.refuse(400),
            Ok(Some(len)) if len > HEAD_BYTES_MAX => return self.refuse(431),
            Ok(None) if self.buffer.len() > HEAD_BYTES_MAX => return self.refuse(431),
            Ok(None) => return false,
            Ok(Some(len)) => len,
        };
        let begin = self.passed;
        let head = self.drop_front(len);
        self.search = HeadEnd::default();
        let read = match self.to_head {
            None => request(&head),
            Some(to_head) => response(&head, to_head),
        };
        match read {
            Ok((message, body)) => {
                self.messages.push(SeenMessage { begin, end: self.passed, ..message });
                self.body = Some(body);
                true
            }
            Err(status) => self.refuse(status),
        }
    }

    fn refuse(&mut self, status: u16) -> bool {
        self.end = Some(ReadEnd::Refused(if self.to_head.is_some() { 502 } else { status }));
        false
    }

    fn drop_front(&mut self, len: usize) -> Vec<u8> {
        self.passed += len;
        self.buffer.drain(..len).collect()
    }
}

fn request(head: &[u8]) -> Result<(SeenMessage, Body), u16> {
    let mut room = FieldRoom::new();
    let request = Request::parse(head, HEAD_FIELDS_MAX, &mut room).map_err(|refusal| refusal.status)?;
    let message = SeenMessage {
        method: request.method.to_owned(),
        path: request.target.path.to_owned(),
        authority: request.target.authority.map(str::to_owned),
        is_http_10: request.is_http_10,
        fields: fields(request.fields),
        persists: request.persists(),
        ..SeenMessage::default()
    };
    Ok((message, request.body))
}

fn response(head: &[u8], to_head: bool) -> Result<(SeenMessage, Body), u16> {
    let mut room = FieldRoom::new();
    let response = Response::parse(head, to_head, HEAD_FIELDS_MAX, &mut room).map_err(|_| 502_u16)?;
    let message = SeenMessage {
        status: response.status,
        fields: fields(response.fields),
        persists: response.persists,
        is_interim: response.is_interim(),
        ..SeenMessage::default()
    };
    Ok((message, response.body))
}

fn fields(fields: &[crate::proxy::machine::wire::Field<'_>]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect()
}
