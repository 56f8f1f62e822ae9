//! A run that finds another directory than before, or one that was made anew (I9).

use std::collections::HashSet;

use super::Look;
use crate::plan::{Another, Basis, ClockReading, Frozen, Plan, Since};
use crate::roster::{Digest, Reading, Snapshot, UserId};
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
        let reading = snapshot.reading();
        let of = self.index.iter().filter(|known| known.is_of_directory_with_access()).count() as u64;
        let unseen = self.unseen(reading);
        let policy = self.policy.clone();
        let (mut plan, basis) = self.of_due(scene, Vec::new(), doubts).await?;
        plan.counts.entries = reading.entries;
        let people = reading.passes.users.then_some(reading.people.as_slice());
        another.hold(&mut plan, people, (&store.accounts(&unseen).await?, of), &policy);
        let since = |(run, last): (RunId, Basis)| Since { run: run.0, changes: last.changes(&basis) };
        plan.since = store.basis(source, &[Outcome::Ok]).await?.map(since);
        let basis = Basis { users: None, groups: None, ..basis };
        Ok((plan, basis.following(store.basis(source, &Outcome::COMPLETE).await?)))
    }

    /// Those with access whose unique id no entry bears.
    fn unseen(&self, reading: &Reading) -> Vec<UserId> {
        let read: HashSet<Digest> = reading.people.iter().map(|person| person.key.digest()).collect();
        let known = self.index.iter().enumerate().filter(|(at, known)| {
            let as_before = reading.unchanged.contains(*at) || reading.waiting.contains(*at);
            known.is_of_directory_with_access() && !as_before && !read.contains(&known.key)
        });
        known.map(|(_, known)| known.id).collect()
    }
}
