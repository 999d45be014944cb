//! `rollcore load`: the load generator alone, for tests and long runs.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Kind, Load, LoadOptions, Tally};

/// How long the first answers of every kind may take.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of `rollcore load`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// Where the requests go, such as 127.0.0.1:8182.
    #[arg(long)]
    address: SocketAddr,
    /// How long; SIGTERM or SIGINT end it earlier, just as properly.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Print the account as JSON: a line `{"event":"load on"}` when every kind has had its first good answer, and
    /// the account at the end.
    #[arg(long)]
    json: bool,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 16)]
    keep_alive: u32,
    /// Workers that open a connection per request.
    #[arg(long, default_value_t = 4)]
    fresh: u32,
    /// Workers that post.
    #[arg(long, default_value_t = 4)]
    posts: u32,
    /// Workers that read slow streams and server-sent events.
    #[arg(long, default_value_t = 4)]
    streams: u32,
    /// WebSockets at a time.
    #[arg(long, default_value_t = 8)]
    websockets: u32,
    /// How long a worker thinks between two requests.
    #[arg(long, default_value_t = 10)]
    think_ms: u64,
    /// How long a WebSocket lives; keep it below the drain budget.
    #[arg(long, default_value_t = 2_000)]
    tunnel_ms: u64,
}

impl LoadArgs {
    fn options(&self) -> LoadOptions {
        LoadOptions {
            address: self.address,
            keep_alive: self.keep_alive,
            fresh: self.fresh,
            posts: self.posts,
            orders: 0,
            streams: self.streams,
            tunnels: self.websockets,
            think: Duration::from_millis(self.think_ms),
            tunnel_life: Duration::from_millis(self.tunnel_ms),
        }
    }
}

/// Puts load on the address and prints the account. Fails when a request failed, or when there was none.
pub(crate) fn command(args: &LoadArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let tally = match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(tally) => tally,
        Err(error) => {
            // Nobody may be reading any more; the exit code says the same.
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let good = tally.failed() == 0 && tally.ok() > 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(args: &LoadArgs) -> io::Result<Tally> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let load = Load::start(args.options());
    let ledger = load.ledger().clone();
    let wanted = args.kinds();
    let announce = async {
        let on = |tally: &Tally| wanted.iter().all(|kind| tally.kinds.get(kind).is_some_and(has_answers));
        if ledger.reaches(WARM_UP_TIMEOUT, on).await && args.json {
            print_line(r#"{"event":"load on"}"#);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = announce => (),
        () = tokio::time::sleep(Duration::try_from_secs_f64(args.seconds).unwrap_or(Duration::MAX)) => (),
        _ = term.recv() => (),
        _ = interrupt.recv() => (),
    }
    let tally = load.stop().await;
    match args.json {
        true => print_line(&serde_json::to_string(&tally).map_err(io::Error::other)?),
        false => print_line(&super::super::report::traffic(&tally)),
    }
    Ok(tally)
}

fn has_answers(line: &super::tally::Line) -> bool {
    line.ok > 0 || line.messages > 0
}

impl LoadArgs {
    fn kinds(&self) -> Vec<Kind> {
        let kinds = [
            (self.keep_alive, Kind::Get),
            (self.fresh, Kind::NewConnection),
            (self.posts, Kind::Post),
            (self.streams, Kind::Stream),
            (self.websockets, Kind::WebSocket),
        ];
        kinds.into_iter().filter(|(count, _)| *count > 0).map(|(_, kind)| kind).collect()
    }
}

/// A line on stdout. Nobody may be reading any more; the exit code says the same.
fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
