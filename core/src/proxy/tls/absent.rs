//! TLS, in a library that was built without it.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::proxy::door::Peer;
use crate::proxy::options::TlsObserver;
use crate::proxy::shared::Worker;
use crate::spec::TlsSpec;

use super::TlsError;

/// Never made.
pub(crate) struct TlsFront(Infallible);

impl TlsFront {
    pub(crate) fn load(_: TlsSpec, _: TlsObserver) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    pub(crate) fn begin_watch(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn look(&self) {
        match self.0 {}
    }

    pub(crate) fn follow(&self, _: TlsSpec) -> Result<Vec<String>, TlsError> {
        match self.0 {}
    }

    pub(crate) fn spec(&self) -> TlsSpec {
        match self.0 {}
    }
}

pub(crate) fn rehearse(_: &TlsSpec) -> Result<Vec<String>, TlsError> {
    Err(TlsError::NotBuilt)
}

pub(crate) async fn serve_tls(front: &TlsFront, _: TcpStream, _: Peer, _: Arc<Worker>, _: bool) {
    match front.0 {}
}
