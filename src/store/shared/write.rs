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
    pub statements: Statements,
    pub ledger: Ledger,
}

/// What a write transaction says to the database.
pub(super) struct Statements {
    transaction: Transaction<'static, Db>,
    /// Whether the roster changed; run bookkeeping alone leaves the version of the store as it is.
    changed: bool,
    last_conflict: i64,
}

/// The numbers a write transaction gives out, and the changes that are not in the feed yet.
///
/// Apart from the statements, so that the next people can be made ready while the database works on the last ones.
pub(super) struct Ledger {
    seq: i64,
    last_user: i64,
    last_group: i64,
    last_run: i64,
    events: Rows,
    /// The run whose changes these are, and the number of the first.
    first: Option<(Option<i64>, i64)>,
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
        let ledger = Ledger {
            seq: row.try_get(0)?,
            last_user: row.try_get(1)?,
            last_group: row.try_get(2)?,
            last_run: row.try_get(3)?,
            events: no_events(),
            first: None,
        };
        let statements = Statements { transaction, changed: false, last_conflict: row.try_get(4)? };
        Ok(Self { statements, ledger })
    }

    /// The connection inside the transaction.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.statements.transaction
    }

    /// Commits, unless nothing in the roster changed: then nothing is written at all (U3).
    pub async fn commit_if_changed(self) -> Result<(), Fault> {
        let changed = self.statements.changed || !self.ledger.events.is_empty();
        if changed { self.commit().await } else { Ok(self.statements.transaction.rollback().await?) }
    }

    /// Writes feed and counters, and commits.
    pub async fn commit(mut self) -> Result<(), Fault> {
        let events = self.ledger.take_events();
        self.statements.feed(events).await?;
        let Self { mut statements, mut ledger } = self;
        if statements.changed && ledger.first.is_none() {
            ledger.seq += 1;
        }
        let connection = &mut *statements.transaction;
        if let Some((run, first)) = ledger.first.and_then(|(run, first)| Some((run?, first))) {
            sqlx::query("UPDATE rd_runs SET first_seq = coalesce(first_seq, $2), last_seq = $3 WHERE id = $1")
                .bind(run)
                .bind(first)
                .bind(ledger.seq)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query(CLOSE_WRITE)
            .bind(ledger.seq)
            .bind(ledger.last_user)
            .bind(ledger.last_group)
            .bind(ledger.last_run)
            .bind(statements.last_conflict)
            .execute(connection)
            .await?;
        Ok(statements.transaction.commit().await?)
    }
}

impl Statements {
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

    /// Adds changes to the feed.
    pub async fn feed(&mut self, events: Rows) -> Result<(), Fault> {
        self.bulk(
            "INSERT INTO rd_changes (seq, run_id, at, kind, user_id, group_id, before, after, rule, counted)",
            events,
            "",
        )
        .await
    }

    /// Notes that the roster changed, for statements that are not [`Self::bulk`].
    pub fn changed(&mut self) {
        self.changed = true;
    }

    pub fn next_conflict(&mut self) -> i64 {
        self.last_conflict += 1;
        self.last_conflict
    }
}

impl Ledger {
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

    /// Notes a change for the feed.
    pub fn record(&mut self, stamp: Stamp<'_>, event: Event) {
        self.seq += 1;
        let run = stamp.run.map(|run| run.0);
        self.first.get_or_insert((run, self.seq));
        self.events.add([
            self.seq.into(),
            Cell::Int(run),
            Cell::time(Some(stamp.at)),
            event.kind.into(),
            Cell::Int(event.user),
            Cell::Int(event.group),
            Cell::document(event.before),
            Cell::document(event.after),
            event.rule.into(),
            event.counted.into(),
        ]);
    }

    /// What was noted so far, for [`Statements::feed`].
    pub fn take_events(&mut self) -> Rows {
        std::mem::replace(&mut self.events, no_events())
    }
}

/// Rows for the feed.
pub(super) fn no_events() -> Rows {
    Rows::new(10)
}
