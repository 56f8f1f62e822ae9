//! Who may plan and apply now (S3).

use std::time::Duration;

use sqlx::Row as _;

use super::dialect::{Connection, Database, Row};
use super::{counted, stored, version};
use crate::clock::Timestamp;
use crate::store::error::{Fault, StoreError};
use crate::store::{Acquired, Holder, Lease};

fn millis(keep: Duration) -> i64 {
    i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

/// Takes a lease whose holder is dead, or did not renew it in time, with the next fencing number. All times are the
/// database's own: the clocks of two hosts need not agree. In a newer schema there is none: whoever writes begins here,
/// and a daemon goes on while a command of a newer version migrates.
pub(super) async fn acquire(
    database: &Database,
    scope: &str,
    holder: &Holder,
    keep: Duration,
) -> Result<Acquired, Fault> {
    let mut transaction = database.begin().await?;
    let found = version::found(&mut transaction).await?;
    if found > version::known() {
        return Err(database.newer(found));
    }
    let row = sqlx::query(concat!(
        "SELECT fence, held AND until > ",
        now!(),
        ", host, realm, pid, started, since FROM rd_leases WHERE scope = $1"
    ))
    .bind(scope)
    .fetch_optional(&mut *transaction)
    .await?;
    let mut fence: i64 = 1;
    if let Some(row) = row {
        let other = holder_in(&row, 2)?;
        let held = row.try_get(1)? && !other.is_dead(holder);
        if held && !database.unreturned.has(scope, row.try_get(0)?) {
            return Ok(Acquired::HeldBy { holder: other, since: Timestamp::from_millis(row.try_get(6)?) });
        }
        fence += row.try_get::<i64, _>(0)?;
    }
    sqlx::query(concat!(
        "INSERT INTO rd_leases (scope, fence, held, host, realm, pid, started, since, until) \
         VALUES ($1, $2, true, $3, $4, $5, $6, ",
        now!(),
        ", ",
        now!(),
        " + $7) \
         ON CONFLICT (scope) DO UPDATE SET fence = excluded.fence, held = true, host = excluded.host, \
         realm = excluded.realm, pid = excluded.pid, started = excluded.started, since = excluded.since, \
         until = excluded.until"
    ))
    .bind(scope)
    .bind(fence)
    .bind(&holder.host)
    .bind(&holder.realm)
    .bind(i64::from(holder.pid))
    .bind(stored(holder.started))
    .bind(millis(keep))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    database.unreturned.forget(scope);
    Ok(Acquired::Yes(Lease { scope: scope.to_owned(), fence }))
}

/// Whether somebody has a lease who is not known to be dead and renewed it in time.
pub(super) async fn is_held(connection: &mut Connection, scope: &str) -> Result<bool, Fault> {
    let row = sqlx::query(concat!(
        "SELECT host, realm, pid, started FROM rd_leases WHERE scope = $1 AND held AND until > ",
        now!()
    ))
    .bind(scope)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(false) };
    Ok(!holder_in(&row, 0)?.is_dead(&Holder::this_process()))
}

/// Host, realm, process and its start, from this column on.
fn holder_in(row: &Row, at: usize) -> Result<Holder, Fault> {
    Ok(Holder {
        host: row.try_get(at)?,
        realm: row.try_get(at + 1)?,
        pid: u32::try_from(row.try_get::<i64, _>(at + 2)?).unwrap_or(0),
        started: counted(row.try_get(at + 3)?),
    })
}

/// Prolongs a lease that is still ours.
pub(super) async fn renew(database: &Database, lease: &Lease, keep: Duration) -> Result<(), Fault> {
    let mut transaction = database.begin().await?;
    let renewed =
        sqlx::query(concat!("UPDATE rd_leases SET until = ", now!(), " + $3 WHERE scope = $1 AND fence = $2 AND held"))
            .bind(&lease.scope)
            .bind(lease.fence)
            .bind(millis(keep))
            .execute(&mut *transaction)
            .await?;
    if renewed.rows_affected() == 0 {
        return Err(StoreError::Fenced { scope: lease.scope.clone() }.into());
    }
    Ok(transaction.commit().await?)
}

/// Gives a lease back, if it is still ours. When the store cannot be told, this process does not let itself be kept out
/// by it.
pub(super) async fn release(database: &Database, lease: &Lease) -> Result<(), Fault> {
    let released = give_back(database, lease).await;
    if released.is_err() {
        database.unreturned.put(lease);
    }
    released
}

async fn give_back(database: &Database, lease: &Lease) -> Result<(), Fault> {
    let mut transaction = database.begin().await?;
    sqlx::query("UPDATE rd_leases SET held = false WHERE scope = $1 AND fence = $2")
        .bind(&lease.scope)
        .bind(lease.fence)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}
