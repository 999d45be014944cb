//! The story of one request: read, bound to a release, sent, answered.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::Poll;

use crate::clock;
use crate::proxy::UpstreamError;
use crate::proxy::machine::wire::{HeadEnd, Refusal, empty_lines};
use crate::proxy::machine::{Death, Deaths};
use crate::proxy::route::Ticket;
use crate::spec::ProxyLimits;
use crate::time::Instant;

use super::buffer::Buffer;
use super::client_stream::ClientStream;
use super::connection::{Connection, Next};
use super::flight::{Expired, Flight, HalfClosed, Met, Times};
use super::plan::Plan;
use super::reply::{Begun, Reply, ReplyEnd};
use super::tunnel::Tunnel;
use super::upstream::{Refused, Upstream, dial};

/// How many interim answers (RFC 9110 §15.2) one request may have; one more is a failure.
const INTERIM_MAX: u32 = 64;

/// How the head of a request has come, or not.
enum Head {
    Whole(usize),
    Refused(Refusal),
    Gone,
}

/// How the way to an answer ended.
enum Way {
    /// Its head is there.
    Answer(Upstream, Reply),
    /// The application agreed to an upgrade; what is in the reply's front goes first.
    Tunnel(Upstream, Buffer),
    /// There is none, with this status; who is to be told why.
    None { status: u16, message: Option<String> },
    /// There is nobody to answer.
    ClientGone,
    /// The request turned out bad on the way.
    Refused(Refusal),
}

impl<S: ClientStream> Connection<S> {
    /// Answers one request, of which at least a byte is there.
    pub(super) async fn exchange(&mut self, input: Option<Buffer>) -> Next<S> {
        let began = clock::now();
        let limits = (**self.worker.shared.limits()).clone();
        let mut input = input.unwrap_or_else(Buffer::new);
        let head = match self.read_head(&mut input, &limits, began).await {
            Head::Whole(head) => head,
            Head::Refused(refusal) => return self.refuse(refusal).await,
            Head::Gone => return Next::Close,
        };
        let mut out = Buffer::new();
        let planned = self.plan(&input.filled()[..head], limits.head_fields_max, &mut out);
        input.consume(head);
        let (plan, ticket) = match planned {
            Ok(planned) => planned,
            Err(refusal) => return self.refuse(refusal).await,
        };
        self.answer(plan, ticket, input, out, &limits, began).await
    }

    async fn read_head(&mut self, input: &mut Buffer, limits: &ProxyLimits, began: Instant) -> Head {
        let mut end = HeadEnd::default();
        self.alarm.set(Some(began + limits.head_timeout));
        let Self { stream, alarm, .. } = self;
        poll_fn(|cx| {
            loop {
                // However they came: one half of an empty line may have been looked at already.
                let empty = empty_lines(input.filled());
                if empty > 0 {
                    input.consume(empty);
                    end = HeadEnd::default();
                }
                match end.find(input.filled()) {
                    Ok(Some(head)) if head > limits.head_bytes_max => {
                        return Poll::Ready(Head::Refused(Refusal::HEAD_TOO_LARGE));
                    }
                    Ok(Some(head)) => return Poll::Ready(Head::Whole(head)),
                    Ok(None) => {}
                    Err(_) => return Poll::Ready(Head::Refused(Refusal::bad("a line without CR"))),
                }
                if input.filled().len() >= limits.head_bytes_max || !input.make_room(limits.head_bytes_max) {
                    return Poll::Ready(Head::Refused(Refusal::HEAD_TOO_LARGE));
                }
                match input.poll_fill(cx, stream) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(_) => return Poll::Ready(Head::Gone),
                    Poll::Pending if alarm.is_due(cx) => {
                        return Poll::Ready(Head::Refused(Refusal::TOO_SLOW));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    async fn answer(
        &mut self,
        mut plan: Plan,
        ticket: Option<Ticket>,
        input: Buffer,
        out: Buffer,
        limits: &ProxyLimits,
        began: Instant,
    ) -> Next<S> {
        let Some(ticket) = ticket else {
            let has_come = plan.body.is_over();
            return self.answer_here(503, plan.answered(has_come), Some(input)).await;
        };
        let kept_max = out.filled().len() + limits.kept_body_bytes_max;
        let mut flight = Flight {
            ticket,
            times: Times::new(limits, began),
            input: Some(input),
            out,
            out_sent: 0,
            body: plan.body,
            body_ready: 0,
            kept_max,
            is_kept: true,
            body_bytes: 0,
            body_bytes_max: limits.body_bytes_max,
            answer: None,
            half_closed: HalfClosed::No,
        };
        let way = match limits.body_bytes_max.is_some_and(|max| flight.announces_more_than(max)) {
            true => Way::Refused(Refusal::BODY_TOO_LARGE),
            false => self.find_answer(&mut plan, &mut flight, limits).await,
        };
        match way {
            Way::Answer(upstream, reply) => self.relay(flight, upstream, reply, limits).await,
            Way::Tunnel(upstream, front) => {
                flight.ticket.become_tunnel();
                let tunnel = Tunnel::new(upstream, front, flight, limits);
                Next::Tunnel(Box::new(tunnel), PhantomData)
            }
            Way::None { status, message } => {
                if let Some(message) = message {
                    self.worker.shared.tell(flight.ticket.route().ledger.generation, message);
                }
                let (has_come, rest) = (flight.has_come(), flight.input);
                self.answer_here(status, plan.answered(has_come), rest).await
            }
            Way::ClientGone => Next::Close,
            Way::Refused(refusal) => self.refuse(refusal).await,
        }
    }

    /// Whether the client's connection ends with the next answer, whatever it asked for.
    fn is_to_close(&self) -> bool {
        self.worker.shared.is_leaving() || self.client.is_asked_to_close()
    }

    /// Sends the request until the head of its answer is there: on a kept connection if there is one, else on a new one,
    /// and again where that is safe.
    async fn find_answer(&mut self, plan: &mut Plan, flight: &mut Flight, limits: &ProxyLimits) -> Way {
        let mut deaths = Deaths::default();
        loop {
            let repeatable = plan.is_idempotent && flight.has_come();
            let mut upstream = match self.reach(plan, &flight.ticket, repeatable, limits).await {
                Ok(upstream) => upstream,
                Err(Refused { message }) => return Way::None { status: 502, message: Some(message) },
            };
            let was_fresh = upstream.served == 0;
            upstream.served += 1;
            let (answered, message) = match self.meet(plan, flight, &mut upstream, limits).await {
                Met::Head(head) => match Reply::begin(plan, self.is_to_close(), flight, head, limits) {
                    Ok(Begun::Reply(reply)) => return Way::Answer(upstream, reply),
                    Ok(Begun::Tunnel(front)) => return Way::Tunnel(upstream, front),
                    Err(message) => return Way::None { status: 502, message: Some(message) },
                },
                Met::Died { answered, message } => (answered, message),
                Met::Unreadable(why) => {
                    return Way::None { status: 502, message: Some(format!("Parse Error: {why}")) };
                }
                Met::ClientGone | Met::Expired(Expired::Client) => return Way::ClientGone,
                Met::Refused(refusal) => return Way::Refused(refusal),
                Met::Expired(Expired::Answer) => {
                    return Way::None { status: 504, message: Some("the answer took too long".to_owned()) };
                }
            };
            let death = Death { sent: flight.sent(), answered, is_idempotent: plan.is_idempotent, was_fresh };
            if !deaths.may_retry(death) {
                return Way::None { status: 502, message: Some(message) };
            }
            flight.begin_again();
            // The release may have changed meanwhile, and the old one is what died.
            match Ticket::take(&self.worker.shared.active, &self.client) {
                Some(new) => flight.ticket = new,
                None => return Way::None { status: 503, message: None },
            }
        }
    }

    async fn reach(
        &self,
        plan: &Plan,
        ticket: &Ticket,
        repeatable: bool,
        limits: &ProxyLimits,
    ) -> Result<Upstream, Refused> {
        let route = ticket.route();
        let backend = route.next_backend();
        let kept = match plan.upgrade {
            Some(_) => None,
            None => self.worker.pool.take(route.ledger.id, backend, repeatable),
        };
        match kept {
            Some(upstream) => Ok(upstream),
            None => dial(route, backend, limits.upstream_connect_timeout).await,
        }
    }

    /// Sends the request and waits for the head of its answer, passing on what comes before it.
    async fn meet(
        &mut self,
        plan: &mut Plan,
        flight: &mut Flight,
        upstream: &mut Upstream,
        limits: &ProxyLimits,
    ) -> Met {
        if std::mem::take(&mut plan.expects_continue) && !flight.has_begun_to_come() {
            // Compat C-99.
            if !self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await {
                return Met::ClientGone;
            }
        }
        for _ in 0..INTERIM_MAX {
            let mut end = HeadEnd::default();
            let met = poll_fn(|cx| {
                flight.poll_head(
                    cx,
                    &mut self.stream,
                    &mut self.alarm,
                    upstream,
                    &mut end,
                    limits.head_bytes_max,
                )
            })
            .await;
            let Met::Head(head) = met else { return met };
            match Reply::interim(plan, flight, head, limits) {
                None => return Met::Head(head),
                Some(None) => {}
                Some(Some(front)) if self.write(front.filled()).await => {}
                Some(Some(_)) => return Met::ClientGone,
            }
        }
        Met::Unreadable("interim answers without end")
    }

    async fn relay(
        &mut self,
        mut flight: Flight,
        upstream: Upstream,
        mut reply: Reply,
        limits: &ProxyLimits,
    ) -> Next<S> {
        let mut upstream = Some(upstream);
        self.client.set_close_delimited(reply.is_close_delimited);
        let pool = &self.worker.pool;
        let end = poll_fn(|cx| {
            let polled = reply.poll(cx, &mut self.stream, &mut self.alarm, &mut flight, &mut upstream);
            if reply.has_come()
                && let Some(upstream) = upstream.take()
                && reply.persists
                && flight.leaves_reusable(&upstream)
                && !reply.has_surplus(&flight)
            {
                pool.give_back(upstream, reply.idle_limit, limits.upstream_idle_max);
            }
            polled
        })
        .await;
        match end {
            ReplyEnd::Whole => {}
            ReplyEnd::BrokeOff(message) => {
                let generation = flight.ticket.route().ledger.generation;
                let error = UpstreamError { generation, message, head_sent: true };
                self.worker.shared.options.errors.tell(&error);
                return Next::Close;
            }
            ReplyEnd::ClientGone => return Next::Close,
        }
        self.client.set_close_delimited(false);
        let has_come = flight.has_come();
        drop(flight.ticket);
        let is_over = reply.closes || flight.half_closed != HalfClosed::No || self.client.is_asked_to_close();
        match (is_over, has_come) {
            (_, false) => Next::Linger,
            (true, true) => Next::Close,
            (false, true) => Next::Request(flight.input),
        }
    }
}
