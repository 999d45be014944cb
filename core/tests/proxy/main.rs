//! `DrainingProxy` between real sockets.

mod accept;
mod close;
mod headers;
mod http;
mod leave;
mod limits;
mod parking;
mod pool;
mod streams;
mod support;
mod switch;
mod tunnels;
mod unix;
