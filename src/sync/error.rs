//! Why a run, or a look, failed.

use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::directory::{DirectoryError, MappingError};
use crate::plan::refusal::Refusal;
use crate::store::{Holder, StoreError};

/// Why a run did not take place, or did not get to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The directory gave nothing to work with.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The configured attributes do not fit the kind of directory.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process is running the sync of this source (S3).
    #[error("another process is running the sync of this source: process {} on {}, since {since}", holder.pid, holder.host)]
    Busy {
        /// Who.
        holder: Holder,
        /// Since when.
        since: Timestamp,
    },
    /// Another process changes the store, and went on for longer than a command waits (S3).
    #[error(
        "process {} on {} has been changing the store since {since}; nothing was done, try again when it is through",
        holder.pid,
        holder.host
    )]
    Turn {
        /// Who.
        holder: Holder,
        /// Since when.
        since: Timestamp,
    },
    /// What a person asked for may not be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody, or more than one person, is the one asked for; nothing was done (S4).
    #[error("{says}")]
    Who {
        /// What was searched, who was found, and what to do.
        says: String,
    },
    /// What was shown before it was confirmed is not what would be done now.
    #[error(
        "somebody or some run changed `{who}` in the meantime; nothing was done, look again with `rosterd users show {who}`"
    )]
    Overtaken {
        /// Who it is about.
        who: String,
    },
    /// The source cannot be what the configuration says it is (I9), or the run to be approved cannot be approved.
    #[error("{says}")]
    Source {
        /// What is wrong and what to do.
        says: String,
    },
    /// Directory or store no longer give the plan that was saved (B2).
    #[error(
        "directory and store no longer give the plan that was saved; nothing was done. Look at what would be done now with \
         `rosterd plan`, and save it again with `rosterd plan --out FILE`"
    )]
    OtherPlan,
    /// The bind was refused a short while ago with the same password (E9).
    #[error(
        "the bind of `{account}` was refused at {at} with code 49: {}; neither source.bind_dn nor the password has changed \
         since, and the next try is at {again}, so that a stale password does not lock the account; run `rosterd sync` on \
         a terminal to try at once",
        reason(says)
    )]
    BindRefusedBefore {
        /// Who.
        account: String,
        /// When it was refused.
        at: Timestamp,
        /// When the next try is made.
        again: Timestamp,
        /// What the refusal meant, and what to do; empty when nobody remembers.
        says: String,
    },
    /// The whole run took longer than `source.run_timeout` after reading.
    #[error("the run was not done after source.run_timeout = {0:?}; what was applied stays, the next run goes on")]
    Timeout(Duration),
    /// Asked to stop.
    #[error("stopped on request; what was applied stays, the next run goes on")]
    Stopped,
}

/// Why a bind was refused.
fn reason(says: &str) -> &str {
    if says.is_empty() {
        return "no such account or a wrong password; check source.bind_dn and the password file";
    }
    says
}

impl SyncError {
    /// What a run's cause says of a failure that is nobody's trouble but that of whoever typed the command.
    pub const OTHER_PLAN: &str = "other-plan";

    /// The exit status of a command that ends with this (contract: exit status).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Busy { .. } | Self::Turn { .. } => 6,
            Self::Source { .. } | Self::Mapping(_) => 78,
            _ => 1,
        }
    }

    /// Whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Directory(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
            Self::Busy { .. } | Self::Turn { .. } | Self::BindRefusedBefore { .. } | Self::Timeout(_) => true,
            Self::Source { .. }
            | Self::Mapping(_)
            | Self::Refused(_)
            | Self::Overtaken { .. }
            | Self::OtherPlan
            | Self::Who { .. }
            | Self::Stopped => false,
        }
    }
}
