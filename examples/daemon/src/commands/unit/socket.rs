//! A socket unit for systemd: `systemd.socket(5)`.

use std::net::{IpAddr, SocketAddr};

use super::systemd::{specifiers, word};
use super::{Unit, line, one_line};

/// How many connections wait while the daemon is started; as many as wait in a socket of its own.
const BACKLOG: u32 = 4096;

/// The whole file.
pub(super) fn text(unit: &Unit) -> Result<String, String> {
    let application = specifiers(one_line(&unit.application)?);
    let config = word(line(&unit.config)?);
    let address = address(unit)?;
    Ok(format!(
        "\
# Printed by `rollcore unit systemd --socket` for {config}. Install it beside the unit of the daemon, under the same name
# with .socket at the end, and enable both. Print it again when proxy.host or proxy.port change.

[Unit]
Description=rollcore, where clients of {application} come in

[Socket]
# systemd holds it: whoever connects while the daemon is started or restarted waits, and is served.
ListenStream={address}
Backlog={BACKLOG}
NoDelay=true
FileDescriptorName=proxy

[Install]
WantedBy=sockets.target
"
    ))
}

/// systemd takes an address and a port, and would listen on a name's address of its own choice.
fn address(unit: &Unit) -> Result<SocketAddr, String> {
    let Unit { host, port, .. } = unit;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = bare.parse().map_err(|_| {
        format!("proxy.host is {host:?}: a socket unit needs an IP address, such as 127.0.0.1")
    })?;
    if *port == 0 {
        return Err(
            "proxy.port is 0, which is another port each time: a socket unit needs a fixed one".to_owned()
        );
    }
    Ok(SocketAddr::new(address, *port))
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn the_socket_is_where_the_proxy_listens() {
        let lines = |host: &str| {
            let unit = Unit { host: host.to_owned(), ..example() };
            text(&unit).expect("it can be written").lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(lines("127.0.0.1").contains(&"ListenStream=127.0.0.1:8182".to_owned()));
        assert!(lines("::").contains(&"ListenStream=[::]:8182".to_owned()));
        assert!(lines("[::1]").contains(&"ListenStream=[::1]:8182".to_owned()));
        assert!(lines("::").contains(&"FileDescriptorName=proxy".to_owned()));
    }

    #[test]
    fn an_address_that_is_not_known_is_refused() {
        let refused = |unit: Unit| text(&unit).expect_err("nobody knows where that is");
        assert!(refused(Unit { host: "localhost".to_owned(), ..example() }).contains("\"localhost\""));
        assert!(refused(Unit { port: 0, ..example() }).starts_with("proxy.port is 0"));
    }
}
