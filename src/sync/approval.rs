//! What `rosterd approve` lets a run do (B1).

use crate::plan::{Approval, acceptable};
use crate::store::{RunId, Store};
use crate::sync::SyncError;

/// What a person approved: what this run of the source held, and the doubts that made it incomplete.
///
/// # Errors
/// When there is no such run, it is another source's, or it held nothing.
pub(super) async fn approved(store: &dyn Store, source: &str, run: Option<RunId>) -> Result<Approval, SyncError> {
    let Some(run) = run else { return Ok(Approval::default()) };
    let refused = |says: String| Err(SyncError::Source { says });
    let Some(row) = store.run_row(run).await? else {
        return refused(format!("there is no run {}; `rosterd runs` lists them", run.0));
    };
    if row.source != source {
        return refused(format!("run {} belongs to the source `{}`, not to `{source}`", run.0, row.source));
    }
    let held = store.held(run).await?;
    let causes = row.cause.unwrap_or_default();
    let causes: Vec<String> = acceptable(&causes).map(str::to_owned).collect();
    if held.is_empty() && causes.is_empty() {
        return refused(format!(
            "run {} held nothing that could be approved; `rosterd runs show {}` shows it",
            run.0, run.0
        ));
    }
    Ok(Approval::of(&held, causes))
}
