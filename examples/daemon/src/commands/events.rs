//! `rollcore events`: what happened (compat C-254).

use serde_json::{Value, json};

use super::client::{LOOK_TIMEOUT, ask};
use crate::cli::EventsArgs;
use crate::output::{Failed, Outcome, print, print_line};

pub(super) fn run(args: &EventsArgs) -> Outcome {
    let mut request = json!({ "command": "events" });
    if let Some(limit) = &args.limit {
        request["limit"] = json!(positive(limit)?);
    }
    let mut answer = ask(&args.config, &request, LOOK_TIMEOUT)?;
    let events = answer.remove("events").unwrap_or_else(|| json!([]));
    if args.json { print_line(&events) } else { print(&text(&events)) }
}

fn positive(limit: &str) -> Result<u64, Failed> {
    let number = limit.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Failed::Plain("--limit must be a positive integer.".to_owned()))
}

fn text(events: &Value) -> String {
    match events.as_array().map(Vec::as_slice) {
        None | Some([]) => "No events recorded yet.\n".to_owned(),
        Some(events) => events.iter().map(line).collect(),
    }
}

fn line(event: &Value) -> String {
    let word = |key: &str| event[key].as_str().unwrap_or_default();
    let data = match &event["data"] {
        Value::Object(data) if data.is_empty() => String::new(),
        Value::Null => String::new(),
        data => format!(" {data}"),
    };
    format!("{}  {}{data}\n", word("at"), word("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-254.
    #[test]
    fn an_event_is_a_line() {
        let events = json!([
            { "at": "2026-11-20T20:49:34.742Z", "data": { "previousReleaseId": null, "releaseId": "v1" },
              "message": "traffic switched" },
            { "at": "2026-11-20T20:49:35.000Z", "data": {}, "message": "nothing to add" },
        ]);
        assert_eq!(
            text(&events),
            "2026-11-20T20:49:34.742Z  traffic switched {\"previousReleaseId\":null,\"releaseId\":\"v1\"}\n\
             2026-11-20T20:49:35.000Z  nothing to add\n"
        );
        assert_eq!(text(&json!([])), "No events recorded yet.\n");
    }
}
