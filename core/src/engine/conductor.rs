//! The one task that owns the world.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::event::Event;
use crate::id::OpId;
use crate::rollout::{Action, Answer, Command, Input, World};
use crate::spec::Application;

use super::Shared;
use super::certificates;
use super::journal::{self, Ending};
use super::lease::Leasing;
use super::perform::{News, Performer};
use super::status::Published;

/// How long the last answers of the proxy may take once every process is gone; what is left then is cut.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A question, and where its answer goes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) op: OpId,
    pub(super) command: Command,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Owns the world; nobody else changes it.
pub(super) struct Conductor {
    world: World,
    /// The configuration that the proxy follows.
    application: Arc<Application>,
    shared: Arc<Shared>,
    performer: Performer,
    commands: mpsc::Receiver<Asked>,
    news: mpsc::UnboundedReceiver<News>,
    answers: HashMap<OpId, oneshot::Sender<Answer>>,
    /// Every handle is gone.
    is_abandoned: bool,
    /// Answers of a shutdown, which are given when the proxy is closed, too.
    farewells: Vec<(OpId, Answer)>,
}

impl Conductor {
    pub(super) fn new(
        world: World,
        shared: Arc<Shared>,
        leasing: Leasing,
        commands: mpsc::Receiver<Asked>,
    ) -> Self {
        // Unbounded in type only: every message answers something that the world asked for.
        let (tell, news) = mpsc::unbounded_channel();
        let (proxy, handed_over) = (Arc::clone(&shared.proxy), Arc::clone(&shared.handed_over));
        let performer = Performer::new(proxy, handed_over, leasing, tell, shared.journal.mark());
        Self {
            application: Arc::clone(world.application()),
            world,
            shared,
            performer,
            commands,
            news,
            answers: HashMap::new(),
            is_abandoned: false,
            farewells: Vec::new(),
        }
    }

    /// Every process may have so many descriptors.
    pub(super) fn limit_descriptors(mut self, max: Option<u64>) -> Self {
        self.performer.limit_descriptors(max);
        self
    }

    pub(super) fn spawn(self) {
        tokio::spawn(self.run());
    }

    async fn run(mut self) {
        let _last_act = LastAct(Arc::clone(&self.shared));
        while !self.world.is_over() {
            let input = self.next_input().await;
            self.turn(input);
        }
        self.shared.proxy.close(CLOSE_TIMEOUT).await;
        self.performer.end();
        self.end_journal().await;
        for (op, answer) in std::mem::take(&mut self.farewells) {
            if let Answer::ShutDown { survivors } = answer {
                let _first_one_stays = self.shared.survivors.set(survivors);
            }
            self.give(op, answer);
        }
    }

    /// Before anybody hears that it is over: a new daemon may start at once (compat C-147).
    async fn end_journal(&self) {
        if self.world.ending() == Some(crate::rollout::Ending::Retired) {
            let _nothing_can_fail = self.shared.journal.end(Ending::HandedOver).await;
            return;
        }
        let is_clean = |(_, answer): &(OpId, Answer)| matches!(answer, Answer::ShutDown { survivors: 0 });
        let ending = if self.farewells.iter().all(is_clean) { Ending::Clean } else { Ending::WithSurvivors };
        if let Err(error) = self.shared.journal.end(ending).await {
            self.shared.events.record(Event::StatePersistFailed { error });
        }
    }

    /// What happened goes before what is wanted: a question meets a world that is up to date.
    async fn next_input(&mut self) -> Input {
        tokio::select! {
            biased;
            news = self.news.recv() => {
                self.performer.take_in(news.expect("the performer keeps a sender"))
            }
            asked = self.commands.recv(), if !self.is_abandoned => {
                self.take_question(asked)
            }
        }
    }

    /// When nobody is left to ask, everything is shut down.
    fn take_question(&mut self, asked: Option<Asked>) -> Input {
        match asked {
            Some(Asked { op, command, answer }) => {
                self.answers.insert(op, answer);
                Input::Asked { op, command }
            }
            None => {
                self.is_abandoned = true;
                Input::Asked { op: OpId(0), command: Command::Shutdown }
            }
        }
    }

    /// Whoever hears of a turn, by an event or an answer, finds it in the status.
    fn turn(&mut self, input: Input) {
        let is_news = journal::is_news(&input);
        let is_said = |action: &Action| matches!(action, Action::Record(_) | Action::Answer { .. });
        let actions = self.world.handle(input, clock::now());
        let actions = actions.into_iter().map(|action| self.performer.with_output(action));
        let (said, done): (Vec<_>, Vec<_>) = actions.partition(is_said);
        for action in done {
            self.name_release(&action);
            self.performer.perform(action);
        }
        self.follow_config();
        debug_assert_eq!(self.world.violation(), None, "the world contradicts itself");
        let published = Published::of(&self.world, self.performer.outputs(), self.performer.memory());
        self.shared.published.store(Arc::new(published));
        let is_answered = said.iter().any(|action| matches!(action, Action::Answer { .. }));
        said.into_iter().for_each(|action| self.say(action));
        if is_news || is_answered {
            self.shared.journal.has_news();
        }
    }

    /// The proxy knows generations; its log tells of releases.
    fn name_release(&self, action: &Action) {
        if let Action::Switch(Some((generation, ..))) = action
            && let Some(release) = self.world.releases().find(|release| release.generation == *generation)
        {
            self.shared.proxy.name_release(*generation, release.id.as_str());
        }
    }

    /// The proxy outlives every config; this is what of a new one it takes over.
    fn follow_config(&mut self) {
        let current = self.world.application();
        if !Arc::ptr_eq(&self.application, current) {
            certificates::follow(&self.shared, &self.application, current);
            self.application = Arc::clone(current);
            self.shared.proxy.trust(current.proxy.trusted_fronts.clone());
            self.shared.proxy.set_limits(current.proxy.limits.clone());
            if let Err(error) = self.shared.proxy.log_to(current.proxy.access_log.clone()) {
                tracing::warn!(%error, "the access log stays as it was");
            }
        }
    }

    fn say(&mut self, action: Action) {
        match action {
            Action::Answer { op, answer: answer @ Answer::ShutDown { .. } } => {
                self.farewells.push((op, answer));
            }
            Action::Answer { op, answer } => self.give(op, answer),
            Action::Record(event) => self.shared.events.record(event),
            _ => {}
        }
    }

    fn give(&mut self, op: OpId, answer: Answer) {
        if let Some(asker) = self.answers.remove(&op) {
            // Whoever asked may have stopped listening; the deed is done all the same (compat C-124).
            let _ = asker.send(answer);
        }
    }
}

/// What is left to do however the conductor ends, also by a bug in it: its processes end with it, so the proxy refuses
/// connections rather than answer 502, and whoever waits for events hears that none will come.
struct LastAct(Arc<Shared>);

impl Drop for LastAct {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the conductor panicked; its processes are stopped and its proxy is closed");
        }
        self.0.proxy.end();
        self.0.events.end();
    }
}
