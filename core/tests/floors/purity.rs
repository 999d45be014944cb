//! What pure code may not name: whatever acts, waits, locks, reads a clock or throws dice.

use super::Source;
use super::paths::Path;
use super::table::is_pure_room;

/// A path that pure code may not name, and what to do instead.
const BANNED: [(&str, &str); 23] = [
    ("tokio", "a hand awaits, a machine says when to come back"),
    ("hyper", "a hand talks HTTP"),
    ("hyper_util", "a hand talks HTTP"),
    ("http_body_util", "a hand talks HTTP"),
    ("nix", "a hand asks the system"),
    ("libc", "a hand asks the system"),
    ("socket2", "a hand asks the system"),
    ("arc_swap", "pure state has one owner"),
    ("rand", "dice are a seeded value that the simulator hands out"),
    ("getrandom", "dice are a seeded value that the simulator hands out"),
    ("std::fs", "read it in a host, decide on the text"),
    ("std::env", "take it as an argument"),
    ("std::net", "only the value types, such as SocketAddr"),
    ("std::os", "a hand asks the system"),
    ("std::process", "a hand spawns"),
    ("std::thread", "a hand runs"),
    ("std::sync", "only Arc: pure state has one owner"),
    ("std::time::Instant", "take `crate::time::Instant` as an argument"),
    ("std::time::SystemTime", "take `crate::time::WallTime` as an argument"),
    ("std::collections::HashMap", "its order is random: use BTreeMap"),
    ("std::collections::HashSet", "its order is random: use BTreeSet"),
    ("crate::clock", "take the time as an argument"),
    ("crate::threads", "a hand runs"),
];

/// Below a banned path, but plain values.
const VALUES: [&str; 9] = [
    "std::sync::Arc",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::SocketAddrV4",
    "std::net::SocketAddrV6",
    "std::net::AddrParseError",
    // The seeded generator; how it may be made is checked below.
    "fastrand::Rng",
];

/// What is wrong with `path` in `source`, if `source` is pure.
pub(crate) fn impurity(source: &Source, path: &Path) -> Option<String> {
    if !is_pure(source) || path.in_test || source.in_test {
        return None;
    }
    let text = path.text();
    if let Some(problem) = dice(source, path).or_else(|| own_effects(source, path)) {
        return Some(problem);
    }
    if VALUES.iter().any(|value| path.starts_with(value)) {
        return None;
    }
    if let Some((_, instead)) = BANNED.iter().find(|(banned, _)| path.starts_with(banned)) {
        return Some(format!("`{text}` is not pure: {instead}"));
    }
    let whole = text.trim_end_matches("::*");
    (path.imported
        && BANNED.iter().any(|(banned, _)| banned.starts_with(&format!("{whole}::")))
        && whole != "crate")
        .then(|| format!("`{text}` hides what is used of it: name the item"))
}

fn is_pure(source: &Source) -> bool {
    source.room().is_some_and(is_pure_room) || source.is_machine()
}

/// Only the simulator throws dice, and only those whose seed it was given.
fn dice(source: &Source, path: &Path) -> Option<String> {
    let unseeded = path.text().ends_with("Rng::new")
        || path.starts_with("fastrand") && !path.starts_with("fastrand::Rng");
    let elsewhere = path.starts_with("fastrand") && source.room() != Some("simulate");
    (unseeded || elsewhere)
        .then(|| format!("`{}` is a random source: take a seeded `fastrand::Rng`", path.text()))
}

/// A machine that uses the rest of its hand would be as impure as that.
fn own_effects(source: &Source, path: &Path) -> Option<String> {
    let hand = source.room().filter(|_| source.is_machine())?;
    let inner = path.segments.get(2).map(String::as_str);
    (path.starts_with(&format!("crate::{hand}")) && inner != Some("machine"))
        .then(|| format!("`{}` is outside `{hand}/machine`: a machine knows only itself", path.text()))
}
