//! An engine that obeys the test, a clock that the test turns, and a daemon between them.

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
use rosterd::roster::Incomplete;
use rosterd::store::{Action, Outcome, RunId, StoreError, Trigger};
use rosterd::sync::{Report, Request, SyncError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

/// Goes with tokio's paused time, from 2026-03-01 noon on; the wall clock can be turned.
pub struct TestClock {
    began: Instant,
    turned: AtomicI64,
}

impl TestClock {
    pub fn start() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), turned: AtomicI64::new(0) })
    }

    pub fn turn(&self, seconds: i64) {
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

    fn boot(&self) -> Option<String> {
        None
    }
}

/// How a run of the fake engine goes.
#[derive(Clone, Copy, Debug)]
pub enum Go {
    Well,
    For(Duration),
    UntilLet,
    Unreachable,
    /// Does not read everything, for this cause.
    Short(&'static str),
    StoreGone,
    /// It can be read, but not written.
    StoreFull,
    Panic,
    Deaf,
}

#[derive(Default)]
pub struct Fake {
    /// How the next runs go; well when it is empty.
    script: Mutex<VecDeque<Go>>,
    /// What was asked for, and when.
    pub runs: Mutex<Vec<(Request, Duration)>>,
    at_once: AtomicUsize,
    pub let_go: Notify,
    pub history: Mutex<Vec<(Action, Timestamp)>>,
    pub deadlines: Mutex<Vec<Timestamp>>,
    pub cut_off: Mutex<Option<Action>>,
    pub store_gone: AtomicBool,
    pub stopped: AtomicUsize,
    began: Mutex<Option<Instant>>,
}

impl Fake {
    pub fn script(&self, goes: impl IntoIterator<Item = Go>) {
        self.script.lock().unwrap().extend(goes);
    }

    pub fn count(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    pub fn requests(&self) -> Vec<(Trigger, Action)> {
        self.runs.lock().unwrap().iter().map(|(request, _)| (request.trigger, request.action)).collect()
    }

    /// When each run began, in seconds since the start.
    pub fn times(&self) -> Vec<u64> {
        self.runs.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect()
    }
}

pub fn report(run: usize) -> Report {
    Report {
        run: Some(RunId(i64::try_from(run).unwrap())),
        outcome: Outcome::Ok,
        counts: Counts { entries: 3, added: 1, ..Counts::default() },
        plan: Plan::default(),
        incomplete: None,
        server: Some("ldap://one".to_owned()),
        seconds: 0.1,
        note: None,
        person: None,
    }
}

pub fn gone() -> StoreError {
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
            Go::Short(cause) => {
                let incomplete = Incomplete { cause, says: "x".to_owned(), attribute: None };
                Ok(Report { outcome: Outcome::Incomplete, incomplete: Some(incomplete), ..report(number) })
            }
            Go::Unreachable => Err(SyncError::Directory(unreachable())),
            Go::StoreGone | Go::StoreFull => Err(SyncError::Store(gone())),
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

    async fn cut_off(&self, _: &str) -> Result<Option<Action>, StoreError> {
        Ok(*self.cut_off.lock().unwrap())
    }

    async fn next_deadline(&self, _: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        if self.store_gone.load(Ordering::SeqCst) {
            return Err(gone());
        }
        Ok(self.deadlines.lock().unwrap().iter().copied().find(|at| *at > after))
    }

    async fn can_write(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
}

pub fn unreachable() -> rosterd::directory::DirectoryError {
    let (server, source) = ("ldap://one".to_owned(), std::io::ErrorKind::ConnectionRefused.into());
    rosterd::directory::DirectoryError::Connect { server, source }
}

/// A daemon under test: the signals to send, what it does, and what it says.
pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub engine: Arc<Fake>,
    signals: mpsc::Sender<Signal>,
    manager: UnixDatagram,
    pub log: Arc<Mutex<Vec<u8>>>,
    pub levels: Arc<Mutex<Vec<String>>>,
    daemon: Option<JoinHandle<()>>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn write_config(folder: &Path, schedules: &str) -> PathBuf {
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
    pub async fn start(schedules: &str, engine: Fake) -> Self {
        Self::start_watched(schedules, engine, None).await
    }

    pub async fn start_watched(schedules: &str, engine: Fake, watchdog: Option<Duration>) -> Self {
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

    pub async fn send(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }

    /// Sends SIGTERM; how long it takes.
    pub async fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.signals.send(Signal::Stop("SIGTERM")).await.unwrap();
        timeout(Duration::from_secs(60), self.daemon.take().unwrap()).await.unwrap().unwrap();
        began.elapsed()
    }

    pub fn events(&self) -> Vec<serde_json::Value> {
        let log = String::from_utf8(self.log.lock().unwrap().clone()).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn events_named(&self, name: &str) -> Vec<serde_json::Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// Everything systemd was told since it was last asked, one datagram a line, watchdog left out.
    pub fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut all = Vec::new();
        while let Ok(length) = self.manager.recv(&mut buffer) {
            all.push(std::str::from_utf8(&buffer[..length]).unwrap().trim_end().to_owned());
        }
        all
    }
}
