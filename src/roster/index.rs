//! A small index over every user of one source: enough to tell who is new, who differs and who is missing.

use crate::clock::Timestamp;
use crate::roster::{Digest, PendingReason, State, UserId};

/// One user of the source that an entry belongs to, in a form a million of which fit in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The store's row.
    pub id: UserId,
    /// Digest of the unique id.
    pub key: Digest,
    /// Digest of the normalised DN.
    pub dn: Digest,
    /// Fingerprint of the entry that was applied in full.
    pub fingerprint: Option<Digest>,
    /// When an unchanged entry has to be looked at again.
    pub review_at: Option<Timestamp>,
    /// State.
    pub state: State,
    /// Why pending.
    pub reason: Option<PendingReason>,
    /// When a pending user may be deleted; `None`: never, or not while a username is waited for (L5).
    pub delete_after: Option<Timestamp>,
    /// Made by hand and linked to an entry: supplemented, never missed (M2, M3).
    pub manual: bool,
}

impl Known {
    /// Whether the directory gives this person access.
    pub fn is_of_directory_with_access(&self) -> bool {
        self.state.access() && !self.manual
    }
}

/// All users of the source that have a unique id, tombstones included, found by its digest.
#[derive(Clone, Default, Debug)]
pub struct Index {
    rows: Vec<Known>,
}

impl Index {
    /// From rows in any order.
    pub fn new(mut rows: Vec<Known>) -> Self {
        rows.sort_unstable_by_key(|row| row.key);
        Self { rows }
    }

    /// The position of the user with this unique id.
    pub fn position(&self, key: Digest) -> Option<usize> {
        self.rows.binary_search_by_key(&key, |row| row.key).ok()
    }

    /// The user at a position.
    pub fn get(&self, position: usize) -> Option<&Known> {
        self.rows.get(position)
    }

    /// The user with this unique id.
    pub fn find(&self, key: Digest) -> Option<&Known> {
        self.position(key).and_then(|at| self.get(at))
    }

    /// All users in order of position.
    pub fn iter(&self) -> std::slice::Iter<'_, Known> {
        self.rows.iter()
    }

    /// How many there are, tombstones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many people the directory gives access to.
    pub fn with_access(&self) -> usize {
        self.rows.iter().filter(|row| row.is_of_directory_with_access()).count()
    }
}
