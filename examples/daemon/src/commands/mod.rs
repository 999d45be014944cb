//! The commands, one file each.

mod admin;
mod bootstrap;
mod client;
mod completion;
mod daemon;
mod deploy;
mod descriptors;
mod doctor;
mod ensure_daemon;
mod events;
mod logs;
mod pause;
mod predeploy_cleanup;
mod printer;
mod progress;
mod recover;
mod reload;
mod restart;
mod resume;
mod rollback;
mod shutdown;
mod signals;
mod status;
mod stop;
mod unit;
mod validate;

use std::process::ExitCode;

pub(crate) use signals::Signals;

use crate::cli::Command;
use crate::config_file;
use crate::demo;
use crate::output::{Failed, exit_code};
use crate::script;

/// Does what was typed.
pub(crate) fn run(command: Command) -> ExitCode {
    exit_code(match command {
        Command::Daemon(args) => daemon::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::EnsureDaemon(args) => ensure_daemon::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Stop(args) => stop::run(&args),
        Command::Restart(args) => restart::run(&args),
        Command::Pause(args) => pause::run(&args),
        Command::Resume(args) => resume::run(&args),
        Command::Shutdown(args) => shutdown::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Events(args) => events::run(&args),
        Command::EvaluateLua { path } => config_file::tell_lua(&path).map_err(Failed::Because),
        Command::Doctor(args) => doctor::run(&args),
        Command::Recover(args) => recover::run(&args),
        Command::PredeployCleanup(args) => predeploy_cleanup::run(&args),
        Command::Unit(args) => unit::run(&args),
        Command::Completion(args) => completion::run(&args),
        Command::Run(args) => return script::run(&args),
        Command::Demo(args) => return demo::run(&args),
        Command::SampleApp(args) => return demo::sample_app(&args),
        Command::Load(args) => return demo::load_command(&args),
    })
}
