//! People whom other sources of the same directory have (I8).

use serde_json::json;
use sqlx::Row as _;

use super::dialect::{Connection, Database, any_list};
use super::users::{BY_ID, on_each};
use super::write::{Event, Ledger, Statements};
use super::{time, word};
use crate::clock::Timestamp;
use crate::plan::{Grant, GroupId, Holdings, StoredGrant, StoredMembership, Via};
use crate::roster::{Digest, Dn, UniqueId, UserId};
use crate::store::Stamp;
use crate::store::bulk::Rows;
use crate::store::error::Fault;

/// Items bound to one statement.
const CHUNK: usize = 10_000;

pub(super) async fn bearing(
    database: &Database,
    sources: &[String],
    keys: &[UniqueId],
) -> Result<Vec<(Digest, UserId)>, Fault> {
    let mut reader = database.snapshot().await?;
    let mut found = Vec::new();
    for source in sources {
        for chunk in keys.chunks(CHUNK) {
            let chunk: Vec<&str> = chunk.iter().map(UniqueId::as_str).collect();
            let statement =
                concat!("SELECT unique_id, id FROM rd_users WHERE source = $2 AND unique_id ", any_of!("$1"));
            let rows = sqlx::query(statement).bind(any_list(&chunk)).bind(source).fetch_all(&mut *reader).await?;
            for row in &rows {
                let (key, user): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
                found.extend(UniqueId::new(key).map(|key| (key.digest(), UserId(user))));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) async fn holdings(database: &Database, users: &[UserId]) -> Result<Holdings, Fault> {
    let ids: Vec<i64> = users.iter().map(|user| user.0).collect();
    let mut reader = database.snapshot().await?;
    let mut holdings = Holdings::default();
    for chunk in ids.chunks(CHUNK) {
        holdings_of(&mut reader, chunk, &mut holdings).await?;
    }
    Ok(holdings)
}

async fn holdings_of(reader: &mut Connection, ids: &[i64], holdings: &mut Holdings) -> Result<(), Fault> {
    let rows = sqlx::query(concat!(
        "SELECT group_id, user_id, via FROM rd_memberships WHERE via <> 'local' AND user_id ",
        any_of!("$1"),
        " ORDER BY group_id, user_id"
    ))
    .bind(any_list(ids))
    .fetch_all(&mut *reader)
    .await?;
    for row in &rows {
        let (group, user, via): (i64, i64, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let via = word("rd_memberships", group, via, Via::parse(via))?;
        holdings.memberships.push(StoredMembership { group: GroupId(group), user: UserId(user), via });
    }
    let rows =
        sqlx::query(concat!("SELECT id, role FROM rd_users WHERE coalesce(role, '') <> '' AND id ", any_of!("$1")))
            .bind(any_list(ids))
            .fetch_all(&mut *reader)
            .await?;
    for row in &rows {
        holdings.roles.push((UserId(row.try_get(0)?), row.try_get::<&str, _>(1)?.into()));
    }
    let rows = sqlx::query(concat!(
        "SELECT user_id, privilege, group_key, group_dn FROM rd_grants WHERE group_key IS NOT NULL AND user_id ",
        any_of!("$1")
    ))
    .bind(any_list(ids))
    .fetch_all(&mut *reader)
    .await?;
    for row in &rows {
        let (user, key): (i64, &str) = (row.try_get(0)?, row.try_get(2)?);
        let grant = Grant {
            privilege: row.try_get::<&str, _>(1)?.into(),
            key: word("rd_grants", user, key, UniqueId::new(key))?,
            dn: row.try_get::<Option<&str>, _>(3)?.unwrap_or_default().into(),
        };
        holdings.grants.push(StoredGrant { user: UserId(user), grant });
    }
    Ok(())
}

pub(super) async fn last_complete(database: &Database, source: &str) -> Result<Option<Timestamp>, Fault> {
    let at: Option<i64> = sqlx::query_scalar(
        "SELECT max(started_at) FROM rd_runs WHERE source = $1 AND outcome IN ('ok', 'held') \
         AND action IN ('users', 'all') AND mode <> 'person'",
    )
    .bind(source)
    .fetch_one(&mut *database.reader().await?)
    .await?;
    Ok(time(at))
}

/// Users who come over from other sources in one transaction.
pub(super) struct Crossed {
    users: Vec<i64>,
    rows: Rows,
    /// What their sources said of them.
    said: Rows,
}

impl Default for Crossed {
    fn default() -> Self {
        Self { users: Vec::new(), rows: Rows::new(4), said: Rows::new(2) }
    }
}

impl Crossed {
    /// One more user, with the unique id, the source before, the DN now and the source now.
    pub fn add(&mut self, id: i64, (key, before): (&UniqueId, &str), dn: &str, source: &str) {
        self.users.push(id);
        self.rows.add([id.into(), source.into(), dn.into(), Dn::digest_of(dn).into()]);
        self.said.add([before.into(), key.as_str().into()]);
    }

    pub async fn run(self, write: &mut Statements) -> Result<(), Fault> {
        let head = "UPDATE rd_users SET source = v.column2, dn = v.column3, dn_digest = v.column4 FROM (";
        write.bulk(head, self.rows, BY_ID).await?;
        write.bulk("DELETE FROM rd_skipped WHERE (source, unique_id) IN (", self.said, ")").await?;
        let memberships = concat!("DELETE FROM rd_memberships WHERE via <> 'local' AND user_id ", any_of!("$1"));
        on_each(write, memberships, &self.users).await
    }
}

/// The memberships that end because the user is another source's from now on.
pub(super) fn left_behind(ledger: &mut Ledger, stamp: Stamp<'_>, user: i64, leaves: &[(GroupId, Via)]) {
    for (group, via) in leaves {
        let before = Some(json!({ "via": via.as_str() }));
        let (kind, rule, user, group) = ("membership.removed", "I8", Some(user), Some(group.0));
        ledger.record(stamp, Event { kind, rule, user, group, before, after: None, counted: None });
    }
}
