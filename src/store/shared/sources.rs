//! Sources: which directory a name stands for, whether it was given up, and until when nobody of it is missed.

use sqlx::Row as _;

use super::dialect::{Database, Row};
use super::time;
use super::write::Write;
use crate::clock::Timestamp;
use crate::store::bulk::clean;
use crate::store::error::Fault;
use crate::store::{Freeze, Lease, Reads, SourceRecord};

pub(super) async fn sources(database: &Database) -> Result<Vec<SourceRecord>, Fault> {
    let rows = sqlx::query(
        "SELECT name, directory, bases, retired_at, user_bases, unique_id, gives_roles FROM rd_sources ORDER BY name",
    )
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SourceRecord {
                name: row.try_get(0)?,
                directory: row.try_get(1)?,
                bases: row.try_get(2)?,
                retired: time(row.try_get(3)?),
                reads: reads(row)?,
            })
        })
        .collect()
}

fn reads(row: &Row) -> Result<Option<Reads>, Fault> {
    let (bases, unique_id): (Option<&str>, Option<String>) = (row.try_get(4)?, row.try_get(5)?);
    let bases = bases.and_then(|bases| serde_json::from_str(bases).ok());
    let gives_roles = row.try_get::<Option<i64>, _>(6)? == Some(1);
    Ok(bases.zip(unique_id).map(|(bases, unique_id)| Reads { bases, unique_id, gives_roles }))
}

pub(super) async fn put_source(database: &Database, source: &SourceRecord, leases: &[Lease]) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    let reads = source.reads.as_ref();
    let written = sqlx::query(
        "INSERT INTO rd_sources (name, directory, bases, user_bases, unique_id, gives_roles) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE \
         SET directory = excluded.directory, bases = excluded.bases, user_bases = excluded.user_bases, \
         unique_id = excluded.unique_id, gives_roles = excluded.gives_roles \
         WHERE rd_sources.directory <> excluded.directory OR rd_sources.bases <> excluded.bases \
         OR coalesce(rd_sources.user_bases, '') <> coalesce(excluded.user_bases, '') \
         OR coalesce(rd_sources.unique_id, '') <> coalesce(excluded.unique_id, '') \
         OR coalesce(rd_sources.gives_roles, 0) <> coalesce(excluded.gives_roles, 0)",
    )
    .bind(&source.name)
    .bind(clean(&source.directory))
    .bind(clean(&source.bases))
    .bind(reads.map(|reads| serde_json::json!(reads.bases).to_string()))
    .bind(reads.map(|reads| clean(&reads.unique_id)))
    .bind(reads.map(|reads| i64::from(reads.gives_roles)))
    .execute(write.connection())
    .await?;
    if written.rows_affected() > 0 {
        write.statements.changed();
    }
    write.commit_if_changed().await
}

/// Every statement that a name stands in.
const RENAME: [&str; 10] = [
    "UPDATE rd_sources SET name = $2 WHERE name = $1",
    "UPDATE rd_users SET source = $2 WHERE source = $1",
    "UPDATE rd_groups SET source = $2 WHERE source = $1",
    "UPDATE rd_runs SET source = $2 WHERE source = $1",
    "UPDATE rd_conflicts SET source = $2 WHERE source = $1",
    "UPDATE rd_skipped SET source = $2 WHERE source = $1",
    "UPDATE rd_coverage SET source = $2 WHERE source = $1",
    "UPDATE rd_refused_binds SET source = $2 WHERE source = $1",
    "UPDATE rd_mapped SET source = $2 WHERE source = $1",
    "UPDATE rd_freezes SET source = $2 WHERE source = $1",
];

pub(super) async fn rename(database: &Database, old: &str, new: &str, leases: &[Lease]) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    for statement in RENAME {
        sqlx::query(statement).bind(old).bind(new).execute(write.connection()).await?;
    }
    write.statements.changed();
    write.commit().await
}

pub(super) async fn retire(database: &Database, name: &str, at: Timestamp, leases: &[Lease]) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    sqlx::query("UPDATE rd_sources SET retired_at = $2 WHERE name = $1")
        .bind(name)
        .bind(at.millis())
        .execute(write.connection())
        .await?;
    write.commit().await
}

pub(super) async fn freeze(database: &Database, source: &str) -> Result<Option<Freeze>, Fault> {
    let row = sqlx::query("SELECT since, until, reason FROM rd_freezes WHERE source = $1")
        .bind(source)
        .fetch_optional(&mut *database.reader().await?)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let at = |column| row.try_get(column).map(Timestamp::from_millis);
    Ok(Some(Freeze { since: at(0)?, until: at(1)?, reason: row.try_get(2)? }))
}

pub(super) async fn put_freeze(
    database: &Database,
    source: &str,
    freeze: Option<&Freeze>,
    leases: &[Lease],
) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    sqlx::query("DELETE FROM rd_freezes WHERE source = $1").bind(source).execute(write.connection()).await?;
    if let Some(freeze) = freeze {
        sqlx::query("INSERT INTO rd_freezes (source, since, until, reason) VALUES ($1, $2, $3, $4)")
            .bind(source)
            .bind(freeze.since.millis())
            .bind(freeze.until.millis())
            .bind(clean(&freeze.reason))
            .execute(write.connection())
            .await?;
    }
    write.commit().await
}
