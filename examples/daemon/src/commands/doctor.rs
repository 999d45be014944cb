//! `rollcore doctor`: would a daemon work here, and could it run this release? (compat §21)

use std::path::{Component, Path, PathBuf};

use rollcore::{Application, Check, Release, UnsafeName, control_presence, doctor};
use serde_json::json;

use super::client::block_on;
use crate::cli::DoctorArgs;
use crate::config_file::{self, LoadError};
use crate::output::{Failed, Outcome, complain, counted, print, print_line};

pub(super) fn run(args: &DoctorArgs) -> Outcome {
    let checks = match config_file::load(args.config.config.as_deref()) {
        Ok(loaded) => examine(loaded.config.application(), args)?,
        // Without a config there is nothing to look at (C-239).
        Err(error @ LoadError::NotFound(_)) if !args.json => return Err(Failed::Plain(error.to_string())),
        Err(error) => vec![Check::new("config", false, about(&error))],
    };
    let failed = checks.iter().filter(|check| !check.ok).count();
    if args.json {
        print_line(&json!({ "checks": checks, "ok": failed == 0 }))?;
    } else {
        tell(&checks, failed)?;
    }
    if failed == 0 { Ok(()) } else { Err(Failed::Told) }
}

/// Compat C-232.
fn about(error: &LoadError) -> String {
    let issues = match error {
        LoadError::NotFound(message) => return message.clone(),
        LoadError::Invalid { error, .. } => error.issues().len(),
        _ => 1,
    };
    format!("{} — run \"rollbridge validate\" for details", counted(issues, "issue", "issues"))
}

fn examine(application: &Application, args: &DoctorArgs) -> Result<Vec<Check>, Failed> {
    let release = args.release_path.as_deref().map(|path| candidate(path, args)).transpose();
    let (release, unsafe_name) = match release {
        Ok(release) => (release, None),
        Err(error) => (None, Some(error)),
    };
    let mut checks = block_on(async {
        let presence = control_presence(&application.control).await;
        doctor(application, &presence, release.as_ref()).await
    })?;
    // A deploy of that name would be refused.
    checks.extend(unsafe_name.map(|error| Check::new("release path", false, error.to_string())));
    Ok(checks)
}

/// The release as a deploy would name it; without an id, after its directory (compat C-236).
fn candidate(path: &Path, args: &DoctorArgs) -> Result<Release, UnsafeName> {
    let path = resolved(path);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let revision = given(&args.revision);
    let id = given(&args.release_id).or_else(|| revision.clone()).unwrap_or_else(|| basename(&path));
    let release = Release::new(&id, path.to_string_lossy())?;
    release.revision(&revision.unwrap_or(id))
}

/// Absolute, without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    resolved
}

/// The name of the directory. A deploy without an id takes the time, so what no id may hold is no mistake here.
fn basename(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if Release::new(&name, "").is_ok() { name } else { "release".to_owned() }
}

fn tell(checks: &[Check], failed: usize) -> Outcome {
    for Check { detail, name, ok } in checks {
        print(&format!("{} {name}: {detail}\n", if *ok { '✓' } else { '✗' }))?;
    }
    if failed == 0 {
        return print("\nAll checks passed.\n");
    }
    complain(&format!("\n{} failed.\n", counted(failed, "check", "checks")));
    Ok(())
}
