//! The configuration is read again before every deploy and rollback (compat C-30).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::spec::Application;

use super::error::DeployError;

type Loading = Pin<Box<dyn Future<Output = Result<Application, String>> + Send>>;

/// Where the configuration comes from.
#[derive(Clone)]
pub(super) struct Reload(Arc<dyn Fn() -> Loading + Send + Sync>);

impl Reload {
    pub(super) fn new<F, L>(load: F) -> Self
    where
        F: Fn() -> L + Send + Sync + 'static,
        L: Future<Output = Result<Application, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(load())))
    }

    /// The configuration as it is now.
    pub(super) async fn load(&self) -> Result<Arc<Application>, DeployError> {
        let loaded = (self.0)().await;
        loaded.map(Arc::new).map_err(|message| DeployError::Refused { code: "invalid_config", message })
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}
