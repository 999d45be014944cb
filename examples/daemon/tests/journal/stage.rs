//! A shop whose daemon is killed, and a look at what is left of it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Daemon, Place, ROLLCORE, is_alive, until};

/// The shop, with this changed in its config.
pub(crate) fn shop(change: impl Fn(&mut Value)) -> Place {
    let place = Place::new();
    let sample = |role: &str| json!([ROLLCORE, "sample-app", "--role", role]);
    let mut config = json!({
        "application": "shop",
        "control": { "path": place.path("control.sock") },
        "statePath": place.path("state.json"),
        "proxy": { "port": 0, "forceStopTimeoutMs": 5_000 },
        "processes": [
            { "id": "web", "policy": "proxied", "port": 0, "command": sample("web"),
              "health": { "timeoutMs": 15_000, "intervalMs": 20 } },
            { "id": "worker", "replicas": 2, "command": sample("worker") },
            { "id": "cron", "policy": "singleton", "command": sample("scheduler"), "minUptimeMs": 20 },
            { "id": "broker", "policy": "service", "command": sample("broker") },
        ],
    });
    change(&mut config);
    for process in config["processes"].as_array_mut().expect("a list") {
        process["env"] = json!({ "TEST_PLACE": place.path("") });
    }
    place.write("rollcore.json", &config.to_string());
    place
}

/// The shop whose daemons leave everything as they find it.
pub(crate) fn shop_without_restore() -> Place {
    shop(|config| config["restoreOnStart"] = json!(false))
}

/// Kills the daemon, and waits until it is gone.
pub(crate) fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.code(), None, "it was killed");
}

/// Everything that runs in this place, but for daemons and commands.
pub(crate) fn left_in(place: &Place) -> Vec<u64> {
    let variable = format!("TEST_PLACE={}", place.path("").display());
    let carries_it = |pid: &u64| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|text| text == variable.as_bytes())
    };
    let pids = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    pids.filter(|pid| is_alive(*pid)).filter(carries_it).collect()
}

/// Of those, the ones that are this in the sample application.
pub(crate) fn with_role(place: &Place, role: &str) -> Vec<u64> {
    let is_it = |pid: &u64| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .unwrap_or_default()
            .ends_with(format!("\0{role}\0").as_bytes())
    };
    left_in(place).into_iter().filter(is_it).collect()
}

/// Ends what is left, whatever the test has come to.
pub(crate) struct CleanUp<'a>(pub(crate) &'a Place);

impl Drop for CleanUp<'_> {
    fn drop(&mut self) {
        for pid in left_in(self.0) {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
            let _gone = nix::sys::signal::kill(pid, Signal::SIGKILL);
        }
    }
}

/// The state file, as JSON.
pub(crate) fn state(place: &Place) -> Value {
    let text = fs::read(place.path("state.json")).expect("it was written");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// Waits until the state file says so.
pub(crate) fn until_state(place: &Place, is_so: impl Fn(&Value) -> bool) {
    until(|| {
        let text = fs::read(place.path("state.json")).unwrap_or_default();
        serde_json::from_slice(&text).is_ok_and(|state| is_so(&state))
    });
}

/// The events so far: message and data.
pub(crate) fn events(place: &Place) -> Vec<(String, Value)> {
    let ran = place.run(&["events", "--json"]);
    let events: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a list");
    let message = |event: &Value| event["message"].as_str().expect("a text").to_owned();
    events.iter().map(|event| (message(event), event["data"].clone())).collect()
}

/// Waits for an event with this message, and tells its data.
pub(crate) fn until_event(place: &Place, wanted: &str) -> Value {
    let found = || events(place).into_iter().find(|(message, _)| message == wanted).map(|(_, data)| data);
    until(|| found().is_some());
    found().expect("it was there")
}

/// A process of nobody, in a session of its own, as a state file may name it by mistake.
pub(crate) struct Stranger(Child);

impl Stranger {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("600").stdin(Stdio::null()).process_group(0).spawn().expect("there is a sleep"))
    }

    pub(crate) fn pid(&self) -> u64 {
        self.0.id().into()
    }

    /// Its death, unseen by its parent.
    pub(crate) fn becomes_a_zombie(&mut self) {
        self.0.kill().expect("it is ours");
        until(|| !is_alive(self.pid()));
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The start of a process, as the system counts it.
pub(crate) fn start_time(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    fields.split_whitespace().nth(19).expect("field 22").parse().expect("a number")
}
