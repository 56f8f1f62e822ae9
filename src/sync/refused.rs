//! A refused bind is remembered in the store, so that a stale password does not lock the account out (E9).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::directory::{self, Settings};
use crate::store::{Lease, RefusedBind, Store, StoreError};
use crate::sync::SyncError;

/// How long a refused password is not tried again.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// Why there must be no bind now: the same password was refused less than 15 minutes ago, by whatever process.
///
/// # Errors
/// When the store cannot be asked.
pub async fn refused_before(
    store: &dyn Store,
    source: &str,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<SyncError>, StoreError> {
    let Some(RefusedBind { at, password, says }) = store.refused_bind(source).await? else { return Ok(None) };
    let again = at + PAUSE;
    let same = directory::password_stamp(settings) == Some(password) && now < again;
    let account = settings.bind.account().to_owned();
    Ok(same.then_some(SyncError::BindRefusedBefore { account, at, again, says }))
}

/// Remembers how a bind went: when it was refused and why, in words, or that it was not.
///
/// # Errors
/// When the store cannot be written.
pub async fn remember(
    store: &dyn Store,
    source: &str,
    settings: &Settings,
    refused: Option<(Timestamp, &str)>,
    leases: &[Lease],
) -> Result<(), StoreError> {
    let refused = refused.zip(directory::password_stamp(settings));
    let refused = refused.map(|((at, says), password)| RefusedBind { at, password, says: says.to_owned() });
    if refused.is_some() || store.refused_bind(source).await?.is_some() {
        store.put_refused_bind(source, refused.as_ref(), leases).await?;
    }
    Ok(())
}
