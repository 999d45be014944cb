//! A listening socket from somebody else is looked at before anybody is served on it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use socket2::{SockRef, Type};

use super::workers::addresses;
use super::{BindError, ProxyOptions};

/// What a socket is.
#[derive(Clone, Copy, Debug)]
struct Seen {
    is_stream: bool,
    listens: bool,
    /// `None` for a socket that is not of the internet.
    address: Option<SocketAddr>,
}

/// Makes sure that this is a listening TCP socket on the address of the options, and that no child will inherit it.
pub(super) fn check(listener: &TcpListener, options: &ProxyOptions) -> Result<(), BindError> {
    let ProxyOptions { host, port, .. } = options;
    let seen = look(listener).map_err(|source| BindError::new(host, *port, source))?;
    let expected: Vec<IpAddr> = addresses(options)?.map(|address| address.ip()).collect();
    if let Some(found) = wrong(seen, &expected, *port) {
        return Err(BindError::NotOurs { host: host.clone(), port: *port, found });
    }
    let made_ours = listener.set_nonblocking(true).and_then(|()| close_on_exec(listener));
    made_ours.map_err(|source| BindError::new(host, *port, source))
}

fn look(listener: &TcpListener) -> io::Result<Seen> {
    let socket = SockRef::from(listener);
    Ok(Seen {
        is_stream: socket.r#type()? == Type::STREAM,
        listens: socket.is_listener()?,
        address: socket.local_addr()?.as_socket(),
    })
}

fn close_on_exec(listener: &TcpListener) -> io::Result<()> {
    fcntl(listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// What is wrong with it, if anything. Port 0 is any.
fn wrong(seen: Seen, expected: &[IpAddr], port: u16) -> Option<String> {
    match seen {
        Seen { address: None, .. } | Seen { is_stream: false, .. } => Some("it is no TCP socket".to_owned()),
        Seen { listens: false, .. } => Some("it does not listen".to_owned()),
        Seen { address: Some(address), .. }
            if !expected.contains(&address.ip()) || (port != 0 && address.port() != port) =>
        {
            Some(format!("it is on {address}"))
        }
        Seen { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listening_tcp_socket_on_the_address_is_taken() {
        let local: IpAddr = [127, 0, 0, 1].into();
        let address = |port| Some(SocketAddr::new(local, port));
        let good = Seen { is_stream: true, listens: true, address: address(8182) };
        assert_eq!(wrong(good, &[local], 8182), None);
        assert_eq!(wrong(good, &[local], 0), None, "any port");
        assert_eq!(wrong(good, &[local], 8183).as_deref(), Some("it is on 127.0.0.1:8182"));
        let elsewhere = [IpAddr::from([10, 0, 0, 1])];
        assert_eq!(wrong(good, &elsewhere, 8182).as_deref(), Some("it is on 127.0.0.1:8182"));
        let deaf = Seen { listens: false, ..good };
        assert_eq!(wrong(deaf, &[local], 8182).as_deref(), Some("it does not listen"));
        for other in [Seen { address: None, ..good }, Seen { is_stream: false, ..good }] {
            assert_eq!(wrong(other, &[local], 8182).as_deref(), Some("it is no TCP socket"));
        }
    }

    #[test]
    fn what_the_system_says_of_a_socket_is_read() {
        let options = |port| ProxyOptions::new("127.0.0.1", port);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(check(&listener, &options(port)).is_ok());
        let other = port.wrapping_add(1).max(1);
        assert_eq!(
            check(&listener, &options(other)).expect_err("another port").code(),
            "proxy_socket_not_ours"
        );
        let connected = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let connected = TcpListener::from(std::os::fd::OwnedFd::from(connected));
        let error = check(&connected, &options(0)).expect_err("it does not listen").to_string();
        assert!(error.ends_with("it does not listen"), "{error}");
    }
}
