//! Processes, each alone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::super::call::Define;
use super::super::code::{Code, EmbedError};
use super::super::stage::Outlet;
use super::change::tell;
use super::{Outcome, lock, ms};
use crate::clock;
use crate::exit::{Exit, Signal};
use crate::report::{OutputLine, ProcessState, StartReason, StopReport};
use crate::supervisor::Supervisor;

/// How many processes one handle looks after; one more is refused.
const PROCESSES_MAX: usize = 1_024;

/// By the names that the host gave them.
pub(super) struct Processes {
    outlet: Outlet,
    all: Mutex<BTreeMap<String, Supervisor>>,
}

impl Processes {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { outlet, all: Mutex::default() }
    }

    pub(super) fn define(&self, define: &Define) -> Outcome {
        let mut all = lock(&self.all);
        if let Some(known) = all.get(&define.id) {
            known.replace_stop(define.spec.stop.clone());
            known.replace_spec(define.spec.clone());
            return Ok(json!({ "id": define.id, "replaced": true }));
        }
        if all.len() >= PROCESSES_MAX {
            let message = format!("this handle looks after {PROCESSES_MAX} processes already");
            return Err(EmbedError::new(Code::State, "too_many_processes", message));
        }
        let (outlet, id) = (self.outlet.clone(), define.id.clone());
        let observer = move |change: &_, _: &_| tell(&outlet, &id, change);
        all.insert(define.id.clone(), Supervisor::observed(define.spec.clone(), observer));
        Ok(json!({ "id": define.id, "replaced": false }))
    }

    fn get(&self, id: &str) -> Result<Supervisor, EmbedError> {
        let message = || format!("no process {id:?} is defined");
        let found = lock(&self.all).get(id).cloned();
        found.ok_or_else(|| EmbedError::new(Code::NotFound, "unknown_process", message()))
    }

    pub(super) async fn start(&self, id: &str) -> Outcome {
        let pid = self.get(id)?.start(StartReason::Manual).await?;
        Ok(json!({ "pid": pid }))
    }

    pub(super) async fn stop(&self, id: &str) -> Outcome {
        Ok(stopped(self.get(id)?.stop().await))
    }

    pub(super) async fn restart(&self, id: &str) -> Outcome {
        let process = self.get(id)?;
        let before = process.stop().await;
        let pid = process.start(StartReason::Manual).await?;
        Ok(json!({ "pid": pid, "stopped": stopped(before) }))
    }

    pub(super) async fn signal(&self, id: &str, signal: Signal) -> Outcome {
        if self.get(id)?.signal(signal).await {
            return Ok(json!({}));
        }
        Err(EmbedError::new(Code::State, "not_running", format!("{id:?} does not run")))
    }

    /// Stops it first.
    pub(super) async fn remove(&self, id: &str) -> Outcome {
        let process = self.get(id)?;
        let report = process.stop().await;
        lock(&self.all).remove(id);
        Ok(stopped(report))
    }

    pub(super) fn status(&self, id: Option<&str>) -> Outcome {
        if let Some(id) = id {
            return Ok(seen(id, &self.get(id)?));
        }
        let all = lock(&self.all);
        Ok(json!({ "processes": all.iter().map(|(id, process)| seen(id, process)).collect::<Vec<_>>() }))
    }

    /// Stops all of them at once; how many processes are left.
    pub(super) async fn end(&self) -> u32 {
        let all = std::mem::take(&mut *lock(&self.all));
        let mut stops: JoinSet<_> =
            all.into_values().map(|process| async move { process.stop().await.survivors }).collect();
        let mut survivors = 0;
        while let Some(left) = stops.join_next().await {
            survivors += left.unwrap_or(0);
        }
        survivors
    }
}

/// `exitCode` and `exitSignal` as in a status; both null when nobody knows (the host has reaped it, on Linux before 6.15).
pub(super) fn exit_fields(exit: Option<Exit>) -> Map<String, Value> {
    let Some(exit) = exit else { return Map::new() };
    let entries = [
        ("exitCode", json!(exit.code())),
        ("exitSignal", json!(exit.signal())),
        ("exitKnown", json!(exit != Exit::Unknown)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn stopped(report: StopReport) -> Value {
    let mut fields = exit_fields(report.exit);
    fields.insert("killed".to_owned(), json!(report.killed));
    fields.insert("survivors".to_owned(), json!(report.survivors));
    Value::Object(fields)
}

fn seen(id: &str, process: &Supervisor) -> Value {
    let report = process.report();
    let mut fields = exit_fields(report.last_exit);
    let mut add = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    add("id", json!(id));
    add("state", json!(report.state.as_str()));
    add("ready", json!(report.state.is_ready()));
    add("restarts", json!(report.restarts));
    add("logs", process.output().lines().iter().map(line).collect());
    if let Some(pid) = report.state.pid() {
        add("pid", json!(pid));
    }
    if let Some(reason) = report.last_reason {
        add("lastStartReason", json!(reason.as_str()));
    }
    if let ProcessState::Running { since, .. } = report.state {
        add("uptimeMs", json!(ms(clock::now() - since)));
    }
    if let ProcessState::Backoff { until, .. } = report.state {
        add("restartInMs", json!(ms(until - clock::now())));
    }
    if let Some(memory) = process.memory() {
        add("rssBytes", json!(memory.rss_bytes));
    }
    Value::Object(fields)
}

fn line(line: &OutputLine) -> Value {
    json!({ "at": line.at, "line": line.line, "stream": line.stream.as_str() })
}
