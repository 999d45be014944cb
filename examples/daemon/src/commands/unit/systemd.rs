//! A unit for systemd: `systemd.service(5)`, `systemd.kill(5)`, `systemd.syntax(7)`.

use super::{FILES_MAX, Unit, line, one_line};

/// How long systemd waits before it starts a daemon again that has failed, in seconds.
const RESTART_SECONDS: u32 = 1;

/// Times beyond this, in seconds, are for ever: ten years.
const SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// The whole file.
pub(super) fn text(unit: &Unit) -> Result<String, String> {
    let application = specifiers(one_line(&unit.application)?);
    let program = word(line(&unit.program)?);
    let config = word(line(&unit.config)?);
    let directory = specifiers(line(&unit.directory)?);
    let user = match &unit.user {
        Some(user) => format!("User={}\n", specifiers(one_line(user)?)),
        None => String::new(),
    };
    let stop = match unit.stop_seconds().filter(|seconds| *seconds < SECONDS_MAX) {
        Some(seconds) => format!("{seconds}s"),
        None => "infinity".to_owned(),
    };
    Ok(format!(
        "\
# Printed by `rollcore unit systemd` for {config}. Print it again when the config changes: TimeoutStopSec comes from it.

[Unit]
Description=rollcore, the releases of {application}
Wants=network-online.target
After=network-online.target

[Service]
# Ready means running, not merely forked.
Type=exec
{user}WorkingDirectory={directory}
ExecStart={program} daemon --config {config}

# SIGTERM goes to the daemon alone: it lets open requests finish, and then stops each process as the config says (quiet,
# drain, stop, kill). With the default, control-group, systemd would signal the workers at once and behind its back.
# What is left when the daemon has gone is killed, whoever started it and whatever session it is in. So a daemon that
# was killed leaves nobody behind who would hold its ports and be known to nobody; it is started again, and with a
# statePath it brings back the release that was active.
KillMode=mixed
KillSignal=SIGTERM
# Above the longest end that the config allows: the drain, the slowest stop, the last answers.
TimeoutStopSec={stop}

# `rollcore shutdown` and SIGTERM end with 0, and are meant.
Restart=on-failure
RestartSec={RESTART_SECONDS}s
# A process that was killed for its memory is started again by the daemon; it is no reason to stop everything.
OOMPolicy=continue

LimitNOFILE={FILES_MAX}

[Install]
WantedBy=multi-user.target
"
    ))
}

/// `%` begins a specifier.
pub(super) fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word of a command line: in quotes, with what means something inside of them escaped.
pub(super) fn word(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('$', "$$");
    format!("\"{}\"", specifiers(&escaped))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::example;
    use super::*;

    fn has(text: &str, expected: &str) -> bool {
        text.lines().any(|line| line == expected)
    }

    #[test]
    fn the_daemon_is_signalled_alone_and_has_its_time() {
        let text = text(&example()).expect("it can be written");
        for expected in [
            "ExecStart=\"/opt/rollcore\" daemon --config \"/srv/shop/rollbridge.js\"",
            "WorkingDirectory=/srv/shop",
            "KillMode=mixed",
            "TimeoutStopSec=91s",
            "Restart=on-failure",
            "LimitNOFILE=65536",
            "Type=exec",
        ] {
            assert!(has(&text, expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("User="));
    }

    #[test]
    fn a_process_that_may_take_for_ever_gets_for_ever() {
        let unit = Unit { stop_timeout: None, user: Some("shop".to_owned()), ..example() };
        let text = text(&unit).expect("it can be written");
        assert!(has(&text, "TimeoutStopSec=infinity") && has(&text, "User=shop"), "{text}");
    }

    #[test]
    fn paths_mean_themselves() {
        let unit = Unit {
            config: PathBuf::from(r#"/srv/a b/100% "$HOME"\x.json"#),
            directory: PathBuf::from("/srv/a b/100%"),
            ..example()
        };
        let text = text(&unit).expect("it can be written");
        assert!(has(
            &text,
            r#"ExecStart="/opt/rollcore" daemon --config "/srv/a b/100%% \"$$HOME\"\\x.json""#
        ));
        assert!(has(&text, "WorkingDirectory=/srv/a b/100%%"), "{text}");
        let unit = Unit { config: PathBuf::from("/srv/a\nExecStart=/bin/sh"), ..example() };
        assert!(super::text(&unit).is_err());
    }
}
