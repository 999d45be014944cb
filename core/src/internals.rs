//! What our own fuzz targets and benches need of the inside. **Not an API**: anything here may change or go in any
//! version, and no host may use it. It exists only with the feature `internals`, which is off by default.
//!
//! The pure parts of the proxy (`proxy/machine/`) decide about bytes of strangers: they must be fuzzed and timed one by one,
//! and they are nobody's business otherwise. What is re-exported here is declared `pub` in its private room. The list is
//! flat. One thing acts: [`LoneProxy`], the relay without threads and without a socket to listen on, for tests that decide which
//! byte comes when.

mod reader;
mod steps;

pub use crate::proxy::LoneProxy;
pub use reader::{MessageReader, ReadEnd, SeenMessage};
pub use steps::{head_end, is_hop_by_hop, may_carry, pass_request, pass_response, read_request, scan_chunks};
