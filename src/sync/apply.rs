//! Applying a plan in batches of whole people (B3).

use std::collections::HashMap;

use crate::plan::{GroupChange, Plan, UserChange};
use crate::roster::{Digest, UserId};
use crate::store::{Stamp, StoreError};
use crate::sync::{Scene, SyncError, events};

/// People in one transaction: large enough that one durable commit serves many, small enough to be seen soon.
const PEOPLE: usize = 25_000;
/// Memberships in one transaction.
const MEMBERSHIPS: usize = 100_000;

/// Applies everything but the end of the run; returns the plan with users and groups drained.
pub(super) async fn apply(scene: &Scene<'_>, stamp: Stamp<'_>, mut plan: Plan) -> Result<Plan, SyncError> {
    let total = plan.users.len() as u64;
    let mut added: HashMap<Digest, UserId> = HashMap::new();
    // First what is left out: who is applied next may not be looked at again, should the process end in between.
    scene.store.apply_findings(stamp, &[], &[], &plan.skips, &added).await?;
    if !plan.mapped.acts.is_empty() {
        scene.store.put_mapped(stamp, &plan.mapped.acts).await?;
    }
    let mut users = std::mem::take(&mut plan.users).into_iter().peekable();
    let mut done = 0;
    while users.peek().is_some() {
        let batch = whole_units(&mut users);
        added.extend(scene.store.apply_users(stamp, &batch).await?);
        events::users(stamp, &batch);
        done += batch.len() as u64;
        // Giving back what a batch took needs as long as a commit: the next one goes on meanwhile.
        tokio::task::spawn_blocking(move || drop(batch));
        scene.progress.applied(done, total);
    }
    apply_groups(scene, stamp, std::mem::take(&mut plan.groups), &added).await?;
    let conflicts = [plan.opened.as_slice(), plan.reworded.as_slice()].concat();
    scene.store.apply_findings(stamp, &conflicts, &plan.resolved, &plan.skips, &added).await?;
    events::findings(stamp, &plan);
    Ok(plan)
}

/// The next batch: at least [`PEOPLE`], and never a part of a unit.
fn whole_units(users: &mut std::iter::Peekable<std::vec::IntoIter<UserChange>>) -> Vec<UserChange> {
    let mut batch: Vec<UserChange> = Vec::with_capacity(users.len().min(PEOPLE));
    while let Some(next) =
        users.next_if(|next| batch.len() < PEOPLE || batch.last().is_some_and(|last| last.unit == next.unit))
    {
        batch.push(next);
    }
    batch
}

async fn apply_groups(
    scene: &Scene<'_>,
    stamp: Stamp<'_>,
    groups: Vec<GroupChange>,
    added: &HashMap<Digest, UserId>,
) -> Result<(), StoreError> {
    let mut batch = Vec::new();
    let mut size = 0;
    let mut groups = groups.into_iter().peekable();
    while let Some(group) = groups.next() {
        size += group.joins.len() + group.leaves.len() + group.changed.len() + 1;
        batch.push(group);
        if size >= MEMBERSHIPS || groups.peek().is_none() {
            scene.store.apply_groups(stamp, &batch, added).await?;
            events::groups(stamp, &batch);
            batch.clear();
            size = 0;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::UserRef;

    fn change(number: usize, unit: usize) -> UserChange {
        let unit = u32::try_from(unit).unwrap();
        let subject = UserRef::Known(UserId(i64::try_from(number).unwrap()));
        UserChange { subject, label: "x".into(), unit, acts: Vec::new(), mark: None }
    }

    /// VIPRE-49, B3: people are seen batch by batch while the run goes on; an exchange is never split.
    #[test]
    fn people_are_applied_in_batches_of_whole_units() {
        let mut users: Vec<UserChange> = (0..PEOPLE + 2).map(|number| change(number, number)).collect();
        users[PEOPLE].unit = users[PEOPLE - 1].unit;
        let mut users = users.into_iter().peekable();
        let mut sizes = Vec::new();
        while users.peek().is_some() {
            sizes.push(whole_units(&mut users).len());
        }
        assert_eq!(sizes, [PEOPLE + 1, 1]);
    }
}
