//! Every command and its answers, field by field.

use rollcore::Application;
use serde_json::{Value, json};

use crate::golden::Golden;
use crate::keys;
use crate::shop::{self, Shop};

/// What is asked and what is answered, in the order of a conversation.
struct Conversation {
    shop: Shop,
    golden: Golden,
    said: Vec<Value>,
}

impl Conversation {
    async fn begin() -> Self {
        let shop = Shop::open().await;
        let golden = Golden::of(shop.directory.path().to_str().expect("it is UTF-8"));
        Self { shop, golden, said: Vec::new() }
    }

    async fn ask(&mut self, request: Value) -> Value {
        let answer = self.shop.ask(&request).await;
        if answer["status"] == "error" {
            keys::assert_error(&answer);
        }
        self.said.push(json!({ ">": request, "<": answer }));
        answer
    }

    async fn end(self, name: &str) {
        self.golden.assert(name, &Value::from(self.said));
        self.shop.close().await;
    }
}

/// C-177, C-111, C-37, C-83, C-108: what a deploy is answered with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys() {
    let mut talk = Conversation::begin().await;
    let (one, two, broken) = (talk.shop.release("1"), talk.shop.release("2"), talk.shop.release("3"));
    talk.ask(json!({ "command": "deploy", "releaseId": "v1", "releasePath": one, "revision": "r1" })).await;
    talk.ask(json!({ "command": "deploy", "releaseId": "", "releasePath": two, "revision": "v2" })).await;
    talk.ask(json!({ "command": "deploy" })).await;
    talk.ask(json!({ "command": "deploy", "releasePath": "" })).await;
    talk.ask(json!({ "command": "deploy", "releasePath": two, "releaseId": 7 })).await;
    talk.ask(json!({ "command": "deploy", "releasePath": broken, "releaseId": "broken" })).await;
    talk.end("deploy").await;
}

/// C-177, C-31, C-32: a config that cannot be applied live fails the deploy, and touches nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_with_another_config() {
    let mut talk = Conversation::begin().await;
    let path = talk.shop.release("1");
    talk.ask(json!({ "command": "deploy", "releaseId": "v1", "releasePath": path })).await;
    let changed = changed(&talk.shop);
    talk.shop.engine.reload_with(move || std::future::ready(Ok(changed.clone())));
    let before = talk.shop.engine.recent_events(None).len();
    talk.ask(json!({ "command": "deploy", "releaseId": "v2", "releasePath": path })).await;
    talk.ask(json!({ "command": "rollback", "releaseId": "v1" })).await;
    let news: Vec<_> = talk.shop.engine.recent_events(None)[before..]
        .iter()
        .map(|stamped| stamped.event.message().into_owned())
        .filter(|message| !message.starts_with("process ") && !message.starts_with("restart "))
        .collect();
    assert_eq!(news, ["command failed", "command failed"], "C-31: no deploy has started");
    talk.end("deploy_changed_config").await;
}

fn changed(shop: &Shop) -> Application {
    let mut config = shop::config(&shop.directory);
    config["application"] = json!("bank");
    config["proxy"]["port"] = json!(1);
    config["processes"].as_array_mut().expect("a list").remove(0);
    shop::application(&config)
}

/// C-178, C-134, C-135, C-136, C-137.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollbacks() {
    let mut talk = Conversation::begin().await;
    let (one, two) = (talk.shop.release("1"), talk.shop.release("2"));
    talk.ask(json!({ "command": "rollback" })).await;
    talk.ask(json!({ "command": "deploy", "releaseId": "v1", "releasePath": one, "revision": "r1" })).await;
    talk.ask(json!({ "command": "rollback" })).await;
    talk.ask(json!({ "command": "deploy", "releaseId": "v2", "releasePath": two })).await;
    talk.ask(json!({ "command": "rollback" })).await;
    assert_eq!(talk.shop.engine.status().releases[0].revision.as_str(), "r1", "C-136: the retained revision");
    talk.ask(json!({ "command": "rollback" })).await;
    talk.ask(json!({ "command": "rollback", "releaseId": "v2" })).await;
    talk.ask(json!({ "command": "rollback", "releaseId": "zz" })).await;
    talk.ask(json!({ "command": "rollback", "releaseId": 1 })).await;
    talk.end("rollback").await;
}

/// C-179, C-138, C-139: the answer is the whole status after the stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops() {
    let mut talk = Conversation::begin().await;
    let one = talk.shop.release("1");
    talk.ask(json!({ "command": "stop" })).await;
    talk.ask(json!({ "command": "deploy", "releaseId": "v1", "releasePath": one })).await;
    talk.shop.until_event("restart limit reached", 1).await;
    talk.shop
        .until("all have spoken", |status| {
            let of_release = status.releases[0].processes.iter();
            let singles = status.services.iter().chain(&status.singletons).map(|single| &single.process);
            of_release.chain(singles).all(|process| !process.logs.is_empty())
        })
        .await;
    let stopped = talk.ask(json!({ "command": "stop" })).await;
    keys::assert_status(&stopped);
    talk.ask(json!({ "command": "stop" })).await;
    talk.ask(json!({ "command": "stop", "releaseId": "zz" })).await;
    talk.ask(json!({ "command": "stop", "releaseId": false })).await;
    talk.end("stop").await;
}

/// C-180, C-141, C-142, C-143; C-144 is not kept: a handoff service can be restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts() {
    let mut talk = Conversation::begin().await;
    let one = talk.shop.release("1");
    talk.ask(json!({ "command": "restart" })).await;
    talk.ask(json!({ "command": "deploy", "releaseId": "v1", "releasePath": one })).await;
    talk.shop.until_event("restart limit reached", 1).await;
    for (key, name) in [
        ("processId", "jobs"),
        ("processId", "jobs#1"),
        ("processId", "broker"),
        ("processId", "web"),
        ("processId", "zz"),
        ("processId", "jobs#7"),
        ("policy", "companion"),
        ("policy", "singleton"),
        ("policy", "proxied"),
        ("policy", "zz"),
    ] {
        let mut request = json!({ "command": "restart" });
        request[key] = json!(name);
        talk.ask(request).await;
    }
    talk.ask(json!({ "command": "restart", "processId": "jobs#0", "policy": "companion" })).await;
    talk.ask(json!({ "command": "restart", "processId": ["jobs"] })).await;
    talk.shop.ask(&json!({ "command": "stop" })).await;
    talk.ask(json!({ "command": "restart" })).await;
    talk.end("restart").await;
}

/// C-171, C-172, C-173, C-185: what is no command. The connection stays open (C-168, C-170), and every refusal is an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_command() {
    let talk = Conversation::begin().await;
    let mut wire = talk.shop.wire().await;
    let mut said = Vec::new();
    for line in
        ["", "{", "123", "null", "\"status\"", "[]", "{}", r#"{"command":"dance"}"#, r#"{"command":5}"#]
    {
        let answer = wire.ask(line).await;
        keys::assert_error(&answer);
        said.push(json!({ ">": line, "<": answer }));
    }
    let answer = wire.ask("this is not json").await;
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("JSON")), "C-171: {answer}");
    assert_eq!(wire.ask("{\"command\":\"status\",\"more\":1}\r").await["status"], "success", "C-167, C-174");
    let refused = talk.shop.engine.recent_events(None);
    let refused = refused.iter().filter(|stamped| stamped.event.message() == "command failed").count();
    assert_eq!(refused, said.len() + 1, "C-170");
    talk.golden.assert("no_command", &Value::from(said));
    talk.shop.close().await;
}

/// C-182: the answer is the last thing said, and nobody else is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown() {
    let talk = Conversation::begin().await;
    talk.shop.deploy("v1", "v1").await;
    let (mut asking, mut other) = (talk.shop.wire().await, talk.shop.wire().await);
    assert_eq!(other.ask(r#"{"command":"events","limit":1}"#).await["status"], "success");
    talk.golden.assert("shutdown", &asking.ask(r#"{"command":"shutdown"}"#).await);
    assert_eq!((asking.rest().await, other.rest().await), (String::new(), String::new()));
    talk.shop.close().await;
}

/// C-184: a connection that breaks is told, and harms nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_an_event() {
    let talk = Conversation::begin().await;
    // Whoever closes with an answer unread resets the connection.
    let wire = talk.shop.wire().await;
    wire.ask_and_break(r#"{"command":"status"}"#).await;
    talk.shop.until_event("control connection error", 1).await;
    let events = talk.shop.ask(&json!({ "command": "events" })).await;
    let event = events["events"].as_array().expect("a list").last().expect("one is there");
    keys::assert_event(event);
    assert_eq!(
        (&event["message"], &event["data"]["code"]),
        (&json!("control connection error"), &json!("ECONNRESET"))
    );
    talk.shop.close().await;
}
