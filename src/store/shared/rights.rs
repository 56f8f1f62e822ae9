//! Roles, grants, and the groups that give them (R1, R2, R4).

use futures::TryStreamExt as _;
use sqlx::Row as _;
use uuid::Uuid;

use super::dialect::{Database, Guid, Row, from_guid, to_guid};
use super::views::guid;
use super::word;
use super::write::Write;
use crate::plan::local_groups::LocalGroup;
use crate::plan::{Grant, GroupId, KnownGroup, MappedAct, StoredGrant};
use crate::roster::address::fold;
use crate::roster::{Dn, UniqueId, UserId};
use crate::store::bulk::{Rows, clean};
use crate::store::error::Fault;
use crate::store::rows::GrantRow;
use crate::store::{Stamp, new_uuid};

pub(super) async fn roles(database: &Database, source: &str) -> Result<Vec<(UserId, Box<str>)>, Fault> {
    let mut reader = database.reader().await?;
    let mut found = Vec::new();
    let mut rows = sqlx::query("SELECT id, role FROM rd_users WHERE source = $1 AND coalesce(role, '') <> ''")
        .bind(source)
        .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        found.push((UserId(row.try_get(0)?), row.try_get::<&str, _>(1)?.into()));
    }
    Ok(found)
}

pub(super) async fn grants(database: &Database, source: &str) -> Result<Vec<StoredGrant>, Fault> {
    let mut reader = database.reader().await?;
    let mut found = Vec::new();
    let mut rows = sqlx::query(
        "SELECT r.user_id, r.privilege, r.group_key, r.group_dn FROM rd_grants r JOIN rd_users u ON u.id = r.user_id \
         WHERE r.group_key IS NOT NULL AND u.source = $1",
    )
    .bind(source)
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        found.push(grant(&row)?);
    }
    found.sort_unstable();
    Ok(found)
}

fn grant(row: &Row) -> Result<StoredGrant, Fault> {
    let (user, key): (i64, &str) = (row.try_get(0)?, row.try_get(2)?);
    Ok(StoredGrant {
        user: UserId(user),
        grant: Grant {
            privilege: row.try_get::<&str, _>(1)?.into(),
            key: word("rd_grants", user, key, UniqueId::new(key))?,
            dn: row.try_get::<Option<&str>, _>(3)?.unwrap_or_default().into(),
        },
    })
}

/// Role, and the grants that mapped groups gave, of one user.
pub(super) async fn rights_of(
    database: &Database,
    user: UserId,
) -> Result<(Option<Box<str>>, Vec<StoredGrant>), Fault> {
    let mut reader = database.snapshot().await?;
    let role: Option<Option<String>> =
        sqlx::query_scalar("SELECT role FROM rd_users WHERE id = $1").bind(user.0).fetch_optional(&mut *reader).await?;
    let rows = sqlx::query(
        "SELECT user_id, privilege, group_key, group_dn FROM rd_grants WHERE group_key IS NOT NULL AND user_id = $1",
    )
    .bind(user.0)
    .fetch_all(&mut *reader)
    .await?;
    let mut grants = rows.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
    grants.sort_unstable();
    let role = role.flatten().filter(|role| !role.is_empty());
    Ok((role.map(String::into_boxed_str), grants))
}

/// Privileges that were given to one user by hand.
pub(super) async fn local_grants(database: &Database, user: UserId) -> Result<Vec<String>, Fault> {
    let statement = "SELECT privilege FROM rd_grants WHERE user_id = $1 AND group_key IS NULL ORDER BY privilege";
    Ok(sqlx::query_scalar(statement).bind(user.0).fetch_all(&mut *database.reader().await?).await?)
}

/// `roster_grants` with what people call user and group, in order of user and privilege; of one user (by UUID) or all.
pub(super) async fn rows(database: &Database, user: Option<&str>) -> Result<Vec<GrantRow>, Fault> {
    let user = user.map(|user| Uuid::try_parse(user).unwrap_or_default());
    let rows = sqlx::query(
        "SELECT u.uuid, u.username, a.address, r.privilege, r.group_uuid, r.group_dn FROM rd_grants r \
         JOIN rd_users u ON u.id = r.user_id LEFT JOIN rd_addresses a ON a.user_id = u.id AND a.kind = 'primary' \
         WHERE u.state IN ('active', 'kept') AND ($1 IS NULL OR u.uuid = $1)",
    )
    .bind(user.map(to_guid))
    .fetch_all(&mut *database.reader().await?)
    .await?;
    let row = |row: &Row| {
        let group: Option<Guid> = row.try_get(4)?;
        Ok(GrantRow {
            user_id: guid(row, 0)?,
            username: row.try_get(1)?,
            primary_address: row.try_get(2)?,
            privilege: row.try_get(3)?,
            via: group.map_or_else(|| "local".to_owned(), |group| from_guid(group).to_string()),
            group_dn: row.try_get(5)?,
        })
    };
    let mut found = rows.iter().map(row).collect::<Result<Vec<_>, Fault>>()?;
    let label = |row: &GrantRow| fold(row.username.as_deref().or(row.primary_address.as_deref()).unwrap_or_default());
    found.sort_by_cached_key(|row| (label(row), row.user_id.clone(), row.privilege.clone(), row.group_dn.is_none()));
    Ok(found)
}

pub(super) async fn mapped(database: &Database, source: &str) -> Result<Vec<KnownGroup>, Fault> {
    let rows = sqlx::query("SELECT dn, unique_id, settled FROM rd_mapped WHERE source = $1 ORDER BY dn")
        .bind(source)
        .fetch_all(&mut *database.reader().await?)
        .await?;
    rows.iter()
        .map(|row| {
            let (dn, key): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
            let key = word("rd_mapped", &dn, key, UniqueId::new(key))?;
            Ok(KnownGroup { dn, key, settled: row.try_get::<i64, _>(2)? != 0 })
        })
        .collect()
}

/// Remembers anew which groups hold under mapped DNs.
pub(super) async fn put_mapped(database: &Database, stamp: Stamp<'_>, acts: &[MappedAct]) -> Result<(), Fault> {
    let mut write = Write::begin(database, stamp.leases).await?;
    for act in acts {
        match act {
            MappedAct::Remember { dn, key } => remember(&mut write, stamp, dn, key).await?,
            MappedAct::Settle { dn } => settle(&mut write, stamp, dn, 1).await?,
            MappedAct::Return { dn } => settle(&mut write, stamp, dn, 0).await?,
            MappedAct::Forget { dn } => {
                sqlx::query("DELETE FROM rd_mapped WHERE source = $1 AND dn_digest = $2")
                    .bind(stamp.source)
                    .bind(digest(dn))
                    .execute(write.connection())
                    .await?;
            }
        }
    }
    if !acts.is_empty() {
        write.statements.changed();
    }
    write.commit_if_changed().await
}

async fn remember(write: &mut Write, stamp: Stamp<'_>, dn: &str, key: &UniqueId) -> Result<(), Fault> {
    let known = sqlx::query(
        "SELECT uuid FROM rd_groups WHERE source = $1 AND unique_id = $2 \
         UNION SELECT uuid FROM rd_mapped WHERE source = $1 AND unique_id = $2 LIMIT 1",
    )
    .bind(stamp.source)
    .bind(key.as_str())
    .fetch_optional(write.connection())
    .await?;
    let uuid = known.map(|row| row.try_get(0).map(from_guid)).transpose()?.unwrap_or_else(new_uuid);
    sqlx::query(
        "INSERT INTO rd_mapped (source, dn_digest, dn, unique_id, uuid) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (source, dn_digest) DO UPDATE SET dn = excluded.dn, unique_id = excluded.unique_id, \
         uuid = excluded.uuid, settled = 0",
    )
    .bind(stamp.source)
    .bind(digest(dn))
    .bind(clean(dn))
    .bind(key.as_str())
    .bind(to_guid(uuid))
    .execute(write.connection())
    .await?;
    Ok(())
}

async fn settle(write: &mut Write, stamp: Stamp<'_>, dn: &str, settled: i64) -> Result<(), Fault> {
    sqlx::query("UPDATE rd_mapped SET settled = $3 WHERE source = $1 AND dn_digest = $2")
        .bind(stamp.source)
        .bind(digest(dn))
        .bind(settled)
        .execute(write.connection())
        .await?;
    Ok(())
}

fn digest(dn: &str) -> Vec<u8> {
    Dn::digest_of(dn).to_bytes().to_vec()
}

/// The ids of groups that were mapped before they became groups of the roster, by unique id.
pub(super) async fn ids_of_mapped(write: &mut Write, source: &str) -> Result<Vec<(String, Uuid)>, Fault> {
    let rows = sqlx::query("SELECT unique_id, uuid FROM rd_mapped WHERE source = $1")
        .bind(source)
        .fetch_all(write.connection())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, from_guid(row.try_get(1)?)))).collect()
}

/// Grants that come and go in one batch of people.
pub(super) struct Changes {
    roles: Rows,
    revoked: Rows,
    granted: Rows,
    taken: Rows,
    given: Rows,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            roles: Rows::new(2),
            revoked: Rows::new(2),
            granted: Rows::new(5),
            taken: Rows::new(2),
            given: Rows::new(2),
        }
    }
}

impl Changes {
    pub fn role(&mut self, user: i64, role: Option<&str>) {
        self.roles.add([user.into(), role.into()]);
    }

    pub fn revoke(&mut self, user: i64, grant: &Grant) {
        self.revoked.add([user.into(), (&*grant.privilege).into()]);
    }

    pub fn grant(&mut self, user: i64, grant: &Grant, source: &str) {
        let (privilege, dn) = ((&*grant.privilege).into(), (&*grant.dn).into());
        self.granted.add([user.into(), privilege, grant.key.as_str().into(), dn, source.into()]);
    }

    pub fn give(&mut self, user: i64, privilege: &str) {
        self.given.add([user.into(), privilege.into()]);
    }

    pub fn take(&mut self, user: i64, privilege: &str) {
        self.taken.add([user.into(), privilege.into()]);
    }

    pub async fn run(self, write: &mut super::write::Statements) -> Result<(), Fault> {
        write
            .bulk("UPDATE rd_users SET role = v.column2 FROM (", self.roles, ") AS v WHERE rd_users.id = v.column1")
            .await?;
        write
            .bulk("DELETE FROM rd_grants WHERE group_key IS NOT NULL AND (user_id, privilege) IN (", self.revoked, ")")
            .await?;
        write
            .bulk(
                "INSERT INTO rd_grants (user_id, privilege, group_key, group_dn, group_uuid) \
                 SELECT v.column1, v.column2, v.column3, v.column4, (SELECT m.uuid FROM rd_mapped m \
                 WHERE m.source = v.column5 AND m.unique_id = v.column3 LIMIT 1) FROM (",
                self.granted,
                ") AS v",
            )
            .await?;
        write
            .bulk("DELETE FROM rd_grants WHERE group_key IS NULL AND (user_id, privilege) IN (", self.taken, ")")
            .await?;
        write.bulk("INSERT INTO rd_grants (user_id, privilege)", self.given, " ON CONFLICT DO NOTHING").await
    }
}

/// A local group that is not deleted, by UUID, with who is in it.
pub(super) async fn local_group(database: &Database, group: &str) -> Result<Option<LocalGroup>, Fault> {
    let Ok(group) = Uuid::try_parse(group) else { return Ok(None) };
    let mut reader = database.snapshot().await?;
    let row = sqlx::query("SELECT id, name FROM rd_groups WHERE uuid = $1 AND origin = 'local' AND state <> 'deleted'")
        .bind(to_guid(group))
        .fetch_optional(&mut *reader)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let id: i64 = row.try_get(0)?;
    let members: Vec<i64> =
        sqlx::query_scalar("SELECT user_id FROM rd_memberships WHERE group_id = $1 ORDER BY user_id")
            .bind(id)
            .fetch_all(&mut *reader)
            .await?;
    let members = members.into_iter().map(UserId).collect();
    Ok(Some(LocalGroup { id: GroupId(id), name: row.try_get::<&str, _>(1)?.into(), members }))
}
