//! What the demo deploys: release directories of the sample application, and the config around them.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Stands in the environment of every process of the demo, with the demo's directory as its value.
pub(super) const MARKER: &str = "ROLLCORE_DEMO_DIR";

/// How long old requests and tunnels may go on. Well above the life of the load's tunnels.
const DRAIN_TIMEOUT_MS: u64 = 10_000;

/// The releases, and what kind each is; see `sample::Mode`.
const RELEASES: [(&str, &str); 4] =
    [("v1", "ok"), ("v2", "ok"), ("v3", "never-healthy"), ("v4", "crash-at-boot")];

/// Writes the release directories. They go away with what is returned.
pub(super) fn prepare() -> io::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("rollcore-demo-").tempdir()?;
    for (release, mode) in RELEASES {
        let path = directory.path().join(release);
        std::fs::create_dir(&path)?;
        std::fs::write(path.join("mode"), mode)?;
    }
    Ok(directory)
}

/// The config: every process is this same binary.
pub(super) fn config(directory: &Path) -> io::Result<String> {
    let program = std::env::current_exe()?.display().to_string();
    let process = |id: &str, policy: &str| -> Value {
        json!({
            "id": id,
            "policy": policy,
            "command": [program, "sample-app", "--role", id],
            "env": { MARKER: directory.display().to_string() },
        })
    };
    let mut web = process("web", "proxied");
    web["port"] = json!(0);
    web["health"] = json!({ "path": "/ping", "timeoutMs": 2_000, "intervalMs": 50 });
    let mut worker = process("worker", "companion");
    worker["replicas"] = json!(2);
    let config = json!({
        "application": "demo",
        "control": { "path": directory.join("control.sock").display().to_string() },
        "proxy": { "host": "127.0.0.1", "port": 0, "drainTimeoutMs": DRAIN_TIMEOUT_MS, "forceStopTimeoutMs": 5_000 },
        "processes": [process("broker", "service"), process("scheduler", "singleton"), worker, web],
    });
    Ok(config.to_string())
}
