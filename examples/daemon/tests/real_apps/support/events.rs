//! What the daemon says on its stdout, as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use super::deadline::DEADLINE;

#[derive(Clone, Default)]
pub struct Events {
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

#[derive(Default)]
struct Heard {
    events: Vec<Value>,
    ended: bool,
}

impl Events {
    /// Reads until there is nothing left to read.
    pub fn read(from: impl Read + Send + 'static) -> Self {
        let events = Self::default();
        let reader = events.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                reader.change(|heard| heard.events.push(event));
            }
            reader.change(|heard| heard.ended = true);
        });
        events
    }

    pub fn so_far(&self) -> Vec<Value> {
        self.heard().events.clone()
    }

    /// Waits until what was heard is as wanted.
    pub fn until(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let goes_on = |heard: &mut Heard| !is_so(&heard.events) && !heard.ended;
        let waited = self.heard.1.wait_timeout_while(self.heard(), DEADLINE, goes_on);
        let (heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(is_so(&heard.events), "never: {what}. {}", told(&heard.events));
        heard.events.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard());
        self.heard.1.notify_all();
    }
}

fn told(events: &[Value]) -> String {
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    format!("The daemon said:\n{}", lines.join("\n"))
}

/// How many milliseconds lie between two events.
pub fn millis_between(first: &Value, second: &Value) -> i64 {
    let at = |event: &Value| -> i64 {
        let text = event["at"].as_str().expect("an event has a time");
        text.parse::<jiff::Timestamp>().expect("it is RFC 3339").as_millisecond()
    };
    at(second) - at(first)
}
