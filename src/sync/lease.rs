//! Leases held while working, and given back afterwards (S3).

use std::future::Future;
use std::time::Duration;

use crate::store::{Acquired, Holder, Lease, Store, StoreError};
use crate::sync::SyncError;

/// The lease for planning and applying on a store: runs of several sources take turns.
pub(super) const TURN: &str = "turn";

/// How long a lease stays without being renewed: the time a crashed holder on another host blocks others.
pub(super) const KEEP: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub(super) use crate::store::source_scope;

/// A lease in our hands.
pub(super) struct Held<'a> {
    store: &'a dyn Store,
    lease: Lease,
}

impl<'a> Held<'a> {
    /// Takes a lease at once, or says who has it.
    pub async fn acquire(store: &'a dyn Store, scope: &str) -> Result<Self, SyncError> {
        match store.acquire(scope, &Holder::this_process(), KEEP).await? {
            Acquired::Yes(lease) => Ok(Self { store, lease }),
            Acquired::HeldBy { holder, since } => Err(SyncError::Busy { holder, since }),
        }
    }

    /// Waits until the lease is free.
    pub async fn wait(store: &'a dyn Store, scope: &str) -> Result<Self, SyncError> {
        loop {
            match Self::acquire(store, scope).await {
                Err(SyncError::Busy { .. }) => tokio::time::sleep(ASK_AGAIN).await,
                other => return other,
            }
        }
    }

    /// The proof that every write carries.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Does the work, renewing the lease beside it; ends with an error when the lease was lost.
    pub async fn keep_while<T>(&self, work: impl Future<Output = Result<T, SyncError>>) -> Result<T, SyncError> {
        tokio::select! {
            biased;
            done = work => done,
            lost = self.renew() => Err(lost.into()),
        }
    }

    async fn renew(&self) -> StoreError {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.store.renew(&self.lease, KEEP).await {
                Ok(()) => {}
                // A store that is away for a moment does not end the run; a write will tell.
                Err(error) if error.is_transient() => {}
                Err(error) => return error,
            }
        }
    }

    /// Gives the lease back.
    pub async fn release(self) {
        if let Err(error) = self.store.release(&self.lease).await {
            tracing::warn!(event = "store.lease", scope = self.lease.scope, "{error}");
        }
    }
}

/// Takes a lease that nobody needs, and gives it back: whether it could be written. `false` when another process does the
/// same just now.
///
/// # Errors
/// When the store cannot be written.
pub async fn can_write(store: &dyn Store) -> Result<bool, StoreError> {
    match store.acquire("probe", &Holder::this_process(), KEEP).await? {
        Acquired::Yes(lease) => store.release(&lease).await.map(|()| true),
        Acquired::HeldBy { .. } => Ok(false),
    }
}
