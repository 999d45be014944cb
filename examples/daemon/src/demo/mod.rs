//! `rollcore demo`: releases replace each other under load, and nothing is lost.

mod kill;
mod left_behind;
mod load;
mod releases;
mod report;
mod sample;
mod story;
mod view;

use std::io::{self, Write};
use std::process::ExitCode;

pub(crate) use load::{LoadArgs, command as load_command};
pub(crate) use sample::{SampleArgs, run as sample_app};

use story::{Ending, Story};
use view::View;

/// The demo's options.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Keep-alive connections of the load. New connections, POSTs, streams and WebSockets come on top.
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: u32,
    /// How many answers a release has to give before the next act begins.
    #[arg(long, default_value_t = 1_500)]
    pub(crate) answers: u64,
}

/// Plays the demo and prints its tables. Fails when a request failed, something is left behind, or a release ended
/// otherwise than it should have.
pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ending = runtime.and_then(|runtime| runtime.block_on(play(args)));
    match ending {
        Ok(ending) => {
            view::print(&ending.to_string());
            if ending.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            // Nobody may be reading any more; the exit code says the same.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn play(args: &DemoArgs) -> io::Result<Ending> {
    let directory = releases::prepare()?;
    let mut view = View::new();
    let story = Story::begin(args, &directory, &mut view).await?;
    Ok(story.tell().await)
}
