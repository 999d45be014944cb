//! What the system says of its TCP sockets (proc_net_tcp(5)).

/// A socket of IPv4.
pub(crate) struct Line {
    /// Its own port, and the one it is connected to.
    pub(crate) local: u16,
    pub(crate) remote: u16,
    pub(crate) state: String,
    /// How many bytes wait: written and not acknowledged, received and not read.
    pub(crate) unsent: u64,
    pub(crate) unread: u64,
}

pub(crate) fn lines() -> impl Iterator<Item = Line> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("there is a /proc");
    let lines: Vec<Line> = table.lines().skip(1).filter_map(line).collect();
    lines.into_iter()
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split_whitespace().skip(1);
    let mut port = || u16::from_str_radix(words.next()?.split_once(':')?.1, 16).ok();
    let (local, remote) = (port()?, port()?);
    let state = words.next()?.to_owned();
    let (unsent, unread) = words.next()?.split_once(':')?;
    let bytes = |text| u64::from_str_radix(text, 16).ok();
    Some(Line { local, remote, state, unsent: bytes(unsent)?, unread: bytes(unread)? })
}
