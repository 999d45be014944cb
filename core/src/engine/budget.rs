//! How long an orderly end may take: for whoever starts daemons and must not lose patience first.

use std::time::Duration;

use crate::spec::{Application, KillAfter, StopSpec, StopWith};
use crate::supervisor::machine::KILL_TIMEOUT;

use super::conductor::CLOSE_TIMEOUT;

/// How long the slowest process may take to stop; all are stopped side by side. `None`: one may take as long as it wants
/// (`gracefulStopMs: "indefinite"`).
#[must_use]
pub fn longest_stop(application: &Application) -> Option<Duration> {
    let mut stops = application.processes.iter().map(|process| longest(&process.stop));
    stops.try_fold(Duration::ZERO, |longest, stop| Some(longest.max(stop?)))
}

/// How long a daemon of `application` may take to end after a signal: open requests finish
/// ([`Engine::drain_then_shutdown`](crate::Engine::drain_then_shutdown), `proxy.drainTimeoutMs`), then every process stops ([`longest_stop`]), then the
/// proxy closes. `None`: there is no bound.
///
/// ```
/// use std::time::Duration;
/// use rollcore::{Config, longest_shutdown, longest_stop};
///
/// let text = r#"{
///     "application": "shop",
///     "proxy": { "drainTimeoutMs": 20000 },
///     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 18182, "gracefulStopMs": 30000 }]
/// }"#;
/// let shop = Config::from_json(text)?.into_application();
/// // SIGKILL has 5 s to take effect.
/// assert_eq!(longest_stop(&shop), Some(Duration::from_secs(35)));
/// // And so have the last answers.
/// assert_eq!(longest_shutdown(&shop), Some(Duration::from_secs(20 + 35 + 5)));
/// # Ok::<(), rollcore::ConfigError>(())
/// ```
#[must_use]
pub fn longest_shutdown(application: &Application) -> Option<Duration> {
    let stop = longest_stop(application)?;
    Some(application.proxy.drain_timeout.saturating_add(stop).saturating_add(CLOSE_TIMEOUT))
}

/// Quiet, drain, stop, kill, each with its limit.
fn longest(stop: &StopSpec) -> Option<Duration> {
    let KillAfter::Grace(grace) = stop.kill_after else { return None };
    let hook = |runs: bool| if runs { grace } else { Duration::ZERO };
    let parts = [
        hook(stop.hooks.quiet.is_some()),
        stop.drain_timeout,
        hook(matches!(stop.with, StopWith::Run(_))),
        grace,
        KILL_TIMEOUT,
    ];
    Some(parts.into_iter().fold(Duration::ZERO, Duration::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn budget(process: &str) -> Option<Duration> {
        let text = format!(
            r#"{{ "application": "shop", "proxy": {{ "forceStopTimeoutMs": 10000 }}, "processes": [
                {{ "id": "web", "policy": "proxied", "command": "serve", "port": 18000 }},
                {{ "id": "worker", "command": "work", {process} }} ] }}"#
        );
        longest_stop(Config::from_json(&text).expect("it is valid").application())
    }

    #[test]
    fn the_slowest_process_counts_with_every_part_of_its_stop() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(budget(r#""gracefulStopMs": 1"#), seconds(15), "the web process is slower");
        assert_eq!(budget(r#""gracefulStopMs": 60000"#), seconds(65));
        assert_eq!(budget(r#""gracefulStopMs": "indefinite""#), None);
        let hooks = r#""gracefulStopMs": 40000, "lifecycle": { "quietCommand": "q", "drainCommand": "d",
            "drainTimeoutMs": 100000, "stopCommand": "s" }"#;
        assert_eq!(budget(hooks), seconds(40 + 100 + 40 + 40 + 5));
    }
}
