//! Runs, and what is remembered from one to the next.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures::TryStreamExt as _;
use sqlx::Row as _;

use super::dialect::{Database, any_list};
use super::late;
use super::views::document;
use super::write::Write;
use super::{counted, stored, word};
use crate::clock::Timestamp;
use crate::plan::{Basis, BrakeKind, Held, Loss};
use crate::roster::{Origin, PendingReason, State, UserId};
use crate::store::bulk::{Rows, clean};
use crate::store::error::Fault;
use crate::store::{Lease, Outcome, RecentDepartures, RefusedBind, RunEnd, RunId, RunStart};

pub(super) async fn refused_bind(database: &Database, source: &str) -> Result<Option<RefusedBind>, Fault> {
    let row = sqlx::query("SELECT at, password, says FROM rd_refused_binds WHERE source = $1")
        .bind(source)
        .fetch_optional(&mut *database.reader().await?)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (at, says) = (Timestamp::from_millis(row.try_get(0)?), row.try_get(2)?);
    Ok(super::digest(row.try_get(1)?).map(|password| RefusedBind { at, password, says }))
}

pub(super) async fn put_refused_bind(
    database: &Database,
    source: &str,
    refused: Option<&RefusedBind>,
    leases: &[Lease],
) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    sqlx::query("DELETE FROM rd_refused_binds WHERE source = $1").bind(source).execute(write.connection()).await?;
    if let Some(RefusedBind { at, password, says }) = refused {
        sqlx::query("INSERT INTO rd_refused_binds (source, at, password, says) VALUES ($1, $2, $3, $4)")
            .bind(source)
            .bind(at.millis())
            .bind(password.to_bytes().to_vec())
            .bind(clean(says).into_owned())
            .execute(write.connection())
            .await?;
    }
    write.commit().await
}

/// Marks runs of a source that never ended as interrupted.
async fn interrupt(write: &mut Write, source: &str, at: Timestamp) -> Result<Vec<RunId>, Fault> {
    let rows = sqlx::query(
        "UPDATE rd_runs SET outcome = $3, finished_at = $2 WHERE source = $1 AND outcome = $4 RETURNING id",
    )
    .bind(source)
    .bind(at.millis())
    .bind(Outcome::Interrupted.as_str())
    .bind(Outcome::Running.as_str())
    .fetch_all(write.connection())
    .await?;
    rows.iter().map(|row| Ok(RunId(row.try_get(0)?))).collect()
}

/// The same between runs, for whoever holds the source's lease.
pub(super) async fn settle(
    database: &Database,
    source: &str,
    at: Timestamp,
    leases: &[Lease],
) -> Result<Vec<RunId>, Fault> {
    let mut write = Write::begin(database, leases).await?;
    let settled = interrupt(&mut write, source, at).await?;
    write.commit().await?;
    Ok(settled)
}

/// Opens a run. Whoever holds the source's lease knows that no earlier run of it still goes on.
pub(super) async fn begin(database: &Database, start: &RunStart, leases: &[Lease]) -> Result<RunId, Fault> {
    let mut write = Write::begin(database, leases).await?;
    late::make_up(write.connection()).await?;
    interrupt(&mut write, &start.source, start.at).await?;
    let run = write.ledger.next_run();
    sqlx::query(
        "INSERT INTO rd_runs (id, source, \"trigger\", action, mode, outcome, started_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(run)
    .bind(&start.source)
    .bind(start.trigger.as_str())
    .bind(start.action.as_str())
    .bind(start.mode)
    .bind(Outcome::Running.as_str())
    .bind(start.at.millis())
    .execute(write.connection())
    .await?;
    write.commit().await?;
    Ok(RunId(run))
}

pub(super) async fn finish(database: &Database, run: RunId, end: &RunEnd, leases: &[Lease]) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    late::make_up(write.connection()).await?;
    let counts = &end.counts;
    let row = sqlx::query(
        "UPDATE rd_runs SET outcome = $2, finished_at = $3, entries = $4, added = $5, updated = $6, moved = $7, \
         flagged = $8, restored = $9, deleted = $10, conflicts = $11, skipped = $12, error = $13, cause = $14, \
         server = $15, basis = $16, proof = $17 WHERE id = $1 AND outcome = 'running' RETURNING source",
    )
    .bind(run.0)
    .bind(end.outcome.as_str())
    .bind(end.at.millis())
    .bind(stored(counts.entries))
    .bind(stored(counts.added))
    .bind(stored(counts.updated))
    .bind(stored(counts.moved))
    .bind(stored(counts.flagged))
    .bind(stored(counts.restored))
    .bind(stored(counts.deleted))
    .bind(stored(counts.conflicts))
    .bind(stored(counts.skipped))
    .bind(end.error.as_deref().map(clean))
    .bind(end.cause.as_deref().map(clean))
    .bind(end.server.as_deref().map(clean))
    .bind(end.basis.as_ref().and_then(|basis| serde_json::to_string(basis).ok()))
    .bind(end.proof.as_ref().and_then(|proof| serde_json::to_string(proof).ok()))
    .fetch_optional(write.connection())
    .await?;
    let Some(row) = row else {
        let ended: Option<String> = sqlx::query_scalar("SELECT outcome FROM rd_runs WHERE id = $1")
            .bind(run.0)
            .fetch_optional(write.connection())
            .await?;
        // Its end is there already, and only the answer was lost.
        return ended.map(|_| ()).ok_or_else(|| Fault::inconsistent("rd_runs", run.0, "there is no such run"));
    };
    let source: String = row.try_get(0)?;
    if end.basis.is_some() {
        drop_bases(&mut write, &source, run, end.outcome).await?;
    }
    let mut held = Rows::new(5);
    for item in &end.held {
        held.add([
            run.0.into(),
            item.user.0.into(),
            item.label.as_ref().into(),
            item.kind.as_str().into(),
            item.loses.as_str().into(),
        ]);
    }
    write.statements.note("INSERT INTO rd_held (run_id, user_id, label, kind, reason)", held, "").await?;
    if let Some(coverage) = &end.coverage {
        sqlx::query("DELETE FROM rd_coverage WHERE source = $1").bind(&source).execute(write.connection()).await?;
        let mut rows = Rows::new(3);
        for (attribute, people) in coverage {
            rows.add([source.as_str().into(), attribute.as_str().into(), stored(*people).into()]);
        }
        write.statements.note("INSERT INTO rd_coverage (source, attribute, people)", rows, "").await?;
    }
    write.commit().await
}

/// Drops what earlier runs rested on, which nobody asks for any more: of a run that ended well everything, of others what
/// ended no better.
async fn drop_bases(write: &mut Write, source: &str, run: RunId, outcome: Outcome) -> Result<(), Fault> {
    let worse = Outcome::DONE.iter().skip_while(|one| **one != outcome);
    let words: Vec<String> = worse.map(|outcome| outcome.as_str().to_owned()).collect();
    sqlx::query(concat!(
        "UPDATE rd_runs SET basis = NULL WHERE source = $1 AND basis IS NOT NULL AND id < $2 AND outcome ",
        any_of!("$3")
    ))
    .bind(source)
    .bind(run.0)
    .bind(any_list(&words))
    .execute(write.connection())
    .await?;
    Ok(())
}

pub(super) async fn held(database: &Database, run: RunId) -> Result<Vec<Held>, Fault> {
    let rows = sqlx::query("SELECT user_id, label, kind, reason FROM rd_held WHERE run_id = $1 ORDER BY user_id, kind")
        .bind(run.0)
        .fetch_all(&mut *database.reader().await?)
        .await?;
    rows.iter()
        .map(|row| {
            let (user, kind, reason): (i64, &str, &str) = (row.try_get(0)?, row.try_get(2)?, row.try_get(3)?);
            let kind = word("rd_held", user, kind, BrakeKind::parse(kind))?;
            let loses = match kind {
                BrakeKind::Rights | BrakeKind::Aliases | BrakeKind::Memberships => Loss::Things(reason.into()),
                BrakeKind::Domains => {
                    let domain = Some(reason).filter(|word| *word != PendingReason::UnmanagedDomain.as_str());
                    Loss::Removed(domain.map(Into::into))
                }
                // Earlier versions wrote `gone` there.
                BrakeKind::Relinks => Loss::Relink,
                _ if reason == Loss::Dormant.as_str() => Loss::Dormant,
                _ => Loss::Access(word("rd_held", user, reason, PendingReason::parse(reason))?),
            };
            Ok(Held { user: UserId(user), label: row.try_get::<&str, _>(1)?.into(), kind, loses })
        })
        .collect()
}

pub(super) async fn basis(
    database: &Database,
    source: &str,
    outcomes: &[Outcome],
) -> Result<Option<(RunId, Basis)>, Fault> {
    let words: Vec<String> = outcomes.iter().map(|outcome| outcome.as_str().to_owned()).collect();
    let row = sqlx::query(concat!(
        "SELECT id, basis FROM rd_runs WHERE source = $1 AND basis IS NOT NULL AND outcome ",
        any_of!("$2"),
        " ORDER BY id DESC LIMIT 1"
    ))
    .bind(source)
    .bind(any_list(&words))
    .fetch_optional(&mut *database.reader().await?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let run = RunId(row.try_get(0)?);
    let broken = |error: serde_json::Error| Fault::inconsistent("rd_runs", run.0, error.to_string());
    Ok(Some((run, serde_json::from_str(row.try_get(1)?).map_err(broken)?)))
}

pub(super) async fn coverage(database: &Database, source: &str) -> Result<BTreeMap<String, u64>, Fault> {
    let rows = sqlx::query("SELECT attribute, people FROM rd_coverage WHERE source = $1")
        .bind(source)
        .fetch_all(&mut *database.reader().await?)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, counted(row.try_get(1)?)))).collect()
}

/// Each person counts once a kind, however often flagged (B1).
pub(super) async fn recent_departures(
    database: &Database,
    source: &str,
    since: Timestamp,
) -> Result<RecentDepartures, Fault> {
    let mut reader = database.reader().await?;
    // The feed ascends in time, so what is older is found from its end. Row by row: on the first day everybody is in it.
    let mut rows = sqlx::query(
        "SELECT c.user_id, c.before, c.counted, u.state, u.origin, c.rule, c.kind FROM rd_changes c JOIN rd_users u ON u.id = c.user_id \
         WHERE c.seq > coalesce((SELECT seq FROM rd_changes WHERE at < $2 ORDER BY seq DESC LIMIT 1), 0) \
         AND (c.counted IS NOT NULL \
         OR c.kind IN ('user.added', 'user.revived', 'user.restored', 'user.flagged', 'user.kept', 'user.deleted', \
         'user.dormant', 'user.woken', 'user.linked') \
         OR (c.kind = 'user.moved' AND c.rule = 'I8')) \
         AND u.source = $1 ORDER BY c.seq",
    )
    .bind(source)
    .bind(since.millis())
    .fetch(&mut *reader);
    let mut recent = RecentDepartures::default();
    // Whether those whose access changed had it when the window began.
    let mut before: BTreeMap<i64, (bool, bool)> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let (user, counted, state): (i64, Option<&str>, &str) = (row.try_get(0)?, row.try_get(2)?, row.try_get(3)?);
        // Not in the statement: there Postgres, which knows nothing of a table just filled, reads the feed for every user.
        if row.try_get::<&str, _>(4)? != Origin::Directory.as_str() {
            continue;
        }
        if let Some(counted) = counted {
            let kind = word("rd_changes", "counted", counted, BrakeKind::parse(counted))?;
            // What people lose who stay says nothing of their access; aliases and memberships are counted by themselves.
            match kind {
                BrakeKind::Aliases | BrakeKind::Memberships => continue,
                _ => _ = recent.departed.insert((kind, UserId(user))),
            }
            if kind == BrakeKind::Rights {
                continue;
            }
        }
        // Somebody decided that it was no departure (L8, B4).
        if row.try_get::<&str, _>(6)? == "user.kept" {
            recent.departed.retain(|(kind, departed)| departed.0 != user || *kind == BrakeKind::Rights);
        }
        // The first change of somebody's access tells what it was before.
        let access = word("rd_users", user, state, State::parse(state))?.access();
        // What happened to somebody in another source is none of this one's business (I8).
        if row.try_get::<&str, _>(5)? == "I8" {
            recent.departed.retain(|(_, departed)| departed.0 != user);
            before.insert(user, (false, access));
        } else if let Entry::Vacant(first) = before.entry(user) {
            let was = document(&row, 1)?;
            let was = was.as_ref().and_then(|was| State::parse(was.get("state")?.as_str()?));
            first.insert((was.is_some_and(State::access), access));
        }
    }
    for (user, (had_access, access)) in before {
        match (had_access, access) {
            (true, false) => _ = recent.lost.insert(UserId(user)),
            (false, true) => _ = recent.gained.insert(UserId(user)),
            _ => {}
        }
    }
    Ok(recent)
}

/// Drops old changes, then the old runs that no change is left of. The last run of each source stays, for `every`
/// and for `status`.
/// Drops the changes up to the last one before the first that is kept: none in between is ever missing.
async fn forget_changes(write: &mut Write, before: Timestamp) -> Result<u64, Fault> {
    // The feed has no index by time, but what is old stands first.
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(seq) FROM rd_changes \
         WHERE seq < coalesce((SELECT min(seq) FROM rd_changes WHERE at >= $1), (SELECT seq + 1 FROM rd_store))",
    )
    .bind(before.millis())
    .fetch_one(write.connection())
    .await?;
    let Some(last) = last else { return Ok(0) };
    sqlx::query("UPDATE rd_store SET forgotten = $1").bind(last).execute(write.connection()).await?;
    let dropped = sqlx::query("DELETE FROM rd_changes WHERE seq <= $1").bind(last).execute(write.connection()).await?;
    Ok(dropped.rows_affected())
}

pub(super) async fn forget(database: &Database, before: Timestamp, leases: &[Lease]) -> Result<u64, Fault> {
    let mut write = Write::begin(database, leases).await?;
    let changes = forget_changes(&mut write, before).await?;
    let rows = sqlx::query(
        "SELECT id FROM rd_runs r WHERE started_at < $1 AND outcome <> 'running' \
         AND (last_seq IS NULL OR last_seq < (SELECT coalesce(min(seq), last_seq + 1) FROM rd_changes)) \
         AND id < (SELECT max(id) FROM rd_runs l WHERE l.source = r.source)",
    )
    .bind(before.millis())
    .fetch_all(write.connection())
    .await?;
    if changes > 0 || !rows.is_empty() {
        write.statements.changed();
    }
    let old: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for statement in [
        concat!("DELETE FROM rd_held WHERE run_id ", any_of!("$1")),
        concat!("DELETE FROM rd_runs WHERE id ", any_of!("$1")),
    ] {
        sqlx::query(statement).bind(any_list(&old)).execute(write.connection()).await?;
    }
    write.commit_if_changed().await?;
    Ok(changes)
}
