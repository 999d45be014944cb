//! `rollcore validate`: is this config all right? (compat C-249, C-250)

use std::path::Path;

use rollcore::{Application, Issue};
use serde_json::{Value, json};

use crate::cli::ValidateArgs;
use crate::config_file::{self, LoadError, Loaded};
use crate::output::{Failed, Outcome, complain, counted, print, print_line};

pub(super) fn run(args: &ValidateArgs) -> Outcome {
    let verdict = Verdict::of(config_file::load(args.config.config.as_deref()), args.strict);
    if args.json {
        print_line(&verdict.json())?;
    } else {
        verdict.tell()?;
    }
    if verdict.is_valid() { Ok(()) } else { Err(Failed::Told) }
}

/// What is to be said about a config.
struct Verdict {
    path: Option<String>,
    application: Option<Application>,
    issues: Vec<(String, String)>,
    warnings: Vec<(String, String)>,
}

impl Verdict {
    fn of(loaded: Result<Loaded, LoadError>, strict: bool) -> Self {
        let mut verdict = match loaded {
            Ok(Loaded { path, config }) => Self {
                path: Some(shown(&path)),
                issues: Vec::new(),
                warnings: pairs(config.warnings()),
                application: Some(config.into_application()),
            },
            Err(error) => Self::against(error),
        };
        if strict {
            verdict.issues.append(&mut verdict.warnings);
        }
        verdict
    }

    fn against(error: LoadError) -> Self {
        let message = error.to_string();
        let (path, issues, warnings) = match error {
            LoadError::NotFound(_) => {
                let fix = "Pass --config or add a rollbridge.js.".to_owned();
                (None, vec![(message, fix)], Vec::new())
            }
            LoadError::Unreadable { path, .. } => {
                let fix = "Ensure the file exists and exports a default Rollbridge config object.".to_owned();
                (Some(shown(&path)), vec![(message, fix)], Vec::new())
            }
            LoadError::Invalid { path, error } => {
                (Some(shown(&path)), pairs(error.issues()), pairs(error.warnings()))
            }
        };
        Self { path, application: None, issues, warnings }
    }

    fn is_valid(&self) -> bool {
        self.issues.is_empty()
    }

    fn json(&self) -> Value {
        let config = self.application.as_ref().filter(|_| self.is_valid()).map(|application| {
            json!({
                "application": application.name,
                "processes": application.processes.len(),
                "proxy": { "host": application.proxy.host, "port": application.proxy.port },
            })
        });
        json!({
            "config": config,
            "issues": listed(&self.issues),
            "path": self.path,
            "valid": self.is_valid(),
            "warnings": listed(&self.warnings),
        })
    }

    fn tell(&self) -> Outcome {
        for (message, fix) in &self.warnings {
            complain(&format!("Warning: {message}\n   Fix: {fix}\n"));
        }
        let Some(application) = self.application.as_ref().filter(|_| self.is_valid()) else {
            complain(&self.problems());
            return Ok(());
        };
        let proxy = &application.proxy;
        print(&format!(
            "{} is valid: {}, proxy on {}:{}.\n",
            self.path.as_deref().unwrap_or_default(),
            counted(application.processes.len(), "process", "processes"),
            proxy.host,
            proxy.port
        ))
    }

    fn problems(&self) -> String {
        let count = counted(self.issues.len(), "configuration issue", "configuration issues");
        let place = self.path.as_ref().map_or_else(String::new, |path| format!(" in {path}"));
        let issues: String = (1..)
            .zip(&self.issues)
            .map(|(number, (message, fix))| format!("\n{number}. {message}\n   Fix: {fix}\n"))
            .collect();
        format!("Found {count}{place}:\n{issues}")
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn pairs(issues: &[Issue]) -> Vec<(String, String)> {
    issues.iter().map(|issue| (issue.message.clone(), issue.fix.clone())).collect()
}

fn listed(issues: &[(String, String)]) -> Value {
    issues.iter().map(|(message, fix)| json!({ "fix": fix, "message": message })).collect()
}
