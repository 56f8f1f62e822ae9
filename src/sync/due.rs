//! Who is due for deletion where the directory is not read as a whole: switched off, retired, a clean-up (L9, S1, S6).

use std::collections::BTreeSet;

use crate::plan::{self, BrakeKind, LateClock, Plan, View};
use crate::roster::UserId;
use crate::store::rows::RunRow;
use crate::store::{Outcome, RunId, Store, StoreError};
use crate::sync::look::{accounts, due_users, skips};
use crate::sync::{Scene, SyncError, basis};

/// Among so many runs the last one that read users is looked for.
const RECENT: u32 = 100;

impl Scene<'_> {
    /// Everybody of the source who is due, without any look at the directory (S1).
    pub(super) async fn due_by_date(&self) -> Result<Plan, SyncError> {
        let now = self.clock.now();
        let source = self.config.source.name.as_str();
        let index = self.store.index(source).await?;
        let due = due_users(&index, now);
        let frozen = self.frozen(now, 0, due.len() as u64).await?;
        let due = if frozen.is_some() { Vec::new() } else { due };
        let late = self.clock_doubt_alone(source, due.len() as u64).await?;
        let view = View {
            accounts: accounts(self.store, &due).await?,
            skips: skips(self.store, source).await?,
            // Nobody is flagged here.
            least_now: late.is_some().then_some(now),
            held_relinks: self.held_relinks().await?,
            index,
            ..View::default()
        };
        Ok(Plan { frozen, late, ..plan::cleanup(&view, now, true) })
    }

    /// Whose re-link the last run that read users held (I5).
    pub(super) async fn held_relinks(&self) -> Result<BTreeSet<UserId>, SyncError> {
        Ok(held_before(self.store, &self.config.source.name, BrakeKind::Relinks).await?)
    }

    /// Whether the clock is believed where no directory is asked (L10): within one boot only, because nobody could say
    /// that it is right after another one.
    async fn clock_doubt_alone(&self, source: &str, due: u64) -> Result<Option<LateClock>, SyncError> {
        let last = self.store.basis(source, &Outcome::DONE).await?.and_then(|(_, last)| last.clock);
        let now = basis::reading(self.clock);
        let last = last.filter(|last| last.boot.is_some() && last.boot == now.boot);
        Ok(now.doubt(last.as_ref(), None).map(|says| LateClock { due, says }))
    }

    /// Everybody and every group of a source that was given up who is due (S6).
    pub(super) async fn due_of_retired(&self, source: &str) -> Result<Plan, SyncError> {
        let now = self.clock.now();
        let index = self.store.index(source).await?;
        let late = self.clock_doubt_alone(source, 0).await?;
        let view = View {
            accounts: accounts(self.store, &due_users(&index, now)).await?,
            // Nobody is flagged here.
            least_now: late.is_some().then_some(now),
            groups: self.store.groups(source).await?,
            index,
            ..View::default()
        };
        Ok(plan::cleanup(&view, now, true))
    }
}

/// Of whom the last run that read users held something of this kind.
pub(super) async fn held_before(
    store: &dyn Store,
    source: &str,
    kind: BrakeKind,
) -> Result<BTreeSet<UserId>, StoreError> {
    let runs = store.run_rows(Some(source), RECENT).await?;
    let complete = |run: &RunRow| Outcome::parse(&run.outcome).is_some_and(|how| Outcome::COMPLETE.contains(&how));
    let reads = |run: &&RunRow| matches!(run.action.as_str(), "all" | "users") && complete(run);
    let Some(run) = runs.iter().find(reads) else { return Ok(BTreeSet::new()) };
    let held = store.held(RunId(run.id)).await?;
    Ok(held.iter().filter(|held| held.kind == kind).map(|held| held.user).collect())
}
