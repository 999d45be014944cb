//! The story of one request: read, bound to a release, sent, answered.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;

use crate::clock;
use crate::proxy::UpstreamError;
use crate::proxy::machine::wire::{HeadEnd, Refusal, empty_lines};
use crate::proxy::machine::{Death, Deaths, Unserved};
use crate::proxy::parking::{Knock, Stay};
use crate::proxy::route::Ticket;
use crate::spec::ProxyLimits;
use crate::time::Instant;

use super::buffer::Buffer;
use super::client_stream::ClientStream;
use super::connection::{Connection, Next};
use super::flight::{Broken, Expired, Flight, HalfClosed, Met, Times};
use super::own_answer::Answered;
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
    /// There is none: the request has waited in vain.
    Unserved(Unserved),
    /// There is nobody to answer.
    ClientGone,
    /// The request turned out bad on the way.
    Refused(Refusal),
}

fn too_slow() -> Way {
    Way::None { status: 504, message: Some("the answer took too long".to_owned()) }
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
                if end == HeadEnd::default() {
                    // Nothing of the head itself was looked at yet.
                    let empty = empty_lines(input.filled());
                    input.consume(empty);
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
            generation: ticket.route().ledger.generation,
            ticket: Some(ticket),
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
                flight.ticket().become_tunnel();
                let tunnel = Tunnel::new(upstream, front, flight, limits);
                Next::Tunnel(Box::new(tunnel), PhantomData)
            }
            Way::None { status, message } => {
                if let Some(message) = message {
                    self.worker.shared.tell(flight.generation, message);
                }
                let (has_come, rest) = (flight.has_come(), flight.input);
                self.answer_here(status, plan.answered(has_come), rest).await
            }
            Way::Unserved(unserved) => {
                if unserved.status() == 502 {
                    self.worker.shared.tell(flight.generation, unserved.to_string());
                }
                let (has_come, rest) = (flight.has_come(), flight.input);
                let answered = Answered { has_waited: true, ..plan.answered(has_come) };
                self.answer_here(unserved.status(), answered, rest).await
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
        let (mut deaths, mut stay) = (Deaths::default(), None);
        if !self.worker.shared.gate.is_open()
            && let Err(way) = self.wait(&mut stay, Knock::Enter, flight).await
        {
            return way;
        }
        loop {
            let repeatable = plan.is_idempotent && flight.has_come();
            let route = flight.ticket().route().ledger.id;
            let mut upstream = match self.reach(plan, flight.ticket(), repeatable, limits).await {
                Ok(upstream) => upstream,
                Err(Refused { message, nobody_listens: false }) => {
                    return Way::None { status: 502, message: Some(message) };
                }
                Err(Refused { message, .. }) => {
                    match self.wait(&mut stay, Knock::Refused(route), flight).await {
                        Ok(()) => continue,
                        Err(Way::Unserved(Unserved::NobodyListens)) => {
                            return Way::None { status: 502, message: Some(message) };
                        }
                        Err(way) => return way,
                    }
                }
            };
            let was_fresh = upstream.served == 0;
            if was_fresh {
                self.worker.shared.gate.connected(stay.as_ref(), route);
            }
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
                Met::Expired(Expired::Answer) => return too_slow(),
            };
            let death = Death { sent: flight.sent(), answered, is_idempotent: plan.is_idempotent, was_fresh };
            if !deaths.may_retry(death) {
                return Way::None { status: 502, message: Some(message) };
            }
            flight.begin_again();
            let knock = if was_fresh { Knock::Died } else { Knock::Enter };
            match self.wait(&mut stay, knock, flight).await {
                Ok(()) => {}
                Err(Way::Unserved(Unserved::NobodyListens)) => {
                    return Way::None { status: 502, message: Some(message) };
                }
                Err(way) => return way,
            }
        }
    }

    /// Waits at the gate, bound to no release, and takes the one that is active then: it may have changed, and the old
    /// one is what died. A client that leaves is noticed.
    async fn wait(&mut self, stay: &mut Option<Stay>, knock: Knock, flight: &mut Flight) -> Result<(), Way> {
        drop(flight.ticket.take());
        if flight.input.as_ref().is_some_and(Buffer::is_empty) {
            flight.input = None;
        }
        let stay = stay.get_or_insert_with(|| self.worker.shared.gate.stay(flight.bytes_held()));
        let mut passed = pin!(stay.wait(knock));
        poll_fn(|cx| {
            if let Poll::Ready(passed) = passed.as_mut().poll(cx) {
                return Poll::Ready(passed.map_err(Way::Unserved));
            }
            if let Err(broken) = flight.poll_client(cx, &mut self.stream) {
                return Poll::Ready(Err(match broken {
                    Broken::ClientGone => Way::ClientGone,
                    Broken::Refused(refusal) => Way::Refused(refusal),
                }));
            }
            match flight.poll_times(cx, &mut self.alarm) {
                None => Poll::Pending,
                Some(Expired::Client) => Poll::Ready(Err(Way::ClientGone)),
                Some(Expired::Answer) => Poll::Ready(Err(too_slow())),
            }
        })
        .await?;
        let ticket = Ticket::take(&self.worker.shared.active, &self.client);
        let ticket = ticket.ok_or(Way::None { status: 503, message: None })?;
        flight.generation = ticket.route().ledger.generation;
        flight.ticket = Some(ticket);
        Ok(())
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
                let error = UpstreamError { generation: flight.generation, message, head_sent: true };
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
