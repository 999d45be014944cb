//! What the proxy's pure parts cost for one message: finding and reading its head, writing it anew, scanning its chunks,
//! and deciding about its fields and its connection.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rollcore::internals::{
    head_end, is_hop_by_hop, may_carry, pass_request, pass_response, read_request, scan_chunks,
};

/// As a load generator asks.
const SHORT: &[u8] = b"GET /small HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

/// As a front passes it on: what it says of its client is kept, and continued.
const FRONT: &[u8] = b"GET /small HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\
    X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Port: 443\r\n\
    Forwarded: for=203.0.113.7;proto=https\r\nX-Request-Id: 0f8fad5bd9cb469fa16570867728950e\r\n\r\n";

/// As a browser asks.
const BROWSER: &[u8] = b"GET /products/42?colour=blue&size=m HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) \
    Gecko/20100101 Firefox/140.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://shop.test/products\r\n\
    Cookie: session=0f8fad5b-d9cb-469f-a165-70867728950e; theme=dark; consent=1\r\nSec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nIf-None-Match: \"33a64df5\"\r\n\r\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\n\
    Content-Length: 13\r\nETag: \"33a64df5\"\r\nCache-Control: private\r\nX-Frame-Options: DENY\r\n\r\n";

const NAMES: [&str; 8] =
    ["Host", "Connection", "User-Agent", "Accept", "Cookie", "X-Forwarded-For", "Content-Length", "Upgrade"];

fn requests(criterion: &mut Criterion) {
    for (name, head) in [("short request", SHORT), ("browser's request", BROWSER)] {
        assert!(read_request(head), "it is served");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function("find the end", |bencher| bencher.iter(|| head_end(black_box(head))));
        group.bench_function("read", |bencher| bencher.iter(|| read_request(black_box(head))));
        let mut out = Vec::with_capacity(16 * 1024);
        group.bench_function("read and write", |bencher| {
            bencher.iter(|| {
                out.clear();
                pass_request(black_box(head), false, &mut out)
            });
        });
        group.finish();
    }
}

/// The same head from a front that is believed, and from a stranger, whose claims are replaced.
fn forwarded(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forwarded fields");
    group.throughput(Throughput::Bytes(FRONT.len() as u64));
    let mut out = Vec::with_capacity(16 * 1024);
    for (name, is_front) in [("of a front", true), ("of a stranger", false)] {
        assert!(pass_request(FRONT, is_front, &mut out), "it is served");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                pass_request(black_box(FRONT), is_front, &mut out)
            });
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    group.throughput(Throughput::Bytes(ANSWER.len() as u64));
    let mut out = Vec::with_capacity(16 * 1024);
    for (name, close) in [("as it came", false), ("written anew", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                pass_response(black_box(ANSWER), close, &mut out)
            });
        });
    }
    group.finish();
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunks");
    for (name, size, count) in [("4 of 1 KiB", 1024, 4), ("256 of 64 bytes", 64, 256)] {
        let chunk = [format!("{size:x}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
        let body = [chunk.repeat(count), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(scan_chunks(&body), Some((body.len(), true)), "it is whole");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| scan_chunks(black_box(&body))));
    }
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    criterion.bench_function("eight fields: which pass", |bencher| {
        bencher.iter(|| NAMES.into_iter().filter(|name| is_hop_by_hop(black_box(name))).count());
    });
    criterion.bench_function("an idle connection: may it be used", |bencher| {
        bencher.iter(|| may_carry(black_box(Duration::from_millis(30)), 7, black_box(false)));
    });
}

criterion_group! {
    name = benches;
    config = rollcore_benches::short();
    targets = requests, forwarded, responses, chunks, decisions
}
criterion_main!(benches);
