//! When to run: schedules, signals, back-off, and what systemd and the log are told. No rules about people.
//!
//! ```text
//!   signals ---+
//!   alarm -----+--> Service (one loop) --> Agenda (pure) --> Engine, in a task of its own --> sync::sync
//!   every 5 s -+
//! ```
//!
//! # Guarantees
//! - One run at a time. What comes in meanwhile folds into exactly one run after it (S3).
//! - A run that fails, or panics, ends that run only. The loop never waits for a server, a store or a run, and feeds
//!   the watchdog itself: a loop that hangs is found out.
//! - A configuration that is not good changes nothing (S5).
//! - A stop ends within 10 s with the store consistent (S5).

pub mod agenda;
pub mod log;
mod outcome;
pub mod reload;
pub mod schedule;
pub mod service;
pub mod signals;
pub mod systemd;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config};
use crate::directory::Progress;
use crate::store::{Action, Outcome, Store, StoreError};
use crate::sync::{self, Report, Request, SyncError};

pub use service::{Outside, Service, config_refused};
use signals::Signals;
use systemd::Systemd;

/// How many runs back an `every` schedule is looked for at the start; beyond, it counts as never run.
const RUNS_BACK: u32 = 5000;

/// Why the daemon did not start. All that goes wrong later is logged and tried again.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The system refused to hand over signals.
    #[error("cannot take over signals")]
    Signals(#[source] io::Error),
    /// The store could not be brought up to date or read.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What carries out runs, and remembers them.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What messages call the store.
    fn store(&self) -> &str;
    /// One run, from beginning to end. Ends soon after `stop` is cancelled, with the store consistent.
    async fn run(&self, config: &Config, request: Request, stop: &CancellationToken) -> Result<Report, SyncError>;
    /// What earlier runs of the source did, and when they began; newest first. Runs that failed or were interrupted
    /// did not do their work, and are left out.
    async fn history(&self, source: &str) -> Result<Vec<(Action, Timestamp)>, StoreError>;
    /// What the last run of the source was to do, if its process died in the middle; the run is marked so.
    async fn cut_off(&self, source: &str) -> Result<Option<Action>, StoreError>;
    /// The next moment after `after` at which somebody of the source is due for deletion or for another look.
    async fn next_deadline(&self, source: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Tries whether the store can be written, and leaves nothing behind; `false` when somebody else tries just now.
    async fn can_write(&self) -> Result<bool, StoreError>;
}

/// The daemon, in the foreground, until SIGTERM or SIGINT.
///
/// `path` is read again on SIGHUP; `first` is what it says now. Signals are taken over first, and systemd is told that
/// we are ready once the store is up to date. A run that would not stop within 8 s is cut off: the caller should end
/// the runtime without waiting for it (`Runtime::shutdown_background`).
pub async fn run(
    path: &Path,
    first: Config,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    log: log::Handle,
) -> Result<(), DaemonError> {
    let signals = Signals::install().map_err(DaemonError::Signals)?;
    store.migrate().await?;
    let path = path.to_owned();
    let outside = Outside {
        engine: Arc::new(RealEngine { store, clock: Arc::clone(&clock) }),
        clock,
        signals,
        systemd: Systemd::from_environment(),
        load: Box::new(move || config::load(&path)),
        set_level: Box::new(move |level| log.set_level(level)),
        chance: Box::new(chance),
    };
    Service::start(first, outside).await?.run().await;
    Ok(())
}

/// A number from 0 to 1, another one each time.
fn chance() -> f64 {
    // The upper half of a version 4 UUID's first word is nothing but chance.
    let (word, ..) = uuid::Uuid::new_v4().as_fields();
    f64::from(word) / f64::from(u32::MAX)
}

struct RealEngine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Engine for RealEngine {
    fn store(&self) -> &str {
        self.store.describe()
    }

    async fn run(&self, config: &Config, request: Request, stop: &CancellationToken) -> Result<Report, SyncError> {
        sync::sync(config, &*self.store, &*self.clock, request, &Silent, stop).await
    }

    async fn history(&self, source: &str) -> Result<Vec<(Action, Timestamp)>, StoreError> {
        let done = |outcome: &str| Outcome::parse(outcome).is_some_and(|how| Outcome::DONE.contains(&how));
        let rows = self.store.run_rows(Some(source), RUNS_BACK).await?;
        Ok(rows
            .iter()
            .filter(|row| done(&row.outcome))
            .filter_map(|row| Some((Action::parse(&row.action)?, Timestamp::parse(&row.started_at)?)))
            .collect())
    }

    async fn cut_off(&self, source: &str) -> Result<Option<Action>, StoreError> {
        sync::cut_off(&*self.store, &*self.clock, source).await
    }

    async fn next_deadline(&self, source: &str, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_deadline(source, after).await
    }

    async fn can_write(&self) -> Result<bool, StoreError> {
        sync::can_write(&*self.store).await
    }
}

/// Nobody watches a daemon's progress.
struct Silent;

impl Progress for Silent {
    fn entries(&self, _: &'static str, _: u64) {}
}
