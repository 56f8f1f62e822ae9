//! Sources: which directory a name stands for, whether it was given up, and until when nobody of it is missed.

use sqlx::Row as _;

use super::dialect::Database;
use super::time;
use super::write::Write;
use crate::clock::Timestamp;
use crate::store::bulk::clean;
use crate::store::error::Fault;
use crate::store::{Freeze, Lease, SourceRecord};

pub(super) async fn sources(database: &Database) -> Result<Vec<SourceRecord>, Fault> {
    let rows = sqlx::query("SELECT name, directory, bases, retired_at FROM rd_sources ORDER BY name")
        .fetch_all(&mut *database.reader().await?)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(SourceRecord {
                name: row.try_get(0)?,
                directory: row.try_get(1)?,
                bases: row.try_get(2)?,
                retired: time(row.try_get(3)?),
            })
        })
        .collect()
}

pub(super) async fn put_source(database: &Database, source: &SourceRecord, leases: &[Lease]) -> Result<(), Fault> {
    let mut write = Write::begin(database, leases).await?;
    let written = sqlx::query(
        "INSERT INTO rd_sources (name, directory, bases) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
         SET directory = excluded.directory, bases = excluded.bases \
         WHERE rd_sources.directory <> excluded.directory OR rd_sources.bases <> excluded.bases",
    )
    .bind(&source.name)
    .bind(clean(&source.directory))
    .bind(clean(&source.bases))
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
