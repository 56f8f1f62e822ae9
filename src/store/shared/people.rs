//! Users and their groups, as commands show them.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::dialect::{Connection, Database, Row, any_list, to_guid};
use super::views::{guid, moment};
use super::word;
use crate::roster::address::fold;
use crate::roster::words::natural;
use crate::roster::{Address, Dn, State, UniqueId, UserId};
use crate::store::bulk::clean;
use crate::store::error::Fault;
use crate::store::rows::{MemberRow, MembershipRow, UserRow, Which};

pub(super) async fn users(database: &Database, which: &Which) -> Result<Vec<UserRow>, Fault> {
    let mut reader = database.snapshot().await?;
    let mut users = match which {
        Which::All => users_where(&mut reader, None).await?,
        Which::Who(who) => {
            let ids = who_is(&mut reader, &clean(who)).await?;
            if ids.is_empty() { Vec::new() } else { users_where(&mut reader, Some(&ids)).await? }
        }
    };
    // Tombstones come last: they have no name any more.
    let deleted = |user: &UserRow| user.state == State::Deleted.as_str();
    users.sort_by_cached_key(|user| (deleted(user), natural(&fold(label(user))), user.id.clone()));
    Ok(users)
}

fn label(user: &UserRow) -> &str {
    [&user.username, &user.primary_address, &user.dn].into_iter().flatten().next().unwrap_or(&user.id)
}

pub(super) async fn users_who(database: &Database, who: &str) -> Result<Vec<UserId>, Fault> {
    let found = who_is(&mut *database.reader().await?, &clean(who)).await?;
    Ok(found.into_iter().map(UserId).collect())
}

/// The users who are WHO in the first of the ways that anybody matches.
async fn who_is(reader: &mut Connection, who: &str) -> Result<Vec<i64>, Fault> {
    if let Ok(uuid) = Uuid::try_parse(who) {
        let found = sqlx::query_scalar("SELECT id FROM rd_users WHERE uuid = $1")
            .bind(to_guid(uuid))
            .fetch_all(&mut *reader)
            .await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let unique_id = UniqueId::new(who).map_or_else(|| who.to_owned(), |id| id.as_str().to_owned());
    for (statement, text) in [
        ("SELECT id FROM rd_users WHERE unique_id = $1", unique_id),
        ("SELECT id FROM rd_users WHERE dn = $1", who.to_owned()),
    ] {
        let found = sqlx::query_scalar(statement).bind(text).fetch_all(&mut *reader).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let found = sqlx::query_scalar("SELECT id FROM rd_users WHERE dn_digest = $1")
        .bind(Dn::digest_of(who).to_bytes().to_vec())
        .fetch_all(&mut *reader)
        .await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let key = Address::parse(who).map_or_else(|| fold(who), |address| address.key().to_string());
    for (statement, text) in [
        ("SELECT id FROM rd_users WHERE username_key = $1", fold(who)),
        ("SELECT user_id FROM rd_addresses WHERE key = $1 AND kind = 'primary'", key.clone()),
        ("SELECT user_id FROM rd_addresses WHERE key = $1", key.clone()),
        ("SELECT id FROM rd_users WHERE former_address = $1 AND state = 'dormant'", key),
    ] {
        let found = sqlx::query_scalar(statement).bind(text).fetch_all(&mut *reader).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

macro_rules! select_users {
    ($where:expr) => {
        concat!(
            "SELECT id, uuid, source, origin, unique_id, dn, username, user_principal_name, display_name, given_name, \
             surname, home_phone, mobile, company, department, notes, role, state, pending_reason, flagged_at, \
             delete_after, transferred_to, extra, created_at, updated_at, former_address FROM rd_users",
            $where
        )
    };
}

macro_rules! select_addresses {
    ($where:expr) => {
        concat!("SELECT user_id, kind, address FROM rd_addresses", $where, " ORDER BY user_id, kind DESC, key")
    };
}

/// A user's addresses: the primary, then the aliases.
type Addresses = BTreeMap<i64, (Option<String>, Vec<String>)>;

async fn users_where(reader: &mut Connection, ids: Option<&[i64]>) -> Result<Vec<UserRow>, Fault> {
    let mut addresses = addresses(reader, ids).await?;
    let query = match ids {
        None => sqlx::query(select_users!("")),
        Some(ids) => sqlx::query(select_users!(concat!(" WHERE id ", any_of!("$1")))).bind(any_list(ids)),
    };
    let mut rows = query.fetch(&mut *reader);
    let mut users = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let (primary, aliases) = addresses.remove(&row.try_get::<i64, _>(0)?).unwrap_or_default();
        users.push(user(&row, primary, aliases)?);
    }
    Ok(users)
}

async fn addresses(reader: &mut Connection, ids: Option<&[i64]>) -> Result<Addresses, Fault> {
    let query = match ids {
        None => sqlx::query(select_addresses!("")),
        Some(ids) => sqlx::query(select_addresses!(concat!(" WHERE user_id ", any_of!("$1")))).bind(any_list(ids)),
    };
    let mut rows = query.fetch(&mut *reader);
    let mut addresses = Addresses::new();
    while let Some(row) = rows.try_next().await? {
        let (primary, aliases) = addresses.entry(row.try_get(0)?).or_default();
        match row.try_get::<&str, _>(1)? {
            "primary" => *primary = Some(row.try_get(2)?),
            _ => aliases.push(row.try_get(2)?),
        }
    }
    Ok(addresses)
}

fn user(row: &Row, primary_address: Option<String>, aliases: Vec<String>) -> Result<UserRow, Fault> {
    let state: String = row.try_get(17)?;
    let known = word("rd_users", row.try_get::<i64, _>(0)?, &state, State::parse(&state))?;
    let extra = if known == State::Deleted { Value::Null } else { row.try_get::<Json<Value>, _>(22)?.0 };
    Ok(UserRow {
        id: guid(row, 1)?,
        source: row.try_get(2)?,
        origin: row.try_get(3)?,
        unique_id: row.try_get(4)?,
        dn: row.try_get(5)?,
        username: row.try_get(6)?,
        user_principal_name: row.try_get(7)?,
        primary_address: match known {
            State::Dormant => row.try_get(25)?,
            _ => primary_address,
        },
        aliases,
        display_name: row.try_get(8)?,
        given_name: row.try_get(9)?,
        surname: row.try_get(10)?,
        home_phone: row.try_get(11)?,
        mobile: row.try_get(12)?,
        company: row.try_get(13)?,
        department: row.try_get(14)?,
        notes: row.try_get(15)?,
        role: row.try_get(16)?,
        access: known.access(),
        state,
        pending_reason: row.try_get(18)?,
        flagged_at: moment(row, 19)?,
        delete_after: moment(row, 20)?,
        transferred_to: row.try_get(21)?,
        extra,
        created_at: moment(row, 23)?.unwrap_or_default(),
        updated_at: moment(row, 24)?.unwrap_or_default(),
    })
}

/// Like `roster_memberships`: nothing for people without access.
pub(super) async fn groups_of(database: &Database, user: &str) -> Result<Vec<MembershipRow>, Fault> {
    let Ok(user) = Uuid::try_parse(user) else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT g.uuid, g.name, m.via FROM rd_memberships m JOIN rd_groups g ON g.id = m.group_id \
         JOIN rd_users u ON u.id = m.user_id WHERE u.uuid = $1 AND u.state IN ('active', 'kept') \
         ORDER BY g.name, g.id",
    )
    .bind(to_guid(user))
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| Ok(MembershipRow { group_id: guid(row, 0)?, name: row.try_get(1)?, via: row.try_get(2)? }))
        .collect()
}

pub(super) async fn members_of(database: &Database, group: &str) -> Result<Vec<MemberRow>, Fault> {
    let Ok(group) = Uuid::try_parse(group) else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT u.uuid, u.username, a.address, u.display_name, m.via FROM rd_memberships m \
         JOIN rd_groups g ON g.id = m.group_id JOIN rd_users u ON u.id = m.user_id \
         LEFT JOIN rd_addresses a ON a.user_id = u.id AND a.kind = 'primary' \
         WHERE g.uuid = $1 AND u.state IN ('active', 'kept')",
    )
    .bind(to_guid(group))
    .fetch_all(&mut *database.reader().await?)
    .await?;
    let mut members = rows
        .iter()
        .map(|row| {
            Ok(MemberRow {
                user_id: guid(row, 0)?,
                username: row.try_get(1)?,
                primary_address: row.try_get(2)?,
                display_name: row.try_get(3)?,
                via: row.try_get(4)?,
            })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    members.sort_by_cached_key(|member| {
        let label = member.username.as_deref().or(member.primary_address.as_deref()).unwrap_or_default();
        (fold(label), member.user_id.clone())
    });
    Ok(members)
}
