//! What a state file says of a daemon that is gone (compat C-207). Pure: text in, a value out; whatever is oddly shaped
//! means nothing.

use serde_json::{Map, Value};

use crate::id::{Pid, ReleaseId, Revision};
use crate::supervisor::Host;

/// How many earlier daemons are remembered by their marks; the oldest are forgotten.
pub(super) const EARLIER_HOSTS_MAX: usize = 16;

/// What was written down, as far as it makes sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Leftover {
    /// Who wrote it; `None`: not one of us.
    pub(in crate::engine) host: Option<Host>,
    /// Marks of daemons before that one, whose processes may still be there.
    pub(in crate::engine) earlier: Vec<String>,
    /// The processes that ran.
    pub(in crate::engine) entries: Vec<Entry>,
    /// The release that was active, or was to be again.
    pub(in crate::engine) wanted: Option<Wanted>,
}

/// A process that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Entry {
    pub(in crate::engine) id: String,
    pub(in crate::engine) pid: Pid,
    /// Clock ticks after boot.
    pub(in crate::engine) start_time: Option<u64>,
    /// Whether whoever wrote it knew that it is his.
    pub(in crate::engine) is_proven: bool,
    /// Where it belongs, if that is known.
    pub(in crate::engine) release: Option<String>,
}

/// A release that was active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Wanted {
    pub(in crate::engine) release: ReleaseId,
    pub(in crate::engine) path: String,
    pub(in crate::engine) revision: Option<Revision>,
}

impl Leftover {
    /// Of the text of a state file.
    pub(in crate::engine) fn parse(text: &[u8]) -> Self {
        match serde_json::from_slice(text) {
            Ok(Value::Object(root)) => Self::of(&root),
            _ => Self::default(),
        }
    }

    fn of(root: &Map<String, Value>) -> Self {
        let mut entries: Vec<Entry> = objects(root, "orphans").filter_map(orphan).collect();
        for release in objects(root, "releases").chain(objects(root, "starting")) {
            let id = text(release, "releaseId");
            entries.extend(objects(release, "processes").filter_map(|process| entry(process, id.clone())));
        }
        for key in ["services", "singletons", "displaced"] {
            let processes = objects(root, key).filter_map(|single| single.get("process")?.as_object());
            entries.extend(processes.filter_map(|process| entry(process, None)));
        }
        let earlier = root.get("earlierDaemons").and_then(Value::as_array).into_iter().flatten();
        Self {
            host: root.get("daemon").and_then(Value::as_object).and_then(host),
            earlier: earlier.filter_map(Value::as_str).map(str::to_owned).take(EARLIER_HOSTS_MAX).collect(),
            entries,
            wanted: active(root).or_else(|| wanted(root.get("restore")?.as_object()?)),
        }
    }
}

fn objects<'a>(of: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn text(of: &Map<String, Value>, key: &str) -> Option<String> {
    of.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn host(daemon: &Map<String, Value>) -> Option<Host> {
    let number = |key: &str| daemon.get(key).and_then(Value::as_u64);
    Some(Host {
        boot: text(daemon, "bootId")?,
        pid: u32::try_from(number("pid")?).ok()?,
        start_time: number("startTime")?,
    })
}

fn orphan(orphan: &Map<String, Value>) -> Option<Entry> {
    entry(orphan, text(orphan, "releaseId"))
}

/// An entry without a name is one all the same: its pid is what counts.
fn entry(process: &Map<String, Value>, release: Option<String>) -> Option<Entry> {
    let pid = u32::try_from(process.get("pid")?.as_u64()?).ok().and_then(Pid::new)?;
    Some(Entry {
        id: text(process, "id").unwrap_or_else(|| "unknown".to_owned()),
        pid,
        start_time: process.get("startTime").and_then(Value::as_u64),
        is_proven: process.get("verified").and_then(Value::as_bool) != Some(false),
        release,
    })
}

fn active(root: &Map<String, Value>) -> Option<Wanted> {
    let id = root.get("activeReleaseId")?.as_str()?;
    let is_it = |release: &&Map<String, Value>| release.get("releaseId").and_then(Value::as_str) == Some(id);
    let of_it: Vec<_> = objects(root, "releases").filter(is_it).collect();
    // Two generations may have the same id; the one that is active stands for it.
    let is_active =
        |release: &&&Map<String, Value>| release.get("state").and_then(Value::as_str) == Some("active");
    let release = of_it.iter().find(is_active).or(of_it.first())?;
    wanted(release)
}

fn wanted(release: &Map<String, Value>) -> Option<Wanted> {
    Some(Wanted {
        release: ReleaseId::new(text(release, "releaseId")?).ok()?,
        path: text(release, "releasePath").filter(|path| !path.is_empty())?,
        revision: text(release, "revision").and_then(|revision| Revision::new(revision).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(value: &Value) -> Leftover {
        Leftover::parse(value.to_string().as_bytes())
    }

    /// C-207: the order, and where the release is known.
    #[test]
    fn every_process_that_ran_is_found() {
        let leftover = parsed(&json!({
            "activeReleaseId": "v1",
            "orphans": [{ "id": "old", "pid": 10, "releaseId": "v0" }, { "id": "older", "pid": 11, "releaseId": null }],
            "releases": [{ "releaseId": "v1", "releasePath": "/v1", "revision": "abc", "state": "active",
                "processes": [{ "id": "worker#0", "pid": 12, "startTime": 99 }, { "id": "down" }] }],
            "starting": [{ "releaseId": "v2", "releasePath": "/v2", "processes": [{ "id": "web", "pid": 13 }] }],
            "services": [{ "id": "beacon", "process": { "id": "beacon", "pid": 14 } }],
            "singletons": [{ "id": "cron", "process": { "id": "cron", "pid": 15 } }],
            "displaced": [{ "id": "cron", "process": { "id": "cron", "pid": 16 } }],
        }));
        let found: Vec<_> = leftover
            .entries
            .iter()
            .map(|entry| (entry.id.as_str(), entry.pid.get(), entry.release.as_deref(), entry.start_time))
            .collect();
        assert_eq!(
            found,
            [
                ("old", 10, Some("v0"), None),
                ("older", 11, None, None),
                ("worker#0", 12, Some("v1"), Some(99)),
                ("web", 13, Some("v2"), None),
                ("beacon", 14, None, None),
                ("cron", 15, None, None),
                ("cron", 16, None, None),
            ]
        );
        let wanted = leftover.wanted.expect("v1 was active");
        assert_eq!((wanted.release.as_str(), wanted.path.as_str()), ("v1", "/v1"));
        assert_eq!(wanted.revision.as_ref().map(Revision::as_str), Some("abc"));
    }

    /// C-207: missing, unparseable or oddly shaped means none.
    #[test]
    fn what_is_oddly_shaped_means_nothing() {
        for odd in [
            "",
            "{",
            "null",
            "[]",
            "7",
            "{}",
            "\u{feff}{}",
            r#"{"releases":7,"orphans":{},"services":[7,[]],"singletons":[{"process":7},{}]}"#,
            r#"{"orphans":[{"id":"a"},{"id":"a","pid":"7"},{"pid":0},{"pid":-1},{"pid":4294967296},{"pid":2147483648},{"pid":1.5}]}"#,
            r#"{"releases":[{"processes":{"pid":7}},{"processes":[[{"pid":7}]]}]}"#,
            r#"{"activeReleaseId":"v1","releases":[{"releaseId":"v2","releasePath":"/v2"}]}"#,
            r#"{"activeReleaseId":"v1","releases":[{"releaseId":"v1"}]}"#,
            r#"{"activeReleaseId":"../v1","releases":[{"releaseId":"../v1","releasePath":"/v1"}]}"#,
            r#"{"activeReleaseId":7,"daemon":{"pid":7},"restore":{"releaseId":"v1"},"earlierDaemons":[7]}"#,
        ] {
            assert_eq!(Leftover::parse(odd.as_bytes()), Leftover::default(), "{odd}");
        }
        assert_eq!(Leftover::parse(b"\xff\xfe"), Leftover::default());
        let deep = "[".repeat(100_000);
        assert_eq!(Leftover::parse(deep.as_bytes()), Leftover::default());
    }

    #[test]
    fn a_process_without_a_name_still_counts() {
        let leftover = parsed(&json!({ "orphans": [{ "pid": 7 }] }));
        assert_eq!(leftover.entries[0].id, "unknown");
    }

    #[test]
    fn the_generation_that_is_active_is_wanted_again() {
        let release =
            |path: &str, state: &str| json!({ "releaseId": "v1", "releasePath": path, "state": state });
        let leftover = parsed(&json!({
            "activeReleaseId": "v1",
            "releases": [release("/old", "draining"), release("/new", "active")],
        }));
        assert_eq!(leftover.wanted.expect("it was active").path, "/new");
    }

    /// A daemon that was killed while it restored has nothing active; the next one goes on where it was.
    #[test]
    fn a_release_that_was_being_restored_is_still_wanted() {
        let restore = json!({ "releaseId": "v1", "releasePath": "/v1" });
        let leftover = parsed(&json!({ "activeReleaseId": null, "restore": restore }));
        assert_eq!(leftover.wanted.expect("it was wanted").release.as_str(), "v1");
    }
}
