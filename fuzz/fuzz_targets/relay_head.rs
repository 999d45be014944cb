//! Any bytes of a client: what our reader accepts hyper accepts, and understands in the same way, in whatever pieces it
//! comes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::internals::MessageReader;
use rollcore_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    oracle::requests_agree(data);
    oracle::pieces_agree(data, &[1], MessageReader::of_requests);
    oracle::pieces_agree(data, &[7, 2, 13], MessageReader::of_requests);
});
