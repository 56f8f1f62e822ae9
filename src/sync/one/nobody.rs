//! That nobody at all is found where the store has people is no proof that somebody is gone (E2).

use std::collections::BTreeSet;

use crate::directory::{self, Connection, DirectoryError, Searches};
use crate::plan::Policy;
use crate::roster::{Account, AttributeUse, Incomplete, State};
use crate::store::{Store, StoreError};
use crate::sync::{Scene, SyncError};

/// Why nobody is believed to be absent: nobody at all is within bases and filter, or that cannot be told.
pub(in crate::sync) async fn no_users(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
) -> Result<Option<Incomplete>, SyncError> {
    let users = scene.store.index(&scene.config.source.name).await?.with_access() as u64;
    if users == 0 {
        return Ok(None);
    }
    Ok(judge(directory::anybody(connection, searches).await, || Incomplete::no_users(users)))
}

/// The same of groups.
pub(super) async fn no_groups(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
) -> Result<Option<Incomplete>, SyncError> {
    let groups = scene.store.groups(&scene.config.source.name).await?;
    let groups = groups.iter().filter(|group| group.state == State::Active).count() as u64;
    if groups == 0 {
        return Ok(None);
    }
    Ok(judge(directory::any_group(connection, searches).await, || Incomplete::no_groups(groups)))
}

/// Attributes that vanished from everybody when everybody was read last: one entry does not tell that (E2).
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn vanished(store: &dyn Store, source: &str) -> Result<BTreeSet<String>, StoreError> {
    /// How many runs are looked at: others are about one person, groups or dates.
    const RECENT: u32 = 100;
    let rows = store.run_rows(Some(source), RECENT).await?;
    let of_everybody = rows.iter().find(|row| {
        ["users", "all"].contains(&row.action.as_str()) && ["ok", "held", "incomplete"].contains(&row.outcome.as_str())
    });
    let cause = of_everybody.and_then(|row| row.cause.as_deref());
    Ok(cause.and_then(|cause| cause.strip_prefix("attribute-vanished:")).map(str::to_owned).into_iter().collect())
}

/// Attributes of disabled tests that more than five people had at the last complete run, and that nobody shows now: whoever is
/// let in, or back, may be locked (E2). Where that cannot be asked, nobody knows, which is no better.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn hidden(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
    (policy, account): (&Policy, Option<&Account>),
) -> Result<BTreeSet<String>, StoreError> {
    const FEW: u64 = 5;
    if account.is_some_and(|account| account.state.access()) {
        return Ok(BTreeSet::new());
    }
    let before = scene.store.coverage(&scene.config.source.name).await?;
    let tests: BTreeSet<&str> = policy.attributes(AttributeUse::Disabled).collect();
    let many = |name: &&str| before.get(*name).is_some_and(|had| *had > FEW);
    let mut hidden = BTreeSet::new();
    for name in tests.into_iter().filter(many) {
        if !directory::anybody_shows(connection, searches, name).await.unwrap_or(false) {
            hidden.insert(name.to_owned());
        }
    }
    Ok(hidden)
}

fn judge(any: Result<bool, DirectoryError>, none: impl FnOnce() -> Incomplete) -> Option<Incomplete> {
    match any {
        Ok(true) => None,
        Ok(false) => Some(none()),
        Err(error) => Some(error.incomplete()),
    }
}
