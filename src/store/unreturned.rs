//! Leases that could not be given back because the store was away.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Lease;

/// Leases of this process that it does not use any more, although the store still has them as its own: they stand in
/// nobody's way.
#[derive(Default, Debug)]
pub(super) struct Unreturned(Mutex<Vec<Lease>>);

impl Unreturned {
    /// Remembers one.
    pub fn put(&self, lease: &Lease) {
        self.all().push(lease.clone());
    }

    /// Whether this is one of them.
    pub fn has(&self, scope: &str, fence: i64) -> bool {
        self.all().iter().any(|lease| lease.scope == scope && lease.fence == fence)
    }

    /// Forgets those of a scope that has another lease now.
    pub fn forget(&self, scope: &str) {
        self.all().retain(|lease| lease.scope != scope);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
