//! What the application is told about its client.

use core::fmt::{self, Write};
use core::net::IpAddr;

use crate::proxy::machine::wire::{ConnectionOptions, Field, Known, decimal};

/// What is known of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'a> {
    /// The client's address ([`ClientAddress`]).
    pub(crate) address: &'a [u8],
    /// Whether the other side is a front of ours, whose word about its own client counts.
    pub(crate) is_front: bool,
    /// Whether the client came by TLS.
    pub(crate) is_tls: bool,
    /// The host for an HTTP/1.0 client that names none.
    pub(crate) own_host: &'a str,
    /// The id of a request that has none yet.
    pub(crate) request_id: &'a [u8],
}

/// The client as the application sees it: an IPv4 client of an IPv6 listener is an IPv4 client. As text, and in place:
/// every connection has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress {
    text: [u8; ADDRESS_BYTES_MAX],
    len: u8,
}

const ADDRESS_BYTES_MAX: usize = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".len();

impl ClientAddress {
    pub(crate) fn of(peer: IpAddr) -> Self {
        let mut address = Self { text: [0; ADDRESS_BYTES_MAX], len: 0 };
        match peer.to_canonical() {
            // By hand: a client who comes for each request anew would pay more for this than for his whole head.
            IpAddr::V4(peer) => peer.octets().into_iter().enumerate().try_for_each(|(place, octet)| {
                address.push(if place > 0 { b"." } else { b"" })?;
                address.push(decimal(octet.into()).as_bytes())
            }),
            IpAddr::V6(peer) => write!(address, "{peer}"),
        }
        .expect("no address is longer");
        address
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }

    fn push(&mut self, part: &[u8]) -> fmt::Result {
        let begin = usize::from(self.len);
        let room = self.text.get_mut(begin..begin + part.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(part);
        self.len = u8::try_from(begin + part.len()).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

impl Write for ClientAddress {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part.as_bytes())
    }
}

/// The port in a `Host` field, or the one of the protocol (compat C-93).
pub(crate) fn host_port(host: &[u8], is_tls: bool) -> u16 {
    named_port(host).unwrap_or(if is_tls { 443 } else { 80 })
}

fn named_port(host: &[u8]) -> Option<u16> {
    let before = host.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let (name, port) = (host[..=before].strip_suffix(b":")?, &host[before + 1..]);
    // The last colon of `[::1]` is not in front of a port.
    let is_name = !name.contains(&b':') || name.ends_with(b"]");
    str::from_utf8(port).ok().filter(|_| is_name)?.parse().ok()
}

/// What a front has said of its client: the fields in question, as they came.
pub(super) struct Said<'h, 'b> {
    pub(super) fields: &'h [Field<'b>],
    pub(super) connection: ConnectionOptions,
    pub(super) is_front: bool,
}

impl<'b> Said<'_, 'b> {
    /// All values of a field, if whoever sent them is believed.
    fn values(&self, known: Known) -> impl Iterator<Item = &'b [u8]> {
        self.fields
            .iter()
            .filter(move |field| self.is_front && Known::of(field.name) == known)
            .filter(|field| !self.connection.names(field.name, self.fields))
            .map(|field| field.value)
    }
}

/// Writes the fields that say where a request comes from: after everything of the client's own, so that no `Connection` of
/// his removes ours.
///
/// Lists are appended to with `,` and no space, several lines of a client being one list (compat C-93, RFC 9110 §5.3). The
/// protocol and the host that a front has named stay the one value they are: `https,http` would say nothing.
pub(super) fn write_forwarded(
    out: &mut Vec<u8>,
    hop: Hop<'_>,
    host: &[u8],
    said: &Said<'_, '_>,
    is_upgrade: bool,
) {
    let port = decimal(host_port(host, hop.is_tls).into());
    let proto: &[u8] = match (is_upgrade, hop.is_tls) {
        (false, false) => b"http",
        (false, true) => b"https",
        (true, false) => b"ws",
        (true, true) => b"wss",
    };
    write_list(out, b"X-Forwarded-For: ", said.values(Known::ForwardedFor), hop.address);
    write_list(out, b"X-Forwarded-Port: ", said.values(Known::ForwardedPort), port.as_bytes());
    write_one(out, b"X-Forwarded-Proto: ", said.values(Known::ForwardedProto).next().or(Some(proto)));
    // Compat C-102.
    let own_host = (!is_upgrade).then_some(host);
    write_one(out, b"X-Forwarded-Host: ", said.values(Known::ForwardedHost).next().or(own_host));
    write_forwarded_list(out, hop, host, said);
    write_one(out, b"X-Request-Id: ", said.values(Known::RequestId).next().or(Some(hop.request_id)));
}

fn write_list<'a>(out: &mut Vec<u8>, name: &[u8], existing: impl Iterator<Item = &'a [u8]>, added: &[u8]) {
    out.extend_from_slice(name);
    for value in existing {
        out.extend_from_slice(value);
        out.push(b',');
    }
    out.extend_from_slice(added);
    out.extend_from_slice(b"\r\n");
}

fn write_one(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    let Some(value) = value else { return };
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 7239 §4. Hosts and IPv6 addresses are quoted, which their alphabet allows without escapes.
fn write_forwarded_list(out: &mut Vec<u8>, hop: Hop<'_>, host: &[u8], said: &Said<'_, '_>) {
    out.extend_from_slice(b"Forwarded: ");
    for value in said.values(Known::Forwarded) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    if hop.address.contains(&b':') {
        out.extend_from_slice(b"for=\"[");
        out.extend_from_slice(hop.address);
        out.extend_from_slice(b"]\"");
    } else {
        out.extend_from_slice(b"for=");
        out.extend_from_slice(hop.address);
    }
    out.extend_from_slice(b";host=\"");
    out.extend_from_slice(host);
    out.extend_from_slice(if hop.is_tls { b"\";proto=https\r\n" } else { b"\";proto=http\r\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_the_one_of_host_or_of_the_protocol() {
        let cases: [(&[u8], u16); 7] = [
            (b"shop.test:8182", 8182),
            (b"shop.test", 80),
            (b"[::1]:8182", 8182),
            (b"[::1]", 80),
            (b"::1", 80),
            (b"shop.test:99999", 80),
            (b"a:\xff", 80),
        ];
        for (host, port) in cases {
            assert_eq!(host_port(host, false), port, "{}", String::from_utf8_lossy(host));
        }
        assert_eq!(host_port(b"shop.test", true), 443);
    }

    #[test]
    fn mapped_clients_are_ipv4_clients() {
        let long = "1234:5678:9abc:def0:1234:5678:9abc:def0";
        for (peer, address) in
            [("::ffff:10.0.0.7", "10.0.0.7"), ("::1", "::1"), ("::1.2.3.4", "::102:304"), (long, long)]
        {
            assert_eq!(ClientAddress::of(peer.parse().expect("an address")).as_bytes(), address.as_bytes());
        }
    }
}
