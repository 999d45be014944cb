//! The completion scripts, in the shells they are for (compat §23).

use std::process::Command;

use crate::support::{Place, ROLLCORE};

fn script(shell: &str) -> String {
    let ran = Place::new().run(&["completion", shell]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.stdout
}

/// Runs a shell, if it is here.
fn told(shell: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(shell);
    let path = std::path::Path::new(ROLLCORE).parent().expect("it has one");
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default());
    let output = command.args(words).env("PATH", path).output().ok()?;
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("it is text"))
}

/// What bash offers after these words.
fn bash(typed: &[&str]) -> Vec<String> {
    let place = Place::new();
    let file = place.write("completion.bash", &script("bash"));
    let words = typed.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let (current, previous) = (typed.last().expect("a word"), typed[typed.len() - 2]);
    let asked = format!(
        "source {}; COMP_WORDS=({words}); COMP_CWORD={}; _rollcore rollcore '{current}' '{previous}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        typed.len() - 1,
    );
    let told = told("bash", &["--norc", "-c", &asked]).expect("there is a bash");
    told.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

const COMMANDS: [&str; 14] = [
    "daemon",
    "deploy",
    "rollback",
    "ensure-daemon",
    "status",
    "stop",
    "restart",
    "shutdown",
    "validate",
    "doctor",
    "logs",
    "events",
    "predeploy-cleanup",
    "completion",
];

/// C-258: commands, options of a command, and files after an option that takes a value.
#[test]
fn bash_completes_commands_options_and_files() {
    let offered = bash(&["rollcore", ""]);
    for command in COMMANDS {
        assert!(offered.iter().any(|offer| offer == command), "{command} is not in {offered:?}");
    }
    assert!(!offered.iter().any(|offer| offer == "load" || offer == "sample-app"), "{offered:?}");
    assert_eq!(bash(&["rollcore", "predep"]), ["predeploy-cleanup"]);
    let offered = bash(&["rollcore", "deploy", "--"]);
    for option in [
        "--release-path",
        "--release-id",
        "--revision",
        "--ensure-daemon",
        "--daemon-log-path",
        "--daemon-pid-path",
        "--daemon-runtime-path",
        "--daemon-start-timeout-ms",
        "--config",
    ] {
        assert!(offered.iter().any(|offer| offer == option), "{option} is not in {offered:?}");
    }
    assert_eq!(bash(&["rollcore", "restart", "--pol"]), ["--policy"]);
    assert_eq!(
        bash(&["rollcore", "deploy", "--release-path", "/etc/host"]).first().map(|it| &it[..9]),
        Some("/etc/host")
    );
}

/// C-259: a script that zsh loads as it is.
#[test]
fn zsh_reads_its_script() {
    let script = script("zsh");
    assert!(script.starts_with("#compdef rollcore\n"), "{script}");
    for command in COMMANDS {
        assert!(script.contains(&format!("({command})\n")), "{command}");
    }
    let place = Place::new();
    let file = place.write("_rollcore", &script);
    let asked = format!(
        "autoload -U compinit; compinit -u -d {0}/dump; source {1}; print -r -- ${{_comps[rollcore]}}; \
         functions _rollcore_commands",
        place.path("").display(),
        file.display()
    );
    if let Some(told) = told("zsh", &["-f", "-c", &asked]) {
        assert!(told.starts_with("_rollcore\n"), "{told}");
        assert!(told.contains("predeploy-cleanup"), "{told}");
    }
}

/// Ours: fish is asked what it would offer.
#[test]
fn fish_completes_commands_and_options() {
    let place = Place::new();
    let file = place.write("rollcore.fish", &script("fish"));
    let offers = |typed: &str| {
        let asked = format!("source {}; complete -C '{typed}'", file.display());
        told("fish", &["--no-config", "-c", &asked])
    };
    let Some(commands) = offers("rollcore ") else { return };
    for command in COMMANDS {
        assert!(
            commands.lines().any(|line| line.split('\t').next() == Some(command)),
            "{command}: {commands}"
        );
    }
    let options = offers("rollcore doctor --rel").expect("there is a fish");
    let options: Vec<_> = options.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(options, ["--release-id", "--release-path"]);
}

/// C-257: which shells there are.
#[test]
fn another_shell_is_refused() {
    let place = Place::new();
    assert_eq!(
        place.failure(&["completion", "tcsh"]),
        "Unsupported shell \"tcsh\". Supported shells: bash, zsh, fish.\n"
    );
    assert!(place.failure(&["completion"]).starts_with("error: missing required argument 'shell'\n"));
    assert!(
        place
            .failure(&["completion", "bash", "--config", "x"])
            .starts_with("error: unknown option '--config'")
    );
}
