//! `DrainingProxy` between real sockets.

mod close;
mod headers;
mod http;
mod leave;
mod parking;
mod pool;
mod streams;
mod strict;
mod support;
mod switch;
mod tunnels;
