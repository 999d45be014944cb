//! What the library would log, as events of the type `log`.
//!
//! It is the default subscriber of the library's own threads only: what the host does with `tracing` on its threads is
//! none of our business.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use super::options::LogLevel;
use super::stage::Outlet;

/// How long a message or a field may be, in bytes; the rest is cut off.
const TEXT_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    static GUARD: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// From now on what this thread logs goes there.
pub(super) fn on_this_thread(log: &Dispatch) {
    let guard = tracing::dispatcher::set_default(log);
    GUARD.with(|slot| slot.replace(Some(guard)));
}

/// This thread ends.
pub(super) fn off_this_thread() {
    let guard = GUARD.try_with(RefCell::take);
    drop(guard);
}

/// `None` when nothing is told.
pub(super) fn dispatch(level: LogLevel, outlet: Outlet) -> Option<Dispatch> {
    let level = match level {
        LogLevel::Off => return None,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    Some(Dispatch::new(Log { level, outlet }))
}

struct Log {
    level: Level,
    outlet: Outlet,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What tokio, hyper and rustls say about themselves is theirs.
        *metadata.level() <= self.level && metadata.target().starts_with("rollcore")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Nothing is told of spans, so they may all be the same one.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        let entries = [
            ("level", Value::from(metadata.level().as_str().to_ascii_lowercase())),
            ("target", Value::from(metadata.target())),
            ("message", message),
            ("fields", Value::Object(fields.0)),
        ];
        let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
        self.outlet.tell("log", entries.collect());
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, cut(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, cut(format!("{value:?}")));
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
