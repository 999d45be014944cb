//! The applications under `examples/apps`, and a config of one's own for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// One of the applications.
#[derive(Debug)]
pub struct App {
    /// Its folder in `examples/apps`.
    folder: &'static str,
    /// Its config there.
    config: &'static str,
    /// What has to be on the PATH.
    program: &'static str,
    /// What has to be in its folder.
    needs: &'static str,
    /// Whether it talks WebSocket.
    pub websockets: bool,
}

pub const NODE: App = App {
    folder: "node",
    config: "rollcore.json",
    program: "node",
    needs: "node_modules/ws",
    websockets: true,
};

pub const PYTHON: App = App {
    folder: "python",
    config: "rollcore.toml",
    program: "python3",
    needs: "server.py",
    websockets: false,
};

pub const VELOCIOUS: App = App {
    folder: "velocious",
    config: "rollbridge.js",
    program: "node",
    needs: "node_modules/velocious",
    websockets: false,
};

/// What to deploy: an id, and a folder in the application's `releases`.
#[derive(Debug)]
pub struct Release {
    pub id: String,
    pub directory: String,
}

impl Release {
    pub fn new(id: &str, directory: &str) -> Self {
        Self { id: id.to_owned(), directory: directory.to_owned() }
    }
}

impl App {
    /// Never skips: a promise that was not looked at is not kept.
    pub fn assert_is_prepared(&self) {
        let starts = Command::new(self.program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        let is_there = starts && self.path().join(self.needs).exists();
        assert!(is_there, "{} or {} is missing: run examples/apps/prepare", self.program, self.needs);
    }

    /// Where its releases are.
    pub fn releases(&self) -> PathBuf {
        self.path().join("releases")
    }

    /// Its own config, for an application that takes what differs from the environment.
    pub fn config(&self) -> PathBuf {
        self.path().join(self.config)
    }

    /// Writes a copy of its config to `directory`: with a free port for the proxy, a control socket and ports of its
    /// own, and times that fit into a test.
    pub fn write_config(
        &self,
        directory: &Path,
        (first, last): (u16, u16),
        change: impl FnOnce(&mut Value),
    ) -> PathBuf {
        let text = fs::read_to_string(self.config()).expect("the application has a config");
        let is_toml = self.config.ends_with(".toml");
        let mut config: Value = if is_toml {
            toml::from_str(&text).expect("it is TOML")
        } else {
            serde_json::from_str(&text).expect("it is JSON")
        };
        config["proxy"]["port"] = json!(0);
        config["control"] = json!({ "path": directory.join("control.sock") });
        config["processes"][0]["port"] = json!({ "from": first, "to": last });
        // Well above what a good release needs on a busy machine.
        config["processes"][0]["health"]["timeoutMs"] = json!(4_000);
        change(&mut config);
        let text =
            if is_toml { toml::to_string(&config).expect("it is a table") } else { config.to_string() };
        let path = directory.join(self.config);
        fs::write(&path, text).expect("the config can be written");
        path
    }

    pub fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps").join(self.folder)
    }
}
