//! The fields that mean something to a proxy.

/// A field by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Connection,
    ContentLength,
    ContentType,
    Expect,
    Forwarded,
    ForwardedFor,
    ForwardedHost,
    ForwardedPort,
    ForwardedProto,
    Host,
    KeepAlive,
    ProxyConnection,
    RequestId,
    Te,
    TransferEncoding,
    Upgrade,
    /// Means nothing to us.
    Other,
}

impl Known {
    /// By name, in any case. Most fields are told apart by their length alone.
    pub(crate) fn of(name: &str) -> Self {
        let (known, text) = match name.len() {
            2 => (Self::Te, "te"),
            4 => (Self::Host, "host"),
            6 => (Self::Expect, "expect"),
            7 => (Self::Upgrade, "upgrade"),
            9 => (Self::Forwarded, "forwarded"),
            10 if name.as_bytes()[0].eq_ignore_ascii_case(&b'k') => (Self::KeepAlive, "keep-alive"),
            10 => (Self::Connection, "connection"),
            12 if name.as_bytes()[0].eq_ignore_ascii_case(&b'x') => (Self::RequestId, "x-request-id"),
            12 => (Self::ContentType, "content-type"),
            14 => (Self::ContentLength, "content-length"),
            15 => (Self::ForwardedFor, "x-forwarded-for"),
            16 if name.as_bytes()[0].eq_ignore_ascii_case(&b'p') => {
                (Self::ProxyConnection, "proxy-connection")
            }
            16 if name.as_bytes()[12].eq_ignore_ascii_case(&b'h') => {
                (Self::ForwardedHost, "x-forwarded-host")
            }
            16 => (Self::ForwardedPort, "x-forwarded-port"),
            17 if name.as_bytes()[0].eq_ignore_ascii_case(&b'x') => {
                (Self::ForwardedProto, "x-forwarded-proto")
            }
            17 => (Self::TransferEncoding, "transfer-encoding"),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(text) { known } else { Self::Other }
    }

    /// Whether a front says so of its client, or of the request.
    pub(crate) fn is_of_a_front(self) -> bool {
        matches!(
            self,
            Self::Forwarded
                | Self::ForwardedFor
                | Self::ForwardedHost
                | Self::ForwardedPort
                | Self::ForwardedProto
                | Self::RequestId
        )
    }

    /// Whether it concerns one connection only, whatever `Connection` says (RFC 9110 §7.6.1), or is written anew.
    ///
    /// `Expect` is among them because the proxy itself answers `100 Continue` (compat C-99).
    pub(crate) fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Expect
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        let known = [
            ("connection", Known::Connection),
            ("content-length", Known::ContentLength),
            ("content-type", Known::ContentType),
            ("expect", Known::Expect),
            ("forwarded", Known::Forwarded),
            ("x-forwarded-for", Known::ForwardedFor),
            ("x-forwarded-host", Known::ForwardedHost),
            ("x-forwarded-port", Known::ForwardedPort),
            ("x-forwarded-proto", Known::ForwardedProto),
            ("host", Known::Host),
            ("keep-alive", Known::KeepAlive),
            ("proxy-connection", Known::ProxyConnection),
            ("x-request-id", Known::RequestId),
            ("te", Known::Te),
            ("transfer-encoding", Known::TransferEncoding),
            ("upgrade", Known::Upgrade),
        ];
        for (name, field) in known {
            assert_eq!(Known::of(name), field);
            assert_eq!(Known::of(&name.to_uppercase()), field);
            let mut other = name.to_owned();
            other.pop();
            other.push('_');
            assert_eq!(Known::of(&other), Known::Other, "{other}");
        }
        for other in ["", "cookie", "x-own", "sec-websocket-key", "x-forwarded-proxy-really"] {
            assert_eq!(Known::of(other), Known::Other);
        }
    }
}
