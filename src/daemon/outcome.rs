//! What came of a run, as far as it decides when to try again and what is told.

use std::time::Duration;

use tokio::task::JoinError;

use crate::store::Outcome;
use crate::sync::{Report, Request, SyncError};

use super::agenda::Ending;
use super::log::{chain, panicked};
use super::schedule::Moment;

/// How the task of a run ended; a [`JoinError`] when the run panicked.
pub type RunResult = Result<Result<Report, SyncError>, JoinError>;

/// Whether a run is tried again before the schedule's next: when it failed, or when the server went away or was
/// overloaded while it read. Limits and missing rights do not pass by themselves.
pub fn ending(result: &RunResult) -> Ending {
    let passing = ["connection-lost", "timeout", "time-limit", "busy", "unavailable", "unreachable"];
    match result {
        Ok(Ok(report)) => {
            let passing = report.incomplete.as_ref().is_some_and(|why| passing.contains(&why.cause));
            let failed = matches!(report.outcome, Outcome::Failed | Outcome::Interrupted);
            if passing || failed { Ending::Failed } else { Ending::Done }
        }
        Ok(Err(SyncError::Stopped)) => Ending::Done,
        Ok(Err(SyncError::BindRefusedBefore { again, .. })) => Ending::Barred(*again),
        Ok(Err(_)) | Err(_) => Ending::Failed,
    }
}

/// Why a run has to be tried again, in one line.
pub fn why(result: &RunResult) -> String {
    match result {
        Ok(Ok(report)) => report.incomplete.as_ref().map_or_else(String::new, |why| why.says.clone()),
        Ok(Err(error)) => chain(error),
        Err(_) => "internal error".to_owned(),
    }
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
        _ => format!("{action} failed: {}", why(result)),
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

    /// It can be reached. For how many seconds it could not be, if that is news.
    pub fn back(&mut self, now: Moment) -> Option<u64> {
        self.since.take().map(|since| now.boot.saturating_sub(since.boot).as_secs())
    }
}
