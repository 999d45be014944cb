//! What happens to either application.

use crate::support::{App, Daemon, Load, Mix, Release, Tally, millis_between};

/// The releases that are deployed while the load is on, in this order: five of the twenty are broken.
const DEPLOYS: [&str; 20] = [
    "v2",
    "v1",
    "broken-exits-at-boot",
    "v2",
    "v1",
    "v2",
    "broken-never-listens",
    "v1",
    "v2",
    "v1",
    "broken-answers-500",
    "v2",
    "v1",
    "broken-hangs-on-accept",
    "v2",
    "v1",
    "broken-singleton-fails",
    "v2",
    "v1",
    "v2",
];

/// After how many of them one goes back.
const ROLLBACK_AFTER: usize = 9;

/// The load that is on through all of it; an application without WebSockets gets none.
const MIX: Mix = Mix { keep_alive: 64, fresh: 4, posts: 4, streams: 6, websockets: 12 };

/// Twenty deploys and a rollback under load, and then a look at everything that could have been lost.
pub fn twenty_deploys(app: &'static App) {
    let daemon = Daemon::start(app);
    daemon.deploy(&Release::new("r0", "v1")).expect("the first release is deployed");
    assert!(daemon.processes().len() >= 3, "the daemon, web and cron can be found by their mark");
    let websockets = if app.websockets { MIX.websockets } else { 0 };
    let load = Load::on(&daemon, Mix { websockets, ..MIX });

    let mut walk = Walk { daemon: &daemon, active: "r0".to_owned(), previous: None, retired: 0 };
    for (turn, directory) in DEPLOYS.iter().enumerate() {
        walk.deploy(&Release::new(&format!("r{}", turn + 1), directory));
        if turn + 1 == ROLLBACK_AFTER {
            walk.roll_back();
        }
    }
    let retired = walk.retired;
    daemon.until("the old releases have drained", |events| {
        events.iter().filter(|event| event["message"] == "release drained").count() >= retired
    });
    let tally = load.off();
    assert_nothing_failed(app, &tally);
    for message in
        ["proxy error", "traffic cut", "release drain failed", "rollout stuck", "restart limit reached"]
    {
        let events = daemon.events_so_far(message);
        assert!(events.is_empty(), "{message}: {events:?}");
    }
    daemon.end();
}

/// The deploys so far.
struct Walk<'a> {
    daemon: &'a Daemon,
    active: String,
    previous: Option<String>,
    retired: usize,
}

impl Walk<'_> {
    fn deploy(&mut self, release: &Release) {
        let before = self.daemon.web_pid();
        match (self.daemon.deploy(release), expected_errors(&release.directory)) {
            (Ok(answer), None) => {
                assert_eq!(answer["activeReleaseId"], release.id.as_str());
                assert_eq!(answer["previousReleaseId"], self.active.as_str());
                self.moved_to(release.id.clone());
            }
            (Err(error), Some(wanted)) => {
                for part in wanted {
                    assert!(error.contains(part), "{}: {part:?} is not in {error:?}", release.directory);
                }
                assert_eq!(self.daemon.web_pid(), before, "the process that serves is the one that served");
            }
            (outcome, _) => panic!("{} ({}): {outcome:?}", release.id, release.directory),
        }
        self.daemon.assert_serves(&self.active);
    }

    fn roll_back(&mut self) {
        let to = self.previous.clone().expect("something was deployed before");
        let answer = self.daemon.command(&["rollback"]).outcome().expect("a rollback");
        assert_eq!(answer["activeReleaseId"], to.as_str());
        self.moved_to(to);
        self.daemon.assert_serves(&self.active);
    }

    fn moved_to(&mut self, release: String) {
        self.previous = Some(std::mem::replace(&mut self.active, release));
        self.retired += 1;
    }
}

/// What the error of a broken release has to say; nothing when it is a good one.
fn expected_errors(directory: &str) -> Option<&'static [&'static str]> {
    match directory {
        "broken-exits-at-boot" => {
            Some(&["process \"web\" exited with code 1 before it was ready", "AUTH_SECRET missing"])
        }
        "broken-never-listens" => Some(&["Health check failed for http://127.0.0.1:", "/ping: fetch failed"]),
        "broken-answers-500" => Some(&["Health check failed for http://127.0.0.1:", "/ping: HTTP 500"]),
        "broken-hangs-on-accept" => Some(&["Health check failed for http://127.0.0.1:", "/ping: no answer"]),
        "broken-singleton-fails" => {
            Some(&["process \"cron\" exited with code 1 before it was ready", "CRON_TABLE missing"])
        }
        _ => None,
    }
}

fn assert_nothing_failed(app: &App, tally: &Tally) {
    assert_eq!(tally.failed(), 0, "{tally:#}");
    let kinds = ["get", "new-connection", "post", "stream", "events"].into_iter();
    for kind in kinds.chain(app.websockets.then_some("web-socket")) {
        assert!(tally.count(kind, "ok") > 0, "no {kind} was answered: {tally:#}");
        assert_eq!(tally.count(kind, "ok"), tally.count(kind, "sent"), "{kind}: {tally:#}");
    }
    // Each ends by itself before the drain budget does, and the application is told to leave only after that.
    assert_eq!(tally.count("web-socket", "closedByApp"), 0, "{tally:#}");
    // Each was the active one for a while, so each has answered: the load was on through every switch.
    let good = DEPLOYS.iter().filter(|directory| expected_errors(directory).is_none()).count();
    assert!(tally.releases() > good, "the first and each good one have answered: {tally:#}");
}

/// A release that prints `AUTH_SECRET missing` and exits: the deploy fails within 300 ms, and it was started once.
pub fn fails_at_once_with_its_last_line(app: &'static App) {
    let daemon = Daemon::start(app);
    let error = daemon.deploy(&Release::new("oops", "broken-exits-at-boot")).expect_err("it exits at boot");
    assert!(error.lines().any(|line| line.trim() == "AUTH_SECRET missing"), "{error}");

    let exited = daemon.event("process exited", |event| daemon.is_of(event, "oops", "web"));
    let failed = daemon.event("deploy failed", |event| event["data"]["releaseId"] == "oops");
    let took = millis_between(&exited, &failed);
    assert!(took <= 300, "it failed {took} ms after the exit");
    let starts = daemon.events_so_far("process started");
    assert_eq!(starts.len(), 1, "{starts:?}");
    daemon.end();
}
