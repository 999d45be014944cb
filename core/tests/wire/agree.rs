//! Whatever we accept hyper accepts, and understands in the same way: our strictness only leaves out.

use proptest::prelude::*;

use crate::{made_up, oracle};

/// How many made-up connections are compared; set `ROLLCORE_WIRE_SEEDS` for more.
fn seeds() -> u64 {
    std::env::var("ROLLCORE_WIRE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20_000)
}

#[test]
fn made_up_requests_are_understood_by_hyper_in_the_same_way() {
    let compared: usize = (0..seeds()).map(|seed| oracle::requests_agree(&made_up::requests(seed))).sum();
    // Were most of them refused, nothing would be compared.
    assert!(compared as u64 > seeds() / 3, "only {compared} requests were accepted");
}

#[test]
fn made_up_responses_are_understood_by_hyper_in_the_same_way() {
    let compared: usize =
        (0..seeds()).map(|seed| oracle::responses_agree(&made_up::response(seed), seed % 8 == 0)).sum();
    assert!(compared as u64 > seeds() / 3, "only {compared} responses were accepted");
}

/// Pieces of requests in any order: what shrinks to a short story when it fails.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop::sample::select(vec![
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST /x?y HTTP/1.1\r\nHost: a\r\n",
        "GET http://a:80/ HTTP/1.0\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Connection: close\r\n",
        "Host: a\r\n",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "0\r\nA: b\r\n\r\n",
        "5",
        "; x=\"",
        ": ",
        ",",
        " ",
        "\t",
        "chunked",
    ]);
    let piece = prop_oneof![
        8 => fragments.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 1..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_requests_are_understood_by_hyper_in_the_same_way(bytes in pieces()) {
        oracle::requests_agree(&bytes);
    }
}
