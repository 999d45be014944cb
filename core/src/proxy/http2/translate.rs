//! A request of HTTP/2 in the words of HTTP/1.1, and an answer the other way (RFC 9113 §8).

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, StatusCode, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// RFC 9113 §8.2.2: what concerns one connection of HTTP/1.1 only.
const OF_CONNECTIONS: [HeaderName; 6] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS];

/// Makes the head of a request one of HTTP/1.1. `ended` says that it has no body.
///
/// # Errors
/// The status to answer with when it has no meaning there.
pub(super) fn to_http1(head: &mut Parts, ended: bool) -> Result<(), StatusCode> {
    if head.method == Method::CONNECT {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    if head.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTPS) {
        return Err(StatusCode::BAD_REQUEST);
    }
    set_host(head)?;
    head.uri = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
    head.version = Version::HTTP_11;
    let headers = &mut head.headers;
    join_cookies(headers);
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    headers.remove(TE);
    // The body is asked for at once: nobody waits for a word from the application (RFC 9110 §10.1.1).
    headers.remove(EXPECT);
    // Said aloud, because hyper takes a GET of unknown length for one without a body.
    if !ended && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(())
}

/// §8.3.1: `:authority` becomes the `Host`, whatever that was before.
fn set_host(head: &mut Parts) -> Result<(), StatusCode> {
    match head.uri.authority().map(Authority::as_str) {
        Some(authority) if authority.contains('@') => return Err(StatusCode::BAD_REQUEST),
        Some(authority) => {
            let host = HeaderValue::from_str(authority).map_err(|_| StatusCode::BAD_REQUEST)?;
            head.headers.insert(HOST, host);
        }
        None => {}
    }
    match head.headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// §8.2.3: a client may send its cookies one by one.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..]));
        headers.insert(COOKIE, joined.expect("parts of fields with `; ` between them are a field"));
    }
}

/// Makes the fields of an answer ones of HTTP/2.
pub(super) fn to_http2(headers: &mut HeaderMap) {
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn head(request: hyper::http::request::Builder) -> Parts {
        request.version(Version::HTTP_2).body(()).expect("a request").into_parts().0
    }

    fn value<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
        head.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    #[test]
    fn the_authority_is_the_host_and_the_path_is_the_target() {
        let mut get = head(Request::get("https://shop.test:8443/a%20b?c=d").header("host", "other.test"));
        to_http1(&mut get, true).expect("it has a meaning");
        assert_eq!((get.uri.to_string().as_str(), get.version), ("/a%20b?c=d", Version::HTTP_11));
        assert_eq!(value(&get, "host"), Some("shop.test:8443"));
        assert_eq!(value(&get, "transfer-encoding"), None);
    }

    #[test]
    fn a_body_of_unknown_length_is_chunked_whatever_the_method() {
        let mut get = head(Request::get("https://shop.test/"));
        to_http1(&mut get, false).expect("it has a meaning");
        assert_eq!(value(&get, "transfer-encoding"), Some("chunked"));
        let mut post = head(Request::post("https://shop.test/").header("content-length", "5"));
        to_http1(&mut post, false).expect("it has a meaning");
        assert_eq!((value(&post, "transfer-encoding"), value(&post, "content-length")), (None, Some("5")));
    }

    #[test]
    fn cookies_become_one_and_what_is_of_a_connection_goes() {
        let request = Request::get("https://shop.test/").header("cookie", "a=1").header("cookie", "b=2");
        let mut get = head(request.header("te", "trailers").header("expect", "100-continue"));
        to_http1(&mut get, true).expect("it has a meaning");
        assert_eq!(get.headers.get_all("cookie").iter().count(), 1);
        assert_eq!(value(&get, "cookie"), Some("a=1; b=2"));
        assert_eq!((value(&get, "te"), value(&get, "expect")), (None, None));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for (request, status) in [
            (Request::connect("shop.test:443"), 501),
            (Request::get("https://user@shop.test/"), 400),
            (Request::get("http://shop.test/"), 400),
            (Request::get("/"), 400),
            (Request::get("/").header("host", "a.test").header("host", "b.test"), 400),
        ] {
            let mut head = head(request);
            assert_eq!(to_http1(&mut head, true).expect_err("refused").as_u16(), status, "{head:?}");
        }
    }
}
