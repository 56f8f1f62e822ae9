//! What came of a run, as far as it decides when to try again and what is told.

use std::time::Duration;

use tokio::task::JoinError;

use crate::clock::Timestamp;
use crate::store::Outcome;
use crate::sync::{Report, Request, SyncError, chain};

use super::agenda::Ending;
use super::log::panicked;
use super::schedule::Moment;

/// What makes a run incomplete and may be over, or put right, at any moment: a server that was away, overloaded, or not set up
/// as the configuration says. What waits for a person or the clock is left to the schedule.
const PASSING: [&str; 11] = [
    "admin-limit",
    "base",
    "busy",
    "connection-lost",
    "no-groups",
    "no-users",
    "size-limit",
    "time-limit",
    "timeout",
    "unavailable",
    "unreachable",
];

/// So far away that the longest wait is meant.
const LATEST: Timestamp = Timestamp::from_millis(i64::MAX);

/// How the task of a run ended; a [`JoinError`] when the run panicked.
pub type RunResult = Result<Result<Report, SyncError>, JoinError>;

/// Whether a run is tried again before the schedule's next: when it failed, or for what may have passed.
pub fn ending(result: &RunResult) -> Ending {
    match result {
        Ok(Ok(report)) => {
            let passing = report.incomplete.as_ref().is_some_and(|why| PASSING.contains(&why.cause));
            let failed = matches!(report.outcome, Outcome::Failed | Outcome::Interrupted);
            if passing || failed { Ending::Failed } else { Ending::Done }
        }
        Ok(Err(SyncError::Stopped)) => Ending::Done,
        Ok(Err(SyncError::BindRefusedBefore { again, .. })) => Ending::Barred(*again),
        Ok(Err(SyncError::Directory(error))) if error.is_bind_refused() => Ending::Barred(LATEST),
        Ok(Err(_)) | Err(_) => Ending::Failed,
    }
}

/// Why a run has to be tried again, where nothing else says so: it could not even begin.
pub fn why(result: &RunResult) -> Option<String> {
    match result {
        Ok(Err(error @ (SyncError::Store(_) | SyncError::Busy { .. } | SyncError::Source { .. }))) => {
            Some(chain(error))
        }
        _ => None,
    }
}

/// Whether a run that failed like this had begun, and so had written into the store.
pub fn had_begun(error: &SyncError) -> bool {
    matches!(error, SyncError::Directory(_) | SyncError::Mapping(_) | SyncError::BindRefusedBefore { .. })
}

/// What a task that did not end well said.
pub fn internal_error(error: JoinError) -> String {
    error.try_into_panic().map_or_else(|error| error.to_string(), |payload| panicked(&*payload))
}

/// One line about a run.
pub fn last_line(result: &RunResult, request: Request, took: Duration) -> String {
    let action = request.action;
    match result {
        Ok(Ok(report)) => {
            let run = report.run.map_or_else(String::new, |run| format!("run {} ", run.0));
            let counts = &report.counts;
            format!(
                "{run}{action} {}: {} entries, {} added, {} updated, {} flagged, {} deleted, {} conflicts in {:.1} s",
                report.outcome,
                counts.entries,
                counts.added,
                counts.updated,
                counts.flagged,
                counts.deleted,
                counts.conflicts,
                took.as_secs_f64()
            )
        }
        Ok(Err(error)) => format!("{action} failed: {}", chain(error)),
        Err(_) => format!("{action} failed: internal error"),
    }
}

/// Whether something that runs need is away, and since when.
#[derive(Default, Debug)]
pub struct Reach {
    since: Option<Moment>,
}

impl Reach {
    /// It cannot be reached. Whether that is news.
    pub fn lost(&mut self, now: Moment) -> bool {
        let news = self.since.is_none();
        self.since.get_or_insert(now);
        news
    }

    /// Whether it is away, as far as is known.
    pub fn is_lost(&self) -> bool {
        self.since.is_some()
    }

    /// It can be reached. For how many seconds it could not be, if that is news.
    pub fn back(&mut self, now: Moment) -> Option<u64> {
        self.since.take().map(|since| now.boot.saturating_sub(since.boot).as_secs())
    }
}
