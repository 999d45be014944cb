//! The bodies on their way through, and what is let go when they end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::UpstreamError;
use super::clients::Client;
use super::error::exchange_failure;
use super::route::Ticket;
use super::shared::Worker;
use super::upstream::Upstream;

/// What a client sends, on its way to the application.
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    client: Arc<Client>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, client: &Arc<Client>) -> Self {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        Self { incoming, client: Arc::clone(client) }
    }

    pub(super) fn empty(client: &Arc<Client>) -> Self {
        Self { incoming: None, client: Arc::clone(client) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        match &frame {
            Some(Err(_)) => self.client.request_broke_off(),
            None => self.client.request_ended(),
            Some(Ok(_)) if incoming.is_end_stream() => self.client.request_ended(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// What a client gets: a text of ours, or what the application sends.
pub(crate) struct AnswerBody {
    content: Content,
    client: Arc<Client>,
}

enum Content {
    Text(Option<Bytes>),
    Relayed(Box<Relayed>),
}

/// The body of an application's answer, and what it holds until its end.
pub(crate) struct Relayed {
    pub(super) incoming: Incoming,
    pub(super) ticket: Option<Ticket>,
    pub(super) upstream: Option<Upstream>,
    /// How long the connection may be idle after this.
    pub(super) idle_limit: Duration,
    pub(super) worker: Arc<Worker>,
}

impl AnswerBody {
    pub(super) fn text(text: &'static str, client: &Arc<Client>) -> Self {
        let text = (!text.is_empty()).then_some(Bytes::from_static(text.as_bytes()));
        Self { content: Content::Text(text), client: Arc::clone(client) }
    }

    pub(super) fn relayed(mut relayed: Relayed, client: &Arc<Client>) -> Self {
        if relayed.incoming.is_end_stream() {
            relayed.ended();
        }
        Self { content: Content::Relayed(Box::new(relayed)), client: Arc::clone(client) }
    }
}

impl Relayed {
    /// All has come: the connection is free for the next request, and the release no longer held.
    fn ended(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            self.worker.pool.give_back(upstream, self.idle_limit);
        }
        self.ticket = None;
    }

    fn failed(&mut self, error: &hyper::Error) {
        if let Some(ticket) = self.ticket.as_ref().filter(|ticket| !ticket.client().has_failed()) {
            let generation = ticket.route().ledger.generation;
            let message = exchange_failure(error);
            self.worker.shared.options.errors.tell(&UpstreamError { generation, message, head_sent: true });
        }
        self.upstream = None;
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let relayed = match &mut this.content {
            Content::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Content::Relayed(relayed) => relayed,
        };
        let frame = ready!(Pin::new(&mut relayed.incoming).poll_frame(cx));
        match &frame {
            Some(Err(error)) => {
                this.client.break_off();
                relayed.failed(error);
            }
            None => relayed.ended(),
            Some(Ok(_)) if relayed.incoming.is_end_stream() => relayed.ended(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Text(text) => text.is_none(),
            Content::Relayed(relayed) => relayed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Relayed(relayed) => relayed.incoming.size_hint(),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.client.answered();
    }
}
