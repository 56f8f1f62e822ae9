//! What a plan or a run comes to, in numbers.

use crate::plan::{GroupAct, GroupChange};

/// Numbers of a plan or a run, in the words of `roster_runs`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// User and group entries read.
    pub entries: u64,
    /// People added or revived.
    pub added: u64,
    /// People whose fields or addresses change.
    pub updated: u64,
    /// People whose DN changes.
    pub moved: u64,
    /// People who become pending.
    pub flagged: u64,
    /// People who become active again.
    pub restored: u64,
    /// People deleted.
    pub deleted: u64,
    /// People made dormant (I6).
    pub dormant: u64,
    /// Conflicts open after the run.
    pub conflicts: u64,
    /// Rows of `roster_skipped` after the run.
    pub skipped: u64,
}

/// What happens to groups and memberships, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct GroupCounts {
    /// Groups added.
    pub added: u64,
    /// Groups renamed or moved.
    pub updated: u64,
    /// Groups flagged.
    pub flagged: u64,
    /// Groups that came back.
    pub restored: u64,
    /// Groups deleted.
    pub deleted: u64,
    /// Memberships gained.
    pub joins: u64,
    /// Memberships lost.
    pub leaves: u64,
    /// Memberships that stay for another reason.
    pub changed: u64,
}

impl GroupCounts {
    /// Counts what happens to groups.
    pub fn of(groups: &[GroupChange]) -> Self {
        let mut counts = Self::default();
        for group in groups {
            for act in &group.acts {
                match act {
                    GroupAct::Added { .. } | GroupAct::Made { .. } => counts.added += 1,
                    GroupAct::Updated { .. } => counts.updated += 1,
                    GroupAct::Flagged { .. } => counts.flagged += 1,
                    GroupAct::Restored { .. } => counts.restored += 1,
                    GroupAct::Deleted | GroupAct::Dropped { .. } | GroupAct::Unmade => counts.deleted += 1,
                }
            }
            counts.joins += group.joins.len() as u64;
            counts.leaves += group.leaves.len() as u64;
            counts.changed += group.changed.len() as u64;
        }
        counts
    }
}
