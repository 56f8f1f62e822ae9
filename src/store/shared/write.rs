//! One write transaction: fenced, numbered in order of commit, with its changes in the feed (S3, B3).

use serde_json::Value;
use sqlx::{Row as _, Transaction};

use super::dialect::{CLOSE_WRITE, Connection, Database, Db, OPEN_WRITE, bulk};
use crate::store::bulk::{Cell, Rows};
use crate::store::error::{Fault, StoreError};
use crate::store::{Lease, Stamp};

/// What the feed says about one event.
pub(super) struct Event {
    pub kind: &'static str,
    pub rule: &'static str,
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// The kind of departure the brake counts it under.
    pub counted: Option<&'static str>,
}

/// The only writer of the store, until it commits or is dropped.
pub(super) struct Write {
    transaction: Transaction<'static, Db>,
    seq: i64,
    /// Whether the roster changed; run bookkeeping alone leaves the version of the store as it is.
    changed: bool,
    last_user: i64,
    last_group: i64,
    last_run: i64,
    last_conflict: i64,
    events: Rows,
    /// The run whose changes these are, and the first of them.
    first: Option<(i64, i64)>,
}

impl Write {
    /// Begins, and checks that every lease still holds.
    pub async fn begin(database: &Database, leases: &[Lease]) -> Result<Self, Fault> {
        let mut transaction = database.begin().await?;
        for lease in leases {
            let fence: Option<i64> = sqlx::query_scalar("SELECT fence FROM rd_leases WHERE scope = $1 AND held")
                .bind(&lease.scope)
                .fetch_optional(&mut *transaction)
                .await?;
            if fence != Some(lease.fence) {
                return Err(StoreError::Fenced { scope: lease.scope.clone() }.into());
            }
        }
        let row = sqlx::query(OPEN_WRITE).fetch_one(&mut *transaction).await?;
        Ok(Self {
            transaction,
            seq: row.try_get(0)?,
            changed: false,
            last_user: row.try_get(1)?,
            last_group: row.try_get(2)?,
            last_run: row.try_get(3)?,
            last_conflict: row.try_get(4)?,
            events: Rows::new(10),
            first: None,
        })
    }

    /// The connection inside the transaction.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Runs a bulk statement on the roster for all rows.
    pub async fn bulk(&mut self, head: &'static str, rows: Rows, tail: &'static str) -> Result<(), Fault> {
        self.changed |= !rows.is_empty();
        self.note(head, rows, tail).await
    }

    /// The same for what is remembered beside the roster.
    pub async fn note(&mut self, head: &'static str, rows: Rows, tail: &'static str) -> Result<(), Fault> {
        bulk(&mut self.transaction, head, rows, tail).await
    }

    /// Notes that the roster changed, for statements that are not [`Self::bulk`].
    pub fn changed(&mut self) {
        self.changed = true;
    }

    pub fn next_user(&mut self) -> i64 {
        self.last_user += 1;
        self.last_user
    }

    pub fn next_group(&mut self) -> i64 {
        self.last_group += 1;
        self.last_group
    }

    pub fn next_run(&mut self) -> i64 {
        self.last_run += 1;
        self.last_run
    }

    pub fn next_conflict(&mut self) -> i64 {
        self.last_conflict += 1;
        self.last_conflict
    }

    /// Adds a change to the feed.
    pub fn record(&mut self, stamp: Stamp<'_>, event: Event) {
        self.changed = true;
        self.seq += 1;
        self.first = self.first.or(stamp.run.map(|run| (run.0, self.seq)));
        self.events.add([
            self.seq.into(),
            Cell::Int(stamp.run.map(|run| run.0)),
            Cell::time(Some(stamp.at)),
            event.kind.into(),
            Cell::Int(event.user),
            Cell::Int(event.group),
            Cell::json(event.before),
            Cell::json(event.after),
            event.rule.into(),
            event.counted.into(),
        ]);
    }

    /// Commits, unless nothing in the roster changed: then nothing is written at all (U3).
    pub async fn commit_if_changed(self) -> Result<(), Fault> {
        if self.changed { self.commit().await } else { Ok(self.transaction.rollback().await?) }
    }

    /// Writes feed and counters, and commits.
    pub async fn commit(mut self) -> Result<(), Fault> {
        if self.changed && self.events.is_empty() {
            self.seq += 1;
        }
        bulk(
            &mut self.transaction,
            "INSERT INTO rd_changes (seq, run_id, at, kind, user_id, group_id, before, after, rule, counted)",
            self.events,
            "",
        )
        .await?;
        if let Some((run, first)) = self.first {
            sqlx::query("UPDATE rd_runs SET first_seq = coalesce(first_seq, $2), last_seq = $3 WHERE id = $1")
                .bind(run)
                .bind(first)
                .bind(self.seq)
                .execute(&mut *self.transaction)
                .await?;
        }
        sqlx::query(CLOSE_WRITE)
            .bind(self.seq)
            .bind(self.last_user)
            .bind(self.last_group)
            .bind(self.last_run)
            .bind(self.last_conflict)
            .execute(&mut *self.transaction)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}
