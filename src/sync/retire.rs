//! Renaming a source, and giving one up (I9, S6).

use crate::clock::Timestamp;
use crate::config::Config;
use crate::plan::{self, GroupChange, UserChange};
use crate::roster::{Account, Known, State, UserId};
use crate::store::{Lease, Stamp, Store};
use crate::sync::by_hand;
use crate::sync::lease::{Held, source_scope};
use crate::sync::{SyncError, events};

/// What giving a source up does.
#[derive(Clone, PartialEq, Debug)]
pub struct Retirement {
    /// Who loses access, and is deleted after the delay.
    pub users: Vec<UserChange>,
    /// The groups, likewise.
    pub groups: Vec<GroupChange>,
    /// How many users there are by state, but the deleted.
    pub people: Vec<(State, u64)>,
}

/// What giving a source up would do now.
///
/// # Errors
/// When the store cannot be asked.
pub async fn look(store: &dyn Store, config: &Config, source: &str, now: Timestamp) -> Result<Retirement, SyncError> {
    let index = store.index(source).await?;
    // Whoever is pending without a date may be a returner who waits for a username.
    let active = |one: &&Known| one.state == State::Active || one.state == State::Pending && one.delete_after.is_none();
    let active: Vec<UserId> = index.iter().filter(active).map(|one| one.id).collect();
    let accounts: Vec<Account> = store.accounts(&active).await?;
    let policy = config.policy(Default::default(), config.names(), Default::default());
    let (users, groups) = plan::retire(&accounts, &store.groups(source).await?, &policy, now);
    let people = store.user_counts(Some(source)).await?.into_iter().filter(|(state, _)| *state != State::Deleted);
    Ok(Retirement { users, groups, people: people.collect() })
}

/// Gives a source up, while no run of it goes on; `force` when it has users.
///
/// # Errors
/// When a run of it goes on, or the store fails.
pub async fn retire(
    store: &dyn Store,
    config: &Config,
    (source, force): (&str, bool),
    now: Timestamp,
) -> Result<Retirement, SyncError> {
    alone(store, source, async |leases| {
        let retirement = look(store, config, source, now).await?;
        if !force && !retirement.people.is_empty() {
            return Err(SyncError::Overtaken { who: source.to_owned() });
        }
        let names = config.names();
        let stamp = Stamp { run: None, source, at: now, names: &names, leases };
        store.retire_source(source, now, leases).await?;
        store.apply_users(stamp, &retirement.users).await?;
        events::users(stamp, &retirement.users);
        store.apply_groups(stamp, &retirement.groups, &Default::default()).await?;
        events::groups(stamp, &retirement.groups);
        // Nobody reads the directory for it any more, so what was contested or left out there is not.
        let open: Vec<_> = store.open_conflicts(source).await?.into_iter().map(|open| open.id).collect();
        store.apply_findings(stamp, &[], &open, &[], &Default::default()).await?;
        events::resolved(stamp, &open);
        Ok(retirement)
    })
    .await
}

/// Gives a source another name, while no run of it goes on.
///
/// # Errors
/// When a run of it goes on, or the store fails.
pub async fn rename(store: &dyn Store, old: &str, new: &str) -> Result<(), SyncError> {
    alone(store, old, async |leases| Ok(store.rename_source(old, new, leases).await?)).await
}

/// Works while no run of the source goes on, and no other one plans or applies.
async fn alone<T>(
    store: &dyn Store,
    source: &str,
    work: impl AsyncFnOnce(&[Lease]) -> Result<T, SyncError>,
) -> Result<T, SyncError> {
    let held = Held::acquire(store, &source_scope(source)).await?;
    let work = by_hand::in_turn(store, async |turn| work(&[held.lease().clone(), turn.clone()]).await);
    let result = held.keep_while(work).await;
    held.release().await;
    result
}
