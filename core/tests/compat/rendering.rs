//! What a process is told: templates and environment, as the process itself sees them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::shop::{self, Shop};

fn add(config: &mut Value, process: Value) {
    config["processes"].as_array_mut().expect("a list").push(process);
}

/// C-35, C-36, C-40, C-44, C-45: every key, in every place that is filled in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_its_value() {
    let shop = Shop::open_with(|config| {
        config["application"] = json!("my shop");
        let line = "echo '{{application}}|{{releaseId}}|{{ releasePath }}|{{revision}}|{{processId}}|{{replicaIndex}}\
            /{{replicaCount}}|{{ports.web}}|{{ports.my-api}}|{{proxy.host}}|{{proxy.port}}|{{proxy.upstreamHost}}|\
            {{env.PATH}}|{{foo bar}}'; echo $OWN; pwd; exec sleep 1000";
        let env = json!({ "OWN": "{{processId}} of {{releaseId}}" });
        add(config, json!({ "id": "probe", "replicas": 2, "command": line, "cwd": "{{releasePath}}/..", "env": env }));
        let line = "echo '{{port}} {{ports.my-api}} {{replicaIndex}}/{{replicaCount}}'; exec sleep 1000";
        add(config, json!({ "id": "my-api", "port": 0, "command": line }));
    })
    .await;
    let path = shop.release("v1");
    shop.ask(&json!({ "command": "deploy", "releaseId": "v1", "releasePath": path })).await;
    let ports = shop.engine.status().releases[0].ports.clone();
    let port = |id: &str| ports[&rollcore::ProcessId::new(id)].to_string();
    let search = std::env::var("PATH").expect("everybody has one");
    for index in 0..2 {
        let lines = shop.lines(&format!("probe#{index}"), 3).await;
        let (web, api) = (port("web"), port("my-api"));
        let rendered = format!(
            "my shop|v1|{path}|v1|probe|{index}/2|{web}|{api}|127.0.0.1|0|127.0.0.1|{search}|{{{{foo bar}}}}"
        );
        let parent = std::path::Path::new(&path).parent().and_then(|parent| parent.to_str()).expect("text");
        assert_eq!(lines, [rendered.as_str(), "probe of v1", parent]);
    }
    let api = port("my-api");
    assert_eq!(shop.lines("my-api", 1).await, [format!("{api} {api} 0/1")]);
    shop.close().await;
}

/// C-41, C-42, C-43, C-44: the daemon's environment, then what is injected, then what the process is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_overlaid_twice() {
    let shop = Shop::open_with(|config| {
        let line = "env | grep -E '^(ROLLBRIDGE_|PATH=)'; echo end; exec sleep 1000";
        let env =
            json!({ "PATH": "/of/the/process:{{env.PATH}}", "ROLLBRIDGE_REVISION": "mine {{revision}}" });
        add(
            config,
            json!({ "id": "my--api.v2", "port": 0, "command": line, "env": env, "outputLines": 100 }),
        );
        add(config, json!({ "id": "plain", "command": line, "outputLines": 100 }));
    })
    .await;
    shop.deploy("v1", "r1").await;
    let path = shop.release("v1");
    let ports = shop.engine.status().releases[0].ports.clone();
    let port = |id: &str| ports[&rollcore::ProcessId::new(id)].to_string();
    for (id, revision, has_port) in [("my--api.v2", "mine r1", true), ("plain", "r1", false)] {
        let mut expected = BTreeMap::from(
            [
                ("APPLICATION", "shop".to_owned()),
                ("PROCESS_ID", id.to_owned()),
                ("RELEASE_ID", "v1".to_owned()),
                ("RELEASE_PATH", path.clone()),
                ("REVISION", revision.to_owned()),
                ("REPLICA_INDEX", "0".to_owned()),
                ("REPLICA_COUNT", "1".to_owned()),
                ("BROKER_PORT", port("broker")),
                ("RELAY_PORT", port("relay")),
                ("WEB_PORT", port("web")),
                ("MY_API_V2_PORT", port("my--api.v2")),
            ]
            .map(|(name, value)| (format!("ROLLBRIDGE_{name}"), value)),
        );
        if has_port {
            expected.insert("ROLLBRIDGE_PORT".to_owned(), port(id));
        }
        shop.until("it has said all", |status| {
            let mut processes = status.releases[0].processes.iter();
            let process = processes.find(|process| process.id.to_string() == id).expect("it is there");
            process.logs.last().is_some_and(|line| line.line == "end")
        })
        .await;
        let lines = shop.lines(id, 1).await;
        let seen: BTreeMap<String, String> = lines
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let injected = seen.clone().into_iter().filter(|(name, _)| name.starts_with("ROLLBRIDGE_"));
        assert_eq!(injected.collect::<BTreeMap<_, _>>(), expected, "{id}");
        let search = std::env::var("PATH").expect("everybody has one");
        let expected = if has_port { format!("/of/the/process:{search}") } else { search };
        assert_eq!(seen["PATH"], expected, "{id}");
    }
    shop.close().await;
}

/// C-35, C-69: hooks and the paths of the daemon are taken as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_and_paths_are_not_filled_in() {
    let paths = json!({
        "proxy": {}, "control": { "path": "/tmp/{{application}}.sock" }, "statePath": "/tmp/{{application}}.json",
        "processes": [{ "id": "web", "policy": "proxied", "port": 0, "command": "serve" }],
    });
    let application = shop::application(&paths);
    assert_eq!(application.control.path.to_str(), Some("/tmp/{{application}}.sock"));
    let state = application.state.expect("it is set");
    assert_eq!(state.path.to_str(), Some("/tmp/{{application}}.json"));

    let shop = Shop::open_with(|config| {
        let quiet = "echo \"{{releaseId}} $ROLLBRIDGE_RELEASE_ID\" > hook";
        let hooked =
            json!({ "id": "hooked", "command": "exec sleep 1000", "lifecycle": { "quietCommand": quiet } });
        add(config, hooked);
    })
    .await;
    shop.deploy("v1", "r1").await;
    shop.ask(&json!({ "command": "stop" })).await;
    let written = std::fs::read_to_string(format!("{}/hook", shop.release("v1"))).expect("the hook ran");
    assert_eq!(written, "{{releaseId}} v1\n");
    shop.close().await;
}

/// C-38, C-58, C-75, C-119: a crash starts the same text again; a service is given the text of the newest release, and uses it
/// when it is started next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_rendered_once_and_anew_for_a_service() {
    let shop = Shop::open_with(|config| {
        for (place, id) in [(0, "broker"), (4, "cron")] {
            assert_eq!(config["processes"][place]["id"], id);
            config["processes"][place]["command"] =
                json!("echo {{releaseId}} $ROLLBRIDGE_REVISION; exec sleep 1000");
            config["processes"][place]["restartDelayMs"] = json!(10);
        }
    })
    .await;
    shop.deploy("v1", "r1").await;
    shop.deploy("v2", "r2").await;
    assert_eq!(shop.lines("broker", 1).await, ["v1 r1"], "the running service is not touched");
    assert_eq!(shop.lines("cron", 1).await, ["v2 r2"]);
    for id in ["broker", "cron"] {
        let status = shop.engine.status();
        let mut singles = status.services.iter().chain(&status.singletons);
        let pid = singles.find(|single| single.id.to_string() == id).and_then(|single| single.process.pid);
        let pid = i32::try_from(pid.expect("it runs")).expect("a pid fits");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .expect("it is there");
    }
    assert_eq!(shop.lines("broker", 2).await, ["v1 r1", "v2 r2"]);
    assert_eq!(shop.lines("cron", 2).await, ["v2 r2", "v2 r2"]);
    shop.close().await;
}
