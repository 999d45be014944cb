//! The story of the demo: v1, v2, a v3 that never becomes healthy, a v4 that crashes at boot, back to v1, and v1 killed
//! again and again.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rollcore::{Config, DeployError, Deployed, Engine, Event, EventCursor, Release, RollbackTo, Seq};

use super::kill::Killed;
use super::load::{Kind, Load, LoadOptions, Tally};
use super::report::{self, Switch};
use super::view::{Act, View};
use super::{DemoArgs, left_behind, releases};

/// How long the load may take until every kind has its first answer, or a release its next ones.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an old release may take to be drained and gone: the drain budget, the stop and some more.
const DRAINED_TIMEOUT: Duration = Duration::from_secs(30);

/// How an act has to end.
enum Wanted {
    Active(&'static str),
    /// With this text in the error, and the other release still serving.
    Refused {
        because: &'static str,
        serving: &'static str,
    },
}

/// The demo while it runs.
pub(super) struct Story<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) directory: &'a Path,
    pub(super) view: &'a mut View,
    pub(super) engine: Engine,
    load: Option<Load>,
    tally: Tally,
    pub(super) killed: Killed,
    pub(super) switches: Vec<Switch>,
    pub(super) complaints: Vec<String>,
}

/// What the demo came to.
pub(super) struct Ending {
    tally: Tally,
    killed: Killed,
    switches: Vec<Switch>,
    left_behind: Vec<String>,
    complaints: Vec<String>,
}

impl<'a> Story<'a> {
    pub(super) async fn begin(
        args: &'a DemoArgs,
        directory: &'a tempfile::TempDir,
        view: &'a mut View,
    ) -> io::Result<Self> {
        let directory = directory.path();
        let config = Config::from_json(&releases::config(directory)?).map_err(io::Error::other)?;
        let engine = Engine::start(config.into_application()).await.map_err(io::Error::other)?;
        Ok(Self {
            args,
            directory,
            view,
            engine,
            load: None,
            tally: Tally::default(),
            killed: Killed::default(),
            switches: Vec::new(),
            complaints: Vec::new(),
        })
    }

    pub(super) async fn tell(mut self) -> Ending {
        self.view.say(&format!("the proxy listens on {}", self.engine.proxy_addr()));
        self.deploy("v1", Wanted::Active("v1")).await;
        self.load_on().await;
        self.deploy("v2", Wanted::Active("v2")).await;
        self.deploy("v3", Wanted::Refused { because: "Health check failed", serving: "v2" }).await;
        self.deploy("v4", Wanted::Refused { because: "AUTH_SECRET missing", serving: "v2" }).await;
        self.drained("v1").await;
        self.rollback(Wanted::Active("v1")).await;
        self.load_off().await;
        self.kill_the_app().await;
        self.end().await
    }

    async fn deploy(&mut self, id: &'static str, wanted: Wanted) {
        let path = self.directory.join(id).display().to_string();
        let release = Release::new(id, path).expect("the demo's release ids are safe");
        let engine = self.engine.clone();
        self.act(format!("deploy {id}"), async move { engine.deploy(release).await }, wanted).await;
    }

    async fn rollback(&mut self, wanted: Wanted) {
        let engine = self.engine.clone();
        let rollback = async move { engine.rollback(RollbackTo::Previous).await };
        self.act("rollback".to_owned(), rollback, wanted).await;
    }

    /// Watches one act, judges how it ended, and waits until the release that should serve has served a while.
    async fn act(
        &mut self,
        title: String,
        doing: impl Future<Output = Result<Deployed, DeployError>>,
        wanted: Wanted,
    ) {
        let on_stage = self.view.begin(title.clone());
        if let Some(load) = &self.load {
            load.ledger().begin_window();
        }
        let begin = Instant::now();
        let result = watch(&on_stage, self.engine.events(self.newest()), doing).await;
        let took = begin.elapsed();
        let (outcome, serving) = match judge(result, &wanted) {
            Ok(outcome) => {
                on_stage.ended(&outcome);
                (outcome, wanted.serving())
            }
            Err(complaint) => {
                on_stage.went_wrong(&complaint);
                self.complaints.push(format!("{title}: {complaint}"));
                (complaint, wanted.serving())
            }
        };
        self.must_serve(serving).await;
        let longest_gap = self.load.as_ref().map(|load| load.ledger().window_gap());
        self.switches.push(Switch { act: title, outcome: in_short(&outcome), took, longest_gap });
    }

    /// Where the log of events ends now.
    fn newest(&self) -> Seq {
        self.engine.recent_events(Some(1)).last().map_or(Seq::START, |event| event.seq)
    }

    async fn must_serve(&mut self, release: &str) {
        let active =
            serde_json::to_value(self.engine.status()).unwrap_or_default()["activeReleaseId"].clone();
        if active != release {
            self.complaints.push(format!("{active} is active instead of {release}"));
        }
        let Some(load) = &self.load else { return };
        let answered = |tally: &Tally| tally.by_release().get(release).copied().unwrap_or(0);
        let wanted = answered(&load.ledger().tally()) + self.args.answers;
        if !load.ledger().reaches(ANSWERS_TIMEOUT, |tally| answered(tally) >= wanted).await {
            self.complaints.push(format!("{release} did not answer {} requests in time", self.args.answers));
        }
    }

    async fn load_on(&mut self) {
        let on_stage = self.view.begin("load on");
        let address = self.engine.proxy_addr();
        let load =
            Load::start(LoadOptions { keep_alive: self.args.connections, ..LoadOptions::mixed(address) });
        let ledger = load.ledger().clone();
        let kinds = [Kind::Get, Kind::NewConnection, Kind::Post, Kind::Stream, Kind::Events, Kind::WebSocket];
        let on =
            |tally: &Tally| kinds.iter().all(|kind| tally.kinds.get(kind).is_some_and(|line| line.ok > 0));
        if ledger.reaches(ANSWERS_TIMEOUT, on).await {
            on_stage.ended("keep-alive GETs, new connections, POSTs, streams, events and WebSockets");
        } else {
            on_stage.went_wrong("not every kind was answered");
            self.complaints.push("the load was not answered".to_owned());
        }
        self.view.show_load(ledger);
        self.load = Some(load);
    }

    /// A rollback to a release that still drains would start beside it, so we wait until it is gone.
    async fn drained(&mut self, id: &str) {
        let on_stage = self.view.begin(format!("{id} drains"));
        let mut events = self.engine.events(Seq::START);
        let is_drained =
            |event: &Event| matches!(event, Event::ReleaseDrained { release } if release.as_str() == id);
        let drained = async {
            loop {
                let batch = events.next().await;
                let has_ended = batch.events.is_empty();
                if has_ended || batch.events.iter().any(|stamped| is_drained(&stamped.event)) {
                    return;
                }
            }
        };
        if tokio::time::timeout(DRAINED_TIMEOUT, drained).await.is_ok() {
            on_stage.ended("answered everything, and gone");
        } else {
            on_stage.went_wrong("not drained in time");
            self.complaints.push(format!("{id} was not drained in time"));
        }
    }

    async fn load_off(&mut self) {
        let on_stage = self.view.begin("load off");
        if let Some(load) = self.load.take() {
            self.tally = load.stop().await;
        }
        on_stage.ended(&format!("{} answered, {} failed", self.tally.ok(), self.tally.failed()));
        self.view.hide_load();
    }

    async fn end(mut self) -> Ending {
        let on_stage = self.view.begin("shutdown");
        let begin = Instant::now();
        let report = self.engine.shutdown().await;
        let took = begin.elapsed();
        let left_behind = left_behind::processes(self.directory);
        let outcome = format!("{} processes left behind", left_behind.len());
        on_stage.ended(&outcome);
        self.switches.push(Switch { act: "shutdown".to_owned(), outcome, took, longest_gap: None });
        if report.survivors > 0 {
            self.complaints.push(format!("the shutdown reports {} survivors", report.survivors));
        }
        self.complain_about_cuts();
        let Self { tally, killed, switches, complaints, .. } = self;
        Ending { tally, killed, switches, left_behind, complaints }
    }

    /// The load's tunnels live shorter than the drain budget, so nothing may ever have been cut.
    fn complain_about_cuts(&mut self) {
        for stamped in self.engine.recent_events(None) {
            if let Event::TrafficCut { release, report } = &*stamped.event {
                self.complaints.push(format!("traffic of {release} was cut: {report:?}"));
            }
        }
    }
}

impl Wanted {
    fn serving(&self) -> &'static str {
        match self {
            Self::Active(release) => release,
            Self::Refused { serving, .. } => serving,
        }
    }
}

/// Shows the steps of an act until it ends.
async fn watch<T>(on_stage: &Act<'_>, mut events: EventCursor, doing: impl Future<Output = T>) -> T {
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            biased;
            batch = events.next() => {
                if batch.events.is_empty() {
                    return doing.await;
                }
                for stamped in &batch.events {
                    show(on_stage, &stamped.event);
                }
            }
            result = &mut doing => return result,
        }
    }
}

fn show(on_stage: &Act<'_>, event: &Event) {
    match event {
        Event::StepStarted { step, .. } => on_stage.now(&step.to_string()),
        Event::StepUndone { undo, .. } => on_stage.now(&undo.to_string()),
        _ => (),
    }
}

/// What to say about the end of an act: `Err` when it should have been another.
fn judge(result: Result<Deployed, DeployError>, wanted: &Wanted) -> Result<String, String> {
    match (result, wanted) {
        (Ok(deployed), Wanted::Active(release)) if deployed.active.as_str() == *release => {
            let previous = deployed.previous.map(|previous| format!(", was {previous}")).unwrap_or_default();
            Ok(format!("{release} is active{previous}"))
        }
        (Ok(deployed), _) => Err(format!("{} is active", deployed.active)),
        (Err(error), Wanted::Refused { because, serving }) if error.to_string().contains(because) => {
            Ok(format!("refused, {serving} goes on ({})", one_line(&error.to_string())))
        }
        (Err(error), _) => Err(one_line(&error.to_string())),
    }
}

/// An error may bring the last lines of a process along.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The table has no room for a whole error.
fn in_short(outcome: &str) -> String {
    outcome.split(" (").next().unwrap_or(outcome).chars().take(60).collect()
}

impl Ending {
    pub(super) fn is_good(&self) -> bool {
        let nothing_lost =
            self.tally.failed() == 0 && self.tally.ok() == self.tally.sent() && self.tally.ok() > 0;
        nothing_lost && self.left_behind.is_empty() && self.complaints.is_empty()
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}", report::traffic(&self.tally), report::switches(&self.switches))?;
        for complaint in &self.complaints {
            writeln!(f, "wrong: {complaint}")?;
        }
        for process in &self.left_behind {
            writeln!(f, "left behind: {process}")?;
        }
        writeln!(f, "{}", self.killed)?;
        write!(f, "failed {}, processes left behind {}", self.tally.failed(), self.left_behind.len())
    }
}
