//! A run that finds another directory than before, or one that was made anew (I9).

use super::Look;
use crate::plan::{Another, Basis, ClockReading, Frozen, Plan, Since};
use crate::roster::{Snapshot, UserId};
use crate::store::{Outcome, RunId};
use crate::sync::{Scene, SyncError};

impl Look {
    /// Nothing is done, and everybody waits for a person; a later run is compared with the one before this (I9).
    pub(super) async fn before_another(
        self,
        scene: &Scene<'_>,
        (snapshot, another): (&Snapshot, Another),
        doubts: (Option<Frozen>, Option<(String, ClockReading)>),
    ) -> Result<(Plan, Basis), SyncError> {
        let (store, source) = (scene.store, scene.config.source.name.as_str());
        let with_access: Vec<UserId> =
            self.index.iter().filter(|known| known.state.access()).map(|known| known.id).collect();
        let policy = self.policy.clone();
        let (mut plan, basis) = self.of_due(scene, Vec::new(), doubts).await?;
        let people = snapshot.reading().passes.users.then_some(snapshot.reading().people.as_slice());
        another.hold(&mut plan, people, &store.accounts(&with_access).await?, &policy);
        let since = |(run, last): (RunId, Basis)| Since { run: run.0, changes: last.changes(&basis) };
        plan.since = store.basis(source, &[Outcome::Ok]).await?.map(since);
        let basis = Basis { users: None, groups: None, ..basis };
        Ok((plan, basis.following(store.basis(source, &Outcome::COMPLETE).await?)))
    }
}
