//! Descriptors of the daemon: how many it may have, and those that it was started with.

use std::net::TcpListener;

use listenfd::ListenFd;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::output::Failed;

/// How many sockets a service manager may pass; more are refused.
const PASSED_MAX: usize = 64;

/// The name of the proxy's socket among several (`FileDescriptorName=`, systemd.socket(5)).
const PROXY_SOCKET: &str = "proxy";

/// Allows this process as many descriptors as the system lets it have: two for each client of the proxy. Tells how many
/// were allowed before, which is what its processes are to have: a program that uses select(2) breaks with more than 1024.
pub(super) fn allow_all() -> Option<rlim_t> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft < hard {
        // A kernel that refuses leaves fewer clients their place; the status tells how many there are.
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    }
    Some(soft)
}

/// The socket on which the proxy is to listen, if a service manager has passed one (sd_listen_fds(3)).
///
/// To be called once, before there are threads: it removes what was said about them from the environment.
pub(super) fn passed_listener() -> Result<Option<TcpListener>, Failed> {
    let is_for_us = variable("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let count: usize = variable("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or(0);
    if !is_for_us || count == 0 {
        return Ok(None);
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let place = place_of_proxy(&names, count).map_err(Failed::Because)?;
    let taken = ListenFd::from_env().take_tcp_listener(place);
    taken.map_err(|error| Failed::Because(format!("cannot take the socket that was passed: {error}")))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Which of the sockets is the proxy's: the one with its name, or the only one.
fn place_of_proxy(names: &str, count: usize) -> Result<usize, String> {
    if count > PASSED_MAX {
        return Err(format!("{count} sockets were passed, at most {PASSED_MAX} are looked at"));
    }
    match names.split(':').take(count).position(|name| name == PROXY_SOCKET) {
        Some(place) => Ok(place),
        None if count == 1 => Ok(0),
        None => Err(format!(
            "{count} sockets were passed, and none is named {PROXY_SOCKET} (FileDescriptorName=)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxys_socket_is_named_or_the_only_one() {
        assert_eq!(place_of_proxy("", 1), Ok(0));
        assert_eq!(place_of_proxy("shop.socket", 1), Ok(0));
        assert_eq!(place_of_proxy("other:proxy:third", 3), Ok(1));
        assert!(place_of_proxy("a:b", 2).is_err_and(|error| error.contains("none is named proxy")));
        assert!(place_of_proxy("a:proxy", 1) == Ok(0), "names beyond the count are nobody's");
        assert!(place_of_proxy("proxy", PASSED_MAX + 1).is_err());
    }
}
