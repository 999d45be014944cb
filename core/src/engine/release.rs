//! What goes into a deploy, and what comes out.

use crate::id::{ReleaseId, Revision, UnsafeName};
use crate::rollout::DeployRequest;

/// A prepared directory and its name.
#[derive(Clone, Debug)]
pub struct Release {
    id: ReleaseId,
    path: String,
    revision: Option<Revision>,
}

impl Release {
    /// The release `id` in the directory `path`, which is passed through as it is (compat C-246).
    ///
    /// # Errors
    /// When the id is not safe: see [`ReleaseId`].
    pub fn new(id: &str, path: impl Into<String>) -> Result<Self, UnsafeName> {
        Ok(Self { id: ReleaseId::new(id)?, path: path.into(), revision: None })
    }

    /// Says what it was built from; otherwise that is its id.
    ///
    /// # Errors
    /// When the revision is not safe: see [`Revision`].
    pub fn revision(self, revision: &str) -> Result<Self, UnsafeName> {
        Ok(Self { revision: Some(Revision::new(revision)?), ..self })
    }
}

impl From<Release> for DeployRequest {
    fn from(release: Release) -> Self {
        Self { release: release.id, path: release.path, revision: release.revision, application: None }
    }
}

/// Traffic is on the new release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Where traffic goes now.
    pub active: ReleaseId,
    /// Where it went before.
    pub previous: Option<ReleaseId>,
}

/// Everything is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Processes that even SIGKILL did not end in time. Zero means that nothing is left.
    pub survivors: u32,
}
