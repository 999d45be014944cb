//! HTTP/2 in front, HTTP/1.1 behind.

mod bodies;
mod endings;
mod flow;
mod refusals;
mod requests;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};

use super::support::within;

type Client = SendRequest<Full<Bytes>>;

fn get(path: &str) -> Builder {
    Request::get(format!("https://shop.test{path}"))
}

fn empty(request: Builder) -> Request<Full<Bytes>> {
    request.body(Full::default()).expect("a request")
}

async fn ask(client: &mut Client, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let response = within(client.send_request(request)).await.expect("an answer");
    let status = response.status();
    (status, text(response).await)
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let body = within(response.into_body().collect()).await.expect("the whole answer").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}
