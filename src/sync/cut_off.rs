//! Runs whose process died in the middle: marked so when the daemon starts, and made up for.

use crate::clock::Clock;
use crate::store::rows::RunRow;
use crate::store::{Acquired, Action, Holder, Outcome, Store, StoreError};
use crate::sync::{events, lease};

/// So far back a run that never ended is looked for.
const RECENT: u32 = 100;

/// What the last run of the source was to do, if it was cut off, however long ago; runs that nobody is at any more are
/// marked as interrupted.
///
/// One that somebody stopped was not cut off. One of a process that cannot be judged from here (another host or container)
/// counts as cut off: a run that is made up for then waits until that process gives way, or its lease ends.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn cut_off(store: &dyn Store, clock: &dyn Clock, source: &str) -> Result<Option<Action>, StoreError> {
    let runs = store.run_rows(Some(source), RECENT).await?;
    if runs.iter().any(is_open) {
        let us = Holder::this_process();
        match store.acquire(&lease::source_scope(source), &us, lease::KEEP).await? {
            Acquired::Yes(lease) => {
                let settled = store.settle_runs(source, clock.now(), std::slice::from_ref(&lease)).await;
                store.release(&lease).await?;
                let settled = settled?;
                for run in runs.iter().filter(|run| settled.iter().any(|settled| settled.0 == run.id)) {
                    events::run_cut_off(run);
                }
                // What ended by itself meanwhile was not cut off.
                return Ok(last(&runs)
                    .filter(|run| !is_open(run) || settled.iter().any(|one| one.0 == run.id))
                    .and_then(to_do));
            }
            Acquired::HeldBy { holder, .. } if holder.realm == us.realm => return Ok(None),
            Acquired::HeldBy { .. } => {}
        }
    }
    Ok(last(&runs).and_then(to_do))
}

/// Whether nobody wrote down its end.
fn is_open(run: &RunRow) -> bool {
    run.finished_at.is_none()
}

/// The last run that concerned more than one person.
fn last(runs: &[RunRow]) -> Option<&RunRow> {
    runs.iter().find(|run| run.action != Action::Person.as_str())
}

/// What it was to do, if it was cut off; whoever stops a run leaves a word.
fn to_do(run: &RunRow) -> Option<Action> {
    let cut_off = is_open(run) || (run.outcome == Outcome::Interrupted.as_str() && run.error.is_none());
    if cut_off { Action::parse(&run.action) } else { None }
}
