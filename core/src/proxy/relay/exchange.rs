//! The story of one request: read, bound to a release, sent, answered.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::proxy::holders::HolderKind;
use crate::proxy::machine::wire::{HeadEnd, Refusal, empty_lines};
use crate::proxy::machine::{Death, Deaths, Unserved};
use crate::proxy::parking::Stay;
use crate::proxy::record::Ending;

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

/// What happens instead of an answer that is passed on.
pub(super) enum Instead {
    /// The application agreed to an upgrade; this goes to the client first.
    Tunnel(Box<Upstream>, Buffer),
    /// We answer: the status, a text, and what to tell of the application.
    Own { status: u16, text: Option<&'static str>, message: Option<String> },
    /// The request turned out bad, at once or on the way.
    Refused(Refusal),
    /// There is nobody to answer.
    ClientGone,
}

impl Instead {
    fn failed(message: String) -> Self {
        Self::Own { status: 502, text: None, message: Some(message) }
    }

    fn unserved(unserved: Unserved) -> Self {
        match unserved.status() {
            503 => Self::Own { status: 503, text: Some(PAUSED), message: None },
            _ => Self::failed(unserved.to_string()),
        }
    }

    const NO_RELEASE: Self = Self::Own { status: 503, text: None, message: None };
}

impl From<Broken> for Instead {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::ClientGone => Self::ClientGone,
            Broken::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl<'c, S: ClientStream> Connection<'c, S> {
    /// Answers one request, of which at least a byte is there. When another one follows, `input` is its begin.
    pub(super) async fn exchange(&mut self, input: &mut Option<Buffer>) -> Next<'c> {
        let limits = Arc::clone(self.limits.load());
        let came = input.take().unwrap_or_else(Buffer::new);
        let mut flight = Flight::new(Account::new(self.guest), came, limits);
        let mut plan = match self.understand(&mut flight).await {
            Ok(plan) => plan,
            Err(Some(refusal)) => return Box::pin(self.refuse(refusal, &mut flight.account)).await,
            Err(None) => return Next::Close,
        };
        match self.answer(&mut plan, &mut flight).await {
            Ok(Next::Request) => {
                *input = flight.input.take();
                Next::Request
            }
            Ok(last) => last,
            Err(instead) => Box::pin(self.answer_otherwise(instead, &plan, flight, input)).await,
        }
    }

    /// Reads the head of a request, and writes the one for the application; fails without a refusal when the client is gone.
    async fn understand(&mut self, flight: &mut Flight<'_>) -> Result<Plan, Option<Refusal>> {
        let head = self.read_head(flight).await?;
        let plan = self.plan(flight, head)?;
        flight.account.is_http_10 = plan.is_http_10;
        if self.guest.worker.keeps_lines() {
            flight.account.asked = Asked::of(flight.out.filled(), true);
        }
        Ok(plan)
    }

    async fn answer_otherwise(
        &mut self,
        instead: Instead,
        plan: &Plan,
        mut flight: Flight<'c>,
        input: &mut Option<Buffer>,
    ) -> Next<'c> {
        match instead {
            Instead::Tunnel(upstream, front) => {
                Next::Tunnel(Box::new(Tunnel::new(*upstream, front, flight, plan.is_websocket())))
            }
            Instead::Own { status, text, message } => {
                if let Some(message) = message {
                    flight.account.tell(message, false);
                }
                let answered = plan.answered(flight.has_come());
                let next = self.answer_here(status, text, answered, &mut flight.account).await;
                if let Next::Request = next {
                    *input = flight.input;
                }
                next
            }
            Instead::Refused(refusal) => self.refuse(refusal, &mut flight.account).await,
            Instead::ClientGone => Next::Close,
        }
    }

    async fn read_head(&mut self, flight: &mut Flight<'_>) -> Result<usize, Option<Refusal>> {
        let mut end = HeadEnd::default();
        let Flight { account, input, limits, .. } = flight;
        self.alarm.set(Some(account.began + limits.head_timeout));
        let input = input.get_or_insert_with(Buffer::new);
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
                        return Poll::Ready(Err(Some(Refusal::HEAD_TOO_LARGE)));
                    }
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => {}
                    Err(_) => return Poll::Ready(Err(Some(Refusal::bad("a line without CR")))),
                }
                if input.filled().len() >= limits.head_bytes_max || !input.make_room(limits.head_bytes_max) {
                    return Poll::Ready(Err(Some(Refusal::HEAD_TOO_LARGE)));
                }
                match input.poll_fill(cx, &mut **stream) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(_) => {
                        account.forget();
                        return Poll::Ready(Err(None));
                    }
                    Poll::Pending if alarm.is_due(cx) => {
                        return Poll::Ready(Err(Some(Refusal::TOO_SLOW)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Whether the client's connection ends with this answer, whatever it asked for.
    fn is_to_close(&self, account: &Account<'_>) -> bool {
        self.guest.worker.shared.is_leaving() || self.guest.client().is_asked_to_close() || account.is_to_go()
    }

    /// Sends the request until the head of its answer is there, on a kept connection if there is one, else on a new one,
    /// and again where that is safe; then passes the answer on.
    async fn answer(&mut self, plan: &mut Plan, flight: &mut Flight<'c>) -> Result<Next<'c>, Instead> {
        if flight.announces_too_much() {
            return Err(Instead::Refused(Refusal::BODY_TOO_LARGE));
        }
        // What has come of a short body is kept from the begin: with it the request can be sent again.
        flight.take_body()?;
        let gate = &self.guest.worker.shared.gate;
        let mut stay = gate.stay(flight.bytes_held());
        if !gate.is_open() {
            Box::pin(self.wait(flight, stay.enter())).await?;
        }
        let mut deaths = Deaths::default();
        let mut may_be_kept = plan.upgrade.is_none();
        loop {
            if !flight.account.take_ticket() {
                return Err(Instead::NO_RELEASE);
            }
            let Some(mut upstream) = self.reach(plan, flight, may_be_kept, &mut stay).await? else {
                continue;
            };
            let was_fresh = upstream.served == 0;
            upstream.served += 1;
            let (answered, message) = match self.meet(plan, flight, &mut upstream).await {
                Met::Head(head) => {
                    // What is still to come of the request may never be read: no other one follows it.
                    let closes = self.is_to_close(&flight.account) || !flight.has_come();
                    let reply = match Reply::begin(plan, closes, flight, head) {
                        Ok(Begun::Reply(reply)) => reply,
                        Ok(Begun::Tunnel(front)) => return Err(Instead::Tunnel(Box::new(upstream), front)),
                        Err(message) => return Err(Instead::failed(message)),
                    };
                    // Others may wait for this one to be on its way, and its answer may take long.
                    drop(stay);
                    return Ok(self.relay(flight, upstream, reply).await);
                }
                Met::Died { answered, message } => (answered, message),
                Met::Unreadable(why) => return Err(Instead::failed(format!("Parse Error: {why}"))),
                Met::ClientGone | Met::Expired(Expired::Client) => return Err(Instead::ClientGone),
                Met::Refused(refusal) => return Err(Instead::Refused(refusal)),
                Met::Expired(Expired::Answer) => {
                    let message = Some("the answer took too long".to_owned());
                    return Err(Instead::Own { status: 504, text: None, message });
                }
            };
            flight.account.resets += 1;
            let death = Death { sent: flight.sent(), answered, is_idempotent: plan.is_idempotent, was_fresh };
            if !deaths.may_retry(death) {
                return Err(Instead::failed(message));
            }
            flight.begin_again();
            may_be_kept = false;
            if was_fresh {
                flight.account.give_up_ticket();
                match Box::pin(self.wait(flight, stay.died(upstream.route))).await {
                    Ok(()) => {}
                    Err(Instead::ClientGone) => return Err(Instead::ClientGone),
                    Err(_) => return Err(Instead::failed(message)),
                }
            }
            flight.account.retries += 1;
        }
    }

    /// A connection to the release that the ticket is for; `None` when the request has waited, and is to be bound anew.
    async fn reach(
        &mut self,
        plan: &Plan,
        flight: &mut Flight<'_>,
        may_be_kept: bool,
        stay: &mut Stay<'_>,
    ) -> Result<Option<Upstream>, Instead> {
        let Some(route) = flight.account.route() else { return Ok(None) };
        let (id, backend) = (route.ledger.id, route.next_backend());
        if may_be_kept {
            let repeatable = plan.is_idempotent && flight.has_come();
            if let Some(upstream) = self.guest.worker.pool.take(id, backend, repeatable) {
                return Ok(Some(upstream));
            }
        }
        // In a box, as everything else that is rare: the future of a request is moved, and has to fit into small memory.
        let timeout = flight.limits.upstream_connect_timeout;
        let dialled = Box::pin(dial(route, backend, timeout, &self.guest.worker.pool)).await;
        let Unreached { message, is_refused, is_ours, failures } = match dialled {
            Ok(upstream) => {
                stay.connected(id);
                return Ok(Some(upstream));
            }
            Err(unreached) => unreached,
        };
        flight.account.connect_failures += failures;
        if is_ours {
            return Err(Instead::Own { status: 503, text: Some(SHORT), message: Some(message) });
        }
        if !is_refused {
            return Err(Instead::failed(message));
        }
        flight.account.give_up_ticket();
        match Box::pin(self.wait(flight, stay.refused(id))).await {
            Ok(()) => Ok(None),
            Err(Instead::ClientGone) => Err(Instead::ClientGone),
            Err(_) => Err(Instead::failed(message)),
        }
    }

    /// Waits at the gate, for as long as the client does.
    async fn wait(
        &mut self,
        flight: &mut Flight<'_>,
        verdict: impl Future<Output = Result<(), Unserved>>,
    ) -> Result<(), Instead> {
        let began = moment::now();
        let mut verdict = pin!(verdict);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(verdict) = verdict.as_mut().poll(cx) {
                return Poll::Ready(verdict.map_err(Instead::unserved));
            }
            if flight.poll_client(cx, self.stream).is_err() {
                return Poll::Ready(Err(Instead::ClientGone));
            }
            match flight.poll_times(cx, &mut self.alarm) {
                None => Poll::Pending,
                Some(Expired::Client) => Poll::Ready(Err(Instead::ClientGone)),
                Some(Expired::Answer) => {
                    Poll::Ready(Err(Instead::Own { status: 504, text: None, message: None }))
                }
            }
        })
        .await;
        let waited = moment::now() - began;
        flight.account.parked = Some(flight.account.parked.unwrap_or_default() + waited);
        outcome
    }

    /// Sends the request and waits for the head of its answer, passing on what comes before it.
    async fn meet(&mut self, plan: &mut Plan, flight: &mut Flight<'_>, upstream: &mut Upstream) -> Met {
        if std::mem::take(&mut plan.expects_continue) && !flight.has_begun_to_come() {
            // Compat C-99.
            if !Box::pin(self.write(b"HTTP/1.1 100 Continue\r\n\r\n")).await {
                return Met::ClientGone;
            }
        }
        for _ in 0..INTERIM_MAX {
            let mut end = HeadEnd::default();
            let met = poll_fn(|cx| {
                let met = flight.poll_head(cx, self.stream, &mut self.alarm, upstream, &mut end);
                flight.account.say_who(HolderKind::Http, flight.out.filled());
                met
            })
            .await;
            let Met::Head(head) = met else { return met };
            match Reply::interim(plan, flight, head) {
                None => return Met::Head(head),
                Some(None) => {}
                Some(Some(front)) if Box::pin(self.write(front.filled())).await => {}
                Some(Some(_)) => return Met::ClientGone,
            }
        }
        Met::Unreadable("interim answers without end")
    }

    /// Passes the answer on.
    fn relay<'f>(
        &'f mut self,
        flight: &'f mut Flight<'c>,
        upstream: Upstream,
        mut reply: Reply,
    ) -> impl Future<Output = Next<'c>> + use<'f, 'c, S> {
        let mut upstream = Some(upstream);
        let client = self.guest.client();
        client.set_close_delimited(reply.is_close_delimited);
        client.set_stream(reply.is_stream());
        flight.account.answers(reply.status);
        let kind = if reply.is_stream() { HolderKind::Stream } else { HolderKind::Http };
        poll_fn(move |cx| {
            let polled = reply.poll(cx, self.stream, &mut self.alarm, flight, &mut upstream);
            flight.account.say_who(kind, flight.out.filled());
            if reply.has_come()
                && let Some(upstream) = upstream.take()
                && reply.persists
                && flight.leaves_reusable(&upstream)
                && !reply.has_surplus(flight)
            {
                let idle_max = flight.limits.upstream_idle_max;
                self.guest.worker.pool.give_back(upstream, reply.idle_limit, idle_max);
            }
            polled.map(|end| self.after(end, &reply, flight))
        })
    }

    fn after(&self, end: ReplyEnd, reply: &Reply, flight: &mut Flight<'_>) -> Next<'c> {
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
        let client = self.guest.client();
        client.set_close_delimited(false);
        let is_over = reply.closes || flight.is_half_closed() || client.is_asked_to_close();
        match (is_over, flight.has_come()) {
            (_, false) => Next::Linger,
            (true, true) => Next::Close,
            (false, true) => Next::Request,
        }
    }
}
