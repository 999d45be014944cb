//! Why a request is not forwarded, and with which status it is answered.

/// A request that is answered here, and whose connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: u16,
    /// What is wrong, for the log; nothing of the request itself.
    pub(crate) why: &'static str,
}

impl Refusal {
    /// 400: it is malformed, or could be understood in two ways.
    pub(crate) const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
    }

    /// 408: its head took too long (RFC 9110 §15.5.9).
    pub(crate) const TOO_SLOW: Self = Self { status: 408, why: "the head took too long" };
    /// 413: its body is too large (RFC 9110 §15.5.14).
    pub(crate) const BODY_TOO_LARGE: Self = Self { status: 413, why: "the body is too large" };
    /// 417: it expects what we do not know (RFC 9110 §10.1.1).
    pub(crate) const EXPECTATION: Self = Self { status: 417, why: "an expectation but 100-continue" };
    /// 431: its head is too large (RFC 6585 §5).
    pub(crate) const HEAD_TOO_LARGE: Self = Self { status: 431, why: "the head is too large" };
    /// 431: it has too many fields (RFC 6585 §5).
    pub(crate) const TOO_MANY_FIELDS: Self = Self { status: 431, why: "too many fields" };
    /// 501: a transfer coding that we do not know (RFC 9112 §6.1).
    pub(crate) const CODING: Self = Self { status: 501, why: "a transfer coding but chunked" };
    /// 505: neither HTTP/1.0 nor HTTP/1.1 (RFC 9110 §15.6.6).
    pub(crate) const VERSION: Self = Self { status: 505, why: "neither HTTP/1.0 nor HTTP/1.1" };
}
