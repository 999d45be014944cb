//! The spelling of `proxy.tls`.

use std::time::Duration;

use serde_json::Value;

use crate::spec::{CertificateFiles, Http2Limits, TlsSpec};

use super::super::read::{Field, Notes, Section};
use super::{elements, positive_time};

/// RFC 9113 §6.9.1: the largest window there is, and §6.5.2: the smallest that keeps nobody waiting needlessly.
const WINDOW_BYTES: (u64, u64) = (65_535, 2_147_483_647);

/// `None` when there is nothing, or nothing that could be served.
pub(super) fn read(field: &Field<'_>, notes: &mut Notes) -> Option<TlsSpec> {
    let example = "{certificates: [{certPath: \"/etc/shop/fullchain.pem\", keyPath: \"/etc/shop/key.pem\"}]}";
    let mut tls = field.section(format!("Set {} to a mapping, e.g. {example}.", field.key), notes)?;
    let certificates = certificates(&tls.field("certificates"), notes);
    let handshake_timeout = time(&tls.field("handshakeTimeoutMs"), Duration::from_secs(10), notes);
    let http2 = http2(&tls.field("http2"), notes);
    tls.close(notes);
    (!certificates.is_empty()).then_some(TlsSpec { certificates, handshake_timeout, http2 })
}

fn certificates(field: &Field<'_>, notes: &mut Notes) -> Vec<CertificateFiles> {
    match field.set().and_then(Value::as_array) {
        Some(list) if !list.is_empty() => {
            elements(field, list).iter().filter_map(|files| certificate(files, notes)).collect()
        }
        _ => {
            let fix = format!("Set {} to a list of {{certPath, keyPath}}.", field.key);
            field.refuse("must be an array with at least one certificate", fix, notes);
            Vec::new()
        }
    }
}

fn certificate(field: &Field<'_>, notes: &mut Notes) -> Option<CertificateFiles> {
    let fix = format!("Set {} to a mapping with certPath and keyPath.", field.key);
    if field.set().is_none() {
        field.refuse("must be an object", fix, notes);
        return None;
    }
    let mut files = field.section(fix, notes)?;
    let cert_path = files.field("certPath").required_text(notes);
    let key_path = files.field("keyPath").required_text(notes);
    files.close(notes);
    Some(CertificateFiles::new(cert_path?, key_path?))
}

/// `true` and nothing are the defaults, `false` is none.
fn http2(field: &Field<'_>, notes: &mut Notes) -> Option<Http2Limits> {
    let default = Http2Limits::default();
    match field.set() {
        None | Some(Value::Bool(true)) => Some(default),
        Some(Value::Bool(false)) => None,
        Some(value) => {
            let Some(section) = field.mapping(value) else {
                let fix = format!("Set {} to true, to false, or to a mapping of limits.", field.key);
                field.refuse("must be a boolean or an object", fix, notes);
                return Some(default);
            };
            Some(http2_limits(section, default, notes))
        }
    }
}

fn http2_limits(mut section: Section<'_>, default: Http2Limits, notes: &mut Notes) -> Http2Limits {
    let streams_max = section.field("streamsMax");
    let resets_max = section.field("resetsMax");
    let stream_window = section.field("streamWindowBytes");
    let connection_window = section.field("connectionWindowBytes");
    let limits = Http2Limits {
        streams_max: positive(&streams_max, default.streams_max, notes),
        resets_max: positive(&resets_max, default.resets_max, notes),
        stream_window_bytes: window(&stream_window, default.stream_window_bytes, notes),
        connection_window_bytes: window(&connection_window, default.connection_window_bytes, notes),
        ping_interval: time(&section.field("pingIntervalMs"), default.ping_interval, notes),
        ping_timeout: time(&section.field("pingTimeoutMs"), default.ping_timeout, notes),
    };
    section.close(notes);
    limits
}

fn time(field: &Field<'_>, default: Duration, notes: &mut Notes) -> Duration {
    positive_time(field, default, notes).unwrap_or(default)
}

fn positive(field: &Field<'_>, default: u32, notes: &mut Notes) -> u32 {
    let fix = format!("Set {} to a positive integer, e.g. {default}.", field.key);
    let number = field.whole_u32(1, "must be a positive integer", fix, notes);
    number.unwrap_or(default)
}

fn window(field: &Field<'_>, default: u32, notes: &mut Notes) -> u32 {
    let (min, max) = WINDOW_BYTES;
    let fix = format!("Set {} to {min} or more, e.g. {default}.", field.key);
    let problem = format!("must be an integer of at least {min}");
    let bytes = field.whole(min, max, &problem, fix, notes).unwrap_or(default.into());
    u32::try_from(bytes).expect("`whole` refuses larger ones")
}
