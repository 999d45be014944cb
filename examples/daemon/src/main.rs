//! The rollcore daemon.

mod demo;

use std::process::ExitCode;

use clap::Parser;

/// Zero-downtime rollouts.
#[derive(Parser)]
enum Command {
    /// Releases replace each other under load, and nothing is lost.
    Demo(demo::DemoArgs),
    /// The sample application of the demo.
    #[command(hide = true)]
    SampleApp(demo::SampleArgs),
    /// Puts load on an address.
    #[command(hide = true)]
    Load(demo::LoadArgs),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Demo(args) => demo::run(&args),
        Command::SampleApp(args) => demo::sample_app(&args),
        Command::Load(args) => demo::load_command(&args),
    }
}
