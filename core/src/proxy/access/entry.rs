//! A request on its way to the writer: a copy of what its line will say.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::Generation;
use crate::spec::AccessLogSpec;
use crate::time::{Epoch, Instant};

use super::super::machine::{Line, append_line, ms, shown_target, within};
use super::super::record::{Ending, Record};

pub(super) struct Entry {
    release: Option<(Generation, Option<Arc<str>>)>,
    ended: Instant,
    took: Duration,
    answered: Option<Duration>,
    parked: Option<Duration>,
    peer: IpAddr,
    protocol: &'static str,
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    connect_failures: u32,
    resets: u32,
    retries: u32,
    ending: Ending,
    is_tunnel: bool,
    /// Method, host, path, request id and user agent, one behind the other.
    text: Box<[u8]>,
    ends: [usize; TEXTS],
}

const TEXTS: usize = 5;

impl Entry {
    pub(super) fn of(record: &Record<'_>, spec: &AccessLogSpec) -> Self {
        let said = &record.said;
        let texts: [&[u8]; TEXTS] = [
            within(said.method),
            within(said.host),
            shown_target(said.target, spec.query),
            within(said.request_id),
            if spec.user_agent { within(said.user_agent) } else { b"" },
        ];
        let mut end = 0;
        let ends = texts.map(|text| {
            end += text.len();
            end
        });
        Self {
            release: record.ledger.map(|ledger| (ledger.generation, ledger.book.release().cloned())),
            ended: record.ended,
            took: record.took(),
            answered: record.answered.map(|answered| answered - record.began),
            parked: record.parked,
            peer: said.peer.ip().to_canonical(),
            protocol: said.protocol,
            status: record.status,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            connect_failures: record.connect_failures,
            resets: record.resets,
            retries: record.retries,
            ending: record.ending,
            is_tunnel: record.is_tunnel,
            text: texts.concat().into(),
            ends,
        }
    }

    fn text(&self, which: usize) -> Cow<'_, str> {
        let begin = if which == 0 { 0 } else { self.ends[which - 1] };
        String::from_utf8_lossy(&self.text[begin..self.ends[which]])
    }

    /// Appends its line.
    pub(super) fn write(&self, to: &mut Vec<u8>, epoch: Epoch) {
        let release = self.release.as_ref().map(|(generation, name)| match name {
            Some(name) => Cow::Borrowed(&**name),
            None => Cow::Owned(generation.0.to_string()),
        });
        let line = Line {
            at: epoch.wall(self.ended),
            release: release.as_deref(),
            peer: self.peer,
            method: &self.text(0),
            host: &self.text(1),
            path: &self.text(2),
            protocol: self.protocol,
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_ms: ms(self.took),
            first_byte_ms: self.answered.map(ms),
            parked_ms: self.parked.map(ms),
            connect_failures: self.connect_failures,
            resets: self.resets,
            retries: self.retries,
            tunnel: self.is_tunnel,
            ending: (self.ending != Ending::Whole).then(|| self.ending.as_str()),
            request_id: &self.text(3),
            user_agent: &self.text(4),
        };
        append_line(to, &line);
    }
}
