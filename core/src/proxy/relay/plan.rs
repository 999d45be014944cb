//! What a request's head means for its way, and the head for the application: all that needs the client's bytes at once.

use crate::proxy::machine::fields::{Hop, write_request};
use crate::proxy::machine::wire::{Body, FieldRoom, Refusal, Request};
use crate::proxy::machine::{Upgrade, is_idempotent, upgrade_of};
use crate::proxy::route::Backend;

use super::buffer::Buffer;
use super::client_stream::ClientStream;
use super::connection::Connection;
use super::flight::Flight;
use super::own_answer::Answered;

/// A request that has been understood.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) body: Body,
    /// Whether it is HEAD, whose answer has no body.
    pub(super) to_head: bool,
    pub(super) is_http_10: bool,
    /// Whether the client would send another request afterwards.
    pub(super) persists: bool,
    /// Whether it may happen twice.
    pub(super) is_idempotent: bool,
    /// What its connection is to become.
    pub(super) upgrade: Option<Box<[u8]>>,
    /// Whether the client waits for `100 Continue`.
    pub(super) expects_continue: bool,
}

impl Plan {
    /// Whether what its connection is to become speaks in frames of RFC 6455.
    pub(super) fn is_websocket(&self) -> bool {
        self.upgrade.as_ref().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    }

    pub(super) fn answered(&self, has_come: bool) -> Answered {
        Answered {
            to_head: self.to_head,
            persists: self.persists,
            has_come,
            is_upgrade: self.upgrade.is_some(),
        }
    }
}

impl<'c, S: ClientStream> Connection<'c, S> {
    /// Understands the head that has come, and writes the one for the application.
    pub(super) fn plan(&self, flight: &mut Flight<'_>, head: usize) -> Result<Plan, Refusal> {
        let input = flight.input.as_mut().ok_or(Refusal::bad("no head"))?;
        let mut out = Buffer::new();
        let plan = self.plan_head(&input.filled()[..head], flight.limits.head_fields_max, out.bytes())?;
        input.consume(head);
        flight.departs(out, plan.body);
        Ok(plan)
    }

    fn plan_head(&self, head: &[u8], fields_max: usize, out: &mut Vec<u8>) -> Result<Plan, Refusal> {
        let mut room = FieldRoom::new();
        let request = Request::parse(head, fields_max, &mut room)?;
        let upgrade = self.upgrade(&request);
        let plan = Plan {
            body: request.body,
            to_head: request.method == "HEAD",
            is_http_10: request.is_http_10,
            persists: request.persists() && !self.guest.is_last,
            is_idempotent: is_idempotent(request.method),
            upgrade: upgrade.map(Into::into),
            expects_continue: request.expects_continue && !request.body.is_over(),
        };
        let own_host = if request.host.is_none() { self.own_host() } else { String::new() };
        let request_id = RequestId::new();
        let hop = Hop {
            address: self.guest.address.as_bytes(),
            is_front: self.guest.is_front,
            is_tls: self.guest.is_tls,
            own_host: &own_host,
            request_id: &request_id.0,
        };
        write_request(out, &request, hop, upgrade);
        Ok(plan)
    }

    /// For an HTTP/1.0 client that names none.
    fn own_host(&self) -> String {
        let active = self.guest.worker.shared.active.load();
        let first = active.as_ref().and_then(|route| route.backends().first());
        first.map(Backend::authority).unwrap_or_default()
    }

    fn upgrade<'b>(&self, request: &Request<'_, 'b>) -> Option<&'b [u8]> {
        let protocol = request.upgrade.filter(|_| request.connection.upgrade && !request.is_http_10)?;
        let allowed = &self.guest.worker.shared.options.upgrades;
        let asked = upgrade_of(request.method, [&b"upgrade"[..]], [protocol], allowed);
        (asked == Upgrade::WebSocket && request.body.is_over()).then_some(protocol)
    }
}

/// 128 bits of chance in hexadecimal digits. By hand: formatting would take longer than all other fields together.
struct RequestId([u8; 32]);

impl RequestId {
    fn new() -> Self {
        let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
        // First one half of each byte, then the other: chance knows no order.
        let bytes = fastrand::u128(..).to_ne_bytes();
        let mut digits = [0; 32];
        let (low, high) = digits.split_at_mut(bytes.len());
        for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
            (*low, *high) = (digit(byte & 15), digit(byte >> 4));
        }
        Self(digits)
    }
}
