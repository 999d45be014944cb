//! `rollcore daemon`: the engine and its control socket, in the foreground (compat C-153).

use std::net::TcpListener;
use std::sync::Arc;

use rollcore::{Batch, ControlEnd, Engine, EngineOptions, Seq, Serving};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::admin::Admin;
use super::bootstrap::Start;
use super::client::load;
use super::descriptors::{allow_all, passed_listener};
use super::printer::Printer;
use super::reload::reload_from;
use super::signals::Signals;
use crate::cli::DaemonArgs;
use crate::config_file::Loaded;
use crate::output::{Failed, Outcome};
use crate::runtime;

/// How many threads conduct; the traffic has its own.
const WORKER_THREADS: usize = 2;

pub(super) fn run(args: &DaemonArgs) -> Outcome {
    let start = Start::of(args)?;
    if args.own_session {
        nix::unistd::setsid()
            .map_err(|error| Failed::Because(format!("cannot leave the session: {error}")))?;
    }
    // Before there are threads.
    let beginning = Beginning { listener: passed_listener()?, child_descriptors_max: allow_all() };
    let loaded = load(&args.config)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(WORKER_THREADS).enable_all().build().map_err(Failed::because)?;
    let outcome = runtime.block_on(live(loaded, &start, beginning));
    // A name lookup or a slow disk must not keep a daemon alive that has stopped everything.
    runtime.shutdown_background();
    outcome
}

/// What the daemon was started with.
struct Beginning {
    listener: Option<TcpListener>,
    child_descriptors_max: Option<u64>,
}

impl Beginning {
    fn into_options(self, start: &Start) -> EngineOptions {
        EngineOptions {
            listener: self.listener.map(Arc::new),
            child_descriptors_max: self.child_descriptors_max,
            ..start.options()
        }
    }
}

async fn live(loaded: Loaded, start: &Start, beginning: Beginning) -> Outcome {
    // Before anything runs: a signal from now on is an orderly end.
    let mut signals = Signals::new().map_err(Failed::because)?;
    let application = loaded.config.into_application();
    let control = application.control.clone();
    let options = beginning.into_options(start);
    let mut admin = Admin::new(application.proxy.admin.clone());
    if !start.takes_over() {
        admin.bind().await?;
    }
    let engine = Engine::start_with(application, options).await.map_err(Failed::because)?;
    reload_from(&engine, loaded.path);
    let log = Log::of(&engine);
    runtime::tell(&engine).await;
    admin.serve(&engine);
    let opened = tokio::select! {
        opened = start.open(&engine, &control) => opened.map(Some),
        // Whatever was started so far is stopped (C-152).
        _ = signals.next() => Ok(None),
    };
    let outcome = match opened {
        Ok(Some(server)) => {
            admin.follow(&engine);
            until_the_end(&engine, server.serve(engine.clone()), admin, &mut signals).await;
            Ok(())
        }
        Ok(None) => {
            or_now(engine.shutdown(), &mut signals).await;
            Ok(())
        }
        Err(error) => {
            or_now(engine.shutdown(), &mut signals).await;
            Err(error)
        }
    };
    log.finish().await;
    outcome
}

/// Serves until somebody says `shutdown`, takes over or sends a signal, and everything is stopped.
async fn until_the_end(engine: &Engine, mut serving: Serving, admin: Admin, signals: &mut Signals) {
    let end = tokio::select! {
        end = serving.ended() => Some(end),
        _ = signals.next() => None,
    };
    match end {
        Some(ControlEnd::Retired) => {
            // Whoever has taken over tells the numbers now.
            drop(admin);
            tokio::select! {
                () = engine.ended() => {}
                // What was begun need not be finished.
                _ = signals.next() => or_now(engine.shutdown(), signals).await,
            }
        }
        Some(ControlEnd::ShutDown | ControlEnd::Closed) => or_now(engine.shutdown(), signals).await,
        None => {
            serving.close();
            drained(engine, signals).await;
            let ending = async {
                engine.shutdown().await;
                serving.ended().await;
            };
            or_now(ending, signals).await;
        }
    }
}

/// A signal lets open requests finish, within their budget; another one does not wait for them any longer.
async fn drained(engine: &Engine, signals: &mut Signals) {
    tokio::select! {
        _ = engine.drain_then_shutdown() => {}
        // Its end may not even be decided yet.
        signal = signals.next() => if engine.ending().is_some() && !engine.is_draining() { end_now(signal) },
    }
}

/// Waits for an end; another signal does not.
async fn or_now<T>(ending: impl Future<Output = T>, signals: &mut Signals) {
    tokio::select! {
        _ = ending => {}
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
                if batch.events.is_empty() {
                    let _ = (&mut ended).await;
                    break;
                }
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
