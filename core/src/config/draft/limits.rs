//! The spelling of `proxy.limits`: every field of [`ProxyLimits`], and nothing else.

use std::time::Duration;

use crate::spec::ProxyLimits;

use super::super::read::{Field, Notes, Section};
use super::positive_time;

/// Smaller heads would refuse what any browser sends; larger ones would make a single client dear.
const HEAD_BYTES: (usize, usize) = (1024, 1024 * 1024);
/// The relay keeps room for no more.
const HEAD_FIELDS_MAX: usize = 256;
/// With less, every answer of some length would take many small steps; more than the first is no limit to the system.
const CLIENT_UNSENT_BYTES: (u32, u32) = (4096, 1 << 30);

/// `null` and nothing are the default, which for some is that there is no such limit.
pub(super) fn read(field: &Field<'_>, notes: &mut Notes) -> ProxyLimits {
    let fix = format!("Set {} to a mapping of limits, e.g. {{connectionsMax: 1000}}.", field.key);
    let section = field.section(fix, notes).unwrap_or_else(|| field.empty_section());
    let default = ProxyLimits::default();
    let mut reader = Reader { section, notes };
    let limits = ProxyLimits {
        connections_max: reader.count("connectionsMax", (1, usize::MAX), default.connections_max),
        connections_per_peer_max: reader.whole("connectionsPerPeerMax", (1, usize::MAX), 64),
        head_timeout: reader.time("headTimeoutMs", default.head_timeout),
        idle_timeout: reader.time("idleTimeoutMs", default.idle_timeout),
        head_bytes_max: reader.count("headBytesMax", HEAD_BYTES, default.head_bytes_max),
        head_fields_max: reader.count("headFieldsMax", (1, HEAD_FIELDS_MAX), default.head_fields_max),
        body_bytes_max: reader.whole("bodyBytesMax", (0, usize::MAX), 10_485_760).map(|bytes| bytes as u64),
        client_stall_timeout: reader.time("clientStallTimeoutMs", default.client_stall_timeout),
        client_unsent_bytes_max: reader.bytes(
            "clientUnsentBytesMax",
            CLIENT_UNSENT_BYTES,
            default.client_unsent_bytes_max,
        ),
        half_close_timeout: reader.time_or_none("halfCloseTimeoutMs", default.half_close_timeout),
        upstream_connect_timeout: reader.time("upstreamConnectTimeoutMs", default.upstream_connect_timeout),
        upstream_connects_max: reader.count(
            "upstreamConnectsMax",
            (1, usize::MAX),
            default.upstream_connects_max,
        ),
        upstream_first_byte_timeout: reader.time_if_any("upstreamFirstByteTimeoutMs"),
        upstream_silence_timeout: reader.time_if_any("upstreamSilenceTimeoutMs"),
        request_timeout: reader.time_if_any("requestTimeoutMs"),
        upstream_idle_timeout: reader.time_or_none("upstreamIdleTimeoutMs", default.upstream_idle_timeout),
        upstream_idle_max: reader.count("upstreamIdleMax", (0, usize::MAX), default.upstream_idle_max),
        tunnel_idle_timeout: reader.time_if_any("tunnelIdleTimeoutMs"),
        tunnel_half_close_timeout: reader
            .time_or_none("tunnelHalfCloseTimeoutMs", default.tunnel_half_close_timeout),
        wind_down_window: reader.time_or_none("windDownWindowMs", default.wind_down_window),
        tunnel_close_timeout: reader.time("tunnelCloseTimeoutMs", default.tunnel_close_timeout),
        park_timeout: reader.time_or_none("parkTimeoutMs", default.park_timeout),
        parked_max: reader.count("parkedMax", (0, usize::MAX), default.parked_max),
        parked_bytes_max: reader.count("parkedBytesMax", (0, usize::MAX), default.parked_bytes_max),
        kept_body_bytes_max: reader.count("keptBodyBytesMax", (0, usize::MAX), default.kept_body_bytes_max),
    };
    reader.section.close(notes);
    limits
}

struct Reader<'v, 'n> {
    section: Section<'v>,
    notes: &'n mut Notes,
}

impl Reader<'_, '_> {
    /// The whole number at `key` if it is in the range; `example` is for whoever wrote something else.
    fn whole(&mut self, key: &'static str, range: (usize, usize), example: usize) -> Option<usize> {
        let field = self.section.field(key);
        let (problem, fix) = match range.0 {
            0 => (
                "must be a non-negative integer".to_owned(),
                format!("Set {} to a non-negative integer, e.g. {example}.", field.key),
            ),
            1 => (
                "must be a positive integer".to_owned(),
                format!("Set {} to a positive integer, e.g. {example}.", field.key),
            ),
            min => (
                format!("must be an integer of at least {min}"),
                format!("Set {} to {min} or more, e.g. {example}.", field.key),
            ),
        };
        let number = field.whole(range.0 as u64, range.1 as u64, &problem, fix, self.notes)?;
        Some(usize::try_from(number).expect("`whole` refuses larger ones"))
    }

    fn count(&mut self, key: &'static str, range: (usize, usize), default: usize) -> usize {
        self.whole(key, range, default).unwrap_or(default)
    }

    /// A count that the system wants to be small.
    fn bytes(&mut self, key: &'static str, (min, max): (u32, u32), default: u32) -> u32 {
        let count = self.count(key, (min as usize, max as usize), default as usize);
        u32::try_from(count).expect("`count` refuses more than a u32")
    }

    /// A time without which nothing would work.
    fn time(&mut self, key: &'static str, default: Duration) -> Duration {
        self.positive(key, default).unwrap_or(default)
    }

    /// A time that may be zero.
    fn time_or_none(&mut self, key: &'static str, default: Duration) -> Duration {
        self.section.field(key).duration(default, self.notes)
    }

    /// A time of which there is none by default.
    fn time_if_any(&mut self, key: &'static str) -> Option<Duration> {
        self.positive(key, Duration::from_secs(60))
    }

    fn positive(&mut self, key: &'static str, example: Duration) -> Option<Duration> {
        positive_time(&self.section.field(key), example, self.notes)
    }
}
