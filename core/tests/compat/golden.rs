//! An answer against its golden file, field by field. What must vary is replaced by its type, once it has proved to be
//! of that type.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::{Value, json};

/// Texts of this run that stand for something.
pub(crate) struct Golden {
    replacements: Vec<(String, &'static str)>,
}

impl Golden {
    /// For a test whose files are in `directory`.
    pub(crate) fn of(directory: &str) -> Self {
        let program = env::current_exe().expect("a test knows its own path");
        let program = program.to_str().expect("it is UTF-8").to_owned();
        Self { replacements: vec![(directory.to_owned(), "<directory>"), (program, "<program>")] }
    }

    /// Compares with `core/tests/golden/compat/<name>.json`; `UPDATE=1` rewrites it.
    pub(crate) fn assert(&self, name: &str, value: &Value) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/compat");
        let place = folder.join(format!("{name}.json"));
        let found = format!("{:#}\n", self.plain("", value));
        if env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&folder).expect("it can be made");
            fs::write(&place, &found).expect("it can be written");
        }
        let expected = fs::read_to_string(&place).unwrap_or_default();
        assert_eq!(found, expected, "{} (UPDATE=1 rewrites it)", place.display());
    }

    /// `value`, which stands under `key`, without what must vary.
    pub(crate) fn plain(&self, key: &str, value: &Value) -> Value {
        match (key, value) {
            // Null where the contract says so, as in C-117.
            (_, Value::Null) => Value::Null,
            ("pid", value) => typed(key, value, is_pid(value), "<pid>"),
            ("port", value) => typed(key, value, is_port(value), "<port>"),
            ("ports", Value::Object(ports)) => ports
                .iter()
                .map(|(id, port)| (id.clone(), typed(id, port, is_port(port), "<port>")))
                .collect(),
            // As many as this process has descriptors for.
            ("connectionsMax", value) => typed(key, value, value.is_u64(), "<connections>"),
            ("uptimeMs" | "ageMs", value) => typed(key, value, value.is_u64(), "<ms>"),
            ("rssBytes" | "bytes", value) => typed(key, value, value.is_u64(), "<bytes>"),
            (
                "at" | "activatedAt" | "drainStartedAt" | "stoppedAt" | "startedAt" | "lastMemoryRestartAt",
                value,
            ) => typed(key, value, value.as_str().is_some_and(is_time), "<time>"),
            (_, Value::Object(fields)) => {
                fields.iter().map(|(key, value)| (key.clone(), self.plain(key, value))).collect()
            }
            (_, Value::Array(items)) => items.iter().map(|item| self.plain(key, item)).collect(),
            (_, Value::String(text)) => json!(self.text(text)),
            (_, value) => value.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (found, name) in &self.replacements {
            text = text.replace(found, name);
        }
        without_ports(&text)
    }
}

fn typed(key: &str, value: &Value, is_so: bool, name: &str) -> Value {
    assert!(is_so, "{key} is no {name}: {value}");
    json!(name)
}

/// A process that the system could have.
fn is_pid(value: &Value) -> bool {
    value.as_u64().is_some_and(|pid| (2..=4_194_304).contains(&pid))
}

fn is_port(value: &Value) -> bool {
    value.as_u64().is_some_and(|port| (1..=65_535).contains(&port))
}

/// C-191: `2026-11-20T20:48:56.463Z`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z" && text.parse::<jiff::Timestamp>().is_ok()
}

/// `127.0.0.1:27101` is `127.0.0.1:<port>`.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("127.0.0.1:<port>");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    plain
}

/// C-191.
#[test]
fn what_varies_is_replaced_and_nothing_else() {
    let golden = Golden::of("/tmp/x");
    let plain = golden.plain(
        "",
        &json!({
            "at": "2026-11-20T20:48:56.463Z", "pid": 77, "ports": { "web": 80 }, "restarts": 3,
            "error": "no answer on http://127.0.0.1:27101/ping from /tmp/x/one", "exitCode": null,
        }),
    );
    assert_eq!(
        plain,
        json!({
            "at": "<time>", "pid": "<pid>", "ports": { "web": "<port>" }, "restarts": 3,
            "error": "no answer on http://127.0.0.1:<port>/ping from <directory>/one", "exitCode": null,
        })
    );
    for (key, wrong) in [
        ("pid", json!("77")),
        ("pid", json!(0)),
        ("port", json!(70_000)),
        ("at", json!("2026-11-20T20:48:56Z")),
        ("at", json!("2026-13-20T20:48:56.463Z")),
        ("startedAt", json!(1_795_207_736_463_u64)),
        ("uptimeMs", json!(1.5)),
    ] {
        let caught = std::panic::catch_unwind(|| golden.plain(key, &wrong));
        assert!(caught.is_err(), "{key}: {wrong}");
    }
}
