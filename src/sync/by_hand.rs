//! What people do to the store beside runs: in turn with them, fenced, and recorded in the feed without a run (S3).

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::plan::{ConflictId, GroupChange, UserChange};
use crate::roster::{FieldNames, UserId};
use crate::store::{Lease, Stamp, Store};
use crate::sync::lease::{Held, TURN};
use crate::sync::{SyncError, events};

/// How long a command waits for a run that applies its plan, or for another administrator.
const PATIENCE: Duration = Duration::from_secs(60);

/// Works while no run plans or applies on this store, and nobody else changes it by hand.
///
/// # Errors
/// [`SyncError::Turn`] when another process keeps the turn for longer than a minute; what the work fails with.
pub async fn in_turn<T>(
    store: &dyn Store,
    work: impl AsyncFnOnce(&Lease) -> Result<T, SyncError>,
) -> Result<T, SyncError> {
    let turn = match tokio::time::timeout(PATIENCE, Held::wait(store, TURN)).await {
        Ok(turn) => turn?,
        Err(_) => match Held::acquire(store, TURN).await {
            Err(SyncError::Busy { holder, since }) => return Err(SyncError::Turn { holder, since }),
            turn => turn?,
        },
    };
    let result = turn.keep_while(work(turn.lease())).await;
    turn.release().await;
    result
}

/// Settles a `maybe-same-person`: one person, or two (I5). False when somebody else, or a run, did meanwhile.
///
/// # Errors
/// When the store fails, or the turn was not to be had.
pub async fn settle_resemblance(
    store: &dyn Store,
    (source, at, names): (&str, Timestamp, &FieldNames),
    conflict: ConflictId,
    one_person: bool,
) -> Result<bool, SyncError> {
    in_turn(store, async |turn| {
        let stamp = Stamp { run: None, source, at, names, leases: std::slice::from_ref(turn) };
        Ok(store.settle_resemblance(stamp, conflict, one_person).await?)
    })
    .await
}

/// Applies what was decided by hand, whole or not at all; the answer is the user it added.
///
/// # Errors
/// When the store fails, or the turn was lost.
pub async fn apply(
    store: &dyn Store,
    turn: &Lease,
    (source, at, names): (&str, Timestamp, &FieldNames),
    changes: &[UserChange],
) -> Result<Option<UserId>, SyncError> {
    let leases = std::slice::from_ref(turn);
    let stamp = Stamp { run: None, source, at, names, leases };
    let added = store.apply_users(stamp, changes).await?;
    events::users(stamp, changes);
    Ok(added.first().map(|(_, user)| *user))
}

/// Applies what was decided by hand about a local group (G9).
///
/// # Errors
/// When the store fails, or the turn was lost.
pub async fn apply_group(
    store: &dyn Store,
    turn: &Lease,
    (at, names): (Timestamp, &FieldNames),
    change: GroupChange,
) -> Result<(), SyncError> {
    let leases = std::slice::from_ref(turn);
    let stamp = Stamp { run: None, source: "", at, names, leases };
    let changes = [change];
    store.apply_groups(stamp, &changes, &HashMap::new()).await?;
    events::groups(stamp, &changes);
    Ok(())
}
