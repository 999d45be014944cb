//! What the proxy answers itself.

use crate::proxy::machine::fields::write_answer;
use crate::proxy::machine::wire::Refusal;

use super::buffer::Buffer;
use super::client_stream::ClientStream;
use super::connection::{Connection, Next};

/// Compat C-103.
const NO_RELEASE_FOR_AN_UPGRADE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";

/// What is known of the request that is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) to_head: bool,
    /// Whether the client may send another request afterwards.
    pub(super) persists: bool,
    /// Whether all of the request has come.
    pub(super) has_come: bool,
    pub(super) is_upgrade: bool,
}

impl<S: ClientStream> Connection<S> {
    /// Answers a request that cannot be understood; its connection ends.
    pub(super) async fn refuse(&mut self, refusal: Refusal) -> Next<S> {
        tracing::debug!(status = refusal.status, why = refusal.why, "request refused");
        self.say(refusal.status, true, false).await;
        Next::Linger
    }

    /// Answers a request for which there is no application (compat C-90, C-91, C-103).
    pub(super) async fn answer_here(
        &mut self,
        status: u16,
        answered: Answered,
        rest: Option<Buffer>,
    ) -> Next<S> {
        if answered.is_upgrade {
            if status == 503 {
                self.write(NO_RELEASE_FOR_AN_UPGRADE).await;
            }
            return Next::Close;
        }
        let close = !answered.persists || !answered.has_come;
        if !self.say(status, close, answered.to_head).await {
            return Next::Close;
        }
        match (close, answered.has_come) {
            (false, _) => Next::Request(rest),
            (true, true) => Next::Close,
            (true, false) => Next::Linger,
        }
    }

    async fn say(&mut self, status: u16, close: bool, to_head: bool) -> bool {
        let mut out = Buffer::new();
        write_answer(out.bytes(), status, close, to_head);
        self.write(out.filled()).await
    }
}
