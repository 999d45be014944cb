//! The numbers as OpenMetrics text. Nothing is counted here: it is read when somebody asks.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::engine::{
    AccessLogCounts, InstanceStatus, Numbers, ReleaseStatus, Status, TrafficCounts, TrafficStatus,
};

/// Of [`of`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole text.
pub(super) fn of(numbers: Numbers) -> String {
    let mut registry = Registry::with_prefix("rollcore");
    registry.register_collector(Box::new(numbers));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a text takes every character");
    page
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        tell_requests(&mut page, self)?;
        tell_open(&mut page, &self.status)?;
        tell_proxy(&mut page, &self.status)?;
        tell_processes(&mut page, &self.status)
    }
}

type Labels<'l> = [(&'static str, &'l str)];

struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        kind: MetricType,
        help: &str,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, MetricType::Gauge, help)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.family(name, MetricType::Counter, help)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }
}

fn count(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: impl EncodeCounterValue) -> fmt::Result {
    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: impl EncodeGaugeValue) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&value)
}

/// A number of a release that only grows.
type Number = (&'static str, &'static str, fn(&TrafficCounts) -> u64);

const COUNTERS: [Number; 9] = [
    ("upstream_connect_failures", "Connections to the application that could not be made.", |counts| {
        counts.connect_failures
    }),
    (
        "upstream_resets",
        "Connections to the application that broke in the middle of a request or of its answer.",
        |counts| counts.resets,
    ),
    ("retries", "Requests that were sent again.", |counts| counts.retries),
    ("parked", "Requests that had to wait for a process, or for a pause to end.", |counts| counts.parked),
    ("clients_gone", "Requests whose client went away before their answer was whole.", |counts| {
        counts.clients_gone
    }),
    ("requests_cut", "Requests that were cut at the end of a drain.", |counts| counts.requests_cut),
    ("tunnels", "Tunnels that were opened.", |counts| counts.tunnels_opened),
    ("tunnels_cut", "Tunnels that were cut at the end of a drain.", |counts| counts.tunnels_cut),
    ("received_bytes", "Bytes of bodies and of tunnels from clients.", |counts| counts.bytes_in),
];

/// By release; what no release was chosen for has an empty one, which Prometheus takes for none.
fn tell_requests(page: &mut Page<'_>, numbers: &Numbers) -> fmt::Result {
    let named = numbers.releases.iter().map(|(release, counts)| (&**release, counts));
    let all: Vec<_> = named.chain([("", &numbers.unrouted)]).collect();
    let help = "Requests that have ended, by release and by the class of their status.";
    let mut family = page.family("requests", MetricType::Counter, help)?;
    for (release, counts) in &all {
        for (class, value) in counts.statuses.by_class() {
            count(&mut family, &[("release", release), ("class", class)], value)?;
        }
    }
    tell_durations(page, &all)?;
    for (name, help, value) in COUNTERS {
        let mut family = page.family(name, MetricType::Counter, help)?;
        for (release, counts) in &all {
            count(&mut family, &[("release", release)], value(counts))?;
        }
    }
    let mut family =
        page.family("sent_bytes", MetricType::Counter, "Bytes of bodies and of tunnels to clients.")?;
    for (release, counts) in &all {
        count(&mut family, &[("release", release)], counts.bytes_out)?;
    }
    let help = "How long requests waited together.";
    let mut family = page.0.encode_descriptor("parked", help, Some(&Unit::Seconds), MetricType::Counter)?;
    for (release, counts) in &all {
        count(&mut family, &[("release", release)], counts.parked_time.as_secs_f64())?;
    }
    Ok(())
}

fn tell_durations(page: &mut Page<'_>, all: &[(&str, &TrafficCounts)]) -> fmt::Result {
    let help = "How long answered requests took, from their head to the last byte of their answer, waiting included.";
    let mut family =
        page.0.encode_descriptor("request_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (release, counts) in all {
        let (latency, labels) = (&counts.latency, [("release", *release)]);
        let mut below = 0;
        let mut buckets: Vec<_> = latency
            .doublings()
            .map(|(bound, so_far)| {
                let own = so_far - below;
                below = so_far;
                (bound.as_secs_f64(), own)
            })
            .collect();
        buckets.push((f64::INFINITY, latency.count() - below));
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            latency.sum().as_secs_f64(),
            latency.count(),
            &buckets,
            None,
        )?;
    }
    Ok(())
}

/// What is under way. A release that was deployed again while it drained is listed twice.
fn tell_open(page: &mut Page<'_>, status: &Status) -> fmt::Result {
    let mut open = BTreeMap::<&str, (u64, u64)>::new();
    for release in &status.releases {
        let sum = open.entry(release.release_id.as_str()).or_default();
        sum.0 += release.connections.http;
        sum.1 += release.connections.websocket;
    }
    let mut family = page.family("requests_in_flight", MetricType::Gauge, "Requests under way.")?;
    for (release, (requests, _)) in &open {
        gauge(&mut family, &[("release", release)], *requests)?;
    }
    let mut family = page.family("tunnels_open", MetricType::Gauge, "Tunnels that are open.")?;
    for (release, (_, tunnels)) in &open {
        gauge(&mut family, &[("release", release)], *tunnels)?;
    }
    let mut family = page.family("active_release", MetricType::Info, "The release that has the traffic.")?;
    if let Some(active) = &status.active_release_id {
        family.encode_info(&[("release", active.as_str())])?;
    }
    Ok(())
}

fn tell_proxy(page: &mut Page<'_>, status: &Status) -> fmt::Result {
    let proxy = &status.proxy;
    page.gauge("connections", "Clients that are connected.", proxy.connection_count)?;
    page.gauge("connections_max", "How many clients may be connected.", proxy.connections_max)?;
    let help =
        "Connections that were closed at once: one address had too many, or there were no descriptors.";
    page.counter("connections_refused", help, proxy.connections_refused)?;
    page.gauge("requests_parked", "Requests that wait for a process, or for a pause to end.", proxy.parked)?;
    let is_paused = u32::from(proxy.traffic == TrafficStatus::Paused);
    page.gauge("traffic_paused", "Whether requests wait until traffic is resumed.", is_paused)?;
    if let Some(AccessLogCounts { written, dropped, stuck }) = proxy.access_log {
        page.counter("access_log_lines", "Lines of the access log that were written.", written)?;
        page.counter("access_log_lines_dropped", "Lines of the access log that had no room.", dropped)?;
        page.gauge("access_log_stuck", "Whether the access log cannot be written.", u32::from(stuck))?;
    }
    Ok(())
}

fn tell_processes(page: &mut Page<'_>, status: &Status) -> fmt::Result {
    let of_releases = status.releases.iter().chain(&status.starting).flat_map(of_release);
    let singles = status.services.iter().chain(&status.singletons).chain(&status.displaced);
    let all: Vec<_> = of_releases.chain(singles.map(|single| ("", &single.process))).collect();
    let mut restarts = BTreeMap::<(&str, String), u64>::new();
    let mut states = ["starting", "running", "stopping", "stopped", "failed"].map(|state| (state, 0_u64));
    for (release, process) in &all {
        *restarts.entry((release, process.id.to_string())).or_default() += u64::from(process.restarts);
        states.iter_mut().filter(|(state, _)| *state == process.state).for_each(|(_, count)| *count += 1);
    }
    let mut family = page.family("processes", MetricType::Gauge, "Processes by what they do.")?;
    for (state, count) in states {
        gauge(&mut family, &[("state", state)], count)?;
    }
    let help = "How often a process was started again by itself. Those of a release go with it.";
    let mut family = page.family("process_restarts", MetricType::Gauge, help)?;
    for ((release, process), count) in &restarts {
        gauge(&mut family, &[("release", release), ("process", process)], *count)?;
    }
    Ok(())
}

fn of_release(release: &ReleaseStatus) -> impl Iterator<Item = (&str, &InstanceStatus)> {
    release.processes.iter().map(|process| (release.release_id.as_str(), process))
}
