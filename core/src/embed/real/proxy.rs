//! Proxies, each alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::call::{OpenProxy, Switch};
use super::super::code::{Code, EmbedError};
use super::{Outcome, lock, ms};
use crate::id::Generation;
use crate::proxy::{Draining, DrainingProxy, ProxyOptions, Traffic};
use crate::report::DrainReport;
use crate::spec::ProxySpec;

/// How many proxies one handle has; one more is refused.
const PROXIES_MAX: usize = 256;

/// How long closing the handle waits for those who are connected; what is open then is cut.
const END_BUDGET: Duration = Duration::from_secs(1);

/// By the names that the host gave them.
#[derive(Default)]
pub(super) struct Proxies {
    all: Mutex<BTreeMap<String, Arc<Alone>>>,
}

struct Alone {
    proxy: DrainingProxy,
    before: Mutex<Before>,
}

/// Where requests went before.
#[derive(Default)]
struct Before {
    switches: u64,
    draining: Vec<Draining>,
}

impl Proxies {
    pub(super) async fn open(&self, open: OpenProxy) -> Outcome {
        let OpenProxy { id, spec } = open;
        self.is_free(&id)?;
        // A host given by name is looked up, and certificates are read: that may take its time.
        let bound = tokio::task::spawn_blocking(move || DrainingProxy::bind(options(spec))).await;
        let proxy = bound.map_err(|_| EmbedError::panicked())??;
        let address = proxy.local_addr();
        self.is_free(&id)?;
        lock(&self.all).insert(id.clone(), Arc::new(Alone { proxy, before: Mutex::default() }));
        Ok(json!({ "id": id, "host": address.ip(), "port": address.port() }))
    }

    fn is_free(&self, id: &str) -> Result<(), EmbedError> {
        let all = lock(&self.all);
        let (word, message) = if all.contains_key(id) {
            ("already_open", format!("there is a proxy {id:?} already"))
        } else if all.len() >= PROXIES_MAX {
            ("too_many_proxies", format!("this handle has {PROXIES_MAX} proxies already"))
        } else {
            return Ok(());
        };
        Err(EmbedError::new(Code::State, word, message))
    }

    fn get(&self, id: &str) -> Result<Arc<Alone>, EmbedError> {
        let found = lock(&self.all).get(id).cloned();
        found.ok_or_else(|| unknown(id))
    }

    /// From now on; those who are on their way finish where they began.
    pub(super) fn switch(&self, switch: &Switch) -> Outcome {
        let alone = self.get(&switch.id)?;
        let mut before = lock(&alone.before);
        before.switches += 1;
        let generation = Generation(before.switches);
        if let Some(name) = &switch.name {
            alone.proxy.name_release(generation, name);
        }
        let traffic = match switch.backends.as_slice() {
            [] => Traffic::none(),
            backends => Traffic::to(generation, backends.iter().cloned()),
        };
        let old = alone.proxy.switch_to(traffic);
        let previous = old.as_ref().map(Draining::generation);
        // Whoever has nobody left has nothing to wait for.
        before.draining.retain(|old| old.counts().http + old.counts().websocket > 0);
        before.draining.extend(old);
        Ok(json!({ "generation": generation, "previousGeneration": previous }))
    }

    /// Waits for those who are open to where requests went before.
    pub(super) async fn drain(&self, id: &str, budget: Duration) -> Outcome {
        let alone = self.get(id)?;
        let draining = std::mem::take(&mut lock(&alone.before).draining);
        let mut all = tokio::task::JoinSet::new();
        for old in draining {
            all.spawn(old.drained(budget));
        }
        let mut whole = DrainReport::default();
        while let Some(report) = all.join_next().await {
            whole = whole.plus(report.map_err(|_| EmbedError::panicked())?);
        }
        Ok(said(&whole))
    }

    pub(super) async fn close(&self, id: &str, budget: Duration) -> Outcome {
        let alone = lock(&self.all).remove(id).ok_or_else(|| unknown(id))?;
        Ok(said(&alone.proxy.close(budget).await))
    }

    pub(super) async fn end(&self) {
        let all = std::mem::take(&mut *lock(&self.all));
        let mut closing: tokio::task::JoinSet<_> =
            all.into_values().map(|alone| async move { alone.proxy.close(END_BUDGET).await }).collect();
        while closing.join_next().await.is_some() {}
    }

    pub(super) fn status(&self, id: Option<&str>) -> Outcome {
        if let Some(id) = id {
            return Ok(seen(id, &*self.get(id)?));
        }
        let all = lock(&self.all);
        Ok(json!({ "proxies": all.iter().map(|(id, alone)| seen(id, alone)).collect::<Vec<_>>() }))
    }
}

fn unknown(id: &str) -> EmbedError {
    EmbedError::new(Code::NotFound, "unknown_proxy", format!("there is no proxy {id:?}"))
}

fn options(spec: ProxySpec) -> ProxyOptions {
    ProxyOptions {
        trusted_fronts: spec.trusted_fronts,
        limits: spec.limits,
        workers: spec.workers,
        upgrades: spec.upgrades,
        access_log: spec.access_log,
        tls: spec.tls,
        proxy_protocol: spec.proxy_protocol,
        ..ProxyOptions::new(spec.host, spec.port)
    }
}

fn seen(id: &str, alone: &Alone) -> Value {
    let address = alone.proxy.local_addr();
    let active = alone.proxy.active();
    let open = active.map(|active| alone.proxy.counts(active)).unwrap_or_default();
    json!({
        "id": id,
        "host": address.ip(),
        "port": address.port(),
        "generation": active,
        "http": open.http,
        "websocket": open.websocket,
        "clients": alone.proxy.clients(),
        "draining": lock(&alone.before).draining.iter().map(left).collect::<Vec<_>>(),
        "traffic": active.and_then(|active| alone.proxy.traffic(active)),
    })
}

fn left(old: &Draining) -> Value {
    let counts = old.counts();
    json!({ "generation": old.generation(), "http": counts.http, "websocket": counts.websocket })
}

fn said(report: &DrainReport) -> Value {
    json!({
        "openAtStart": report.open_at_start,
        "requestsCut": report.requests_cut,
        "tunnelsCut": report.tunnels_cut,
        "streamsEnded": report.streams_ended,
        "tunnelsEnded": report.tunnels_ended,
        "tookMs": ms(report.took),
    })
}
