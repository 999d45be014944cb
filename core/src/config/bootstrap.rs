//! A daemon that is started together with its first release: what was typed, checked before anything is bound or
//! spawned (compat C-159, C-163).

use serde::Serialize;

use crate::id::{Attestation, ReleaseId, Revision};

/// What was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// The config file, if one was named.
    pub config: Option<String>,
    /// The directory of the release.
    pub release_path: Option<String>,
    /// Its name.
    pub release_id: Option<String>,
    /// What it was built from.
    pub revision: Option<String>,
    /// What the starter says of the daemon.
    pub boot_attestation: Option<String>,
    /// Whether the daemon that is there is to be replaced.
    pub takeover_owner: bool,
}

/// The release that a daemon was started with. Part of its status, the same for all its life (compat C-162).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// What the starter said of the daemon, as he said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// Its name.
    pub release_id: ReleaseId,
    /// Its directory, as it was given.
    pub release_path: String,
    /// What it was built from.
    pub revision: Revision,
}

/// What is wrong with what was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// A takeover without the rest.
    #[error("Daemon --takeover-owner requires the complete bootstrap release tuple and --boot-attestation.")]
    TakeoverIncomplete,
    /// An attestation of nothing.
    #[error(
        "Daemon --boot-attestation is accepted only with --config, --release-path, --release-id, and --revision."
    )]
    AttestationAlone,
    /// Some of the options, not all.
    #[error(
        "Daemon bootstrap options --config, --release-path, --release-id, and --revision must be provided together."
    )]
    Incomplete,
    /// Such as `releases/v1`.
    #[error("Daemon bootstrap {0} must be an absolute path.")]
    NotAbsolute(&'static str),
    /// Such as `/srv/../etc`.
    #[error("Daemon bootstrap {0} must be normalized and must not contain unsafe traversal segments.")]
    NotNormalized(&'static str),
    /// An id that could mean something else to somebody.
    #[error(
        "Daemon bootstrap {0} must be a non-empty safe identifier containing only letters, numbers, dots, \
         underscores, and hyphens."
    )]
    NotSafe(&'static str),
    /// Another spelling of a digest.
    #[error("Daemon bootstrap --boot-attestation must use the canonical sha256:<64 lowercase hex> format.")]
    NotCanonical,
    /// The directory cannot be looked into.
    #[error("Daemon bootstrap --release-path is not accessible: {0}")]
    NotAccessible(String),
    /// It is a file, say.
    #[error("Daemon bootstrap --release-path must name a directory.")]
    NotADirectory,
}

impl BootstrapError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TakeoverIncomplete | Self::AttestationAlone | Self::Incomplete => "bootstrap_incomplete",
            Self::NotAbsolute(_) | Self::NotNormalized(_) => "bootstrap_unsafe_path",
            Self::NotSafe(_) => "unsafe_name",
            Self::NotCanonical => "invalid_attestation",
            Self::NotAccessible(_) | Self::NotADirectory => "release_path_unusable",
        }
    }
}

impl BootstrapOptions {
    /// The release to start with; `None` when none was named.
    ///
    /// ```
    /// use rollcore::BootstrapOptions;
    /// let typed = BootstrapOptions { release_id: Some("v1".to_owned()), ..BootstrapOptions::default() };
    /// let error = typed.check().expect_err("the rest is missing");
    /// assert!(error.to_string().ends_with("must be provided together."));
    /// ```
    ///
    /// # Errors
    /// [`BootstrapError`], the first in the order of compat C-159. Whether the directory is there is not looked at.
    pub fn check(&self) -> Result<Option<Bootstrap>, BootstrapError> {
        let release = [&self.release_path, &self.release_id, &self.revision];
        let is_any = release.iter().any(|given| given.is_some());
        let Self {
            config: Some(config),
            release_path: Some(path),
            release_id: Some(id),
            revision: Some(revision),
            ..
        } = self
        else {
            return match (self.takeover_owner, &self.boot_attestation) {
                (true, _) => Err(BootstrapError::TakeoverIncomplete),
                (false, Some(_)) if !is_any => Err(BootstrapError::AttestationAlone),
                (false, _) if is_any => Err(BootstrapError::Incomplete),
                (false, _) => Ok(None),
            };
        };
        if self.takeover_owner && self.boot_attestation.is_none() {
            return Err(BootstrapError::TakeoverIncomplete);
        }
        check_path("--config", config, config)?;
        // A directory may be written with a slash at its end.
        check_path("--release-path", path, path.strip_suffix('/').unwrap_or(path))?;
        let attestation = self.boot_attestation.as_deref();
        Ok(Some(Bootstrap {
            release_id: ReleaseId::new(id.as_str()).map_err(|_| BootstrapError::NotSafe("--release-id"))?,
            revision: Revision::new(revision.as_str()).map_err(|_| BootstrapError::NotSafe("--revision"))?,
            attestation: attestation
                .map(|text| Attestation::new(text).ok_or(BootstrapError::NotCanonical))
                .transpose()?,
            release_path: path.clone(),
        }))
    }
}

/// `bare` is `path` without what is allowed at its end.
fn check_path(option: &'static str, path: &str, bare: &str) -> Result<(), BootstrapError> {
    let Some(rest) = path.strip_prefix('/') else { return Err(BootstrapError::NotAbsolute(option)) };
    let segments = bare.strip_prefix('/').unwrap_or_default();
    let is_root = rest.is_empty();
    if !is_root && segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(BootstrapError::NotNormalized(option));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is needed, and nothing wrong with it.
    fn good() -> BootstrapOptions {
        BootstrapOptions {
            config: Some("/srv/rollbridge.json".to_owned()),
            release_path: Some("/srv/releases/v1".to_owned()),
            release_id: Some("v1".to_owned()),
            revision: Some("abc123".to_owned()),
            boot_attestation: Some(format!("sha256:{}", "a".repeat(64))),
            takeover_owner: false,
        }
    }

    fn said(change: impl FnOnce(&mut BootstrapOptions)) -> String {
        let mut options = good();
        change(&mut options);
        options.check().expect_err("it is wrong").to_string()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn nothing_typed_is_no_bootstrap() {
        let none = BootstrapOptions { config: text("rollbridge.json"), ..BootstrapOptions::default() };
        assert_eq!(none.check(), Ok(None), "a daemon without a release may have any config");
    }

    /// C-162.
    #[test]
    fn what_was_typed_is_kept_as_it_is() {
        let bootstrap = good().check().expect("it is good").expect("a release was named");
        assert_eq!(
            serde_json::to_string(&bootstrap).expect("it is plain"),
            format!(
                r#"{{"attestation":"sha256:{}","releaseId":"v1","releasePath":"/srv/releases/v1","revision":"abc123"}}"#,
                "a".repeat(64)
            )
        );
        let bare = BootstrapOptions { boot_attestation: None, release_path: text("/srv/v1/"), ..good() };
        let bootstrap = bare.check().expect("it is good").expect("a release was named");
        assert_eq!(
            serde_json::to_string(&bootstrap).expect("it is plain"),
            r#"{"releaseId":"v1","releasePath":"/srv/v1/","revision":"abc123"}"#
        );
        let root = BootstrapOptions { release_path: text("/"), ..good() };
        assert!(root.check().is_ok());
    }

    /// C-159 and C-163: the texts.
    #[test]
    fn every_mistake_has_its_text() {
        let together = "Daemon bootstrap options --config, --release-path, --release-id, and --revision must be provided together.";
        assert_eq!(said(|options| options.config = None), together);
        assert_eq!(said(|options| options.release_path = None), together);
        assert_eq!(said(|options| options.release_id = None), together);
        assert_eq!(said(|options| options.revision = None), together);
        let alone = BootstrapOptions {
            boot_attestation: text("anything"),
            config: text("/srv/c.json"),
            ..BootstrapOptions::default()
        };
        assert_eq!(
            alone.check().expect_err("no release").to_string(),
            "Daemon --boot-attestation is accepted only with --config, --release-path, --release-id, and --revision."
        );
        let takeover =
            "Daemon --takeover-owner requires the complete bootstrap release tuple and --boot-attestation.";
        let only = BootstrapOptions { takeover_owner: true, ..BootstrapOptions::default() };
        assert_eq!(only.check().expect_err("nothing else").to_string(), takeover);
        for missing in 0..5 {
            let error = said(|options| {
                options.takeover_owner = true;
                let fields = [
                    &mut options.config,
                    &mut options.release_path,
                    &mut options.release_id,
                    &mut options.revision,
                    &mut options.boot_attestation,
                ];
                fields.into_iter().skip(missing).take(1).for_each(|field| *field = None);
            });
            assert_eq!(error, takeover, "{missing}");
        }
        for (option, set) in [
            (
                "--config",
                (|options, path| options.config = path) as fn(&mut BootstrapOptions, Option<String>),
            ),
            ("--release-path", |options, path| options.release_path = path),
        ] {
            for relative in ["", "a", "./a", "../a"] {
                let expected = format!("Daemon bootstrap {option} must be an absolute path.");
                assert_eq!(said(|options| set(options, text(relative))), expected, "{relative:?}");
            }
            for odd in ["/a/../b", "/a/./b", "//a", "/a//b", "/..", "/a/.."] {
                let expected = format!(
                    "Daemon bootstrap {option} must be normalized and must not contain unsafe traversal segments."
                );
                assert_eq!(said(|options| set(options, text(odd))), expected, "{odd:?}");
            }
        }
        for (option, set) in [
            (
                "--release-id",
                (|options, id| options.release_id = id) as fn(&mut BootstrapOptions, Option<String>),
            ),
            ("--revision", |options, revision| options.revision = revision),
        ] {
            for unsafe_id in ["", ".a", "-a", "a b", "a/b", "a\n", &"a".repeat(201)] {
                let expected = format!(
                    "Daemon bootstrap {option} must be a non-empty safe identifier containing only letters, numbers, \
                     dots, underscores, and hyphens."
                );
                assert_eq!(said(|options| set(options, text(unsafe_id))), expected, "{unsafe_id:?}");
            }
        }
        let hex = "a".repeat(64);
        for odd in ["", "sha256:", &hex, &format!("sha256:{}", hex.to_uppercase()), &format!("sha256:{hex}a")]
        {
            assert_eq!(
                said(|options| options.boot_attestation = text(odd)),
                "Daemon bootstrap --boot-attestation must use the canonical sha256:<64 lowercase hex> format.",
                "{odd:?}"
            );
        }
    }

    /// C-159: the first mistake in the order of the table is told.
    #[test]
    fn mistakes_are_told_in_their_order() {
        let mut options = BootstrapOptions {
            config: text("c"),
            release_path: text("r"),
            release_id: text("a b"),
            revision: text("a b"),
            boot_attestation: text("x"),
            takeover_owner: false,
        };
        let order = [
            "--config must be an absolute",
            "--config must be normalized",
            "--release-path must be an absolute",
            "--release-path must be normalized",
            "--release-id must be",
            "--revision must be",
            "--boot-attestation must use",
        ];
        for (step, part) in order.into_iter().enumerate() {
            let error = options.check().expect_err("it is still wrong").to_string();
            assert!(error.contains(part), "{step}: {error}");
            match step {
                0 => options.config = text("/a/../c"),
                1 => options.config = text("/c"),
                2 => options.release_path = text("/a/../r"),
                3 => options.release_path = text("/r"),
                4 => options.release_id = text("v1"),
                5 => options.revision = text("abc"),
                _ => options.boot_attestation = None,
            }
        }
        assert!(options.check().is_ok());
    }
}
