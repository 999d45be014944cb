//! `DrainingProxy` between real sockets.

mod accept;
mod close;
mod connects;
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
mod table;
mod tunnels;
mod unix;
mod unread;
mod wind_down;
