//! A port allocator with real sockets, from outside.
//!
//! Each test has a loopback address of its own, so that no test takes a port that another one just saw free.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};

use rollcore::{Lease, LeaseError, PortAllocator, PortRange};

fn listener(host: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((host, 0)).expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

/// A thousand ports, hardly any of which is in use.
fn wide_range(host: &str) -> PortRange {
    let (_, port) = listener(host);
    let first = port.min(64_000);
    PortRange::new(first, first + 999).expect("it ascends")
}

async fn exhausted(allocator: &PortAllocator, range: PortRange) -> String {
    allocator.lease(range).await.expect_err("there is no port").to_string()
}

/// Better than C-53: leases know each other. C-50.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_never_clash() {
    const HOST: &str = "127.0.0.2";
    for range in [wide_range(HOST), PortRange::EPHEMERAL] {
        let allocator = PortAllocator::new(HOST);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let allocator = allocator.clone();
            tasks.spawn(async move { allocator.lease(range).await.expect("there are enough") });
        }
        let leases = tasks.join_all().await;
        let ports: BTreeSet<u16> = leases.iter().map(Lease::port).collect();
        assert_eq!(ports.len(), 200);
        assert_eq!(allocator.leased(), ports.into_iter().collect::<Vec<_>>());
        drop(leases);
        assert!(allocator.leased().is_empty());
    }
}

/// C-49.
#[tokio::test]
async fn a_leased_port_can_be_bound_and_is_given_back() {
    const HOST: &str = "127.0.0.3";
    let allocator = PortAllocator::new(HOST);
    let range = wide_range(HOST);
    let first = allocator.lease(range).await.expect("there is one");
    let second = allocator.lease(range).await.expect("there is another");
    assert!(first.port() < second.port());
    TcpListener::bind((HOST, first.port())).expect("it is free");
    let port = first.port();
    first.give_back();
    assert_eq!(allocator.leased(), [second.port()]);
    let again = allocator.lease(PortRange::only(port)).await.expect("it was given back");
    assert_eq!(again.port(), port);
}

#[tokio::test]
async fn connections_of_a_former_owner_do_not_matter() {
    const HOST: &str = "127.0.0.4";
    let (listener, port) = listener(HOST);
    let client = TcpStream::connect((HOST, port)).expect("somebody listens");
    // Who closes first keeps the connection in TIME_WAIT, here the server.
    drop(listener.accept().expect("somebody connected"));
    drop(client);
    drop(listener);
    let lease = PortAllocator::new(HOST).lease(PortRange::only(port)).await.expect("nobody listens there");
    assert_eq!(lease.port(), port);
}

/// C-51; C-53.
#[tokio::test]
async fn an_exhausted_range_counts_its_reasons() {
    const HOST: &str = "127.0.0.5";
    let allocator = PortAllocator::new(HOST);
    let (_listener, port) = listener(HOST);
    let one = PortRange::only(port);
    assert_eq!(
        exhausted(&allocator, one).await,
        format!(
            "No available ports in range {port}-{port} (1 port on {HOST}): 0 reserved by this deploy, 1 already in \
             use. Widen the port range, free a port, or check bind permissions."
        )
    );
    let error = allocator.lease(one).await.expect_err("somebody listens");
    assert_eq!(error.code(), "port_range_exhausted");
    assert!(allocator.leased().is_empty());

    // The lease of another deploy counts as in use, though nobody listens.
    let lease = allocator.lease(PortRange::EPHEMERAL).await.expect("there is one");
    let error = allocator.lease(PortRange::only(lease.port())).await.expect_err("it is leased");
    assert!(matches!(error, LeaseError::Exhausted { reserved: 0, in_use: 1, denied: 0, .. }), "{error}");
}

/// C-47, C-49, C-51.
#[tokio::test]
async fn all_or_none() {
    const HOST: &str = "127.0.0.6";
    let allocator = PortAllocator::new(HOST);
    let (free, port) = listener(HOST);
    drop(free);
    let only = PortRange::only(port);
    let wanted = [("web", only), ("metrics", PortRange::EPHEMERAL), ("admin", only)];
    let error = allocator.lease_all(wanted).await.expect_err("two want the same");
    assert_eq!(
        error.to_string(),
        format!(
            "No available ports in range {port}-{port} (1 port on {HOST}): 1 reserved by this deploy, 0 already in \
             use. Widen the port range, free a port, or check bind permissions."
        )
    );
    assert!(allocator.leased().is_empty(), "the first two were given back");

    let leases = allocator.lease_all([("web", only), ("metrics", PortRange::EPHEMERAL)]).await.expect("both");
    assert_eq!(leases[0].0, "web");
    assert_eq!(leases[0].1.port(), port);
}

/// C-50, C-51.
#[tokio::test]
async fn an_address_that_is_not_ours_is_denied() {
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    let allocator = PortAllocator::new("192.0.2.1");
    assert_eq!(
        exhausted(&allocator, PortRange::new(20_000, 20_001).expect("it ascends")).await,
        "No available ports in range 20000-20001 (2 ports on 192.0.2.1): 0 reserved by this deploy, 0 already in use, \
         2 could not be bound (e.g. EADDRNOTAVAIL). Widen the port range, free a port, or check bind permissions."
    );
    let error = allocator.lease(PortRange::EPHEMERAL).await.expect_err("it is not ours");
    assert_eq!(error.to_string(), "Unable to allocate an ephemeral port on 192.0.2.1 (EADDRNOTAVAIL)");
    assert_eq!(error.code(), "no_ephemeral_port");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_denied() {
    let error =
        PortAllocator::new("no such host").lease(PortRange::EPHEMERAL).await.expect_err("no such host");
    assert_eq!(error.to_string(), "Unable to allocate an ephemeral port on no such host (ENOTFOUND)");
}

#[tokio::test]
async fn names_and_ipv6_addresses_are_hosts() {
    let local = PortAllocator::new("localhost").lease(PortRange::EPHEMERAL).await;
    assert!(local.is_ok(), "{local:?}");
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    for host in ["::1", "[::1]"] {
        let lease = PortAllocator::new(host).lease(PortRange::EPHEMERAL).await.expect("it is there");
        let taken = TcpListener::bind(("::1", lease.port())).expect("it is free");
        let error =
            PortAllocator::new(host).lease(PortRange::only(lease.port())).await.expect_err("it is not");
        assert!(matches!(error, LeaseError::Exhausted { in_use: 1, .. }), "{error}");
        drop(taken);
    }
}
