//! One request, from its head to the head of its answer.

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

use super::body::{AnswerBody, Relayed, RequestBody};
use super::clients::Client;
use super::door::Peer;
use super::error::exchange_failure;
use super::machine::{
    Upgrade, appended, client_address, host_port, idle_limit, is_hop_by_hop, is_idempotent, is_switched,
    may_be_named, tokens, upgrade_of,
};
use super::route::{Backend, Ticket};
use super::shared::Worker;
use super::tunnel::Tunnel;
use super::upstream::{Upstream, dial};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What all requests of one connection have in common.
pub(crate) struct Exchange {
    /// The client's address as the application sees it.
    address: HeaderValue,
    /// Whether the other side of the connection is a front of ours.
    is_front: bool,
    is_tls: bool,
    client: Arc<Client>,
    worker: Arc<Worker>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub(crate) struct Closed;

type Answer = Response<AnswerBody>;

impl Exchange {
    pub(super) fn new(peer: Peer, client: Arc<Client>, worker: Arc<Worker>) -> Self {
        let address =
            HeaderValue::from_str(&client_address(peer.address.ip())).expect("an address is plain text");
        let is_front = worker.shared.trusted.load().contains(peer.address.ip());
        Self { address, is_front, is_tls: peer.is_tls, client, worker }
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
    let Some(ticket) = Ticket::take(&exchange.worker.shared.active, &exchange.client) else {
        return no_release(&exchange, upgrade);
    };
    let mut answer = match upgrade {
        Upgrade::WebSocket => {
            let on_upgrade = hyper::upgrade::on(&mut request);
            open_tunnel(request, on_upgrade, ticket, &exchange).await?
        }
        Upgrade::No => answer(request, ticket, &exchange).await?,
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
async fn answer(request: Request<Incoming>, ticket: Ticket, exchange: &Exchange) -> Result<Answer, Closed> {
    let (mut head, body) = request.into_parts();
    prepare(&mut head, body.size_hint().exact().is_none(), &ticket);
    add_forwarded(&mut head.headers, false, exchange);
    let body = RequestBody::new(body, &exchange.client);
    match send(head, body, &ticket, exchange).await {
        Ok((response, upstream)) if response.status() != StatusCode::SWITCHING_PROTOCOLS => {
            Ok(relay(response, upstream, ticket, exchange))
        }
        // The client's own request broke off, and there is nobody to answer.
        Err(_) if exchange.client.has_failed() => Err(Closed),
        Ok(_) => Ok(bad_gateway(&ticket, exchange, "unexpected 101 Switching Protocols".to_owned())),
        Err(message) => Ok(bad_gateway(&ticket, exchange, message)),
    }
}

/// Compat C-91.
fn bad_gateway(ticket: &Ticket, exchange: &Exchange, message: String) -> Answer {
    exchange.worker.shared.tell(ticket.route().ledger.generation, message);
    exchange.text(StatusCode::BAD_GATEWAY, "Bad gateway\n")
}

/// Sends the request on a kept connection if there is one, else on a new one. A request that may be sent twice, and got
/// not a single byte for an answer on a kept connection, is sent again on a new one (RFC 9110 §9.2.2).
async fn send(
    head: Parts,
    body: RequestBody,
    ticket: &Ticket,
    exchange: &Exchange,
) -> Result<(Response<Incoming>, Upstream), String> {
    let Worker { shared, pool } = &*exchange.worker;
    let route = ticket.route();
    let backend = route.next_backend();
    let repeatable = body.is_end_stream() && is_idempotent(head.method.as_str());
    let mut request = Request::from_parts(head, body);

    if let Some(mut upstream) = pool.take(route.ledger.id, backend, repeatable) {
        let again = repeatable.then(|| request.headers().clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let read_before = upstream.socket.bytes_read();
        upstream.served += 1;
        match upstream.sender.try_send_request(request).await {
            Ok(response) => return Ok((response, upstream)),
            Err(mut failure) => match (failure.take_message(), again) {
                // Nothing of it was sent.
                (Some(unsent), _) => request = unsent,
                (None, Some(headers)) if upstream.socket.bytes_read() == read_before => {
                    request = Request::new(RequestBody::empty(&exchange.client));
                    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
                        (method, uri, headers);
                }
                (None, _) => return Err(exchange_failure(failure.error())),
            },
        }
    }
    let mut upstream = dial(route, backend, shared.limits().upstream_connect_timeout).await?;
    upstream.served += 1;
    match upstream.sender.send_request(request).await {
        Ok(response) => Ok((response, upstream)),
        Err(error) => Err(exchange_failure(&error)),
    }
}

/// A WebSocket, if the application agrees (compat C-101).
async fn open_tunnel(
    request: Request<Incoming>,
    client: OnUpgrade,
    mut ticket: Ticket,
    exchange: &Exchange,
) -> Result<Answer, Closed> {
    let (mut head, body) = request.into_parts();
    let asked = head.headers.get(UPGRADE).cloned().ok_or(Closed)?;
    prepare(&mut head, false, &ticket);
    add_forwarded(&mut head.headers, true, exchange);
    add_upgrade(&mut head.headers, asked.clone());
    let request = Request::from_parts(head, RequestBody::new(body, &exchange.client));

    let route = ticket.route();
    let limit = exchange.worker.shared.limits().upstream_connect_timeout;
    let sent = async {
        let mut upstream = dial(route, route.next_backend(), limit).await?;
        let response =
            upstream.sender.send_request(request).await.map_err(|error| exchange_failure(&error))?;
        let is_whole = response.status() != StatusCode::SWITCHING_PROTOCOLS
            || is_switched(101, values(response.headers(), UPGRADE), [asked.as_bytes()]);
        if is_whole {
            Ok((response, upstream))
        } else {
            Err(format!("101 without Upgrade: {}", String::from_utf8_lossy(asked.as_bytes())))
        }
    };
    let (mut response, upstream) = match sent.await {
        Ok(agreed) => agreed,
        Err(message) => {
            // Compat C-103.
            exchange.worker.shared.tell(route.ledger.generation, message);
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
fn add_forwarded(headers: &mut HeaderMap, is_websocket: bool, exchange: &Exchange) {
    let proto = match (is_websocket, exchange.is_tls) {
        (false, false) => "http",
        (false, true) => "https",
        (true, false) => "ws",
        (true, true) => "wss",
    };
    if !exchange.is_front {
        for name in [FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO, FORWARDED_HOST] {
            headers.remove(name);
        }
    }
    let host = headers.get(HOST);
    let default = if exchange.is_tls { 443 } else { 80 };
    let port = HeaderValue::from(host_port(host.map(HeaderValue::as_bytes), default));
    let host = host.filter(|_| !is_websocket && !headers.contains_key(FORWARDED_HOST)).cloned();
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
