//! The rollcore daemon, and the command that talks to it.

mod cli;
mod commands;
mod config_file;
mod demo;
mod output;
mod runtime;
mod script;

use std::process::ExitCode;

use cli::Instead;
use output::Failed;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(command) => commands::run(command),
        Err(Instead::Help(text)) => output::exit_code(output::print(&text)),
        Err(Instead::Misused(text)) => output::exit_code(Err(Failed::Plain(text.trim_end().to_owned()))),
    }
}
