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
    /// By name, in any case. `name` is a token (RFC 9110 §5.6.2).
    ///
    /// Most fields are told apart by their length alone. This is asked several times of every field of every request.
    pub(crate) fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let is_known = match name.len() {
            2 => is(name, b"te").then_some(Self::Te),
            4 => is(name, b"host").then_some(Self::Host),
            6 => is(name, b"expect").then_some(Self::Expect),
            7 => is(name, b"upgrade").then_some(Self::Upgrade),
            9 => is(name, b"forwarded").then_some(Self::Forwarded),
            10 if is(name, b"connection") => Some(Self::Connection),
            10 => is(name, b"keep-alive").then_some(Self::KeepAlive),
            12 if is(name, b"content-type") => Some(Self::ContentType),
            12 => is(name, b"x-request-id").then_some(Self::RequestId),
            14 => is(name, b"content-length").then_some(Self::ContentLength),
            15 => is(name, b"x-forwarded-for").then_some(Self::ForwardedFor),
            16 if is(name, b"x-forwarded-host") => Some(Self::ForwardedHost),
            16 if is(name, b"x-forwarded-port") => Some(Self::ForwardedPort),
            16 => is(name, b"proxy-connection").then_some(Self::ProxyConnection),
            17 if is(name, b"transfer-encoding") => Some(Self::TransferEncoding),
            17 => is(name, b"x-forwarded-proto").then_some(Self::ForwardedProto),
            _ => None,
        };
        is_known.unwrap_or(Self::Other)
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

/// Whether the token is this one, in any case. `known` is of small letters and `-`: no byte of a token but these and the
/// large letters becomes one of them with this bit set. A length that is known makes it a few instructions.
fn is<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    const SMALL: u8 = 0x20;
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        let differences = name.iter().zip(known).map(|(byte, known)| (byte | SMALL) ^ known);
        differences.fold(0, |all, one| all | one) == 0
    })
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
        for byte in b"!#$%&'*+-.^_`|~0123456789" {
            let other = format!("{}e", char::from(*byte));
            assert_eq!(Known::of(&other), Known::Other, "{other}");
        }
        for other in ["", "cookie", "x-own", "sec-websocket-key", "x-forwarded-proxy-really"] {
            assert_eq!(Known::of(other), Known::Other);
        }
    }
}
