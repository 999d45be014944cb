//! The story of one request: read, bound to a release, sent, answered.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::proxy::holders::HolderKind;
use crate::proxy::machine::wire::{HeadEnd, Refusal, empty_lines};
use crate::proxy::machine::{Death, Deaths, Unserved};
use crate::proxy::parking::Stay;
use crate::proxy::record::Ending;
use crate::proxy::shared::Worker;
use crate::spec::ProxyLimits;

use super::account::Account;
use super::asked::Asked;
use super::buffer::Buffer;
use super::client_stream::ClientStream;
use super::connection::{Connection, Next};
use super::flight::{Broken, Expired, Flight, Met};
use super::moment;
use super::plan::Plan;
use super::reply::{Begun, Reply, ReplyEnd};
use super::tunnel::Tunnel;
use super::upstream::{Unreached, Upstream, dial};

/// How many interim answers (RFC 9110 §15.2) one request may have; one more is a failure.
const INTERIM_MAX: u32 = 64;
/// What a request is answered with that waited for paused traffic in vain.
const PAUSED: &str = "Traffic is paused\n";
/// What a request is answered with for which this machine has no descriptor left.
const SHORT: &str = "Service unavailable\n";

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
    /// The application agreed to an upgrade; this goes to the client first.
    Tunnel(Upstream, Buffer),
    /// There is none: the status, a text, and what to tell of the application.
    None { status: u16, text: Option<&'static str>, message: Option<String> },
    /// There is nobody to answer.
    ClientGone,
    /// The request turned out bad on the way.
    Refused(Refusal),
}

impl Way {
    fn failed(message: String) -> Self {
        Self::None { status: 502, text: None, message: Some(message) }
    }

    fn unserved(unserved: Unserved) -> Self {
        match unserved.status() {
            503 => Self::None { status: 503, text: Some(PAUSED), message: None },
            _ => Self::failed(unserved.to_string()),
        }
    }

    const NO_RELEASE: Self = Self::None { status: 503, text: None, message: None };
}

impl<S: ClientStream> Connection<S> {
    /// Answers one request, of which at least a byte is there.
    pub(super) async fn exchange(&mut self, input: Option<Buffer>) -> Next<S> {
        let worker = Arc::clone(&self.worker);
        let limits = worker.shared.limits().clone();
        self.idle_timeout = limits.idle_timeout;
        // In a box from the begin: it is handed on from step to step, and each would have room for it in the future of
        // this request.
        let account = Account::new(&worker, &self.client, self.peer);
        let mut flight = Box::new(Flight::new(account, input.unwrap_or_else(Buffer::new), &limits));
        let head = match self.read_head(&mut flight, &limits).await {
            Head::Whole(head) => head,
            Head::Refused(refusal) => return Box::pin(self.refuse(refusal, flight.account)).await,
            Head::Gone => {
                flight.account.forget();
                return Next::Close;
            }
        };
        let plan = match self.plan(&mut flight, head, &limits) {
            Ok(plan) => plan,
            Err(refusal) => return Box::pin(self.refuse(refusal, flight.account)).await,
        };
        flight.account.is_http_10 = plan.is_http_10;
        if worker.keeps_lines() {
            flight.account.asked = Asked::of(flight.out.filled(), true);
        }
        self.answer(plan, flight, &worker, &limits).await
    }

    async fn read_head(&mut self, flight: &mut Flight, limits: &ProxyLimits) -> Head {
        let mut end = HeadEnd::default();
        self.alarm.set(Some(flight.account.began + limits.head_timeout));
        let input = flight.input.get_or_insert_with(Buffer::new);
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
        mut flight: Box<Flight>,
        worker: &Worker,
        limits: &ProxyLimits,
    ) -> Next<S> {
        let way = match limits.body_bytes_max.is_some_and(|max| flight.announces_more_than(max)) {
            true => Way::Refused(Refusal::BODY_TOO_LARGE),
            false => self.find_answer(&mut plan, &mut flight, worker, limits).await,
        };
        match way {
            Way::Answer(upstream, reply) => self.relay(flight, upstream, reply, limits).await,
            Way::Tunnel(upstream, front) => {
                if flight.account.asked.is_empty() {
                    flight.account.asked = Asked::of(flight.out.filled(), false);
                }
                flight.account.answers(101);
                flight.account.become_tunnel();
                let tunnel = Tunnel::new(upstream, front, flight, plan.is_websocket(), limits);
                Next::Tunnel(Box::new(tunnel), PhantomData)
            }
            Way::None { status, text, message } => {
                if let Some(message) = message {
                    flight.account.tell(message, false);
                }
                let answered = plan.answered(flight.has_come());
                Box::pin(self.answer_here(status, text, answered, flight)).await
            }
            Way::ClientGone => Next::Close,
            Way::Refused(refusal) => Box::pin(self.refuse(refusal, flight.account)).await,
        }
    }

    /// Whether the client's connection ends with this answer, whatever it asked for.
    fn is_to_close(&self, account: &Account) -> bool {
        self.worker.shared.is_leaving() || self.client.is_asked_to_close() || account.is_to_go()
    }

    /// Sends the request until the head of its answer is there: on a kept connection if there is one, else on a new one,
    /// and again where that is safe.
    async fn find_answer(
        &mut self,
        plan: &mut Plan,
        flight: &mut Flight,
        worker: &Worker,
        limits: &ProxyLimits,
    ) -> Way {
        // What has come of a short body is kept from the begin: with it the request can be sent again.
        match flight.take_body() {
            Ok(()) => {}
            Err(Broken::ClientGone) => return Way::ClientGone,
            Err(Broken::Refused(refusal)) => return Way::Refused(refusal),
        }
        let gate = &worker.shared.gate;
        let mut stay = gate.stay(flight.bytes_held());
        if !gate.is_open()
            && let Err(way) = Box::pin(self.wait(flight, stay.enter())).await
        {
            return way;
        }
        let mut deaths = Deaths::default();
        let mut may_be_kept = plan.upgrade.is_none();
        loop {
            if !flight.account.take_ticket() {
                return Way::NO_RELEASE;
            }
            let mut upstream = match self.reach(plan, flight, may_be_kept, &mut stay, limits).await {
                Ok(upstream) => upstream,
                Err(None) => continue,
                Err(Some(way)) => return way,
            };
            let was_fresh = upstream.served == 0;
            upstream.served += 1;
            let (answered, message) = match self.meet(plan, flight, &mut upstream, limits).await {
                Met::Head(head) => {
                    match Reply::begin(plan, self.is_to_close(&flight.account), flight, head, limits) {
                        Ok(Begun::Reply(reply)) => return Way::Answer(upstream, reply),
                        Ok(Begun::Tunnel(front)) => return Way::Tunnel(upstream, front),
                        Err(message) => return Way::failed(message),
                    }
                }
                Met::Died { answered, message } => (answered, message),
                Met::Unreadable(why) => return Way::failed(format!("Parse Error: {why}")),
                Met::ClientGone | Met::Expired(Expired::Client) => return Way::ClientGone,
                Met::Refused(refusal) => return Way::Refused(refusal),
                Met::Expired(Expired::Answer) => {
                    let message = Some("the answer took too long".to_owned());
                    return Way::None { status: 504, text: None, message };
                }
            };
            flight.account.resets += 1;
            let death = Death { sent: flight.sent(), answered, is_idempotent: plan.is_idempotent, was_fresh };
            if !deaths.may_retry(death) {
                return Way::failed(message);
            }
            flight.begin_again();
            may_be_kept = false;
            if was_fresh {
                flight.account.give_up_ticket();
                match Box::pin(self.wait(flight, stay.died(upstream.route))).await {
                    Ok(()) => {}
                    Err(Way::ClientGone) => return Way::ClientGone,
                    Err(_) => return Way::failed(message),
                }
            }
            flight.account.retries += 1;
        }
    }

    /// A connection to the release that the ticket is for; `None` when the request has waited, and is to be bound anew.
    async fn reach(
        &mut self,
        plan: &Plan,
        flight: &mut Flight,
        may_be_kept: bool,
        stay: &mut Stay<'_>,
        limits: &ProxyLimits,
    ) -> Result<Upstream, Option<Way>> {
        let Some(route) = flight.account.route() else { return Err(None) };
        let (id, backend) = (route.ledger.id, route.next_backend());
        if may_be_kept {
            let repeatable = plan.is_idempotent && flight.has_come();
            if let Some(upstream) = self.worker.pool.take(id, backend, repeatable) {
                return Ok(upstream);
            }
        }
        // In a box, as everything else that is rare: the future of a request is moved, and has to fit into small memory.
        let dialled =
            Box::pin(dial(route, backend, limits.upstream_connect_timeout, &self.worker.pool)).await;
        let Unreached { message, is_refused, is_ours, failures } = match dialled {
            Ok(upstream) => {
                stay.connected(id);
                return Ok(upstream);
            }
            Err(unreached) => unreached,
        };
        flight.account.connect_failures += failures;
        if is_ours {
            return Err(Some(Way::None { status: 503, text: Some(SHORT), message: Some(message) }));
        }
        if !is_refused {
            return Err(Some(Way::failed(message)));
        }
        flight.account.give_up_ticket();
        match Box::pin(self.wait(flight, stay.refused(id))).await {
            Ok(()) => Err(None),
            Err(Way::ClientGone) => Err(Some(Way::ClientGone)),
            Err(_) => Err(Some(Way::failed(message))),
        }
    }

    /// Waits at the gate, for as long as the client does.
    async fn wait(
        &mut self,
        flight: &mut Flight,
        verdict: impl Future<Output = Result<(), Unserved>>,
    ) -> Result<(), Way> {
        let began = moment::now();
        let mut verdict = pin!(verdict);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(verdict) = verdict.as_mut().poll(cx) {
                return Poll::Ready(verdict.map_err(Way::unserved));
            }
            if flight.poll_client(cx, &mut self.stream).is_err() {
                return Poll::Ready(Err(Way::ClientGone));
            }
            match flight.poll_times(cx, &mut self.alarm) {
                None => Poll::Pending,
                Some(Expired::Client) => Poll::Ready(Err(Way::ClientGone)),
                Some(Expired::Answer) => {
                    Poll::Ready(Err(Way::None { status: 504, text: None, message: None }))
                }
            }
        })
        .await;
        let waited = moment::now() - began;
        flight.account.parked = Some(flight.account.parked.unwrap_or_default() + waited);
        outcome
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
                let met = flight.poll_head(
                    cx,
                    &mut self.stream,
                    &mut self.alarm,
                    upstream,
                    &mut end,
                    limits.head_bytes_max,
                );
                flight.account.say_who(HolderKind::Http, flight.out.filled());
                met
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
        mut flight: Box<Flight>,
        upstream: Upstream,
        mut reply: Reply,
        limits: &ProxyLimits,
    ) -> Next<S> {
        let mut upstream = Some(upstream);
        self.client.set_close_delimited(reply.is_close_delimited);
        flight.account.answers(reply.status);
        let kind = if reply.is_stream() { HolderKind::Stream } else { HolderKind::Http };
        self.client.set_stream(reply.is_stream());
        let pool = &self.worker.pool;
        let end = poll_fn(|cx| {
            let polled = reply.poll(cx, &mut self.stream, &mut self.alarm, &mut flight, &mut upstream);
            flight.account.say_who(kind, flight.out.filled());
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
            ReplyEnd::Whole => {
                flight.account.ending = Ending::Whole;
                if reply.was_ended_early {
                    flight.account.count_ended();
                }
            }
            ReplyEnd::BrokeOff(message) => {
                flight.account.ending = Ending::BrokenOff;
                flight.account.resets += 1;
                flight.account.tell(message, true);
                return Next::Close;
            }
            ReplyEnd::ClientGone => return Next::Close,
        }
        self.client.set_close_delimited(false);
        let is_over = reply.closes || flight.is_half_closed() || self.client.is_asked_to_close();
        match (is_over, flight.has_come()) {
            (_, false) => Next::Linger,
            (true, true) => Next::Close,
            (false, true) => Next::Request(flight.input),
        }
    }
}
