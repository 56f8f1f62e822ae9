//! What is contested, and between whom, as a value.

use crate::plan::UserRef;
use crate::roster::UniqueId;
use crate::roster::account::written;

/// The store's number of a conflict, as `roster_conflicts.id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConflictId(pub i64);

/// The kinds of conflict this version knows; `pending-deletion` goes with the flag and is kept by the store itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConflictKind {
    /// Somebody waits for deletion (L2).
    PendingDeletion,
    /// Two people claim one address (A4).
    AddressTaken,
    /// Two people claim one username (U7).
    UsernameTaken,
    /// A newcomer resembles a known person (I5).
    MaybeSamePerson,
    /// Two entries bear one configured unique id (I7).
    DuplicateId,
    /// Two sources see one person (I8).
    Overlap,
}

written!(ConflictKind {
    PendingDeletion = "pending-deletion",
    AddressTaken = "address-taken",
    UsernameTaken = "username-taken",
    MaybeSamePerson = "maybe-same-person",
    DuplicateId = "duplicate-id",
    Overlap = "overlap",
});

/// A conflict that is to be open after the run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Conflict {
    /// What is contested.
    pub kind: ConflictKind,
    /// The folded address or name, for `maybe-same-person` the one that is the same; a unique id for `duplicate-id`.
    pub subject: String,
    /// The present owner.
    pub owner: Option<UserRef>,
    /// One sentence that names both parties and what settles it.
    pub detail: String,
    /// The unique id of the newcomer, for `maybe-same-person` (I5).
    pub other: Option<UniqueId>,
}

/// A conflict that is open in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenConflict {
    /// Its number.
    pub id: ConflictId,
    /// The same words as when it was opened.
    pub conflict: Conflict,
}
