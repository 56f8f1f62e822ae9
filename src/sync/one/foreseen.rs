//! What a whole run does about a newcomer, because others are gone of whom a run about one person knows nothing (I5).

use super::{LookOne, look_up};
use crate::directory::{Connection, Searches};
use crate::plan::one::foresee;
use crate::plan::{Plan, View};
use crate::roster::{LookUp, Origin, State};
use crate::sync::{Scene, SyncError};

impl LookOne {
    /// Looks up who has the address or the name that somebody unknown claims, and remembers those who are gone.
    pub async fn look_for_the_gone(
        &mut self,
        scene: &Scene<'_>,
        (connection, searches): (&mut Connection, &Searches),
    ) -> Result<(), SyncError> {
        if self.user.is_some() || self.former.is_some() || self.snapshot.complete().is_none() {
            return Ok(());
        }
        let (view, _) = self.look(scene).await?;
        let owners = view.owners.values().chain(view.name_owners.values());
        let mut rivals: Vec<_> = owners.filter_map(|owner| view.accounts.get(owner)).collect();
        rivals.sort_by_key(|account| account.id);
        rivals.dedup_by_key(|account| account.id);
        let ours = |state: State| state.access() || state == State::Pending;
        let source = &scene.config.source.name;
        rivals.retain(|one| one.source == *source && one.origin == Origin::Directory && ours(one.state));
        for account in rivals {
            let Some(key) = account.key.as_ref() else { continue };
            if look_up(scene, (&mut *connection, searches), key).await == LookUp::Gone {
                self.gone.push(account.clone());
            }
        }
        Ok(())
    }

    /// The store's side, and what a whole run does about this person.
    pub async fn foresee(&self, scene: &Scene<'_>) -> Result<(View, Plan), SyncError> {
        let (mut view, plan) = self.look(scene).await?;
        if self.gone.is_empty() || plan.frozen.is_some() {
            return Ok((view, plan));
        }
        let foreseen = foresee(&self.snapshot, &view, &self.gone, &self.policy, scene.clock.now());
        view.look_ups.extend(self.gone.iter().map(|account| (account.id, LookUp::Gone)));
        Ok((view, foreseen))
    }
}
