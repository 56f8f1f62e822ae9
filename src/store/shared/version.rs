//! Which schema there is, and which one this program knows.

use super::dialect::{Connection, migrations};
use crate::store::error::Fault;

/// The newest migration that this program knows.
pub(super) fn known() -> i64 {
    migrations().iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The newest one in the store; 0 = none.
pub(super) async fn found(connection: &mut Connection) -> Result<i64, Fault> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM rd_migrations").fetch_one(connection).await?)
}
