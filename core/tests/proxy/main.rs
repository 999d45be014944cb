//! `DrainingProxy` between real sockets.

mod accept;
mod close;
mod counting;
mod headers;
mod holders;
mod http;
#[cfg(feature = "tls")]
mod http2;
#[cfg(feature = "tls")]
mod https;
mod introduction;
mod leave;
mod limits;
mod parking;
mod pool;
#[cfg(feature = "tls")]
mod secured;
mod streams;
mod strict;
mod support;
mod switch;
mod tunnels;
mod unix;
mod wind_down;
