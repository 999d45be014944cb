//! What is written down (compat C-202 to C-204). Pure: a status in, text out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::supervisor::Host;
use crate::time::WallTime;

use super::leftover::Wanted;

/// Keys that are removed at every depth (C-203): what they hold may be secret, or is of no use later.
const REMOVED: [&str; 7] = ["children", "command", "cwd", "env", "environment", "logs", "output"];

/// The largest state file, in bytes. When what is to be written is larger, the oldest events are left out; a larger file
/// is not read, and counts as none.
pub(in crate::engine) const STATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Everything that goes into a state file.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Snapshot {
    /// As `status` answers it.
    pub(in crate::engine) status: Value,
    /// All that are held, the oldest first.
    pub(in crate::engine) events: Vec<Value>,
    /// When.
    pub(in crate::engine) at: WallTime,
    /// Who writes.
    pub(in crate::engine) host: Option<Host>,
    /// Marks of daemons before, whose processes are still there.
    pub(in crate::engine) earlier: Vec<String>,
    /// A release that was active and is to be so again.
    pub(in crate::engine) wanted: Option<Wanted>,
    /// When each process started, by pid: what tells it from another one that gets its pid later.
    pub(in crate::engine) start_times: BTreeMap<u64, u64>,
    /// The processes of earlier daemons, with what it takes to know them again.
    pub(in crate::engine) orphans: Vec<Value>,
}

impl Snapshot {
    /// The file: JSON, two spaces deep, with a newline at its end (C-201).
    ///
    /// # Errors
    /// How large it is, when that is more than [`STATE_BYTES_MAX`] even without events.
    pub(in crate::engine) fn text(mut self) -> Result<String, usize> {
        let mut events = std::mem::take(&mut self.events);
        let mut root = self.into_value();
        loop {
            root.insert("events".to_owned(), events.iter().map(without_removed).collect());
            let text = pretty(&root);
            match (text.len() <= STATE_BYTES_MAX, events.len()) {
                (true, _) => return Ok(text),
                (false, 0) => return Err(text.len()),
                (false, count) => drop(events.drain(..count.div_ceil(2))),
            }
        }
    }

    fn into_value(self) -> Map<String, Value> {
        let mut root = match without_removed(&self.status) {
            Value::Object(root) => root,
            _ => Map::new(),
        };
        for list in ["releases", "starting", "services", "singletons", "displaced"] {
            root.get_mut(list).into_iter().for_each(|list| add_start_times(list, &self.start_times));
        }
        root.insert("orphans".to_owned(), self.orphans.into());
        root.insert("persistedAt".to_owned(), json!(self.at));
        if let Some(host) = &self.host {
            let daemon = json!({ "bootId": host.boot, "pid": host.pid, "startTime": host.start_time });
            root.insert("daemon".to_owned(), daemon);
        }
        if !self.earlier.is_empty() {
            root.insert("earlierDaemons".to_owned(), json!(self.earlier));
        }
        if let Some(wanted) = &self.wanted {
            root.insert("restore".to_owned(), restore(wanted));
        }
        root
    }
}

/// What is left when everything else was stopped in order (C-206). It says who writes as the other form does, so that
/// processes that are known by their marks only are found again.
pub(in crate::engine) fn orphans_only(orphans: &[Value], host: Option<&Host>, earlier: &[String]) -> String {
    let mut root = json!({
        "activeReleaseId": null, "orphans": orphans, "releases": [], "services": [], "singletons": [],
    });
    if let Some(host) = host {
        root["daemon"] = json!({ "bootId": host.boot, "pid": host.pid, "startTime": host.start_time });
        root["earlierDaemons"] = json!(earlier);
    }
    pretty(root.as_object().expect("it was written as an object"))
}

fn restore(wanted: &Wanted) -> Value {
    json!({ "releaseId": wanted.release, "releasePath": wanted.path, "revision": wanted.revision })
}

fn pretty(root: &Map<String, Value>) -> String {
    let mut text = serde_json::to_string_pretty(root).expect("JSON values can be written");
    text.push('\n');
    text
}

fn without_removed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !REMOVED.contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), field(key, value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(without_removed).collect(),
        other => other.clone(),
    }
}

/// The error of a process that ended too early goes on with the lines that it printed.
fn field(key: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(error) if key == "error" => error.lines().next().unwrap_or_default().into(),
        _ => without_removed(value),
    }
}

fn add_start_times(value: &mut Value, start_times: &BTreeMap<u64, u64>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add_start_times(item, start_times)),
        Value::Object(fields) => {
            let pid = fields.get("pid").and_then(Value::as_u64);
            if let Some(start_time) = pid.and_then(|pid| start_times.get(&pid)) {
                fields.insert("startTime".to_owned(), (*start_time).into());
            }
            fields.values_mut().for_each(|value| add_start_times(value, start_times));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ReleaseId;

    fn snapshot() -> Snapshot {
        let process = json!({
            "children": [], "command": "exec worker --password x", "cwd": "/srv/v1", "id": "worker#0",
            "lastStartReason": "deploy", "logs": [{ "line": "a secret" }], "memoryRestarts": 0, "pid": 2320,
            "restarts": 0, "startedAt": "2026-11-20T20:50:09.405Z", "state": "running", "uptimeMs": 27118,
        });
        Snapshot {
            status: json!({
                "activeReleaseId": "v1", "application": "shop", "orphans": [{ "id": "x", "pid": 7, "releaseId": null }],
                "releases": [{ "processes": [process], "releaseId": "v1" }], "services": [], "singletons": [],
            }),
            events: vec![json!({
                "at": "t", "data": { "command": "secret", "pid": 2320, "error": "it ended; last:\n a secret",
                    "logs": [1], "deep": { "env": { "A": "secret" }, "kept": 1 } }, "message": "process started",
            })],
            at: WallTime::from_unix_ms(0),
            host: Some(Host { boot: "b".to_owned(), pid: 5, start_time: 6 }),
            earlier: Vec::new(),
            wanted: None,
            start_times: BTreeMap::from([(2320, 99)]),
            orphans: vec![json!({ "id": "x", "pid": 7, "releaseId": null, "startTime": 8 })],
        }
    }

    const GOLDEN: &str = r#"{
  "activeReleaseId": "v1",
  "application": "shop",
  "daemon": {
    "bootId": "b",
    "pid": 5,
    "startTime": 6
  },
  "events": [
    {
      "at": "t",
      "data": {
        "deep": {
          "kept": 1
        },
        "error": "it ended; last:",
        "pid": 2320
      },
      "message": "process started"
    }
  ],
  "orphans": [
    {
      "id": "x",
      "pid": 7,
      "releaseId": null,
      "startTime": 8
    }
  ],
  "persistedAt": "1970-01-01T00:00:00.000Z",
  "releases": [
    {
      "processes": [
        {
          "id": "worker#0",
          "lastStartReason": "deploy",
          "memoryRestarts": 0,
          "pid": 2320,
          "restarts": 0,
          "startTime": 99,
          "startedAt": "2026-11-20T20:50:09.405Z",
          "state": "running",
          "uptimeMs": 27118
        }
      ],
      "releaseId": "v1"
    }
  ],
  "services": [],
  "singletons": []
}
"#;

    /// C-201 to C-204.
    #[test]
    fn a_snapshot_reads_as_in_the_contract_and_holds_no_secret() {
        let text = snapshot().text().expect("it is small");
        let sorted: Value = serde_json::from_str(&text).expect("it is JSON");
        let golden: Value = serde_json::from_str(GOLDEN).expect("it is JSON");
        assert_eq!(sorted, golden);
        assert!(text.ends_with("\n}\n") || text.ends_with("}\n"));
        assert!(text.starts_with("{\n  \""), "two spaces deep");
        assert!(!text.contains("secret") && !text.contains("password"));
    }

    /// C-206.
    #[test]
    fn after_an_orderly_end_only_orphans_are_left() {
        let orphans = [json!({ "id": "x", "pid": 7, "releaseId": null })];
        let value: Value = serde_json::from_str(&orphans_only(&orphans, None, &[])).expect("it is JSON");
        let expected = json!({
            "activeReleaseId": null, "orphans": orphans, "releases": [], "services": [], "singletons": [],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_to_be_restored_is_not_forgotten() {
        let release = ReleaseId::new("v1").expect("it is safe");
        let wanted = Wanted { release, path: "/v1".to_owned(), revision: None };
        let text = Snapshot { wanted: Some(wanted), ..snapshot() }.text().expect("it is small");
        let value: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["restore"], json!({ "releaseId": "v1", "releasePath": "/v1", "revision": null }));
    }

    #[test]
    fn the_oldest_events_make_room() {
        let large = |number: usize| json!({ "message": "x".repeat(STATE_BYTES_MAX / 3), "number": number });
        let text =
            Snapshot { events: (0..8).map(large).collect(), ..snapshot() }.text().expect("it fits then");
        let value: Value = serde_json::from_str(&text).expect("it is JSON");
        let events = value["events"].as_array().expect("a list");
        assert_eq!(events.last().expect("the newest is kept")["number"], 7);
        assert!(text.len() <= STATE_BYTES_MAX);
        let status = json!({ "application": "x".repeat(STATE_BYTES_MAX) });
        assert!(Snapshot { status, ..snapshot() }.text().is_err());
    }
}
