//! What the proxy answers itself.

use crate::proxy::machine::fields::write_answer;
use crate::proxy::machine::wire::Refusal;
use crate::proxy::record::Ending;

use super::account::Account;
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

impl<'c, S: ClientStream> Connection<'c, S> {
    /// Answers a request that cannot be understood; its connection ends.
    pub(super) async fn refuse(&mut self, refusal: Refusal, account: &mut Account<'_>) -> Next<'c> {
        tracing::debug!(status = refusal.status, why = refusal.why, "request refused");
        self.say(refusal.status, None, true, false, account).await;
        Next::Linger
    }

    /// Answers a request for which there is no application (compat C-90, C-91, C-103).
    pub(super) async fn answer_here(
        &mut self,
        status: u16,
        text: Option<&str>,
        answered: Answered,
        account: &mut Account<'_>,
    ) -> Next<'c> {
        if answered.is_upgrade {
            if status == 503 {
                account.answers(status);
                account.ending = Ending::Whole;
                self.write(NO_RELEASE_FOR_AN_UPGRADE).await;
            }
            return Next::Close;
        }
        let close = !answered.persists || !answered.has_come;
        if !self.say(status, text, close, answered.to_head, account).await {
            return Next::Close;
        }
        match (close, answered.has_come) {
            (false, _) => Next::Request,
            (true, true) => Next::Close,
            (true, false) => Next::Linger,
        }
    }

    async fn say(
        &mut self,
        status: u16,
        text: Option<&str>,
        close: bool,
        to_head: bool,
        account: &mut Account<'_>,
    ) -> bool {
        let mut out = Buffer::new();
        write_answer(out.bytes(), status, text, close, to_head);
        account.answers(status);
        account.set_finished(true);
        let is_written = self.write(out.filled()).await;
        if is_written {
            account.ending = Ending::Whole;
        }
        is_written
    }
}
