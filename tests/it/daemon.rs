//! The daemon's loop against an engine that obeys the test, on a clock that the test turns.

#![cfg(test)]

use std::collections::VecDeque;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rosterd::clock::{Clock, Timestamp};
use rosterd::config::{self, Config};
use rosterd::daemon::signals::{Signal, Signals};
use rosterd::daemon::systemd::Systemd;
use rosterd::daemon::{Engine, Outside, Service, log};
use rosterd::plan::{Counts, Plan};
use rosterd::store::{Action, Outcome, RunId, StoreError, Trigger};
use rosterd::sync::{Report, Request, SyncError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Goes with tokio's paused time, from 2026-03-01 noon on; the wall clock can be turned.
struct TestClock {
    began: Instant,
    turned: AtomicI64,
}

impl TestClock {
    fn start() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), turned: AtomicI64::new(0) })
    }

    fn turn(&self, seconds: i64) {
        self.turned.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let noon = Timestamp::parse("2026-03-01T12:00:00Z").unwrap() + self.began.elapsed();
        Timestamp::from_millis(noon.millis() + self.turned.load(Ordering::SeqCst))
    }

    fn since_boot(&self) -> Duration {
        HOUR + self.began.elapsed()
    }
}

/// How a run of the fake engine goes.
#[derive(Clone, Copy, Debug)]
enum Go {
    Well,
    For(Duration),
    UntilLet,
    Unreachable,
    StoreGone,
    Panic,
    Deaf,
}

#[derive(Default)]
struct Fake {
    /// How the next runs go; well when it is empty.
    script: Mutex<VecDeque<Go>>,
    /// What was asked for, and when.
    runs: Mutex<Vec<(Request, Duration)>>,
    at_once: AtomicUsize,
    let_go: Notify,
    history: Mutex<Vec<(Action, Timestamp)>>,
    deadlines: Mutex<Vec<Timestamp>>,
    store_gone: AtomicBool,
    stopped: AtomicUsize,
    began: Mutex<Option<Instant>>,
}

impl Fake {
    fn script(&self, goes: impl IntoIterator<Item = Go>) {
        self.script.lock().unwrap().extend(goes);
    }

    fn count(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    fn requests(&self) -> Vec<(Trigger, Action)> {
        self.runs.lock().unwrap().iter().map(|(request, _)| (request.trigger, request.action)).collect()
    }

    /// When each run began, in seconds since the start.
    fn times(&self) -> Vec<u64> {
        self.runs.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect()
    }
}

fn report(run: usize) -> Report {
    Report {
        run: Some(RunId(i64::try_from(run).unwrap())),
        outcome: Outcome::Ok,
        counts: Counts { entries: 3, added: 1, ..Counts::default() },
        plan: Plan::default(),
        incomplete: None,
        server: Some("ldap://one".to_owned()),
        seconds: 0.1,
        note: None,
    }
}

fn gone() -> StoreError {
    StoreError::Open { store: "test.db".to_owned(), says: "no such host".to_owned(), source: None }
}

#[async_trait]
impl Engine for Fake {
    fn store(&self) -> &str {
        "test.db"
    }

    async fn run(&self, _: &Config, request: Request, stop: &CancellationToken) -> Result<Report, SyncError> {
        let began = self.began.lock().unwrap().unwrap();
        let number = {
            let mut runs = self.runs.lock().unwrap();
            runs.push((request, began.elapsed()));
            runs.len()
        };
        assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0, "one run at a time");
        let go = self.script.lock().unwrap().pop_front().unwrap_or(Go::Well);
        self.store_gone.store(matches!(go, Go::StoreGone), Ordering::SeqCst);
        let result = match go {
            Go::Well => Ok(report(number)),
            Go::For(time) => {
                sleep(time).await;
                Ok(report(number))
            }
            Go::UntilLet => tokio::select! {
                () = self.let_go.notified() => Ok(report(number)),
                () = stop.cancelled() => {
                    self.stopped.fetch_add(1, Ordering::SeqCst);
                    Err(SyncError::Stopped)
                }
            },
            Go::Unreachable => Err(SyncError::Directory(unreachable())),
            Go::StoreGone => Err(SyncError::Store(gone())),
            Go::Panic => {
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                panic!("a \u{1b}[2J bad entry");
            }
            Go::Deaf => std::future::pending().await,
        };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        result
    }

    async fn history(&self, _: &str) -> Result<Vec<(Action, Timestamp)>, StoreError> {
        Ok(self.history.lock().unwrap().clone())
    }

    async fn next_deadline(&self, _: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        if self.store_gone.load(Ordering::SeqCst) {
            return Err(gone());
        }
        Ok(self.deadlines.lock().unwrap().iter().copied().find(|at| *at > after))
    }
}

fn unreachable() -> rosterd::directory::DirectoryError {
    rosterd::directory::DirectoryError::Connect {
        server: "ldap://127.0.0.1:1".to_owned(),
        source: std::io::Error::from(std::io::ErrorKind::ConnectionRefused),
    }
}

/// A daemon under test: the signals to send, what it does, and what it says.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    engine: Arc<Fake>,
    signals: mpsc::Sender<Signal>,
    manager: UnixDatagram,
    log: Arc<Mutex<Vec<u8>>>,
    levels: Arc<Mutex<Vec<String>>>,
    daemon: Option<JoinHandle<()>>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_config(folder: &Path, schedules: &str) -> PathBuf {
    let path = folder.join("rosterd.toml");
    let text = format!(
        "[source]\nname = \"corp\"\nurls = [\"ldapi://%2Ftmp%2Fnobody\"]\nbase_dn = \"dc=example,dc=com\"\n\
         [store]\nurl = \"sqlite://{}/roster.db\"\n{schedules}\n",
        folder.display()
    );
    fs::write(&path, text).unwrap();
    path
}

impl World {
    async fn start(schedules: &str, engine: Fake) -> Self {
        Self::start_watched(schedules, engine, None).await
    }

    async fn start_watched(schedules: &str, engine: Fake, watchdog: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = write_config(folder.path(), schedules);
        let first = config::load(&path).unwrap();
        let socket = folder.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_nonblocking(true).unwrap();
        let (clock, engine, (sender, signals)) = (TestClock::start(), Arc::new(engine), Signals::channel());
        *engine.began.lock().unwrap() = Some(Instant::now());
        let log: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Kept(Arc::clone(&log));
        let layer = log::lines(true, Arc::clone(&clock) as Arc<dyn Clock>, move || kept.clone());
        let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let levels: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&levels);
        let outside = Outside {
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            signals,
            systemd: Systemd::at(&socket, watchdog).unwrap(),
            load: Box::new(move || config::load(&path)),
            set_level: Box::new(move |level| heard.lock().unwrap().push(level.to_owned())),
            chance: Box::new(|| 0.0),
        };
        let daemon = Some(tokio::spawn(Service::start(first, outside).await.unwrap().run()));
        let world =
            Self { folder, clock, engine, signals: sender, manager, log, levels, daemon, _subscriber: subscriber };
        sleep(Duration::from_millis(10)).await;
        world
    }

    async fn send(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }

    /// Sends SIGTERM; how long it takes.
    async fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.signals.send(Signal::Stop("SIGTERM")).await.unwrap();
        timeout(Duration::from_secs(60), self.daemon.take().unwrap()).await.unwrap().unwrap();
        began.elapsed()
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let log = String::from_utf8(self.log.lock().unwrap().clone()).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn events_named(&self, name: &str) -> Vec<serde_json::Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// Everything systemd was told since it was last asked, one datagram a line, watchdog left out.
    fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut all = Vec::new();
        while let Ok(length) = self.manager.recv(&mut buffer) {
            all.push(std::str::from_utf8(&buffer[..length]).unwrap().trim_end().to_owned());
        }
        all
    }
}

const NOT_SOON: &str = "[[schedule]]\ncron = \"0 0 0 1 1 ?\"";

/// S3
#[tokio::test(start_paused = true)]
async fn fifty_signals_during_a_run_give_exactly_one_run_after_it() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    assert_eq!(world.engine.count(), 0);
    world.engine.script([Go::UntilLet]);
    world.send(Signal::SyncNow).await;
    for _ in 0..50 {
        world.send(Signal::SyncNow).await;
    }
    assert_eq!(world.engine.count(), 1);
    world.engine.let_go.notify_one();
    sleep(10 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Signal, Action::All); 2]);
    let requested = world.events_named("sync.requested");
    assert_eq!(requested.len(), 51, "each is answered at once");
    assert_eq!(requested[0]["queued"], false);
    assert_eq!(requested[1]["queued"], true);
    world.stop().await;
}

/// S2
#[tokio::test(start_paused = true)]
async fn an_overdue_every_runs_once_at_the_start_and_then_by_its_interval() {
    let fake = Fake::default();
    fake.history.lock().unwrap().push((Action::All, Timestamp::parse("2026-03-01T05:00:00Z").unwrap()));
    let mut world = World::start("[[schedule]]\nevery = \"6h\"", fake).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::All)]);
    sleep(13 * HOUR).await;
    assert_eq!(world.engine.count(), 3);
    assert!(world.engine.times()[1] - 6 * 3600 <= 5, "{:?}", world.engine.times());
    world.stop().await;
}

/// S2
#[tokio::test(start_paused = true)]
async fn an_every_that_ran_before_the_restart_waits_for_the_rest_of_its_interval() {
    let fake = Fake::default();
    fake.history.lock().unwrap().push((Action::All, Timestamp::parse("2026-03-01T11:00:00Z").unwrap()));
    let mut world = World::start("[[schedule]]\nevery = \"6h\"\naction = \"users\"", fake).await;
    sleep(5 * HOUR - MINUTE).await;
    assert_eq!(world.engine.count(), 0);
    sleep(2 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::Users)]);
    world.stop().await;
}

/// S2
#[tokio::test(start_paused = true)]
async fn reboot_runs_once_at_the_start_and_not_after_a_reload() {
    let schedules = "[[schedule]]\nat = \"@reboot\"\naction = \"groups\"";
    let mut world = World::start(schedules, Fake::default()).await;
    assert_eq!(world.engine.requests(), [(Trigger::Startup, Action::Groups)]);
    world.send(Signal::Reload).await;
    sleep(7 * HOUR).await;
    assert_eq!(world.engine.count(), 1);
    world.stop().await;
}

/// S2
#[tokio::test(start_paused = true)]
async fn cron_fires_at_its_moments_and_a_jump_of_the_clock_gives_one_run() {
    let mut world = World::start("[[schedule]]\ncron = \"0 */15 * * * ?\"", Fake::default()).await;
    sleep(HOUR).await;
    assert_eq!(world.engine.count(), 4);
    for (at, scheduled) in world.engine.times().into_iter().zip([900, 1800, 2700, 3600]) {
        assert!((scheduled..=scheduled + 5).contains(&at), "{at} instead of {scheduled}");
    }
    world.clock.turn(86_400);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.engine.count(), 5, "one catch-up run for a day");
    world.clock.turn(-86_400);
    sleep(16 * MINUTE).await;
    assert_eq!(world.engine.count(), 6, "and no silence when it is put right");
    world.stop().await;
}

/// S3
#[tokio::test(start_paused = true)]
async fn schedules_that_come_due_during_a_run_fold_into_one_run_of_the_widest_action() {
    let schedules = "[[schedule]]\ncron = \"0 1 12 * * ?\"\naction = \"users\"\n\
                     [[schedule]]\ncron = \"0 2 12 * * ?\"\naction = \"groups\"";
    let fake = Fake::default();
    fake.script([Go::For(10 * MINUTE)]);
    let mut world = World::start(schedules, fake).await;
    world.send(Signal::SyncNow).await;
    sleep(HOUR).await;
    assert_eq!(world.engine.requests(), [(Trigger::Signal, Action::All), (Trigger::Schedule, Action::All)]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_fails_and_the_daemon_goes_on() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Panic]);
    world.send(Signal::SyncNow).await;
    let failed = world.events_named("run.failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["error"], "internal error: a \u{1b}[2J bad entry");
    assert!(!world.log.lock().unwrap().contains(&0x1b), "nothing raw");
    sleep(29 * Duration::from_secs(1)).await;
    assert_eq!(world.engine.count(), 1);
    sleep(7 * Duration::from_secs(1)).await;
    assert_eq!(world.engine.count(), 2, "tried again with back-off");
    world.send(Signal::SyncNow).await;
    assert_eq!(world.engine.count(), 3);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_directory_is_said_once_and_tried_again_later_and_later() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Unreachable; 4]);
    world.send(Signal::SyncNow).await;
    sleep(20 * MINUTE).await;
    let times = world.engine.times();
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 4, "{times:?}");
    for (wait, planned) in waits.iter().zip([30, 60, 120, 240]) {
        assert!((planned..=planned + 5).contains(wait), "{waits:?}");
    }
    let lost = world.events_named("source.unreachable");
    assert_eq!(lost.len(), 1);
    assert_eq!((&lost[0]["source"], &lost[0]["level"]), (&"corp".into(), &"error".into()));
    assert!(lost[0]["error"].as_str().unwrap().contains("refused"));
    let back = world.events_named("source.recovered");
    assert_eq!(back.len(), 1);
    assert!((450..470).contains(&back[0]["seconds"].as_u64().unwrap()), "{back:?}");
    assert_eq!(world.events_named("run.retry").len(), 4);
    assert!(world.events_named("store.unreachable").is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_said_once_too() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::StoreGone; 2]);
    world.send(Signal::SyncNow).await;
    sleep(2 * MINUTE).await;
    assert_eq!(world.events_named("store.unreachable").len(), 1);
    assert_eq!(world.events_named("store.recovered").len(), 1);
    assert!(world.events_named("source.unreachable").is_empty());
    world.stop().await;
}

/// U8, L9
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_between_runs_starts_one() {
    let fake = Fake::default();
    let due = Timestamp::parse("2026-03-01T13:00:00Z").unwrap();
    fake.deadlines.lock().unwrap().push(due);
    let mut world = World::start(NOT_SOON, fake).await;
    sleep(HOUR - MINUTE).await;
    assert_eq!(world.engine.count(), 0);
    sleep(2 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Event, Action::Users)]);
    sleep(3 * HOUR).await;
    assert_eq!(world.engine.count(), 1, "what that run could not settle waits for the schedule");
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_broken_configuration_is_refused_with_every_problem_and_the_old_one_stays() {
    let mut world = World::start("[[schedule]]\ncron = \"0 0 * * * ?\"", Fake::default()).await;
    world.told();
    write_config(world.folder.path(), "[deletion]\ndelya = \"14d\"\n[log]\nlevel = \"loud\"");
    world.send(Signal::Reload).await;
    let refused = world.events_named("config.refused");
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0]["problem"].as_str().unwrap().contains("delya"), "{refused:?}");
    assert!(refused[1]["problem"].as_str().unwrap().contains("loud"), "{refused:?}");
    let told = world.told();
    assert!(told[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told:?}");
    assert_eq!(told[1], "READY=1");
    sleep(HOUR + MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::All)], "the old schedule");
    assert!(world.levels.lock().unwrap().is_empty());
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_good_configuration_is_used_from_the_next_run_on_and_says_what_changed() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    write_config(
        world.folder.path(),
        "[[schedule]]\ncron = \"0 5 * * * ?\"\naction = \"groups\"\n[log]\nlevel = \"debug\"",
    );
    world.send(Signal::Reload).await;
    let reloaded = world.events_named("config.reloaded");
    assert_eq!(reloaded.len(), 1);
    assert_eq!(reloaded[0]["changed"], "log.level schedule");
    assert_eq!(*world.levels.lock().unwrap(), ["debug"]);
    sleep(6 * MINUTE).await;
    assert_eq!(world.engine.requests(), [(Trigger::Schedule, Action::Groups)]);
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn another_source_or_store_is_refused_until_a_restart() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    let path = world.folder.path().join("rosterd.toml");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, key) in [("\"corp\"", "\"lab\"", "source.name"), ("roster.db", "other.db", "store.url")] {
        fs::write(&path, text.replace(from, to)).unwrap();
        world.send(Signal::Reload).await;
        let refused = world.events_named("config.refused");
        let problem = refused.last().unwrap()["problem"].as_str().unwrap();
        assert!(problem.starts_with(key) && problem.contains("restart rosterd"), "{problem}");
    }
    assert!(world.events_named("config.reloaded").is_empty());
    world.stop().await;
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_run_that_is_going_on() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::UntilLet]);
    world.send(Signal::SyncNow).await;
    assert!(world.stop().await < Duration::from_secs(1));
    assert_eq!(world.engine.stopped.load(Ordering::SeqCst), 1);
    assert_eq!(world.events_named("daemon.stopped")[0]["run_cut_off"], false);
    assert!(world.events_named("run.retry").is_empty());
    assert_eq!(world.told().last().unwrap(), "STOPPING=1");
}

/// S5
#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_listen_is_cut_off_within_ten_seconds_and_at_once_when_asked_twice() {
    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Deaf]);
    world.send(Signal::SyncNow).await;
    let took = world.stop().await;
    assert!((Duration::from_secs(7)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_eq!(world.events_named("daemon.stopped")[0]["run_cut_off"], true);

    let mut world = World::start(NOT_SOON, Fake::default()).await;
    world.engine.script([Go::Deaf]);
    world.send(Signal::SyncNow).await;
    world.send(Signal::Stop("SIGTERM")).await;
    assert!(world.stop().await < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn systemd_hears_ready_the_last_run_and_the_next_one() {
    let mut world = World::start("[[schedule]]\nevery = \"6h\"", Fake::default()).await;
    let told = world.told();
    assert_eq!(told[0], "READY=1");
    assert!(told[1].starts_with("STATUS=running all since 2026-03-01T12:00:00.000Z"), "{told:?}");
    let status = told.last().unwrap();
    assert!(status.starts_with("STATUS=run 1 all ok: 3 entries, 1 added, 0 updated"), "{status}");
    assert!(status.contains("; next run 2026-03-01T18:00:0"), "{status}");
    let started = world.events_named("daemon.started");
    assert_eq!(started.len(), 1);
    assert_eq!((&started[0]["source"], &started[0]["store"]), (&"corp".into(), &"test.db".into()));
    assert!(started[0]["schedules"].as_str().unwrap().contains("all, next 2026-03-01T12:00:00.000Z"), "{started:?}");
    assert_eq!(started[0]["version"], env!("CARGO_PKG_VERSION"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_by_the_loop_at_least_at_half_its_interval_also_during_a_run() {
    let fake = Fake::default();
    fake.script([Go::For(HOUR)]);
    let mut world = World::start_watched("[[schedule]]\nevery = \"6h\"", fake, Some(Duration::from_secs(4))).await;
    world.told();
    for _ in 0..20 {
        sleep(Duration::from_millis(2010)).await;
        assert!(world.told().iter().any(|line| line == "WATCHDOG=1"));
    }
    world.stop().await;
}

/// Every name after `event = "` in the source.
fn events_in(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            events_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        found.extend(text.split("event = \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        if path.ends_with("plan/change.rs") {
            let names = text
                .split('"')
                .filter(|word| ["user.", "alias.", "group.", "membership."].iter().any(|kind| word.starts_with(kind)));
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_event_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = fs::read_to_string(root.join("docs/events.md")).unwrap();
    let mut events = Vec::new();
    events_in(&root.join("src"), &mut events);
    assert!(events.iter().any(|event| event == "daemon.started"));
    assert!(events.iter().any(|event| event == "user.revived"));
    for event in events {
        let row = documented.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{event}`")));
        assert!(row, "docs/events.md has no row for {event}");
    }
}

/// What `systemctl` needs to know of the exit status and signals stands in the unit.
#[test]
fn the_unit_says_what_the_daemon_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(root.join("config/systemd/rosterd.service")).unwrap();
    for line in ["Type=notify", "RestartPreventExitStatus=78", "ExecReload=/bin/kill -HUP $MAINPID", "WatchdogSec=120"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
