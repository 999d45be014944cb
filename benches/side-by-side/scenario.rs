//! What is asked: the kinds of traffic, and what must come back.

/// How a client uses its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One connection for all requests.
    Keep,
    /// A new connection for each request, which says so.
    Close,
    /// One WebSocket, on which each message is echoed.
    Tunnel,
}

/// A kind of traffic.
#[derive(Debug)]
pub struct Scenario {
    /// As it is named on the command line: what is asked for, and how many clients ask at once.
    pub name: &'static str,
    pub way: Way,
    pub clients: usize,
    /// What the client sends: a request, or the one that opens the tunnel.
    pub request: &'static [u8],
    /// How long the body of the answer must be, in bytes.
    pub answer: u64,
    /// Whether bodies are so long that peers are also measured with settings for them.
    pub is_long: bool,
}

/// The length of the small answer.
pub const SMALL: usize = 13;
/// The length of the body that is posted.
pub const POSTED: usize = 1024;
/// The length of a chunk, and how many an answer has.
pub const CHUNK: usize = 1024;
pub const CHUNKS: usize = 4;

/// The example key of RFC 6455 §1.3, and what answers it: so that nobody has to compute a digest.
pub const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

macro_rules! get {
    ($path:literal, $more:literal) => {
        concat!(
            "GET ",
            $path,
            " HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: side-by-side\r\nAccept: */*\r\n",
            $more,
            "\r\n"
        )
        .as_bytes()
    };
}

const POST: [u8; POST_HEAD.len() + POSTED] = posted();
const POST_HEAD: &[u8] =
    b"POST /small HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: side-by-side\r\nAccept: */*\r\n\
    Content-Type: text/plain\r\nContent-Length: 1024\r\n\r\n";

const fn posted() -> [u8; POST_HEAD.len() + POSTED] {
    let mut request = [b'x'; POST_HEAD.len() + POSTED];
    let (head, _) = request.split_at_mut(POST_HEAD.len());
    head.copy_from_slice(POST_HEAD);
    request
}

const fn keep(name: &'static str, clients: usize, request: &'static [u8], answer: usize) -> Scenario {
    Scenario { name, way: Way::Keep, clients, request, answer: answer as u64, is_long: answer > 32 * 1024 }
}

/// All of them, in the order in which they are told.
pub static SCENARIOS: [Scenario; 8] = [
    keep("small-c64", 64, get!("/small", ""), SMALL),
    keep("small-c1", 1, get!("/small", ""), SMALL),
    Scenario { way: Way::Close, ..keep("close-c64", 64, get!("/small", "Connection: close\r\n"), SMALL) },
    keep("64k-c64", 64, get!("/64k", ""), 64 * 1024),
    keep("1m-c16", 16, get!("/1m", ""), 1024 * 1024),
    keep("post1k-c64", 64, &POST, SMALL),
    keep("chunked-c64", 64, get!("/chunked", ""), CHUNKS * CHUNK),
    Scenario {
        way: Way::Tunnel,
        ..keep(
            "ws-c64",
            64,
            get!(
                "/echo",
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            ),
            0,
        )
    },
];

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
