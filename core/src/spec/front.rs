//! Who may stand in front of the proxy and speak for its clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The addresses whose `X-Forwarded-*` fields are believed.
///
/// Anybody can send these fields. From a front they say who the client really is; from a client they would be a lie
/// that the application takes for the truth.
///
/// ```
/// use rollcore::TrustedFronts;
/// let fronts = TrustedFronts::from_texts(["10.0.0.0/8", "192.0.2.7"])?;
/// assert!(fronts.contains("10.1.2.3".parse()?));
/// assert!(!fronts.contains("192.0.2.8".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedFronts(Vec<IpNet>);

/// A text that is neither an address nor a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an IP address nor a range such as 10.0.0.0/8")]
pub struct InvalidFront {
    text: String,
}

/// This machine and private networks (RFC 1122 §3.2.1.3, RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5).
const DEFAULTS: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

impl Default for TrustedFronts {
    /// This machine and private networks: where a front of one's own stands, and no client from the internet.
    fn default() -> Self {
        Self::from_texts(DEFAULTS).expect("the defaults are ranges")
    }
}

impl TrustedFronts {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// These addresses and ranges.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn from_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, InvalidFront> {
        texts.into_iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is one of them. An IPv4 address of an IPv6 socket counts as an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }
}

fn range(text: &str) -> Result<IpNet, InvalidFront> {
    let only = || IpAddr::from_str(text).map(IpNet::from);
    IpNet::from_str(text).or_else(|_| only()).map_err(|_| InvalidFront { text: text.to_owned() })
}

impl fmt::Display for TrustedFronts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(fronts: &TrustedFronts, address: &str) -> bool {
        fronts.contains(address.parse().expect(address))
    }

    #[test]
    fn this_machine_and_private_networks_are_trusted_by_default() {
        let fronts = TrustedFronts::default();
        for address in
            ["127.0.0.1", "::1", "10.9.8.7", "172.31.0.1", "192.168.1.1", "::ffff:10.0.0.7", "fd00::1"]
        {
            assert!(trusts(&fronts, address), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!trusts(&fronts, address), "{address}");
        }
        assert!(!trusts(&TrustedFronts::none(), "127.0.0.1"));
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["", "nginx", "10.0.0.0/33", "10.0.0.0/8/8", "1.2.3"] {
            let error = TrustedFronts::from_texts([text]).expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
