//! Which socket listens at an address: `/proc/net/tcp` and `/proc/net/tcp6` (`proc_net_tcp(5)`), or at a path:
//! `/proc/net/unix` (`proc_net_unix(5)`). Pure: texts in, inodes out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// A socket that accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// The state of a socket that listens, as the kernel writes it.
const LISTEN: &str = "0A";

const ANY_4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY_6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The listening sockets of one of the two files. Lines that are not understood are left out.
pub(super) fn listening(text: &str) -> impl Iterator<Item = Listening> {
    text.lines().skip(1).filter_map(parse)
}

fn parse(line: &str) -> Option<Listening> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    if *fields.get(3)? != LISTEN {
        return None;
    }
    Some(Listening {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// One or four numbers of 32 bits, each printed as this machine reads the bytes of the network.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The sockets that a connection to this address may reach, the most specific ones only.
pub(super) fn reached(all: &[Listening], address: IpAddr, port: u16) -> Vec<u64> {
    let address = destination(address);
    let mut places = vec![address];
    match address {
        IpAddr::V4(_) => places.extend([ANY_4, ANY_6]),
        IpAddr::V6(_) => places.push(ANY_6),
    }
    let at = |place: IpAddr| -> Vec<u64> {
        let there = all.iter().filter(|socket| socket.port == port && socket.address == place);
        there.map(|socket| socket.inode).collect()
    };
    places.into_iter().map(at).find(|inodes| !inodes.is_empty()).unwrap_or_default()
}

/// Who connects to no address in particular connects to this machine.
fn destination(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// Set in the flags of a Unix socket that listens (`__SO_ACCEPTCON` of `linux/net.h`).
const ACCEPTS: u32 = 1 << 16;

/// The Unix sockets that listen at `path`, from the text of `/proc/net/unix`. Lines that are not understood are left out.
pub(super) fn listening_at<'t>(text: &'t str, path: &'t Path) -> impl Iterator<Item = u64> + 't {
    text.lines().skip(1).filter_map(move |line| inode_if_at(line, path))
}

/// `Num RefCount Protocol Flags Type St Inode Path`, the inode padded to five places.
fn inode_if_at(line: &str, path: &Path) -> Option<u64> {
    let mut rest = line;
    let mut fields = [""; 7];
    for field in &mut fields {
        (*field, rest) = rest.trim_start().split_once(' ')?;
    }
    let accepts = u32::from_str_radix(fields[3], 16).ok()? & ACCEPTS != 0;
    // A path may begin with a space.
    (accepts && Path::new(rest) == path).then(|| fields[6].parse().ok()).flatten()
}

/// The inode of the socket behind a descriptor, from where its link in `/proc/<pid>/fd` points.
pub(super) fn inode_of_link(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4706 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 40001 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 40002 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 02:00000576 00000000  1000        0 40003 2 0000000000000000 20 4 30 10 -1
   3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 40004 1 0000000000000000 100 0 0 10 0
";

    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60001 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60002 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60003 1 0000000000000000 100 0 0 10 0
   3: B80D0120000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60004 1 0000000000000000 100 0 0 10 0
";

    fn inodes(address: &str, port: u16) -> Vec<u64> {
        let all: Vec<_> = listening(TCP).chain(listening(TCP6)).collect();
        reached(&all, address.parse().expect("an address"), port)
    }

    #[test]
    fn only_sockets_that_listen_are_read() {
        let all: Vec<_> = listening(TCP).map(|socket| socket.inode).collect();
        assert_eq!(all, [40001, 40002, 40004]);
    }

    #[test]
    fn an_address_reaches_its_own_socket_before_that_of_all_addresses() {
        assert_eq!(inodes("127.0.0.1", 0x4706), [40001]);
        assert_eq!(inodes("127.0.0.1", 8080), [40002]);
        assert_eq!(inodes("127.0.0.2", 8080), [40004]);
        assert_eq!(inodes("::1", 8082), [60002]);
        assert_eq!(inodes("2001:db8::1", 8082), [60004]);
        assert_eq!(inodes("127.0.0.1", 9999), [0; 0]);
    }

    #[test]
    fn a_socket_for_all_ipv6_addresses_may_take_ipv4_too() {
        assert_eq!(inodes("127.0.0.1", 8081), [60001]);
        assert_eq!(inodes("::1", 8081), [60001]);
        assert_eq!(inodes("::1", 8080), [0; 0], "one for IPv4 never takes IPv6");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert_eq!(inodes("127.0.0.1", 8083), [60003]);
        assert_eq!(inodes("::ffff:127.0.0.1", 0x4706), [40001]);
    }

    #[test]
    fn no_address_in_particular_is_this_machine() {
        assert_eq!(inodes("0.0.0.0", 0x4706), [40001]);
        assert_eq!(inodes("::", 8082), [60002]);
    }

    #[test]
    fn several_may_share_a_port() {
        let twice = format!(
            "{TCP}{}",
            TCP.lines().nth(1).map(|line| line.replace("40001", "40009")).expect("it is there")
        );
        let all: Vec<_> = listening(&twice).collect();
        assert_eq!(reached(&all, Ipv4Addr::LOCALHOST.into(), 0x4706), [40001, 40009]);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for line in
            ["", "0: zz:1F90 0:0 0A", "0: 0100007F 0:0 0A 0 0 0 0 0 1", "0: 01:1F90 0:0 0A 0 0 0 0 0 7 1"]
        {
            assert_eq!(listening(&format!("head\n{line}\n")).count(), 0, "{line:?}");
        }
    }

    #[test]
    fn a_unix_socket_that_listens_is_found_by_its_path() {
        const UNIX: &str = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 70001 /run/shop/web.1
0000000000000000: 00000003 00000000 00000000 0001 03 70002 /run/shop/web.1
0000000000000000: 00000002 00000000 00010000 0001 01   703 /run/shop/a b
0000000000000000: 00000002 00000000 00010000 0001 01 70004
0000000000000000: 00000002 00000000 00010000 0001 01 70005 @abstract
zz
";
        let at = |path: &str| listening_at(UNIX, Path::new(path)).collect::<Vec<_>>();
        assert_eq!(at("/run/shop/web.1"), [70001], "the other one is connected");
        assert_eq!(at("/run/shop/a b"), [703]);
        assert_eq!(at("/run/shop/web"), [0; 0]);
        assert_eq!(at(""), [0; 0]);
    }

    #[test]
    fn a_link_names_its_socket() {
        assert_eq!(inode_of_link("socket:[40001]"), Some(40001));
        for other in ["pipe:[40001]", "/dev/null", "socket:[]", "socket:[1", "anon_inode:[eventpoll]"] {
            assert_eq!(inode_of_link(other), None, "{other}");
        }
    }
}
