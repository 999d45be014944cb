//! What a deploy is doing, on a terminal: a spinner for what is under way, a line for what is done.
//!
//! Reads the daemon's events on a connection of its own. Whatever goes wrong here is not worth a failed deploy: the
//! spinner goes on without news.

use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rollcore::{ControlClient, ControlError};
use serde_json::{Value, json};

use super::client::{Answer, LOOK_TIMEOUT};

/// How long one question for news waits; the answer to the deploy interrupts it.
const NEWS_WAIT_MS: u64 = 10_000;

/// How fast the spinner turns.
const TICK: Duration = Duration::from_millis(80);

pub(super) struct Progress {
    spinner: ProgressBar,
    /// `None` when there is no news to be had.
    news: Option<News>,
}

struct News {
    client: ControlClient,
    last_seq: u64,
}

impl Progress {
    /// `None` unless somebody watches: stderr is a terminal.
    pub(super) async fn begin(path: &Path) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let spinner = ProgressBar::new_spinner().with_style(style());
        spinner.enable_steady_tick(TICK);
        spinner.set_message("asking the daemon");
        Some(Self { spinner, news: News::from_now_on(path).await.ok() })
    }

    /// Shows what happens until `answer` is there.
    pub(super) async fn show_until<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    self.show_the_rest().await;
                    return answer;
                }
                events = next(&mut self.news) => events.iter().for_each(|event| self.show(event)),
            }
        }
    }

    /// Says how it ended, and leaves the terminal to others.
    pub(super) fn end(self, answer: &Result<Answer, ControlError>) {
        if let Ok(answer) = answer
            && let Some(previous) = answer.get("previousReleaseId").and_then(Value::as_str)
            && self.news.is_some()
        {
            self.spinner.println(format!("… {previous} finishes its requests, then it is stopped"));
        }
        self.spinner.finish_and_clear();
    }

    /// What was told between the last news and the answer.
    async fn show_the_rest(&mut self) {
        let Some(news) = &mut self.news else { return };
        // The long question may still be under way on the old connection.
        let path = news.client.path().to_owned();
        let Ok(client) = ControlClient::connect(&path).await else { return };
        let mut news = News { client, last_seq: news.last_seq };
        for event in news.ask(0).await.unwrap_or_default() {
            self.show(&event);
        }
    }

    fn show(&self, event: &Value) {
        match Shown::of(event) {
            Some(Shown::Done(line)) => self.spinner.println(line),
            Some(Shown::UnderWay(message)) => self.spinner.set_message(message),
            None => {}
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Waits for news; for ever, when there is none to be had.
async fn next(news: &mut Option<News>) -> Vec<Value> {
    if let Some(asked) = news {
        match asked.ask(NEWS_WAIT_MS).await {
            Ok(events) => return events,
            Err(_) => *news = None,
        }
    }
    std::future::pending().await
}

impl News {
    async fn from_now_on(path: &Path) -> Result<Self, ControlError> {
        let mut news = Self { client: ControlClient::connect(path).await?, last_seq: 0 };
        news.ask(0).await?;
        Ok(news)
    }

    async fn ask(&mut self, wait_ms: u64) -> Result<Vec<Value>, ControlError> {
        let request = json!({ "command": "events", "after": self.last_seq, "waitMs": wait_ms });
        let mut answer = self.client.request(&request, LOOK_TIMEOUT).await?;
        let last_seq = answer.get("lastSeq").and_then(Value::as_u64);
        self.last_seq = last_seq.ok_or(ControlError::Closed)?;
        match answer.remove("events") {
            Some(Value::Array(events)) => Ok(events),
            _ => Ok(Vec::new()),
        }
    }
}

/// How an event is shown.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// It happened: a line that stays.
    Done(String),
    /// It is under way: beside the spinner.
    UnderWay(String),
}

impl Shown {
    fn of(event: &Value) -> Option<Self> {
        let data = &event["data"];
        let text = |key: &str| data[key].as_str().unwrap_or_default();
        let release = text("releaseId");
        Some(match event["message"].as_str()? {
            "deploy starting" => Self::Done(format!("→ {release} from {}", text("releasePath"))),
            "rollback starting" => Self::Done(format!("→ back to {release} in {}", text("releasePath"))),
            "rollout step" => Self::UnderWay(step(text("step"))),
            "rollout step failed" => Self::Done(format!("✗ {}: {}", text("step"), text("error"))),
            "rollout step undone" if text("undo") != "nothing to undo" => {
                Self::Done(format!("← {}", text("undo")))
            }
            "process started" => Self::Done(format!("✓ {} started, pid {}", text("id"), data["pid"])),
            "process exited" => Self::Done(format!("· {} of {release} ended{}", text("id"), ending(data))),
            "traffic switched" => match data["previousReleaseId"].as_str() {
                Some(previous) => Self::Done(format!("✓ traffic switched from {previous} to {release}")),
                None => Self::Done(format!("✓ traffic switched to {release}")),
            },
            "release drained" => Self::Done(format!("✓ {release} drained and stopped")),
            _ => return None,
        })
    }
}

/// `await ready web` in plain words; the others are plain already.
fn step(step: &str) -> String {
    match step.strip_prefix("await ready ") {
        Some(process) => format!("waiting until {process} is healthy"),
        None => step.to_owned(),
    }
}

fn ending(exited: &Value) -> String {
    match (exited["code"].as_i64(), exited["signal"].as_str()) {
        (Some(code), _) => format!(" with code {code}"),
        (None, Some(signal)) => format!(" by {signal}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &str, data: &Value) -> Option<Shown> {
        Shown::of(&json!({ "at": "", "data": data, "message": message }))
    }

    #[test]
    fn a_deploy_reads_as_a_story() {
        let done = |text: &str| Some(Shown::Done(text.to_owned()));
        let under_way = |text: &str| Some(Shown::UnderWay(text.to_owned()));
        let start = json!({ "releaseId": "v2", "releasePath": "/srv/v2" });
        assert_eq!(shown("deploy starting", &start), done("→ v2 from /srv/v2"));
        let step = |step: &str| shown("rollout step", &json!({ "releaseId": "v2", "step": step }));
        assert_eq!(step("await ready web"), under_way("waiting until web is healthy"));
        assert_eq!(step("lease ports"), under_way("lease ports"));
        let started = json!({ "id": "web", "pid": 7, "reason": "deploy" });
        assert_eq!(shown("process started", &started), done("✓ web started, pid 7"));
        let switched = json!({ "releaseId": "v2", "previousReleaseId": "v1" });
        assert_eq!(shown("traffic switched", &switched), done("✓ traffic switched from v1 to v2"));
        let exited = json!({ "id": "web", "releaseId": "v1", "code": null, "signal": "SIGTERM" });
        assert_eq!(shown("process exited", &exited), done("· web of v1 ended by SIGTERM"));
        assert_eq!(shown("command failed", &json!({ "error": "no" })), None);
        assert_eq!(Shown::of(&json!(7)), None);
    }
}
