//! Groups, runs, changes, conflicts and skipped entries, as commands show them.

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::dialect::{Connection, Database, Guid, Row, from_guid, to_guid};
use super::{counted, leases, word};
use crate::clock::Timestamp;
use crate::roster::State;
use crate::store::error::Fault;
use crate::store::rows::{ChangeRow, Changes, ConflictRow, Feed, GroupRow, RunRow, SkipRow};
use crate::store::{Outcome, RunId, source_scope};

/// A moment as it is shown.
pub(super) fn moment(row: &Row, column: usize) -> Result<Option<String>, Fault> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|millis| Timestamp::from_millis(millis).to_string()))
}

/// A UUID as it is shown.
pub(super) fn guid(row: &Row, column: usize) -> Result<String, Fault> {
    Ok(from_guid(row.try_get(column)?).to_string())
}

fn maybe_guid(row: &Row, column: usize) -> Result<Option<String>, Fault> {
    Ok(row.try_get::<Option<Guid>, _>(column)?.map(|guid| from_guid(guid).to_string()))
}

pub(super) async fn groups(database: &Database) -> Result<Vec<GroupRow>, Fault> {
    let rows = sqlx::query(
        "SELECT g.uuid, g.source, g.origin, g.unique_id, g.dn, g.name, g.state, g.created_at, coalesce(c.members, 0) \
         FROM rd_groups g LEFT JOIN (SELECT m.group_id, count(*) AS members FROM rd_memberships m \
         JOIN rd_users u ON u.id = m.user_id WHERE u.state IN ('active', 'kept') GROUP BY m.group_id) c \
         ON c.group_id = g.id ORDER BY g.name, g.id",
    )
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(GroupRow {
                id: guid(row, 0)?,
                source: row.try_get(1)?,
                origin: row.try_get(2)?,
                unique_id: row.try_get(3)?,
                dn: row.try_get(4)?,
                name: row.try_get(5)?,
                state: row.try_get(6)?,
                created_at: moment(row, 7)?.unwrap_or_default(),
                members: row.try_get(8)?,
            })
        })
        .collect()
}

macro_rules! select_runs {
    ($where:literal) => {
        concat!(
            "SELECT id, source, \"trigger\", action, mode, outcome, started_at, finished_at, entries, added, updated, \
             moved, flagged, restored, deleted, conflicts, skipped, error, server, cause, \
             last_seq IS NOT NULL, proof FROM rd_runs ",
            $where
        )
    };
}

fn run_from(row: &Row) -> Result<RunRow, Fault> {
    Ok(RunRow {
        id: row.try_get(0)?,
        source: row.try_get(1)?,
        trigger: row.try_get(2)?,
        action: row.try_get(3)?,
        mode: row.try_get(4)?,
        outcome: row.try_get(5)?,
        started_at: moment(row, 6)?.unwrap_or_default(),
        finished_at: moment(row, 7)?,
        entries: row.try_get(8)?,
        added: row.try_get(9)?,
        updated: row.try_get(10)?,
        moved: row.try_get(11)?,
        flagged: row.try_get(12)?,
        restored: row.try_get(13)?,
        deleted: row.try_get(14)?,
        conflicts: row.try_get(15)?,
        skipped: row.try_get(16)?,
        error: row.try_get(17)?,
        server: row.try_get(18)?,
        cause: row.try_get(19)?,
        changed: row.try_get(20)?,
        proof: row.try_get::<Option<&str>, _>(21)?.and_then(|proof| serde_json::from_str(proof).ok()),
        dormant: None,
    })
}

/// A run that nobody is at any more was cut off, also before the next one marks it so.
async fn judge(connection: &mut Connection, mut run: RunRow) -> Result<RunRow, Fault> {
    if run.outcome == Outcome::Running.as_str() && !leases::is_held(connection, &source_scope(&run.source)).await? {
        run.outcome = Outcome::Interrupted.as_str().to_owned();
    }
    Ok(run)
}

pub(super) async fn runs(database: &Database, source: Option<&str>, limit: u32) -> Result<Vec<RunRow>, Fault> {
    let query = match source {
        Some(source) => {
            sqlx::query(select_runs!("WHERE source = $2 ORDER BY id DESC LIMIT $1")).bind(i64::from(limit)).bind(source)
        }
        None => sqlx::query(select_runs!("ORDER BY id DESC LIMIT $1")).bind(i64::from(limit)),
    };
    // One state for runs and leases: a run ends before its lease does.
    let mut snapshot = database.snapshot().await?;
    let rows = query.fetch_all(&mut *snapshot).await?;
    let mut runs = Vec::with_capacity(rows.len());
    for row in &rows {
        runs.push(judge(&mut snapshot, run_from(row)?).await?);
    }
    Ok(runs)
}

pub(super) async fn run(database: &Database, run: RunId) -> Result<Option<RunRow>, Fault> {
    let mut snapshot = database.snapshot().await?;
    let row = sqlx::query(select_runs!("WHERE id = $1")).bind(run.0).fetch_optional(&mut *snapshot).await?;
    let Some(row) = row else { return Ok(None) };
    judge(&mut snapshot, run_from(&row)?).await.map(Some)
}

macro_rules! select_changes {
    ($where:literal) => {
        concat!(
            "SELECT c.seq, c.run_id, c.at, c.kind, u.uuid, g.uuid, c.before, c.after, c.rule FROM rd_changes c \
             LEFT JOIN rd_users u ON u.id = c.user_id LEFT JOIN rd_groups g ON g.id = c.group_id WHERE ",
            $where,
            " ORDER BY c.seq LIMIT $2"
        )
    };
}

pub(super) async fn changes(database: &Database, which: &Changes, limit: u32) -> Result<Vec<ChangeRow>, Fault> {
    let query = match which {
        Changes::OfRun(run) => sqlx::query(select_changes!(
            "c.run_id = $1 AND c.seq BETWEEN (SELECT first_seq FROM rd_runs WHERE id = $1) \
             AND (SELECT last_seq FROM rd_runs WHERE id = $1)"
        ))
        .bind(*run),
        Changes::Since(seq) => sqlx::query(select_changes!("c.seq > $1")).bind(*seq),
        Changes::OfUser(user) => {
            let Ok(user) = Uuid::try_parse(user) else { return Ok(Vec::new()) };
            sqlx::query(select_changes!("c.user_id = (SELECT id FROM rd_users WHERE uuid = $1)")).bind(to_guid(user))
        }
    };
    let rows = query.bind(i64::from(limit)).fetch_all(&mut *database.reader().await?).await?;
    rows.iter()
        .map(|row| {
            Ok(ChangeRow {
                seq: row.try_get(0)?,
                run_id: row.try_get(1)?,
                at: moment(row, 2)?.unwrap_or_default(),
                kind: row.try_get(3)?,
                user_id: maybe_guid(row, 4)?,
                group_id: maybe_guid(row, 5)?,
                before: document(row, 6)?,
                after: document(row, 7)?,
                rule: row.try_get(8)?,
            })
        })
        .collect()
}

pub(super) async fn feed(database: &Database) -> Result<Feed, Fault> {
    let row = sqlx::query("SELECT dropped, last FROM roster_feed").fetch_one(&mut *database.reader().await?).await?;
    Ok(Feed { dropped: row.try_get(0)?, last: row.try_get(1)? })
}

/// A JSON document of the feed.
pub(super) fn document(row: &Row, at: usize) -> Result<Option<Value>, Fault> {
    let text: Option<&str> = row.try_get(at)?;
    let broken = |error: serde_json::Error| Fault::Sql(sqlx::Error::Decode(error.into()));
    text.map(|text| serde_json::from_str(text).map_err(broken)).transpose()
}

pub(super) async fn conflicts(database: &Database, open_only: bool) -> Result<Vec<ConflictRow>, Fault> {
    let rows = sqlx::query(
        "SELECT c.id, c.kind, c.subject, u.uuid, c.detail, c.opened_at, \
         coalesce(c.due_at, CASE WHEN c.kind = 'address-taken' AND c.status = 'open' AND u.state = 'pending' \
         AND u.waits_since IS NULL THEN u.delete_after END), c.status, c.source, \
         coalesce(u.username, a.address, u.dn), u.state, u.origin, c.other, c.closed_at, \
         CASE WHEN u.state = 'pending' THEN u.waits_since END FROM rd_conflicts c \
         LEFT JOIN rd_users u ON u.id = c.user_id \
         LEFT JOIN rd_addresses a ON a.user_id = u.id AND a.kind = 'primary' WHERE c.status = 'open' OR NOT $1 \
         ORDER BY CASE c.status WHEN 'open' THEN 0 ELSE 1 END, c.id",
    )
    .bind(open_only)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            let user_id = maybe_guid(row, 3)?;
            Ok(ConflictRow {
                id: row.try_get(0)?,
                kind: row.try_get(1)?,
                subject: row.try_get(2)?,
                user: row.try_get::<Option<String>, _>(9)?.or_else(|| user_id.clone()),
                user_state: row.try_get(10)?,
                user_origin: row.try_get(11)?,
                other: row.try_get(12)?,
                source: row.try_get(8)?,
                user_id,
                detail: row.try_get(4)?,
                opened_at: moment(row, 5)?.unwrap_or_default(),
                due_at: moment(row, 6)?,
                status: row.try_get(7)?,
                closed_at: moment(row, 13)?,
                waits_since: moment(row, 14)?,
            })
        })
        .collect()
}

pub(super) async fn skips(database: &Database, source: Option<&str>) -> Result<Vec<SkipRow>, Fault> {
    let rows = sqlx::query(
        "SELECT s.source, s.dn, s.unique_id, s.reason, s.rule, s.detail, s.seen_at, EXISTS (SELECT 1 FROM rd_users u \
         WHERE u.unique_id = s.unique_id AND u.source = s.source AND u.state <> 'deleted') FROM rd_skipped s \
         WHERE $1 IS NULL OR s.source = $1 ORDER BY s.source, s.dn, s.reason, s.id",
    )
    .bind(source)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SkipRow {
                source: row.try_get(0)?,
                dn: row.try_get(1)?,
                unique_id: row.try_get(2)?,
                reason: row.try_get(3)?,
                rule: row.try_get(4)?,
                detail: row.try_get(5)?,
                seen_at: moment(row, 6)?.unwrap_or_default(),
                is_user: row.try_get(7)?,
            })
        })
        .collect()
}

pub(super) async fn user_counts(database: &Database, source: Option<&str>) -> Result<Vec<(State, u64)>, Fault> {
    let rows = sqlx::query(
        "SELECT state, count(*) FROM rd_users WHERE $1 IS NULL OR source = $1 GROUP BY state ORDER BY state",
    )
    .bind(source)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            let state: &str = row.try_get(0)?;
            Ok((word("rd_users", "state", state, State::parse(state))?, counted(row.try_get(1)?)))
        })
        .collect()
}
