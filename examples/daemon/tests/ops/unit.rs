//! `rollcore unit`: files that their service managers accept.

use std::process::Command;

use crate::support::{Place, ROLLCORE};
use serde_json::json;

fn shop(place: &Place, application: &str, stop: &serde_json::Value) {
    let config = json!({
        "application": application,
        "proxy": { "port": 0, "drainTimeoutMs": 20_000 },
        "processes": [
            { "id": "web", "policy": "proxied", "port": 0, "command": "serve" },
            { "id": "worker", "command": "work", "gracefulStopMs": stop },
        ],
    });
    place.write("rollcore.json", &config.to_string());
}

fn printed(place: &Place, words: &[&str]) -> String {
    let ran = place.run(words);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}");
    ran.stdout
}

/// Asks systemd, if it is here, what it thinks of a unit.
fn verify(text: &str) {
    verify_all(&[("shop.service", text)]);
}

fn verify_all(units: &[(&str, &str)]) {
    let place = Place::new();
    let files: Vec<_> = units.iter().map(|(name, text)| place.write(name, text)).collect();
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let about: Vec<_> = said.lines().filter(|line| line.contains("shop.")).collect();
            assert!(output.status.success() && about.is_empty(), "{said}\n{units:?}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn systemd_accepts_the_unit() {
    let place = Place::new();
    shop(&place, "shop", &json!(60_000));
    let text = printed(&place, &["unit", "systemd"]);
    let config = place.path("rollcore.json");
    let program = std::fs::canonicalize(ROLLCORE).expect("it is there");
    let start = format!("ExecStart=\"{}\" daemon --config \"{}\"", program.display(), config.display());
    assert!(text.lines().any(|line| line == start), "{start} is not in\n{text}");
    // 20 s for the drain, 60 s and 5 s for the worker, 5 s for the last answers, and 15 s more.
    assert!(text.contains("\nTimeoutStopSec=105s\n"), "{text}");
    assert!(text.contains("\nKillMode=mixed\n") && !text.contains("\nUser="), "{text}");
    verify(&text);

    shop(&place, "100% \"shop\"", &json!("indefinite"));
    let text = printed(&place, &["unit", "systemd", "--user", "root"]);
    assert!(text.contains("\nTimeoutStopSec=infinity\n") && text.contains("\nUser=root\n"), "{text}");
    verify(&text);
}

#[test]
fn a_path_with_anything_in_it_is_accepted() {
    let place = Place::new();
    let directory = place.path("a b % $HOME \\ \"c\"");
    std::fs::create_dir(&directory).expect("there is none yet");
    shop(&place, "shop", &json!(0));
    let config = directory.join("rollcore.json");
    std::fs::copy(place.path("rollcore.json"), &config).expect("it can be copied");
    let config = config.to_str().expect("text");
    verify(&printed(&place, &["unit", "systemd", "-c", config]));
    let job = job(&printed(&place, &["unit", "launchd", "-c", config]));
    assert_eq!(job["ProgramArguments"].as_array().expect("a list")[3].as_string(), Some(config));
}

fn job(text: &str) -> plist::Dictionary {
    let job = plist::Value::from_reader_xml(text.as_bytes()).expect("it is a property list");
    job.into_dictionary().expect("a job is a dictionary")
}

#[test]
fn the_property_list_of_launchd_is_one() {
    let place = Place::new();
    shop(&place, "a & b", &json!(60_000));
    let text = printed(&place, &["unit", "launchd", "--user", "shop", "--log-path", "/var/log/<shop>.log"]);
    let job = job(&text);
    assert_eq!(job["Label"].as_string(), Some("rollcore.a---b"));
    assert_eq!(job["ExitTimeOut"].as_unsigned_integer(), Some(105));
    assert_eq!(job["ThrottleInterval"].as_unsigned_integer(), Some(10));
    assert_eq!(job["RunAtLoad"].as_boolean(), Some(true));
    let keep = job["KeepAlive"].as_dictionary().expect("a dictionary");
    assert_eq!(keep["SuccessfulExit"].as_boolean(), Some(false));
    assert_eq!(job["StandardOutPath"].as_string(), Some("/var/log/<shop>.log"));
    assert_eq!(job["UserName"].as_string(), Some("shop"));
    assert_eq!(
        job["WorkingDirectory"].as_string(),
        place.path("").to_str().map(|it| it.trim_end_matches('/'))
    );
}

/// Python's reader is stricter than ours.
#[test]
fn another_reader_agrees() {
    let place = Place::new();
    shop(&place, "shop", &json!("indefinite"));
    let file = place.write("shop.plist", &printed(&place, &["unit", "launchd"]));
    let script = "import plistlib,sys; print(plistlib.load(open(sys.argv[1],'rb'))['ExitTimeOut'])";
    if let Ok(output) = Command::new("python3").arg("-c").arg(script).arg(&file).output() {
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "0\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// systemd wants to know the service of a socket, too.
#[test]
fn systemd_accepts_the_socket() {
    let place = Place::new();
    shop(&place, "shop", &json!(0));
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("it is JSON");
    assert!(place.failure(&["unit", "launchd", "--socket"]).contains("--socket is for systemd"));
    for (host, port, line) in [("127.0.0.1", 8182, "127.0.0.1:8182"), ("::1", 80, "[::1]:80")] {
        config["proxy"] = json!({ "host": host, "port": port });
        place.write("rollcore.json", &config.to_string());
        let text = printed(&place, &["unit", "systemd", "--socket"]);
        assert!(text.contains(&format!("\nListenStream={line}\n")), "{text}");
        verify_all(&[("shop.socket", &text), ("shop.service", &printed(&place, &["unit", "systemd"]))]);
    }
    config["proxy"] = json!({ "port": 0 });
    place.write("rollcore.json", &config.to_string());
    assert!(place.failure(&["unit", "systemd", "--socket"]).contains("proxy.port is 0"));
}

#[test]
fn another_manager_is_refused() {
    let place = Place::new();
    assert!(place.failure(&["unit"]).starts_with("error: missing required argument 'manager'\n"));
    assert!(place.failure(&["unit", "upstart"]).contains("upstart"));
}
