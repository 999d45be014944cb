//! Who gets which port, and how many are needed; or a Unix socket, and none is.
//!
//! # Leases
//!
//! A process with `port` gets one for itself before anything is started: the lowest of its range that can be bound on
//! `proxy.upstreamHost`, or with `0` one that the system chooses. All processes of a release get theirs, or none does and
//! the deploy fails before it has begun.
//!
//! A port stays leased until **every** process of its release is gone: nobody else gets it while an old process may still
//! hold it. A persistent service keeps its port through all releases.
//!
//! ```
//! use rollcore::{PortAllocator, PortRange};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let allocator = PortAllocator::new("127.0.0.1");
//! let lease = allocator.lease(PortRange::EPHEMERAL).await?;
//! let port = lease.port();
//!
//! // Nobody listens there yet, but it is taken.
//! let error = allocator.lease(PortRange::only(port)).await.expect_err("it is leased");
//! assert_eq!(error.code(), "port_range_exhausted");
//! assert!(error.to_string().contains("0 reserved by this deploy, 1 already in use"), "{error}");
//!
//! lease.give_back();
//! assert!(allocator.leased().is_empty());
//! # Ok::<(), rollcore::LeaseError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How many
//!
//! Old and new run side by side, so a range needs a port for each release that is there at the same time: the active one,
//! the new one, and those that are still draining. **A proxied process with a single port can be deployed once and never
//! replaced**: the second deploy fails with `port_range_exhausted`, and is undone. Ten ports are plenty for most.
//!
//! The message of a failed lease counts why each port of the range was refused: leased by the same deploy, in use (leased
//! by another release, or somebody listens there), or not to be bound at all, with the reason.
//!
//! # What a process sees
//!
//! | in the config | in the environment | |
//! | --- | --- | --- |
//! | `{{port}}` | `ROLLCORE_PORT` | its own |
//! | `{{ports.broker}}` | `ROLLCORE_BROKER_PORT` | that of another process of the same release, or of a service |
//! | `{{socket}}` | `ROLLCORE_SOCKET` | the path of its own Unix socket, with `socket: true` |
//! | `{{sockets.broker}}` | `ROLLCORE_BROKER_SOCKET` | that of another process |
//!
//! The same variables are there with `ROLLBRIDGE_` in front. In the name of a variable, letters are upper case and
//! anything but letters and digits becomes one `_`: `my-api.v2` is `ROLLCORE_MY_API_V2_PORT`.
//!
//! # What a lease is not
//!
//! It is kept in this program only. Another program may take a port between the lease and the moment your process listens
//! there; the process then fails to start or to become ready, and the deploy is undone. It cannot become ready in its stead:
//! a health answer counts only when the listening socket belongs to the new process or to something that it started. Where
//! that cannot be seen (another user's process, a container, no `/proc`) the answer counts. Choose a range outside of the
//! system's own (`/proc/sys/net/ipv4/ip_local_port_range`), which outgoing connections use.
//!
//! # A socket instead of a port
//!
//! With `"socket": true` in the place of `port`, a process listens at a Unix socket. The traffic behind the proxy then costs it
//! a quarter less, and nobody else on the machine can connect to it past the proxy.
//!
//! ```
//! use rollcore::{Config, ListenAt};
//!
//! let config = Config::from_json(r#"{ "application": "shop", "proxy": {}, "processes": [
//!     { "id": "web", "policy": "proxied", "socket": true, "command": "exec ./serve --listen unix:{{socket}}" }
//! ] }"#)?;
//! assert_eq!(config.application().proxied().listen_at(), Some(ListenAt::Socket));
//! # Ok::<(), rollcore::ConfigError>(())
//! ```
//!
//! The path is made up: one for each process and each release, in a directory that only the daemon's own user may enter
//! (mode 0700) and that is there before anything listens. The process makes the socket itself, whatever its umask; it has to
//! run as the same user. The directory is beside the control socket; without one in `$XDG_RUNTIME_DIR`, and without that in
//! `/tmp`. A directory that everybody may write to and that is not sticky is refused.
//!
//! - A restart in place has the same path. What a killed process left there is removed first, unless somebody still listens:
//!   no program binds a path that is taken.
//! - When its release is gone, so is the socket; what a killed daemon left is removed when the next one starts, or by
//!   `recover --force`.
//! - The system takes paths of 107 bytes. Too long a directory for the control socket fails a deploy before it has begun, and
//!   `doctor --release-path` says so too.
//! - [`SocketAllocator`](crate::SocketAllocator) does all this for a program that has no engine.
