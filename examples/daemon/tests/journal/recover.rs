//! `recover`, and what a daemon without `restoreOnStart` tells of the one before.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::stage::{
    CleanUp, Stranger, events, kill, left_in, shop, shop_without_restore, start_time, state, until_state,
};
use crate::support::{Daemon, Place, get, is_alive, until};

fn deploy(place: &Place, id: &str) -> String {
    let release = place.release(id, "ok");
    place.json(&["deploy", "--release-path", &release, "--release-id", id]);
    release
}

/// As C-211 has it, without the frame.
fn line(id: &str, process: &Value, release: Option<&str>) -> String {
    let release = release.map_or_else(String::new, |release| format!(", release {release}"));
    format!("  {id} (pid {}{release})\n", process["pid"])
}

/// C-207, C-211, C-212: every process is listed, and none is left.
#[test]
fn what_a_killed_daemon_leaves_is_listed_and_stopped() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let daemon = place.daemon();
    deploy(&place, "v1");
    let status = place.json(&["status"]);
    until_state(&place, |state| state["activeReleaseId"] == "v1");
    kill(daemon);

    let [broker, cron] = ["services", "singletons"].map(|list| &status[list][0]["process"]);
    let of_release = status["releases"][0]["processes"].as_array().expect("a list").iter();
    let mut lines: String = of_release
        .map(|process| line(process["id"].as_str().expect("a text"), process, Some("v1")))
        .collect();
    lines += &(line("broker", broker, None) + &line("cron", cron, None));
    let listed = place.run(&["recover"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        listed.stdout,
        format!(
            "Found 5 orphaned processes (run with --force to stop):\n{lines}Review the list first — a recycled pid could \
             be an unrelated process.\n"
        )
    );
    assert_eq!(left_in(&place).len(), 5, "nothing was touched");

    let stopped = place.run(&["recover", "--force"]);
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), ""));
    assert_eq!(stopped.stdout, format!("Stopped 5 orphaned processes:\n{lines}"));
    assert_eq!(left_in(&place), [0; 0]);
    assert!(!place.path("state.json").exists());
    assert_eq!(place.run(&["recover"]).stdout, "No orphaned processes found.\n");
    let again = place.run(&["recover", "--force"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), "No orphaned processes found; cleared the state file.\n")
    );
}

/// The sockets of its processes go with them, and no earlier.
#[test]
fn what_a_killed_daemon_leaves_includes_its_sockets() {
    let place = shop(|config| {
        config["restoreOnStart"] = json!(false);
        let bind = "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind(os.environ['ROLLCORE_SOCKET'])";
        let command = json!(["python3", "-c", format!("{bind}; time.sleep(600)")]);
        config["processes"][1] = json!({ "id": "worker", "command": command, "socket": true });
    });
    let _clean = CleanUp(&place);
    let daemon = place.daemon();
    deploy(&place, "v1");
    let status = place.json(&["status"]);
    let socket =
        std::path::Path::new(status["releases"][0]["sockets"]["worker"].as_str().expect("a path")).to_owned();
    until(|| socket.exists());
    until_state(&place, |state| {
        state["releases"][0]["sockets"]["worker"] == status["releases"][0]["sockets"]["worker"]
    });
    kill(daemon);
    assert_eq!(place.run(&["recover"]).code, Some(0));
    assert!(socket.exists(), "nothing was touched");
    assert_eq!(place.run(&["recover", "--force"]).code, Some(0));
    assert!(!socket.parent().expect("it is in a directory").exists());
}

/// Rollbridge forgets the processes of a deploy under way; here they are in the status, the state file and `recover`.
#[test]
fn a_deploy_under_way_is_known_from_the_first_process_on() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let daemon = place.daemon();
    deploy(&place, "v1");
    let two = place.release("two", "never-healthy");
    let mut deploying = place
        .command(&["deploy", "--release-path", &two, "--release-id", "v2"])
        .spawn()
        .expect("it can be run");
    until(|| left_in(&place).len() == 8);
    until_state(&place, |state| {
        state["starting"][0]["processes"].as_array().is_some_and(|all| all.len() == 3)
    });
    let status = place.json(&["status"]);
    assert_eq!(status["busy"], "deploy v2");
    assert_eq!(status["starting"][0]["releaseId"], "v2");
    assert_eq!(status["starting"][0]["state"], "starting");
    assert_eq!(status["releases"].as_array().map(Vec::len), Some(1), "C-112");
    kill(daemon);
    let _refused = deploying.wait().expect("it ends with the daemon");

    let listed = place.run(&["recover"]).stdout;
    assert!(listed.starts_with("Found 8 orphaned processes"), "{listed}");
    assert!(listed.contains(", release v2)"), "{listed}");
    assert_eq!(place.run(&["recover", "--force"]).code, Some(0));
    assert_eq!(left_in(&place), [0; 0]);
}

/// A group that has lost its leader is still there; so is whoever left its session, and whoever ignores SIGTERM.
#[test]
fn nobody_hides_from_recover() {
    let place = shop(|config| {
        config["restoreOnStart"] = json!(false);
        config["proxy"]["forceStopTimeoutMs"] = json!(300);
        config["processes"][1] = json!({ "id": "worker", "command":
            "sleep 600 & setsid sleep 601 & setsid sh -c 'sleep 602 & exit' & trap '' TERM; sleep 603" });
    });
    let _clean = CleanUp(&place);
    let daemon = place.daemon();
    deploy(&place, "v1");
    let status = place.json(&["status"]);
    let leader = status["releases"][0]["processes"][0]["pid"].as_u64().expect("the worker runs");
    until(|| left_in(&place).len() == 3 + 5);
    until_state(&place, |state| state["releases"][0]["processes"][0]["pid"] == leader);
    kill(daemon);
    send(Pid::from_raw(i32::try_from(leader).expect("a pid fits")), Signal::SIGKILL).expect("it is there");
    until(|| !is_alive(leader));

    let listed = place.run(&["recover"]).stdout;
    assert!(listed.matches("  worker (pid ").count() >= 2, "{listed}");
    assert!(!listed.contains(&format!("pid {leader},")), "{listed}");
    let stopped = place.run(&["recover", "--force"]);
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert_eq!(left_in(&place), [0; 0]);
}

/// C-208: reported, never touched, dropped when they are gone. C-206: what is left outlives an orderly end.
#[test]
fn without_restore_orphans_are_only_reported() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let first = place.daemon();
    deploy(&place, "v1");
    until_state(&place, |state| state["activeReleaseId"] == "v1");
    kill(first);
    let before = left_in(&place);

    let mut daemon = place.daemon();
    let told = events(&place);
    let detected: Vec<_> =
        told.iter().filter(|(message, _)| message == "orphaned managed process detected").collect();
    assert_eq!(detected.len(), 5);
    let hint = "a previous daemon did not shut down cleanly; verify these pids and stop any leftovers";
    let summary =
        ("orphaned processes from a previous daemon".to_owned(), json!({ "count": 5, "hint": hint }));
    assert!(told.contains(&summary), "{told:?}");
    let status = place.json(&["status"]);
    let orphans = status["orphans"].as_array().expect("a list");
    assert_eq!((orphans.len(), &status["activeReleaseId"]), (5, &json!(null)));
    assert_eq!(orphans[0], json!({ "id": "worker#0", "pid": detected[0].1["pid"], "releaseId": "v1" }));
    assert_eq!(orphans[3]["releaseId"], json!(null), "a service is of no release");
    assert_eq!(get(&status), "503 No active release");
    assert_eq!(left_in(&place), before);

    let pid = orphans[0]["pid"].as_u64().expect("a pid");
    send(Pid::from_raw(i32::try_from(pid).expect("it fits")), Signal::SIGKILL).expect("it is there");
    until(|| !is_alive(pid));
    assert_eq!(place.json(&["status"])["orphans"].as_array().map(Vec::len), Some(4));

    place.json(&["shutdown"]);
    assert_eq!(daemon.code(), Some(0));
    let left = state(&place);
    assert_eq!((&left["activeReleaseId"], left["orphans"].as_array().map(Vec::len)), (&json!(null), Some(4)));
    for list in ["releases", "services", "singletons"] {
        assert_eq!(left[list], json!([]));
    }
    let stopped = place.run(&["recover", "--force"]).stdout;
    assert!(stopped.starts_with("Stopped 4 orphaned processes:"), "{stopped}");
    assert_eq!(left_in(&place), [0; 0]);
}

/// A pid alone says nothing: its process may have started later, before the machine was booted, or be a zombie.
#[test]
fn a_pid_that_was_given_again_is_somebody_else() {
    let place = shop_without_restore();
    let (stranger, mut dead) = (Stranger::new(), Stranger::new());
    dead.becomes_a_zombie();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux has one");
    let written = |boot: &str, stranger_start: u64| {
        let processes = json!([
            { "id": "worker#0", "pid": stranger.pid(), "startTime": stranger_start },
            { "id": "worker#1", "pid": dead.pid(), "startTime": start_time(dead.pid()) },
            { "id": "web", "pid": dead.pid() },
        ]);
        let release = json!({ "releaseId": "v1", "releasePath": "/", "processes": processes });
        let daemon = json!({ "bootId": boot, "pid": 4_000_000, "startTime": 1 });
        place.write("state.json", &json!({ "daemon": daemon, "releases": [release] }).to_string());
        place.run(&["recover"]).stdout
    };
    let started = start_time(stranger.pid());
    let nobody = "No orphaned processes found.\n";
    assert_eq!(written(boot.trim(), started + 1), nobody);
    assert_eq!(written("another boot", started), nobody);
    let same = written(boot.trim(), started);
    assert!(same.starts_with("Found 1 orphaned process (run with --force to stop):\n  worker#0"), "{same}");
}

/// C-207, C-212: of a file that Rollbridge wrote, a pid is all there is; its group is what is stopped.
#[test]
fn a_file_of_rollbridge_counts_by_pid() {
    let place = shop_without_restore();
    let stranger = Stranger::new();
    let process = json!({ "id": "worker#0", "pid": stranger.pid(), "state": "running" });
    let release = json!({ "releaseId": "v1", "releasePath": "/", "processes": [process] });
    let file = json!({ "activeReleaseId": "v1", "releases": [release], "orphans": [{ "id": "x", "pid": 4_100_000 }] });
    place.write("state.json", &file.to_string());
    let listed = format!("  worker#0 (pid {}, release v1)\n", stranger.pid());
    let found = place.run(&["recover"]).stdout;
    assert!(
        found.contains(&format!("Found 1 orphaned process (run with --force to stop):\n{listed}")),
        "{found}"
    );
    let stopped = place.run(&["recover", "--force"]);
    assert_eq!((stopped.code, stopped.stdout), (Some(0), format!("Stopped 1 orphaned process:\n{listed}")));
    assert!(!is_alive(stranger.pid()));
    assert!(!place.path("state.json").exists());
}

/// C-213, where there is a process that nobody can end: the kernel's own.
#[test]
fn what_cannot_be_stopped_is_named_and_the_file_stays() {
    if !std::fs::read_to_string("/proc/2/stat").is_ok_and(|stat| stat.starts_with("2 (kthreadd)")) {
        return;
    }
    let place = shop(|config| config["proxy"]["forceStopTimeoutMs"] = json!(50));
    let stranger = Stranger::new();
    let file = json!({ "orphans": [{ "id": "gone", "pid": stranger.pid() }, { "id": "kernel", "pid": 2 }] });
    place.write("state.json", &file.to_string());
    let ran = place.run(&["recover", "--force"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ran.stderr,
        format!(
            "Stopped 1 orphaned process:\n  gone (pid {})\nCould not stop 1 orphaned process — still running (check \
             permissions/ownership):\n  kernel (pid 2)\nLeft the state file in place so you can investigate and re-run \
             recover.\n",
            stranger.pid()
        )
    );
    assert!(place.path("state.json").exists());
}

/// C-209, C-210.
#[test]
fn recover_needs_a_state_file_and_no_daemon() {
    let place = shop_without_restore();
    let daemon = place.daemon();
    let socket = place.path("control.sock");
    let refusal = |path: &std::path::Path| {
        format!(
            "A daemon (or another process) is using {}; stop it before recovering — recover is for cleaning up after a \
             crash.\n",
            path.display()
        )
    };
    for words in [&["recover"][..], &["recover", "--force"]] {
        assert_eq!(place.failure(words), refusal(&socket));
    }
    // Its socket is gone, as it is while it stops its processes: it still is their daemon.
    std::fs::remove_file(&socket).expect("it is there");
    assert_eq!(place.failure(&["recover", "--force"]), refusal(&place.path("state.json")));
    let _stranger = std::os::unix::net::UnixListener::bind(&socket).expect("the path is free");
    assert_eq!(place.failure(&["recover"]), refusal(&socket));
    drop(daemon);

    let without = Place::with_app();
    assert_eq!(
        without.failure(&["recover"]),
        "No statePath is configured; set statePath in the config to enable recovery.\n"
    );
}

/// A daemon that begins with a release has no control socket yet, and is as mortal as any.
#[test]
fn a_bootstrap_under_way_is_known_from_the_first_process_on() {
    let place = shop_without_restore();
    let _clean = CleanUp(&place);
    let (config, release) = (place.path("rollcore.json"), place.release("v1", "never-healthy"));
    let mut command = place.command(&["daemon", "--config", config.to_str().expect("the path is text")]);
    command.args(["--release-path", &release, "--release-id", "v1", "--revision", "r1"]);
    let daemon = Daemon::spawned(command.stdout(Stdio::piped()).spawn().expect("it can be run"));
    until(|| left_in(&place).len() == 4);
    kill(daemon);
    let stopped = place.run(&["recover", "--force"]);
    assert!(stopped.stdout.starts_with("Stopped 4 orphaned processes:\n"), "{stopped:?}");
    assert_eq!(left_in(&place), [0; 0]);
}
