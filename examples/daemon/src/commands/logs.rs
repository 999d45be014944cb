//! `rollcore logs`: the last lines of the processes, out of the status (compat C-185, C-251 to C-253).

use serde_json::{Map, Value, json};

use super::client::{LOOK_TIMEOUT, ask, request};
use crate::cli::LogsArgs;
use crate::output::{Outcome, print, print_line};

pub(super) fn run(args: &LogsArgs) -> Outcome {
    let status = ask(&args.config, &request("status", &[]), LOOK_TIMEOUT)?;
    let wanted = args.process.as_deref();
    let sections: Vec<Section> =
        sections(&status).into_iter().filter(|section| wanted.is_none_or(|id| section.id == id)).collect();
    if args.json {
        print_line(&sections.iter().map(Section::json).collect())
    } else {
        print(&text(&sections, wanted))
    }
}

/// The lines of one process.
struct Section {
    id: String,
    source: String,
    logs: Vec<Value>,
}

fn sections(status: &Map<String, Value>) -> Vec<Section> {
    let releases = list(status.get("releases")).flat_map(|release| {
        let source = format!("release {} ({})", word(release, "releaseId"), word(release, "state"));
        list(release.get("processes")).map(move |process| Section::of(process, source.clone()))
    });
    let of_kind = |key: &str, source: &'static str| {
        list(status.get(key)).map(move |entry| Section::of(&entry["process"], source.to_owned()))
    };
    releases.chain(of_kind("services", "service")).chain(of_kind("singletons", "singleton")).collect()
}

impl Section {
    fn of(process: &Value, source: String) -> Self {
        let id = word(process, "id").to_owned();
        Self { id, source, logs: list(process.get("logs")).cloned().collect() }
    }

    fn json(&self) -> Value {
        json!({ "id": self.id, "logs": self.logs, "source": self.source })
    }

    fn text(&self) -> String {
        let lines: String = self.logs.iter().map(line).collect();
        let lines = if lines.is_empty() { "  (no recent output)\n".to_owned() } else { lines };
        format!("== {} [{}] ==\n{lines}", self.id, self.source)
    }
}

fn text(sections: &[Section], wanted: Option<&str>) -> String {
    match (sections, wanted) {
        ([], Some(id)) => format!("No process found with id \"{id}\".\n"),
        ([], None) => "No managed processes.\n".to_owned(),
        (sections, _) => sections.iter().map(Section::text).collect::<Vec<_>>().join("\n"),
    }
}

fn line(entry: &Value) -> String {
    format!("  {} [{}] {}\n", word(entry, "at"), word(entry, "stream"), word(entry, "line"))
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Map<String, Value> {
        let line = |line: &str| json!({ "at": "2026-11-20T20:49:34.689Z", "line": line, "stream": "stdout" });
        let status = json!({
            "releases": [{ "releaseId": "v1", "state": "active", "processes": [
                { "id": "jobs#0", "logs": [] },
                { "id": "web", "logs": [line("boot v1 506"), line("ready")] },
            ]}],
            "services": [{ "id": "beacon", "process": { "id": "beacon", "logs": [line("boot v1 501")] }}],
            "singletons": [{ "id": "cron", "process": { "id": "cron", "logs": [] }}],
        });
        status.as_object().expect("it is one").clone()
    }

    /// C-251.
    #[test]
    fn sections_have_their_source_and_a_blank_line_between_them() {
        let expected = "== jobs#0 [release v1 (active)] ==\n  (no recent output)\n\n\
            == web [release v1 (active)] ==\n  2026-11-20T20:49:34.689Z [stdout] boot v1 506\n  \
            2026-11-20T20:49:34.689Z [stdout] ready\n\n\
            == beacon [service] ==\n  2026-11-20T20:49:34.689Z [stdout] boot v1 501\n\n\
            == cron [singleton] ==\n  (no recent output)\n";
        assert_eq!(text(&sections(&status()), None), expected);
    }

    /// C-252.
    #[test]
    fn nothing_to_show_is_said() {
        assert_eq!(text(&[], None), "No managed processes.\n");
        assert_eq!(text(&[], Some("x")), "No process found with id \"x\".\n");
        assert!(sections(&Map::new()).is_empty());
    }
}
