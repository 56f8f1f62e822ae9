//! Stand-in for one run, dropped when the real one is merged.

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::directory::{DirectoryError, Progress};
use crate::plan::{Counts, Plan};
use crate::roster::Incomplete;
use crate::store::{Action, Holder, Outcome, RunId, Store, StoreError, Trigger};

/// Stand-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Request {
    pub trigger: Trigger,
    pub action: Action,
    pub approve: Option<RunId>,
    pub insist: bool,
}

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Report {
    pub run: Option<RunId>,
    pub outcome: Outcome,
    pub counts: Counts,
    pub plan: Plan,
    pub incomplete: Option<Incomplete>,
    pub server: Option<String>,
    pub seconds: f64,
    pub note: Option<String>,
}

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Preview {
    pub plan: Plan,
    pub incomplete: Option<Incomplete>,
    pub server: Option<String>,
    pub names: crate::roster::FieldNames,
}

/// Stand-in.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "stand-in")]
pub enum SyncError {
    #[error("{0}")]
    Directory(#[source] DirectoryError),
    #[error("{0}")]
    Store(#[source] StoreError),
    #[error("another process is running the sync of this source: process {} on {}, since {since}", holder.pid, holder.host)]
    Busy { holder: Holder, since: Timestamp },
    #[error("{says}")]
    Source { says: String },
    #[error("stopped by a signal")]
    Stopped,
}

impl SyncError {
    /// Stand-in.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Busy { .. } => 6,
            Self::Source { .. } => 78,
            Self::Directory(_) | Self::Store(_) | Self::Stopped => 1,
        }
    }
}

/// Stand-in.
pub async fn sync(
    _config: &Config,
    _store: &dyn Store,
    _clock: &dyn Clock,
    _request: Request,
    _progress: &dyn Progress,
    _stop: &CancellationToken,
) -> Result<Report, SyncError> {
    Err(SyncError::Stopped)
}

/// Stand-in.
pub async fn plan(
    _config: &Config,
    _store: &dyn Store,
    _clock: &dyn Clock,
    _action: Action,
    _progress: &dyn Progress,
) -> Result<Preview, SyncError> {
    Err(SyncError::Stopped)
}
