//! Which program a daemon runs: so that a deploy is never sent to an older one by mistake (compat C-215, C-219).

use serde::{Deserialize, Serialize};

/// The shape of [`RuntimeIdentity`] as this version writes it.
pub const RUNTIME_FORMAT: u32 = 1;

/// Which program a daemon runs, as its host says.
///
/// The engine only repeats it in [`Status`](crate::Status): what a program is, and where it lies, is the host's to know.
///
/// ```
/// use rollcore::{RUNTIME_FORMAT, RuntimeIdentity};
///
/// let runs = RuntimeIdentity {
///     digest: "ab".repeat(32),
///     format: RUNTIME_FORMAT,
///     path: "/opt/rollcore".to_owned(),
///     version: "0.1.0".to_owned(),
/// };
/// let moved = RuntimeIdentity { path: "/elsewhere".to_owned(), ..runs.clone() };
/// assert!(runs.is_same_program(&moved));
/// assert!(!runs.is_same_program(&RuntimeIdentity { version: "0.2.0".to_owned(), ..moved }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeIdentity {
    /// SHA-256 of the program, 64 lower-case hexadecimal digits.
    pub digest: String,
    /// [`RUNTIME_FORMAT`].
    pub format: u32,
    /// The directory in which the program lies, absolute.
    pub path: String,
    /// The version of the program.
    pub version: String,
}

impl RuntimeIdentity {
    /// Whether both are the same program, wherever it lies (compat C-219).
    #[must_use]
    pub fn is_same_program(&self, other: &Self) -> bool {
        (self.format, &self.version, &self.digest) == (other.format, &other.version, &other.digest)
    }
}
