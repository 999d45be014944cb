//! `rollcore completion <shell>`: a script that completes commands and options (compat §23).

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, CompletionArgs};
use crate::output::{Failed, Outcome, print};

pub(super) fn run(args: &CompletionArgs) -> Outcome {
    let shell = shell(&args.shell)?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(Cli::command()), "rollcore", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The shells whose scripts are tested (C-257).
fn shell(name: &str) -> Result<Shell, Failed> {
    match name {
        "bash" => Ok(Shell::Bash),
        "zsh" => Ok(Shell::Zsh),
        "fish" => Ok(Shell::Fish),
        other => {
            Err(Failed::Plain(format!("Unsupported shell \"{other}\". Supported shells: bash, zsh, fish.")))
        }
    }
}

/// Without what is hidden from the help: nobody types it.
fn visible(command: clap::Command) -> clap::Command {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let shown: Vec<_> = shown.map(visible).collect();
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let arguments: Vec<_> = arguments.collect();
    let about = command.get_about().cloned().unwrap_or_default();
    clap::Command::new(command.get_name().to_owned()).about(about).args(arguments).subcommands(shown)
}
