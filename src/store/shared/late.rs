//! What a first sync makes after its rows: an index that is filled in the order of its keys takes a fraction of the time
//! that it takes row by row.
//!
//! It is dropped only in a store with nobody in it, and made again in the transaction that ends the run. Should the
//! process die in between, whoever opens the store to write makes it, and so does the next run before anything else.
//! `rd_users_unique_id` stays, because newcomers come in its order.

use std::collections::BTreeSet;

use super::dialect::{Connection, LATE_TOO, MADE};
use crate::store::error::Fault;

/// Newcomers for whom it is worth it.
const MANY: usize = 5_000;

/// Name, how it is dropped, and how it is made, word for word as in the migrations.
pub(super) type Late = (&'static str, &'static str, &'static str);

const INDEXES: [Late; 4] = [
    (
        "rd_users_username",
        "DROP INDEX rd_users_username",
        "CREATE INDEX rd_users_username ON rd_users (username_key) WHERE username_key IS NOT NULL",
    ),
    (
        "rd_addresses_primary",
        "DROP INDEX rd_addresses_primary",
        "CREATE UNIQUE INDEX rd_addresses_primary ON rd_addresses (user_id) WHERE kind = 'primary'",
    ),
    (
        "rd_memberships_user",
        "DROP INDEX rd_memberships_user",
        "CREATE INDEX rd_memberships_user ON rd_memberships (user_id)",
    ),
    ("rd_changes_user", "DROP INDEX rd_changes_user", "CREATE INDEX rd_changes_user ON rd_changes (user_id)"),
];

fn late() -> impl Iterator<Item = Late> {
    INDEXES.into_iter().chain(LATE_TOO.iter().copied())
}

/// Drops it when so many people come into a store with nobody in it.
pub(super) async fn put_off(connection: &mut Connection, people: usize) -> Result<(), Fault> {
    if people < MANY || somebody(connection).await? {
        return Ok(());
    }
    let made = made(connection).await?;
    for (_, drop, _) in late().filter(|(name, ..)| made.contains(*name)) {
        sqlx::query(drop).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Makes what is missing.
pub(super) async fn make_up(connection: &mut Connection) -> Result<(), Fault> {
    let made = made(connection).await?;
    for (_, _, create) in late().filter(|(name, ..)| !made.contains(*name)) {
        sqlx::query(create).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether a first sync died before it made everything.
pub(super) async fn is_missing(connection: &mut Connection) -> Result<bool, Fault> {
    let made = made(connection).await?;
    Ok(late().any(|(name, ..)| !made.contains(name)))
}

async fn somebody(connection: &mut Connection) -> Result<bool, Fault> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM rd_users)").fetch_one(connection).await?)
}

async fn made(connection: &mut Connection) -> Result<BTreeSet<String>, Fault> {
    Ok(sqlx::query_scalar(MADE).fetch_all(connection).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_late_is_what_the_migrations_make() {
        let migrations = super::super::dialect::migrations();
        let written = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, drop, create) in late() {
            assert!(drop.ends_with(name) && create.contains(&format!(" {name} ")), "{name}");
            let create = format!("{};", written(create));
            assert!(migrations.iter().any(|one| written(one.sql.as_str()).contains(&create)), "{create}");
        }
    }
}
