//! The loop: waits for a trigger, has one run carried out at a time, and tells what came of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Problems};
use crate::store::{Action, StoreError, Trigger};
use crate::sync::{Report, Request, SyncError, chain};

use super::Engine;
use super::agenda::Agenda;
use super::outcome::{Reach, RunResult, ending, had_begun, internal_error, last_line, why};
use super::reload::{changed, needs_restart};
use super::schedule::{Alarm, Moment};
use super::signals::{Signal, Signals};
use super::systemd::Systemd;

/// The longest time between two looks at the clocks.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// How long a run has to stop before it is cut off: within 10 s the process has to be gone (S5).
const GRACE: Duration = Duration::from_secs(8);
/// How long a run that was cut off has to let go.
const CUT_OFF: Duration = Duration::from_secs(1);
/// How often the store is asked for the next deadline while nothing runs: another process may have set one.
const ASK_EVERY: Duration = Duration::from_secs(5 * 60);

/// All that the loop touches.
pub struct Outside {
    /// Carries out runs, and remembers them.
    pub engine: Arc<dyn Engine>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who asks for what.
    pub signals: Signals,
    /// The service manager.
    pub systemd: Systemd,
    /// Reads the configuration again.
    pub load: Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>,
    /// Changes the level of the log.
    pub set_level: Box<dyn Fn(&str) + Send + Sync>,
    /// A number from 0 to 1, another one each time.
    pub chance: Box<dyn FnMut() -> f64 + Send>,
}

/// A daemon that has started.
pub struct Service {
    outside: Outside,
    config: Arc<Config>,
    agenda: Agenda,
    alarm: Alarm,
    /// What the alarm was last told.
    armed: Option<Timestamp>,
    running: Option<Running>,
    deadline: DeadlineWatch,
    source: Reach,
    store: Reach,
    /// A run could not write: only a run that can says that the store is back.
    run_refused: bool,
    /// One line about the last run.
    last: Option<String>,
}

struct Running {
    request: Request,
    began: Moment,
    stop: CancellationToken,
    task: JoinHandle<Result<Report, SyncError>>,
}

/// Asks the store when somebody is due next.
struct DeadlineWatch {
    /// Only what lies behind this is asked for.
    after: Timestamp,
    /// When it is asked again.
    ask_at: Moment,
    asking: Option<JoinHandle<Result<Answer, StoreError>>>,
}

/// What the store answered when it was asked who is due next.
struct Answer {
    deadline: Option<Timestamp>,
    /// Something was written beside it.
    written: bool,
}

enum Woken {
    Look,
    Rung,
    Signal(Signal),
    Ended(Box<RunResult>),
    Answered(Result<Result<Answer, StoreError>, JoinError>),
}

impl Service {
    /// Plans the first runs and tells systemd and the log that the daemon is up. Fails when the store cannot say what
    /// was run before. Must be called within a tokio runtime.
    pub async fn start(config: Config, outside: Outside) -> Result<Self, StoreError> {
        let history = outside.engine.history(&config.source.name).await?;
        let now = Moment::now(&*outside.clock);
        let before = history.first().map(|(action, at)| format!("last run: {action} at {at}"));
        let agenda = Agenda::new(config.schedules.clone(), history, now);
        let mut service = Self {
            agenda,
            alarm: Alarm::start(),
            armed: None,
            running: None,
            // Whoever became due while nobody was there is due now.
            deadline: DeadlineWatch { after: Timestamp::from_millis(0), ask_at: now, asking: None },
            source: Reach::default(),
            store: Reach::default(),
            run_refused: false,
            last: before,
            config: Arc::new(config),
            outside,
        };
        service.say_started();
        match service.outside.engine.cut_off(&service.config.source.name).await {
            Ok(None) => {}
            Ok(Some(action)) => service.agenda.ask(Trigger::Startup, action),
            Err(error) => service.store_lost(&error, None, now),
        }
        service.outside.systemd.ready();
        service.look();
        Ok(service)
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self) {
        loop {
            match self.woken().await {
                Woken::Look => {}
                Woken::Rung => self.armed = None,
                Woken::Ended(result) => self.ended(*result),
                Woken::Answered(answer) => self.answered(answer),
                Woken::Signal(Signal::SyncNow) => self.sync_now(),
                Woken::Signal(Signal::Reload) => self.reload(),
                Woken::Signal(Signal::Stop(name)) => return self.stop(name).await,
            }
            self.look();
        }
    }

    async fn woken(&mut self) -> Woken {
        let pace = self.outside.systemd.pace().map_or(LONGEST_LOOK, |pace| pace.min(LONGEST_LOOK));
        tokio::select! {
            biased;
            signal = self.outside.signals.next() => Woken::Signal(signal),
            result = joined(self.running.as_mut().map(|running| &mut running.task)) => Woken::Ended(Box::new(result)),
            answer = joined(self.deadline.asking.as_mut()) => Woken::Answered(answer),
            () = self.alarm.rung() => Woken::Rung,
            () = tokio::time::sleep(pace) => Woken::Look,
        }
    }

    /// Begins what is due, and tells how it stands.
    fn look(&mut self) {
        let now = self.now();
        self.agenda.look(now);
        if self.running.is_none() {
            self.begin(now);
        }
        if self.running.is_none() && self.deadline.asking.is_none() && self.deadline.ask_at.reached(now) {
            let (engine, config, after) =
                (Arc::clone(&self.outside.engine), Arc::clone(&self.config), self.deadline.after);
            let writes = self.store.is_lost() && !self.run_refused;
            let ask = async move {
                let deadline = engine.next_deadline(&config.source.name, after).await?;
                Ok(Answer { deadline, written: writes && engine.can_write().await? })
            };
            self.deadline.asking = Some(tokio::spawn(ask));
        }
        let next = self.agenda.next(now);
        let alarm = next.filter(|_| !self.agenda.waits());
        if alarm.map(|at| at.wall) != self.armed {
            self.alarm.arm(alarm.map(|at| at.wait(now)));
            self.armed = alarm.map(|at| at.wall);
        }
        self.outside.systemd.alive();
        let status = self.status(now, next);
        self.outside.systemd.status(status);
    }

    fn begin(&mut self, now: Moment) {
        let Some(request) = self.agenda.begin(now) else { return };
        let (engine, config, stop) =
            (Arc::clone(&self.outside.engine), Arc::clone(&self.config), CancellationToken::new());
        let token = stop.clone();
        let task = tokio::spawn(async move { engine.run(&config, request, &token).await });
        self.deadline.after = now.wall;
        self.running = Some(Running { request, began: now, stop, task });
    }

    fn ended(&mut self, result: RunResult) {
        let Some(running) = self.running.take() else { return };
        let now = self.now();
        let request = running.request;
        self.last = Some(last_line(&result, request, now.boot.saturating_sub(running.began.boot)));
        let chance = (self.outside.chance)();
        let retry = self.agenda.ended(request, ending(&result), now, chance);
        let (at, why) = (retry.map(|at| at.wall.to_string()), why(&result));
        match result {
            Ok(Ok(report)) => {
                self.store_back(now);
                if report.server.is_some() {
                    self.source_back(now);
                }
            }
            Ok(Err(error)) => {
                // The store is there, and no run may begin in it.
                if let SyncError::Store(StoreError::Newer { .. }) = error {
                    run_failed(request, &chain(&error));
                }
                self.failed(&error, at.as_deref(), now);
            }
            Err(error) => run_failed(request, &internal_error(error)),
        }
        if let Some(at) = at {
            let action = request.action.as_str();
            tracing::info!(event = "run.retry", action, next = at, why, "the run is tried again at {at} at the latest");
        }
        self.deadline.ask_at = now;
    }

    /// Says when something went away; that the run failed was said by the run.
    fn failed(&mut self, error: &SyncError, retry: Option<&str>, now: Moment) {
        if had_begun(error) {
            self.store_back(now);
        }
        match error {
            SyncError::Store(error) if error.is_away() => {
                self.run_refused = true;
                self.store_lost(error, retry, now);
            }
            SyncError::Directory(error) => self.source_lost(error, retry, now),
            _ => {}
        }
    }

    fn source_lost(&mut self, error: &dyn std::error::Error, retry: Option<&str>, now: Moment) {
        if self.source.lost(now) {
            let (source, error) = (self.config.source.name.as_str(), chain(error));
            tracing::error!(
                event = "source.unreachable",
                source,
                error,
                retry,
                "nothing can be read from the directory"
            );
        }
    }

    fn source_back(&mut self, now: Moment) {
        if let Some(seconds) = self.source.back(now) {
            let source = self.config.source.name.as_str();
            tracing::info!(event = "source.recovered", source, seconds, "the directory is reached again");
        }
    }

    fn store_lost(&mut self, error: &StoreError, retry: Option<&str>, now: Moment) {
        if self.store.lost(now) {
            let (store, error) = (self.outside.engine.store(), chain(error));
            tracing::error!(event = "store.unreachable", store, error, retry, "the store cannot be reached or written");
        }
    }

    /// Something was written.
    fn store_back(&mut self, now: Moment) {
        self.run_refused = false;
        if let Some(seconds) = self.store.back(now) {
            let store = self.outside.engine.store();
            tracing::info!(event = "store.recovered", store, seconds, "the store is reached and written again");
        }
    }

    fn answered(&mut self, answer: Result<Result<Answer, StoreError>, JoinError>) {
        self.deadline.asking = None;
        let now = self.now();
        self.deadline.ask_at = now.after(ASK_EVERY);
        match answer {
            // After the run that began meanwhile it is asked anew.
            _ if self.running.is_some() => {}
            Ok(Ok(Answer { deadline, written })) => {
                if written {
                    self.store_back(now);
                }
                self.agenda.expect(deadline);
            }
            Ok(Err(error)) => self.store_lost(&error, None, now),
            Err(error) => {
                let error = internal_error(error);
                tracing::error!(event = "deadline.failed", error, "cannot learn who is due next, asking again later");
            }
        }
    }

    fn sync_now(&mut self) {
        self.agenda.ask(Trigger::Signal, Action::All);
        let queued = self.running.is_some();
        let says = if queued { "sync now: run queued, one is going on" } else { "sync now: run starts" };
        tracing::info!(event = "sync.requested", trigger = "signal", queued, "{says}");
    }

    /// S5: a configuration that is not good is refused whole, and the old one stays.
    fn reload(&mut self) {
        self.outside.systemd.reloading();
        let problems = match (self.outside.load)() {
            Ok(new) => match needs_restart(&self.config, &new) {
                None => {
                    self.adopt(new);
                    Vec::new()
                }
                Some(problem) => vec![problem],
            },
            Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
        };
        config_refused(&self.config.path, &problems, "the new configuration is refused, the old one stays in use");
        self.outside.systemd.ready();
    }

    fn adopt(&mut self, new: Config) {
        let changed = changed(&self.config, &new).into_iter().collect::<Vec<_>>().join(" ");
        let old = std::mem::replace(&mut self.config, Arc::new(new));
        let now = self.now();
        self.agenda.reload(self.config.schedules.clone(), now);
        (self.outside.set_level)(&self.config.log.level);
        let file = self.config.path.display().to_string();
        let schedules = self.schedules();
        let says = if old.log.format != self.config.log.format {
            "the new configuration is used from the next run on; log.format takes effect at the next start"
        } else {
            "the new configuration is used from the next run on"
        };
        tracing::info!(event = "config.reloaded", file, changed, schedules, "{says}");
        self.say_notes();
    }

    /// S5: asks the run to stop, and cuts it off when it takes too long or somebody asks twice.
    async fn stop(mut self, signal: &'static str) {
        self.outside.systemd.stopping();
        if let Some(asking) = self.deadline.asking.take() {
            asking.abort();
        }
        let mut cut_off = false;
        if let Some(running) = &mut self.running {
            tracing::info!(event = "daemon.stopping", signal, "stopping the run that is going on");
            running.stop.cancel();
            tokio::select! {
                result = &mut running.task => self.ended(result),
                () = stop_again(&mut self.outside.signals) => cut_off = true,
                () = tokio::time::sleep(GRACE) => cut_off = true,
            }
        }
        if let Some(mut running) = self.running.take() {
            running.task.abort();
            let _ = tokio::time::timeout(CUT_OFF, &mut running.task).await;
        }
        tracing::info!(event = "daemon.stopped", signal, run_cut_off = cut_off, "rosterd has stopped");
    }

    fn now(&self) -> Moment {
        Moment::now(&*self.outside.clock)
    }

    fn say_started(&self) {
        tracing::info!(
            event = "daemon.started",
            version = env!("CARGO_PKG_VERSION"),
            source = self.config.source.name,
            store = self.outside.engine.store(),
            config = self.config.path.display().to_string(),
            schedules = self.schedules(),
            "rosterd is up"
        );
        self.say_notes();
    }

    fn say_notes(&self) {
        for note in &self.config.notes {
            tracing::warn!(event = "config.note", "{note}");
        }
    }

    /// `all by every "6h", next 2026-…; …`
    fn schedules(&self) -> String {
        let one = |(schedule, next): (&crate::config::Schedule, Option<Moment>)| {
            let next = next.map_or_else(|| "never".to_owned(), |at| at.wall.to_string());
            format!("{} {}, next {next}", schedule.text, schedule.action)
        };
        self.agenda.schedules().map(one).collect::<Vec<_>>().join("; ")
    }

    /// What `systemctl status` shows.
    fn status(&self, now: Moment, next: Option<Moment>) -> String {
        let last = self.last.as_deref().unwrap_or("no run yet");
        if let Some(Running { request, began, .. }) = &self.running {
            let then = if self.agenda.waits() { ", another one follows" } else { "" };
            return format!("running {} since {}{then}; {last}", request.action, began.wall);
        }
        match next {
            Some(at) => format!("{last}; next run {}", now.wall + at.wait(now)),
            None => format!("{last}; no run is scheduled"),
        }
    }
}

/// Says every problem of a configuration that is refused, and what comes of it.
pub fn config_refused(file: &Path, problems: &[String], says: &str) {
    let (file, of) = (file.display().to_string(), problems.len());
    for (number, problem) in (1..=of).zip(problems) {
        tracing::error!(event = "config.refused", file, problem, number, of, "{says}");
    }
}

/// Says what no run says of itself.
fn run_failed(request: Request, error: &str) {
    let (trigger, action) = (request.trigger.as_str(), request.action.as_str());
    tracing::error!(event = "run.failed", trigger, action, error, "the run failed, the daemon goes on: {error}");
}

async fn joined<T>(task: Option<&mut JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

async fn stop_again(signals: &mut Signals) {
    while !matches!(signals.next().await, Signal::Stop(_)) {}
}
