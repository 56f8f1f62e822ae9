//! What a run needs of the store before it can plan.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::types::Json;

use super::dialect::{Connection, Database, Row, any_list, from_guid};
use super::{digest, time, word};
use crate::clock::Timestamp;
use crate::plan::{Conflict, ConflictId, ConflictKind, GroupId, OpenConflict, StoredMembership, UserRef, Via};
use crate::roster::{
    Account, Address, AddressKey, AddressKind, Digest, FieldId, Former, Index, Known, Origin, PendingReason, State,
    StoredAddress, UniqueId, UserId,
};
use crate::store::bulk::clean;
use crate::store::error::Fault;
use crate::store::{RunId, StoredGroup};

/// Items bound to one statement.
pub(super) const CHUNK: usize = 10_000;

/// Streams narrow rows only: a million of them fit.
pub(super) async fn index(database: &Database, source: &str) -> Result<Index, Fault> {
    let mut reader = database.reader().await?;
    let mut known = Vec::new();
    let mut rows = sqlx::query(
        "SELECT id, unique_id_digest, dn_digest, fingerprint, review_at, state, pending_reason, \
         CASE WHEN waits_since IS NULL THEN delete_after END, origin <> 'directory' FROM rd_users WHERE source = $1 AND unique_id_digest IS NOT NULL",
    )
    .bind(source)
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let id: i64 = row.try_get(0)?;
        let Some(key) = digest(row.try_get(1)?) else { continue };
        let (state, reason): (&str, Option<&str>) = (row.try_get(5)?, row.try_get(6)?);
        known.push(Known {
            id: UserId(id),
            key,
            dn: digest(row.try_get(2)?).unwrap_or_else(|| Digest::of("")),
            fingerprint: digest(row.try_get(3)?),
            review_at: time(row.try_get(4)?),
            state: word("rd_users", id, state, State::parse(state))?,
            reason: pending_reason(id, reason)?,
            delete_after: time(row.try_get(7)?),
            manual: row.try_get(8)?,
        });
    }
    Ok(Index::new(known))
}

fn pending_reason(id: i64, text: Option<&str>) -> Result<Option<PendingReason>, Fault> {
    text.map(|text| word("rd_users", id, text, PendingReason::parse(text))).transpose()
}

pub(super) async fn accounts(database: &Database, ids: &[UserId]) -> Result<Vec<Account>, Fault> {
    let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut reader = database.snapshot().await?;
    let mut accounts = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        accounts_of(&mut reader, chunk, &mut accounts).await?;
    }
    Ok(accounts)
}

pub(super) async fn accounts_of(
    reader: &mut Connection,
    ids: &[i64],
    accounts: &mut Vec<Account>,
) -> Result<(), Fault> {
    let mut addresses: BTreeMap<i64, Vec<StoredAddress>> = BTreeMap::new();
    let mut rows = sqlx::query(concat!(
        "SELECT user_id, address, kind FROM rd_addresses WHERE user_id ",
        any_of!("$1"),
        " ORDER BY user_id, kind DESC, key"
    ))
    .bind(any_list(ids))
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let (id, text, kind): (i64, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let kind = word("rd_addresses", id, kind, AddressKind::parse(kind))?;
        // Written by hand and no address: nobody's run must fail because of it (U9).
        let Some(address) = Address::parse(text) else { continue };
        addresses.entry(id).or_default().push(StoredAddress { address, kind });
    }
    drop(rows);
    let mut rows = sqlx::query(concat!(
        "SELECT id, uuid, source, origin, unique_id, dn, extra, state, pending_reason, reasons_seen, flagged_at, \
         delete_after, waits_since, fingerprint, review_at, username, user_principal_name, display_name, given_name, surname, \
         home_phone, mobile, company, department, notes, former_address, former_username, updated_at, \
         former_unique_id FROM rd_users \
         WHERE id ",
        any_of!("$1"),
        " ORDER BY id"
    ))
    .bind(any_list(ids))
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let id: i64 = row.try_get(0)?;
        accounts.push(account(&row, id, addresses.remove(&id).unwrap_or_default())?);
    }
    Ok(())
}

/// Columns before the fixed fields in [`accounts_of`].
const FIELDS_FROM: usize = 15;

fn account(row: &Row, id: i64, addresses: Vec<StoredAddress>) -> Result<Account, Fault> {
    let (origin, state): (&str, &str) = (row.try_get(3)?, row.try_get(7)?);
    let mut fields = BTreeMap::new();
    for field in FieldId::fixed() {
        if let Some(value) = row.try_get(FIELDS_FROM + field.position())? {
            fields.insert(field, value);
        }
    }
    let seen = row.try_get::<&str, _>(9)?.split_ascii_whitespace();
    let state = word("rd_users", id, state, State::parse(state))?;
    Ok(Account {
        id: UserId(id),
        uuid: from_guid(row.try_get(1)?),
        source: row.try_get(2)?,
        origin: word("rd_users", id, origin, Origin::parse(origin))?,
        key: row.try_get::<Option<&str>, _>(4)?.and_then(UniqueId::new),
        dn: row.try_get(5)?,
        fields,
        extra: row.try_get::<Json<BTreeMap<String, Value>>, _>(6)?.0,
        addresses,
        state,
        reason: pending_reason(id, row.try_get(8)?)?,
        reasons_seen: seen.filter_map(PendingReason::parse).collect(),
        flagged_at: time(row.try_get(10)?),
        delete_after: time(row.try_get(11)?),
        waits_since: time(row.try_get(12)?),
        fingerprint: digest(row.try_get(13)?),
        review_at: time(row.try_get(14)?),
        former: if state.tombstone() { Some(former(row)?) } else { None },
    })
}

fn former(row: &Row) -> Result<Box<Former>, Fault> {
    let at = FIELDS_FROM + FieldId::COLUMNS.len();
    Ok(Box::new(Former {
        address: row.try_get::<Option<&str>, _>(at)?.map(AddressKey::from_stored),
        username: row.try_get(at + 1)?,
        key: row.try_get::<Option<&str>, _>(at + 3)?.and_then(UniqueId::new),
        since: Timestamp::from_millis(row.try_get(at + 2)?),
    }))
}

pub(super) async fn owners(database: &Database, keys: &[AddressKey]) -> Result<Vec<(AddressKey, UserId)>, Fault> {
    let found = pairs(
        database,
        "SELECT EXISTS (SELECT 1 FROM rd_addresses)",
        keys,
        |key| key.as_str().to_owned(),
        concat!("SELECT key, user_id FROM rd_addresses WHERE key ", any_of!("$1"), " ORDER BY key"),
    );
    Ok(found.await?.into_iter().map(|(key, user)| (AddressKey::from_stored(&key), user)).collect())
}

pub(super) async fn name_owners(database: &Database, names: &[String]) -> Result<Vec<(String, UserId)>, Fault> {
    pairs(
        database,
        "SELECT EXISTS (SELECT 1 FROM rd_users)",
        names,
        |name| clean(name).into_owned(),
        concat!(
            "SELECT username_key, id FROM rd_users WHERE username_key ",
            any_of!("$1"),
            " AND state IN ('active', 'kept') ORDER BY username_key, id"
        ),
    )
    .await
}

/// Deleted and dormant users of the source that remember one of these addresses (I5, I6).
pub(super) async fn remembering(database: &Database, source: &str, keys: &[AddressKey]) -> Result<Vec<UserId>, Fault> {
    let mut reader = database.snapshot().await?;
    let mut found = Vec::new();
    for chunk in keys.chunks(CHUNK) {
        let chunk: Vec<&str> = chunk.iter().map(AddressKey::as_str).collect();
        let rows = sqlx::query_scalar(concat!(
            "SELECT id FROM rd_users WHERE former_address ",
            any_of!("$1"),
            " AND source = $2 AND origin = 'directory' AND state IN ('deleted', 'dormant')"
        ));
        let ids: Vec<i64> = rows.bind(any_list(&chunk)).bind(source).fetch_all(&mut *reader).await?;
        found.extend(ids.into_iter().map(UserId));
    }
    Ok(found)
}

/// Pairs that a person called two people (I5).
pub(super) async fn two_people(database: &Database, source: &str) -> Result<BTreeSet<(UserId, UniqueId)>, Fault> {
    let rows = sqlx::query(
        "SELECT user_id, other FROM rd_conflicts WHERE source = $1 AND kind = 'maybe-same-person' \
         AND status = 'ignored' AND user_id IS NOT NULL AND other IS NOT NULL",
    )
    .bind(source)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    let pair = |row: &Row| Ok(UniqueId::new(row.try_get(1)?).map(|other| (UserId(row.get(0)), other)));
    rows.iter().filter_map(|row| pair(row).transpose()).collect()
}

/// Users of the source whom runs after this one added (I5).
pub(super) async fn added_since(database: &Database, source: &str, run: Option<RunId>) -> Result<Vec<UserId>, Fault> {
    // The feed has no index by run, but what stands behind the last change of that run or an earlier one is newer.
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT c.user_id FROM rd_changes c JOIN rd_runs r ON r.id = c.run_id \
         WHERE c.seq > coalesce((SELECT last_seq FROM rd_runs WHERE source = $1 AND id <= $2 AND last_seq IS NOT NULL \
         ORDER BY id DESC LIMIT 1), 0) AND c.kind = 'user.added' AND r.source = $1 AND r.id > $2 ORDER BY c.user_id",
    )
    .bind(source)
    .bind(run.map_or(0, |run| run.0))
    .fetch_all(&mut *database.reader().await?)
    .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Text and user of every row that a statement finds for these texts; a store with nobody in it is not asked.
async fn pairs<T>(
    database: &Database,
    anybody: &'static str,
    items: &[T],
    text: impl Fn(&T) -> String,
    statement: &'static str,
) -> Result<Vec<(String, UserId)>, Fault> {
    let mut reader = database.snapshot().await?;
    let mut found = Vec::new();
    if !sqlx::query_scalar::<_, bool>(anybody).fetch_one(&mut *reader).await? {
        return Ok(found);
    }
    for chunk in items.chunks(CHUNK) {
        let chunk: Vec<String> = chunk.iter().map(&text).collect();
        let mut rows = sqlx::query(statement).bind(any_list(&chunk)).fetch(&mut *reader);
        while let Some(row) = rows.try_next().await? {
            found.push((row.try_get(0)?, UserId(row.try_get(1)?)));
        }
    }
    Ok(found)
}

pub(super) async fn usernames(database: &Database, source: &str) -> Result<Vec<(Digest, UserId)>, Fault> {
    let mut reader = database.reader().await?;
    let mut found = Vec::new();
    let mut rows = sqlx::query(
        // Not `IS NOT NULL`, which tempts SQLite to go through the index on names, row by row.
        "SELECT username_key, id FROM rd_users WHERE source = $1 AND coalesce(username_key, '') <> '' \
         AND state IN ('active', 'kept', 'pending')",
    )
    .bind(source)
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        found.push((Digest::of(row.try_get::<&str, _>(0)?), UserId(row.try_get(1)?)));
    }
    Ok(found)
}

pub(super) async fn groups(database: &Database, source: &str) -> Result<Vec<StoredGroup>, Fault> {
    let rows = sqlx::query(
        "SELECT id, unique_id, dn, name, state, delete_after FROM rd_groups \
         WHERE source = $1 AND origin = 'directory' AND unique_id IS NOT NULL ORDER BY id",
    )
    .bind(source)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            let (id, key, state): (i64, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(4)?);
            Ok(StoredGroup {
                id: GroupId(id),
                key: word("rd_groups", id, key, UniqueId::new(key))?,
                dn: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
                name: row.try_get(3)?,
                state: word("rd_groups", id, state, State::parse(state))?,
                delete_after: time(row.try_get(5)?),
            })
        })
        .collect()
}

/// Sorted: the primary key's order.
/// One row a group: a row a member would cost more to hand over than to find.
pub(super) async fn memberships(database: &Database, source: &str) -> Result<Vec<StoredMembership>, Fault> {
    let mut reader = database.reader().await?;
    let mut found = Vec::new();
    let mut rows = sqlx::query(
        "SELECT m.group_id, string_agg(m.user_id || CASE m.via WHEN 'direct' THEN '' ELSE ' ' || m.via END, ',') \
         FROM rd_memberships m JOIN rd_groups g ON g.id = m.group_id \
         WHERE g.source = $1 AND g.origin = 'directory' AND m.via <> 'local' GROUP BY m.group_id",
    )
    .bind(source)
    .fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let (group, members): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
        for member in members.split(',') {
            found.push(membership(GroupId(group), member)?);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A member in a row of a whole group: the user, and how, unless directly.
fn membership(group: GroupId, text: &str) -> Result<StoredMembership, Fault> {
    let (user, via) = text.split_once(' ').unwrap_or((text, Via::Direct.as_str()));
    let via = word("rd_memberships", group.0, via, Via::parse(via))?;
    let user = word("rd_memberships", group.0, user, user.parse().ok().map(UserId))?;
    Ok(StoredMembership { group, user, via })
}

pub(super) async fn open_conflicts(database: &Database, source: &str) -> Result<Vec<OpenConflict>, Fault> {
    let rows = sqlx::query(
        "SELECT id, kind, subject, user_id, detail, other FROM rd_conflicts \
         WHERE source = $1 AND status = 'open' AND kind <> 'pending-deletion' ORDER BY id",
    )
    .bind(source)
    .fetch_all(&mut *database.reader().await?)
    .await?;
    rows.iter()
        .map(|row| {
            let (id, kind): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            Ok(OpenConflict {
                id: ConflictId(id),
                conflict: Conflict {
                    kind: word("rd_conflicts", id, kind, ConflictKind::parse(kind))?,
                    subject: row.try_get(2)?,
                    owner: row.try_get::<Option<i64>, _>(3)?.map(|user| UserRef::Known(UserId(user))),
                    detail: row.try_get(4)?,
                    other: row.try_get::<Option<&str>, _>(5)?.and_then(UniqueId::new),
                },
            })
        })
        .collect()
}

pub(super) async fn next_deadline(
    database: &Database,
    source: &str,
    after: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let at: Option<i64> = sqlx::query_scalar(
        "SELECT min(at) FROM (SELECT min(delete_after) AS at FROM rd_users \
         WHERE source = $1 AND state = 'pending' AND waits_since IS NULL \
         AND delete_after > $2 UNION ALL \
         SELECT min(review_at) FROM rd_users \
         WHERE source = $1 AND state IN ('active', 'kept', 'pending') AND review_at > $2) AS dates",
    )
    .bind(source)
    .bind(after.millis())
    .fetch_one(&mut *database.reader().await?)
    .await?;
    Ok(time(at))
}
