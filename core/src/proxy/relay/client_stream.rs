//! What a client's connection must be able to do.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A client's connection.
pub(crate) trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send {
    /// From now on its end is a reset: a client that takes the end of its connection for the end of its answer must not
    /// take half an answer for a whole one (compat C-92).
    fn end_with_reset(&mut self);
}

impl ClientStream for TcpStream {
    fn end_with_reset(&mut self) {
        // When it cannot be set the client sees an early end, as it would without us.
        let _ = self.set_zero_linger();
    }
}

impl ClientStream for tokio::io::DuplexStream {
    fn end_with_reset(&mut self) {}
}
