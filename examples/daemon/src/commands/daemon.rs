//! `rollcore daemon`: the engine and its control socket, in the foreground (compat C-153).

use rollcore::{Batch, ControlServer, Engine, Seq, Serving};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::load;
use super::printer::Printer;
use super::reload::reload_from;
use super::signals::Signals;
use crate::cli::{BootstrapArgs, DaemonArgs};
use crate::config_file::Loaded;
use crate::output::{Failed, Outcome};
use crate::runtime;

/// How many threads conduct; the traffic has its own.
const WORKER_THREADS: usize = 2;

pub(super) fn run(args: &DaemonArgs) -> Outcome {
    refuse_bootstrap(&args.bootstrap)?;
    if args.own_session {
        nix::unistd::setsid()
            .map_err(|error| Failed::Because(format!("cannot leave the session: {error}")))?;
    }
    let loaded = load(&args.config)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(WORKER_THREADS).enable_all().build().map_err(Failed::because)?;
    let outcome = runtime.block_on(live(loaded));
    // A name lookup or a slow disk must not keep a daemon alive that has stopped everything.
    runtime.shutdown_background();
    outcome
}

/// Refused rather than ignored: whoever says which release to boot must not get a daemon without one.
fn refuse_bootstrap(args: &BootstrapArgs) -> Outcome {
    let given = [
        ("--release-path", args.release_path.is_some()),
        ("--release-id", args.release_id.is_some()),
        ("--revision", args.revision.is_some()),
        ("--boot-attestation", args.boot_attestation.is_some()),
        ("--takeover-owner", args.takeover_owner),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Failed::Because(format!(
            "daemon {option} is not supported yet; start the daemon without it, then deploy."
        ))),
    }
}

async fn live(loaded: Loaded) -> Outcome {
    // Before anything runs: a signal from now on is an orderly end.
    let mut signals = Signals::new().map_err(Failed::because)?;
    let application = loaded.config.into_application();
    let control = application.control.clone();
    let engine = Engine::start(application).await.map_err(Failed::because)?;
    reload_from(&engine, loaded.path);
    let log = Log::of(&engine);
    runtime::tell(&engine).await;
    let outcome = match ControlServer::bind(&control).await {
        Ok(server) => {
            let serving = server.serve(engine.clone());
            until_the_end(&engine, serving, &mut signals).await;
            Ok(())
        }
        Err(error) => {
            engine.shutdown().await;
            Err(Failed::because(error))
        }
    };
    log.finish().await;
    outcome
}

/// Serves until somebody says `shutdown` or sends a signal, and everything is stopped.
async fn until_the_end(engine: &Engine, mut serving: Serving, signals: &mut Signals) {
    tokio::select! {
        _ = serving.ended() => {}
        _ = signals.next() => serving.close(),
    }
    let ending = async {
        engine.shutdown().await;
        serving.ended().await;
    };
    tokio::select! {
        () = ending => {}
        signal = signals.next() => end_now(signal),
    }
}

/// As if the signal had not been handled (C-151).
fn end_now(signal: i32) -> ! {
    std::process::exit(128 + signal)
}

/// Every event, as a line on stdout.
struct Log {
    task: JoinHandle<Printer>,
    end: oneshot::Sender<()>,
}

impl Log {
    /// Prints what happened from the beginning, and what happens.
    fn of(engine: &Engine) -> Self {
        let mut cursor = engine.events(Seq::START);
        let printer = Printer::new(std::io::stdout());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut ended = std::pin::pin!(ended);
            loop {
                let batch = tokio::select! {
                    batch = cursor.next() => batch,
                    _ = &mut ended => break,
                };
                print(&batch, &printer);
            }
            print(&cursor.read(), &printer);
            printer
        });
        Self { task, end }
    }

    /// Prints the rest, as far as somebody reads it.
    async fn finish(self) {
        let _ = self.end.send(());
        if let Ok(printer) = self.task.await {
            printer.finish();
        }
    }
}

fn print(batch: &Batch, printer: &Printer) {
    for event in &batch.events {
        if let Ok(line) = serde_json::to_string(event) {
            printer.print(line + "\n");
        }
    }
}
