//! Requests that are refused, by the rule that they break.

/// The rule, the request, the status.
pub(super) fn bad_requests() -> Vec<(&'static str, String, u16)> {
    let with = |fields: &str| format!("POST /bad HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n");
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    let mut table: Vec<(&str, String, u16)> = Vec::new();
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ] {
        table.push(("9112 §6.3: both framings", with(fields), 400));
    }
    for length in [
        "",
        " ",
        "+1",
        "-1",
        "1,1",
        "1, 1",
        "1 1",
        "0x1",
        "1.0",
        "1e1",
        "\"1\"",
        "1;a",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{663}",
    ] {
        table.push(("9110 §8.6: a length is digits", with(&format!("Content-Length: {length}\r\n")), 400));
    }
    table.push(("9112 §6.3: two lengths", with("Content-Length: 1\r\nContent-Length: 1\r\n"), 400));
    table.push(("9112 §6.3: two lengths", with("Content-Length: 1\r\ncontent-length: 2\r\n"), 400));
    for coding in [
        "xchunked",
        "chunkedx",
        "chunked, chunked",
        "gzip, chunked",
        "chunked, gzip",
        "chunked;q=1",
        "identity",
        "",
        "\"chunked\"",
        ",chunked",
        "chunked,",
        "ch unked",
    ] {
        table.push(("9112 §6.1: only chunked", with(&format!("Transfer-Encoding: {coding}\r\n")), 501));
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    table.push(("9112 §7.1: chunked once", with(twice), 400));
    table.push(("9112 §5.1: no space before the colon", with("Transfer-Encoding : chunked\r\n"), 400));
    table.push(("9112 §5.1: no tab before the colon", with("Content-Length\t: 1\r\n"), 400));
    table.push(("9110 §5.5: no control characters", with("Transfer-Encoding: \x0bchunked\r\n"), 400));
    table.push((
        "9112 §6.1: none in HTTP/1.0",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        400,
    ));
    for lines in ["X: a\r\n b\r\n", "X: a\r\n\tb\r\n", " X: a\r\n", "\tX: a\r\n", "X:\r\n a\r\n"] {
        table.push(("9112 §5.2: no folded lines", with(lines), 400));
    }
    for lines in
        ["X: a\rY: b\r\n", "X: a\r\r\n", "\rX: a\r\n", "X\r: a\r\n", "X: a\n", "X: a\nY: b\r\n", "\n"]
    {
        table.push(("9112 §2.2: no bare CR or LF", with(lines), 400));
    }
    table.push(("9112 §2.2: no bare LF", "GET / HTTP/1.1\nHost: shop.test\r\n\r\n".into(), 400));
    table.push(("9112 §2.2: no bare CR", "GET / HTTP/1.1\rHost: shop.test\r\n\r\n".into(), 400));
    table.push(("9112 §2.2: no bare LF in front", format!("\n{}", target("/")), 400));
    table.push(("9112 §2.2: no spaces in front", format!(" {}", target("/")), 400));
    for line in ["X: a\0b", "X\0: a", "X: \x01", "X: \x7f", "\0: a"] {
        table.push(("9110 §5.5: no control characters", with(&format!("{line}\r\n")), 400));
    }
    for name in ["X Y", "X(", "X/", "X=", "X@", "X[", "X\\", "X\"", "X{", "\u{e4}", "", "X,"] {
        table.push(("9110 §5.6.2: a name is a token", with(&format!("{name}: a\r\n")), 400));
    }
    table.push(("9112 §5: a field has a colon", with("X\r\n"), 400));
    table.push(("9112 §3.2: one Host", "GET / HTTP/1.1\r\n\r\n".into(), 400));
    table.push(("9112 §3.2: one Host", with("Host: shop.test\r\n"), 400));
    table.push(("9112 §3.2: one Host", with("host: other.test\r\n"), 400));
    for host in [
        "", "a, b", "a b", "u@a", "a/b", "a:b", "a:80:80", ":80", "[::1", "::1", "[::1]x", "a?b", "a#b",
        "a\\b", "<a>", "%61", "\u{e4}",
    ] {
        table.push(("9110 §7.2: a host and a port", format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400));
    }
    for (absolute, host) in [("http://other.test/", "shop.test"), ("http://shop.test:81/", "shop.test")] {
        let text = format!("GET {absolute} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        table.push(("9112 §3.2.2: target and Host agree", text, 400));
    }
    for bad in [
        "*",
        "shop.test:80",
        "shop.test",
        "ftp://shop.test/",
        "http://",
        "http:///",
        "http://u@shop.test/",
        "//",
        "a/b",
        "?a",
        "#",
        "/#a",
        "/\u{e4}",
        "/\x01",
        "/\x7f",
        "/a\0",
        "/<",
        "/a>b",
        "http://shop.test/#a",
        "file:///etc",
    ] {
        // `//` is a path.
        if bad != "//" {
            table.push(("9112 §3.2: the four forms", target(bad), 400));
        }
    }
    table.push(("9112 §3.2.4: * is for OPTIONS", "POST * HTTP/1.1\r\nHost: shop.test\r\n\r\n".into(), 400));
    let tunnel = "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n";
    table.push(("9110 §9.3.6: no tunnel for strangers", tunnel.into(), 400));
    for method in ["G ET", "G\0T", "(GET)", "G\tET", "\u{e4}", "GET:", "GE,T"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        table.push(("9110 §9.1: a method is a token", text, 400));
    }
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/\tHTTP/1.1",
        "GET /",
        "GET",
        "/ HTTP/1.1",
    ] {
        table.push(("9112 §3: single spaces", format!("{line}\r\nHost: shop.test\r\n\r\n"), 400));
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/1.10"] {
        let text = format!("GET / {version}\r\nHost: shop.test\r\n\r\n");
        table.push(("9110 §2.5: 1.0 or 1.1", text, if version == "HTTP/1.10" { 400 } else { 505 }));
    }
    table.push(("9113 §3.4: not HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505));
    table.push(("9110 §10.1.1: no other expectation", with("Expect: 200-ok\r\nContent-Length: 1\r\n"), 417));
    table.push(("6585 §5: too many fields", with(&"X: y\r\n".repeat(100)), 431));
    table.push(("6585 §5: too large a head", with(&format!("X: {}\r\n", "y".repeat(70_000))), 431));
    table
}
