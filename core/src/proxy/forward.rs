//! One request, from its head to the head of its answer.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::{Body, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};

use crate::id::Generation;

use super::body::{AnswerBody, Relayed, RequestBody};
use super::clients::Client;
use super::error::exchange_failure;
use super::machine::{
    Unserved, Upgrade, appended, client_address, host_port, idle_limit, is_hop_by_hop, is_idempotent,
    is_switched, may_be_named, tokens, upgrade_of,
};
use super::parking::Stay;
use super::route::{Backend, Ticket};
use super::shared::Worker;
use super::tunnel::Tunnel;
use super::upstream::{DialFailure, Upstream, dial};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What a request holds while it waits, about: hyper does not tell.
const PARKED_BYTES: usize = 1024;

/// What all requests of one connection have in common.
pub(crate) struct Exchange {
    /// The client's address as the application sees it.
    address: HeaderValue,
    /// Whether the other side of the connection is a front of ours.
    is_front: bool,
    client: Arc<Client>,
    worker: Arc<Worker>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub(crate) struct Closed;

type Answer = Response<AnswerBody>;

impl Exchange {
    pub(super) fn new(peer: SocketAddr, client: Arc<Client>, worker: Arc<Worker>) -> Self {
        let address = HeaderValue::from_str(&client_address(peer.ip())).expect("an address is plain text");
        let is_front = worker.shared.trusted.load().contains(peer.ip());
        Self { address, is_front, client, worker }
    }

    fn text(&self, status: StatusCode, text: &'static str) -> Answer {
        let mut answer = Response::new(AnswerBody::text(text, &self.client));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer
    }
}

/// Answers one request.
///
/// # Errors
/// When the connection is to be closed without an answer.
pub(super) async fn forward(
    mut request: Request<Incoming>,
    exchange: Arc<Exchange>,
) -> Result<Answer, Closed> {
    exchange.client.begin(!request.body().is_end_stream());
    let is_http_10 = request.version() < Version::HTTP_11;
    if !is_acceptable(&request, is_http_10) {
        return Ok(closing(exchange.text(StatusCode::BAD_REQUEST, "Bad request\n")));
    }
    let upgrade = upgrade_asked(&request, is_http_10, &exchange.worker.shared.options.upgrades);
    let mut stay = exchange.worker.shared.gate.stay(PARKED_BYTES);
    if let Err(unserved) = stay.enter().await {
        return not_sent(unserved, upgrade, &exchange);
    }
    let Some(ticket) = Ticket::take(&exchange.worker.shared.active, &exchange.client) else {
        return no_release(&exchange, upgrade);
    };
    let mut answer = match upgrade {
        Upgrade::WebSocket => {
            let on_upgrade = hyper::upgrade::on(&mut request);
            open_tunnel(request, on_upgrade, ticket, stay, &exchange).await?
        }
        Upgrade::No => answer(request, ticket, stay, &exchange).await?,
    };
    if exchange.worker.shared.is_leaving() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer = closing(answer);
    }
    if is_http_10 {
        if answer.size_hint().exact().is_none() && !answer.headers().contains_key(CONTENT_LENGTH) {
            exchange.client.answer_ends_with_connection();
        }
        answer = closing(answer);
    }
    Ok(answer)
}

/// A request that could not be understood behind us as it is here (RFC 9112 §3.2: HTTP/1.1 needs exactly one `Host`),
/// or that asks for what a reverse proxy does not do.
fn is_acceptable(request: &Request<Incoming>, is_http_10: bool) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    request.method() != Method::CONNECT && (hosts == 1 || (hosts == 0 && is_http_10))
}

fn upgrade_asked(request: &Request<Incoming>, is_http_10: bool, allowed: &[String]) -> Upgrade {
    if is_http_10 || !request.body().is_end_stream() || !request.headers().contains_key(UPGRADE) {
        return Upgrade::No;
    }
    let (connection, upgrade) = (values(request.headers(), CONNECTION), values(request.headers(), UPGRADE));
    upgrade_of(request.method().as_str(), connection, upgrade, allowed)
}

/// A request that had to wait for too long, or in vain.
fn not_sent(unserved: Unserved, upgrade: Upgrade, exchange: &Exchange) -> Result<Answer, Closed> {
    match (unserved.status(), upgrade) {
        (503, Upgrade::No) => Ok(exchange.text(StatusCode::SERVICE_UNAVAILABLE, "Traffic is paused\n")),
        (503, Upgrade::WebSocket) => no_release(exchange, upgrade),
        (_, Upgrade::No) => {
            let active = exchange.worker.shared.active.load();
            if let Some(route) = active.as_ref() {
                exchange.worker.shared.tell(route.ledger.generation, unserved.to_string());
            }
            Ok(exchange.text(StatusCode::BAD_GATEWAY, "Bad gateway\n"))
        }
        (_, Upgrade::WebSocket) => Err(Closed),
    }
}

/// Compat C-90 and C-103.
fn no_release(exchange: &Exchange, upgrade: Upgrade) -> Result<Answer, Closed> {
    match upgrade {
        Upgrade::No => Ok(exchange.text(StatusCode::SERVICE_UNAVAILABLE, "No active release\n")),
        Upgrade::WebSocket => {
            exchange.client.set_last_words(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
            Err(Closed)
        }
    }
}

/// A request with an ordinary answer.
async fn answer(
    request: Request<Incoming>,
    ticket: Ticket,
    stay: Stay<'_>,
    exchange: &Exchange,
) -> Result<Answer, Closed> {
    let (mut head, body) = request.into_parts();
    prepare(&mut head, body.size_hint().exact().is_none(), &ticket);
    add_forwarded(&mut head.headers, "http", exchange);
    let body = RequestBody::new(body, &exchange.client);
    let mut sending = Sending { ticket: Some(ticket), stay, exchange };
    match sending.send(head, body).await {
        Ok((response, upstream, ticket)) if response.status() != StatusCode::SWITCHING_PROTOCOLS => {
            Ok(relay(response, upstream, ticket, exchange))
        }
        // The client's own request broke off, and there is nobody to answer.
        Err(_) if exchange.client.has_failed() => Err(Closed),
        Ok((_, _, ticket)) => {
            let message = "unexpected 101 Switching Protocols".to_owned();
            Ok(bad_gateway(ticket.route().ledger.generation, exchange, message))
        }
        Err(Unsent::NoRelease) => no_release(exchange, Upgrade::No),
        Err(Unsent::Failed(generation, message)) => Ok(bad_gateway(generation, exchange, message)),
    }
}

/// Compat C-91.
fn bad_gateway(generation: Generation, exchange: &Exchange, message: String) -> Answer {
    exchange.worker.shared.tell(generation, message);
    exchange.text(StatusCode::BAD_GATEWAY, "Bad gateway\n")
}

/// Why there is no answer.
enum Unsent {
    NoRelease,
    Failed(Generation, String),
}

/// A request on its way to whichever release takes it.
struct Sending<'e> {
    /// `None` while it waits.
    ticket: Option<Ticket>,
    stay: Stay<'e>,
    exchange: &'e Exchange,
}

impl Sending<'_> {
    /// Sends the request on a kept connection if there is one, else on a new one. A request that may be sent twice, and
    /// got not a single byte for an answer, is sent again on a new one (RFC 9110 §9.2.2).
    async fn send(
        &mut self,
        head: Parts,
        body: RequestBody,
    ) -> Result<(Response<Incoming>, Upstream, Ticket), Unsent> {
        let Worker { shared, pool } = &*self.exchange.worker;
        let repeatable = body.is_end_stream() && is_idempotent(head.method.as_str());
        let mut request = Request::from_parts(head, body);
        let mut may_be_kept = true;
        loop {
            let Some(ticket) = self.ticket.take() else { return Err(Unsent::NoRelease) };
            let route = ticket.route();
            let (id, generation, backend) = (route.ledger.id, route.ledger.generation, route.next_backend());
            let kept = if may_be_kept { pool.take(id, backend, repeatable) } else { None };
            let is_kept = kept.is_some();
            let mut upstream = match kept {
                Some(upstream) => upstream,
                None => match dial(route, backend, shared.limits().upstream_connect_timeout).await {
                    Ok(upstream) => upstream,
                    Err(failure) => {
                        drop(ticket);
                        self.wait_for_somebody(id, generation, failure).await?;
                        continue;
                    }
                },
            };
            if !is_kept {
                self.stay.connected(id);
            }
            let again = repeatable.then(|| request.headers().clone());
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let read_before = upstream.socket.bytes_read();
            upstream.served += 1;
            let mut failure = match upstream.sender.try_send_request(request).await {
                Ok(response) => {
                    tracing::trace!(was_parked = self.stay.was_parked(), "answered");
                    return Ok((response, upstream, ticket));
                }
                Err(failure) => failure,
            };
            request = match (failure.take_message(), again) {
                // Nothing of it was sent.
                (Some(unsent), _) if is_kept => unsent,
                (_, Some(headers)) if upstream.socket.bytes_read() == read_before => {
                    let mut request = Request::new(RequestBody::empty(&self.exchange.client));
                    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
                        (method, uri, headers);
                    request
                }
                _ => return Err(Unsent::Failed(generation, exchange_failure(failure.error()))),
            };
            may_be_kept = false;
            if is_kept {
                self.ticket = Some(ticket);
                continue;
            }
            drop(ticket);
            if self.stay.died(id).await.is_err() {
                return Err(Unsent::Failed(generation, exchange_failure(failure.error())));
            }
            self.take_ticket();
        }
    }

    /// Sends a handshake on a connection of its own.
    async fn send_alone(
        &mut self,
        head: Parts,
        body: RequestBody,
        asked: &HeaderValue,
    ) -> Result<(Response<Incoming>, Upstream, Ticket), Unsent> {
        let limit = self.exchange.worker.shared.limits().upstream_connect_timeout;
        loop {
            let Some(ticket) = self.ticket.take() else { return Err(Unsent::NoRelease) };
            let route = ticket.route();
            let (id, generation) = (route.ledger.id, route.ledger.generation);
            let failed = |message| Err(Unsent::Failed(generation, message));
            let mut upstream = match dial(route, route.next_backend(), limit).await {
                Ok(upstream) => upstream,
                Err(failure) => {
                    drop(ticket);
                    self.wait_for_somebody(id, generation, failure).await?;
                    continue;
                }
            };
            self.stay.connected(id);
            let response = match upstream.sender.send_request(Request::from_parts(head, body)).await {
                Ok(response) => response,
                Err(error) => return failed(exchange_failure(&error)),
            };
            let is_whole = response.status() != StatusCode::SWITCHING_PROTOCOLS
                || is_switched(101, values(response.headers(), UPGRADE), [asked.as_bytes()]);
            return match is_whole {
                true => Ok((response, upstream, ticket)),
                false => {
                    failed(format!("101 without Upgrade: {}", String::from_utf8_lossy(asked.as_bytes())))
                }
            };
        }
    }

    async fn wait_for_somebody(
        &mut self,
        route: u64,
        generation: Generation,
        failure: DialFailure,
    ) -> Result<(), Unsent> {
        if !failure.is_refused || self.stay.refused(route).await.is_err() {
            return Err(Unsent::Failed(generation, failure.message));
        }
        self.take_ticket();
        Ok(())
    }

    fn take_ticket(&mut self) {
        self.ticket = Ticket::take(&self.exchange.worker.shared.active, &self.exchange.client);
    }
}

/// A WebSocket, if the application agrees (compat C-101).
async fn open_tunnel(
    request: Request<Incoming>,
    client: OnUpgrade,
    ticket: Ticket,
    stay: Stay<'_>,
    exchange: &Exchange,
) -> Result<Answer, Closed> {
    let (mut head, body) = request.into_parts();
    let asked = head.headers.get(UPGRADE).cloned().ok_or(Closed)?;
    prepare(&mut head, false, &ticket);
    add_forwarded(&mut head.headers, "ws", exchange);
    add_upgrade(&mut head.headers, asked.clone());
    let body = RequestBody::new(body, &exchange.client);
    let mut sending = Sending { ticket: Some(ticket), stay, exchange };
    let (mut response, upstream, mut ticket) = match sending.send_alone(head, body, &asked).await {
        Ok(agreed) => agreed,
        Err(Unsent::NoRelease) => return no_release(exchange, Upgrade::WebSocket).map_err(|_| Closed),
        Err(Unsent::Failed(generation, message)) => {
            // Compat C-103.
            exchange.worker.shared.tell(generation, message);
            return Err(Closed);
        }
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(closing(relay(response, upstream, ticket, exchange)));
    }
    let upstream = hyper::upgrade::on(&mut response);
    let agreed = response.headers().get(UPGRADE).cloned().ok_or(Closed)?;
    remove_hop_by_hop(response.headers_mut());
    add_upgrade(response.headers_mut(), agreed);
    ticket.become_tunnel();
    exchange.client.set_tunnel_to_run(Tunnel { client, upstream, ticket });
    Ok(response.map(|_| AnswerBody::text("", &exchange.client)))
}

/// Makes the client's request the application's: one hop further.
fn prepare(head: &mut Parts, is_chunked: bool, ticket: &Ticket) {
    remove_hop_by_hop(&mut head.headers);
    // Said aloud, because hyper takes a GET of unknown length for one without a body.
    if is_chunked {
        head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    head.version = Version::HTTP_11;
    head.uri = origin_form(&head.uri);
    if !head.headers.contains_key(HOST) {
        // HTTP/1.0 may leave it out, HTTP/1.1 may not.
        let host = ticket.route().backends().first().map(Backend::authority).unwrap_or_default();
        head.headers.insert(HOST, HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("")));
    }
}

/// Path and query, byte by byte as they came (compat C-95; C-96 is left out, as RFC 3986 §6.2 asks of a proxy).
fn origin_form(uri: &Uri) -> Uri {
    if uri.authority().is_none() {
        return uri.clone();
    }
    uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into()
}

/// Compat C-93 and C-102, but that a front's `X-Forwarded-Proto` stays the one value it is, and that what a client says
/// of itself is not believed. After `remove_hop_by_hop`, so that no `Connection` of a client removes ours.
fn add_forwarded(headers: &mut HeaderMap, proto: &'static str, exchange: &Exchange) {
    if !exchange.is_front {
        for name in [FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO, FORWARDED_HOST] {
            headers.remove(name);
        }
    }
    let host = headers.get(HOST);
    let port = HeaderValue::from(host_port(host.map(HeaderValue::as_bytes)));
    let host = host.filter(|_| proto == "http" && !headers.contains_key(FORWARDED_HOST)).cloned();
    append(headers, FORWARDED_FOR, exchange.address.clone());
    append(headers, FORWARDED_PORT, port);
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let value = if headers.contains_key(&name) {
        let list = appended(values(headers, name.clone()), value.as_bytes());
        HeaderValue::from_bytes(&list).unwrap_or(value)
    } else {
        value
    };
    headers.insert(name, value);
}

fn add_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// RFC 9110 §7.6.1.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(values(headers, CONNECTION))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| may_be_named(name.as_str()))
        .collect();
    for name in named {
        headers.remove(name);
    }
    let ours: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
}

/// Makes the application's answer ours (compat C-98).
fn relay(response: Response<Incoming>, upstream: Upstream, ticket: Ticket, exchange: &Exchange) -> Answer {
    let (mut head, incoming) = response.into_parts();
    let headers = &mut head.headers;
    let ours = exchange.worker.shared.limits().upstream_idle_timeout;
    let idle_limit = idle_limit(ours, headers.get(KEEP_ALIVE).map(HeaderValue::as_bytes));
    // With both, the body was read as chunks: the length must not outlive that (RFC 9112 §6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    head.version = Version::HTTP_11;
    let worker = Arc::clone(&exchange.worker);
    let relayed = Relayed { incoming, ticket: Some(ticket), upstream: Some(upstream), idle_limit, worker };
    Response::from_parts(head, AnswerBody::relayed(relayed, &exchange.client))
}

fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
