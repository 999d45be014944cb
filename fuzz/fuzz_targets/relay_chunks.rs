//! Any bytes where chunks are expected, of a client and of an application: as `relay_head`, but past the head.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::internals::MessageReader;
use rollcore_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    let request = [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", data].concat();
    oracle::requests_agree(&request);
    oracle::pieces_agree(&request, &[1], MessageReader::of_requests);
    let answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", data].concat();
    oracle::responses_agree(&answer, false);
});
