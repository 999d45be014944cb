//! Any bytes of an application: what our reader accepts hyper accepts, and understands in the same way. The first byte says
//! whether the request was HEAD.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcore::internals::MessageReader;
use rollcore_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    let Some((to_head, bytes)) = data.split_first() else { return };
    let to_head = to_head % 2 == 1;
    oracle::responses_agree(bytes, to_head);
    oracle::pieces_agree(bytes, &[1], || MessageReader::of_response(to_head));
});
