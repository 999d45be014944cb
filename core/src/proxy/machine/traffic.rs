//! What is known of a release's traffic, as a value to read and to compare.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::time::Instant;

use super::histogram::Latency;
use super::line::ms;

/// What came of a release's requests since its generation first had traffic. Every number only grows.
///
/// A request is counted when it ends, a tunnel when it opens; what is under way is in
/// [`DrainingProxy::counts`](crate::DrainingProxy::counts). Two readings tell what happened between them:
/// [`since`](Self::since).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrafficCounts {
    /// When this was read.
    pub at: Instant,
    /// Requests by the class of their status.
    pub statuses: StatusCounts,
    /// Connections to the application that could not be made.
    pub connect_failures: u64,
    /// Connections to the application that broke in the middle of a request or of its answer.
    pub resets: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that had to wait for a process or for a pause to end.
    pub parked: u64,
    /// How long they waited together.
    pub parked_time: Duration,
    /// Requests whose client went away before their answer was whole.
    pub clients_gone: u64,
    /// Requests that were cut: at the end of a drain, or of the proxy.
    pub requests_cut: u64,
    /// Tunnels that were opened.
    pub tunnels_opened: u64,
    /// Tunnels that were cut.
    pub tunnels_cut: u64,
    /// Bytes of bodies, and of tunnels, from clients.
    pub bytes_in: u64,
    /// Bytes of bodies, and of tunnels, to clients.
    pub bytes_out: u64,
    /// How long the answered requests took, parking included; tunnels are not in it.
    pub latency: Latency,
}

/// Requests by the class of their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct StatusCounts {
    /// 1xx: tunnels that have ended.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// 2xx.
    #[serde(rename = "2xx")]
    pub successful: u64,
    /// 3xx.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// 4xx.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// 5xx: of the application, or ours in its place.
    #[serde(rename = "5xx")]
    pub server_error: u64,
    /// No head of an answer was sent.
    pub none: u64,
}

/// How many classes there are.
pub(crate) const CLASSES: usize = 6;
/// Their names, as labels and keys.
const CLASS_NAMES: [&str; CLASSES] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Which of [`CLASS_NAMES`] a status belongs to. Beyond 599 it counts as 5xx, as RFC 9110 §15 asks.
pub(crate) fn class_of(status: Option<u16>) -> usize {
    status.map_or(0, |status| usize::from(status / 100).clamp(1, CLASSES - 1))
}

impl StatusCounts {
    pub(crate) fn from_classes(
        [none, informational, successful, redirection, client_error, server_error]: [u64; CLASSES],
    ) -> Self {
        Self { informational, successful, redirection, client_error, server_error, none }
    }

    /// In the order of [`CLASS_NAMES`].
    pub(crate) fn classes(self) -> [u64; CLASSES] {
        let Self { informational, successful, redirection, client_error, server_error, none } = self;
        [none, informational, successful, redirection, client_error, server_error]
    }

    /// Each class with its name: `none`, `1xx` to `5xx`.
    pub fn by_class(self) -> impl Iterator<Item = (&'static str, u64)> {
        CLASS_NAMES.into_iter().zip(self.classes())
    }

    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.classes().iter().sum()
    }
}

impl TrafficCounts {
    pub(crate) fn none(at: Instant) -> Self {
        Self {
            at,
            statuses: StatusCounts::default(),
            connect_failures: 0,
            resets: 0,
            retries: 0,
            parked: 0,
            parked_time: Duration::ZERO,
            clients_gone: 0,
            requests_cut: 0,
            tunnels_opened: 0,
            tunnels_cut: 0,
            bytes_in: 0,
            bytes_out: 0,
            latency: Latency::default(),
        }
    }

    /// Requests that have ended, however they did.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.statuses.total()
    }

    /// What came between `earlier` and this, which were read of the same release.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let then = earlier.statuses.classes();
        let mut classes = self.statuses.classes();
        classes.iter_mut().zip(then).for_each(|(now, then)| *now = now.saturating_sub(then));
        Self {
            at: self.at,
            statuses: StatusCounts::from_classes(classes),
            connect_failures: self.connect_failures.saturating_sub(earlier.connect_failures),
            resets: self.resets.saturating_sub(earlier.resets),
            retries: self.retries.saturating_sub(earlier.retries),
            parked: self.parked.saturating_sub(earlier.parked),
            parked_time: self.parked_time.saturating_sub(earlier.parked_time),
            clients_gone: self.clients_gone.saturating_sub(earlier.clients_gone),
            requests_cut: self.requests_cut.saturating_sub(earlier.requests_cut),
            tunnels_opened: self.tunnels_opened.saturating_sub(earlier.tunnels_opened),
            tunnels_cut: self.tunnels_cut.saturating_sub(earlier.tunnels_cut),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

/// As `status` shows it.
impl Serialize for TrafficCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut traffic = serializer.serialize_struct("TrafficCounts", 14)?;
        traffic.serialize_field("bytesIn", &self.bytes_in)?;
        traffic.serialize_field("bytesOut", &self.bytes_out)?;
        traffic.serialize_field("clientsGone", &self.clients_gone)?;
        traffic.serialize_field("connectFailures", &self.connect_failures)?;
        match LatencyMs::of(&self.latency) {
            Some(latency) => traffic.serialize_field("latencyMs", &latency)?,
            None => traffic.skip_field("latencyMs")?,
        }
        traffic.serialize_field("parked", &self.parked)?;
        traffic.serialize_field("parkedMs", &ms(self.parked_time))?;
        traffic.serialize_field("requests", &self.requests())?;
        traffic.serialize_field("requestsCut", &self.requests_cut)?;
        traffic.serialize_field("resets", &self.resets)?;
        traffic.serialize_field("retries", &self.retries)?;
        traffic.serialize_field("statuses", &self.statuses)?;
        traffic.serialize_field("tunnelsCut", &self.tunnels_cut)?;
        traffic.serialize_field("tunnelsOpened", &self.tunnels_opened)?;
        traffic.end()
    }
}

/// What people ask of a histogram.
#[derive(serde::Serialize)]
struct LatencyMs {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
}

impl LatencyMs {
    /// `None` when there is nothing to tell.
    fn of(latency: &Latency) -> Option<Self> {
        let at = |share| latency.quantile(share).map(ms);
        Some(Self { mean: latency.mean().map(ms)?, p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_in_the_class_of_its_first_digit() {
        for (status, class) in [
            (None, "none"),
            (Some(101), "1xx"),
            (Some(200), "2xx"),
            (Some(304), "3xx"),
            (Some(499), "4xx"),
            (Some(503), "5xx"),
            (Some(999), "5xx"),
            (Some(99), "1xx"),
        ] {
            assert_eq!(CLASS_NAMES[class_of(status)], class, "{status:?}");
        }
    }

    #[test]
    fn classes_and_names_stand_in_the_same_order() {
        let counts = StatusCounts::from_classes([9, 1, 2, 3, 4, 5]);
        assert_eq!((counts.none, counts.informational, counts.server_error), (9, 1, 5));
        assert_eq!((counts.classes(), counts.total()), ([9, 1, 2, 3, 4, 5], 24));
    }
}
