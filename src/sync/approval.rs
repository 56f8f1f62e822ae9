//! What `rosterd approve` lets a run do (B1).

use std::collections::BTreeSet;

use crate::plan::BrakeKind;
use crate::roster::UserId;
use crate::store::{RunId, Store};
use crate::sync::SyncError;

/// What a person approved: the held departures of a run, and the doubt that made it incomplete (B1).
#[derive(Default)]
pub(super) struct Approval {
    pub people: BTreeSet<UserId>,
    /// Whose loss of roles or grants.
    pub rights: BTreeSet<UserId>,
    pub relinks: BTreeSet<UserId>,
    /// Whose loss of aliases.
    pub aliases: BTreeSet<UserId>,
    /// Whose loss of memberships.
    pub memberships: BTreeSet<UserId>,
    pub accepted: Vec<String>,
}

impl Approval {
    pub async fn of(store: &dyn Store, source: &str, run: Option<RunId>) -> Result<Self, SyncError> {
        let Some(run) = run else { return Ok(Self::default()) };
        let refused = |says: String| Err(SyncError::Source { says });
        let Some(row) = store.run_row(run).await? else {
            return refused(format!("there is no run {}; `rosterd runs` lists them", run.0));
        };
        if row.source != source {
            return refused(format!("run {} belongs to the source `{}`, not to `{source}`", run.0, row.source));
        }
        let held = store.held(run).await?;
        let of = |kinds: &[BrakeKind]| -> BTreeSet<UserId> {
            held.iter().filter(|held| kinds.contains(&held.kind)).map(|held| held.user).collect()
        };
        let (rights, relinks) = (of(&[BrakeKind::Rights]), of(&[BrakeKind::Relinks]));
        let (aliases, memberships) = (of(&[BrakeKind::Aliases]), of(&[BrakeKind::Memberships]));
        let people = of(&[BrakeKind::Missing, BrakeKind::Disabled, BrakeKind::Domains]);
        let doubts = [
            "no-users",
            "no-groups",
            "unjudged",
            "attribute-vanished",
            "mapped-gone:",
            "mapped-other:",
            "server-behind",
            "server-changed",
            "clock",
        ];
        let causes = row.cause.unwrap_or_default();
        let known = |cause: &&str| doubts.iter().any(|doubt| cause.starts_with(doubt));
        let accepted: Vec<String> = causes.split(',').filter(known).map(str::to_owned).collect();
        if held.is_empty() && accepted.is_empty() {
            return refused(format!(
                "run {} held nothing that could be approved; `rosterd runs show {}` shows it",
                run.0, run.0
            ));
        }
        Ok(Self { people, rights, relinks, aliases, memberships, accepted })
    }
}
