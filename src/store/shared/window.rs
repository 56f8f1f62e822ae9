//! What the brake compares losses with: what people had who had access when its window began (B1).

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::counted;
use super::dialect::{Connection, Database, Row, any_list};
use super::views::document;
use crate::clock::Timestamp;
use crate::plan::{AliasWindow, BrakeKind, GroupId, MembershipWindow, RightsBefore};
use crate::roster::{AddressKey, UserId};
use crate::store::RecentDepartures;
use crate::store::error::Fault;

/// Changes since a moment: the feed ascends in time, so what is older is found from its end.
macro_rules! since {
    () => {
        "c.seq > coalesce((SELECT seq FROM rd_changes WHERE at < $2 ORDER BY seq DESC LIMIT 1), 0)"
    };
}
/// Users of the source who had access at that moment, given who lost it ($3) and who gained it ($4) since.
macro_rules! had_access {
    () => {
        concat!(
            "u.source = $1 AND u.origin = 'directory' AND u.created_at < $2 AND (u.id ",
            any_of!("$3"),
            " OR (u.state IN ('active', 'kept') AND NOT (u.id ",
            any_of!("$4"),
            ")))"
        )
    };
}

fn ids(users: &std::collections::BTreeSet<UserId>) -> Vec<i64> {
    users.iter().map(|user| user.0).collect()
}

/// When the first run ended well that read users, since anybody came in.
pub(super) async fn first_end(
    database: &Database,
    source: &str,
    since: Timestamp,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let at: Option<Option<i64>> = sqlx::query_scalar(concat!(
        "SELECT r.finished_at FROM rd_runs r WHERE r.source = $1 AND r.outcome IN ('ok', 'held') \
         AND r.action IN ('users', 'all') AND r.finished_at <= $3 AND r.id >= (SELECT c.run_id FROM rd_changes c JOIN rd_users u \
         ON u.id = c.user_id WHERE ",
        since!(),
        " AND c.kind IN ('user.added', 'user.revived') AND c.run_id IS NOT NULL AND u.source = $1 \
         ORDER BY c.seq LIMIT 1) ORDER BY r.id LIMIT 1"
    ))
    .bind(source)
    .bind(since.millis())
    .bind(now.millis())
    .fetch_optional(&mut *database.reader().await?)
    .await?;
    Ok(super::time(at.flatten()))
}

/// What was lost since a moment, and counted under a kind: user, group, and what there was before.
async fn losses(snapshot: &mut Connection, source: &str, since: Timestamp, kind: BrakeKind) -> Result<Vec<Row>, Fault> {
    let losses = sqlx::query(concat!(
        "SELECT c.user_id, c.group_id, c.before FROM rd_changes c JOIN rd_users u ON u.id = c.user_id WHERE ",
        since!(),
        " AND c.counted = $3 AND u.source = $1"
    ));
    Ok(losses.bind(source).bind(since.millis()).bind(kind.as_str()).fetch_all(&mut *snapshot).await?)
}

pub(super) async fn aliases(
    database: &Database,
    source: &str,
    since: Timestamp,
    recent: &RecentDepartures,
) -> Result<AliasWindow, Fault> {
    let mut snapshot = database.snapshot().await?;
    let mut window = AliasWindow::default();
    for row in &losses(&mut snapshot, source, since, BrakeKind::Aliases).await? {
        let (user, before) = (row.try_get(0)?, document(row, 2)?);
        let address = before.as_ref().and_then(|before| before.get("address")?.as_str());
        let key = address.and_then(crate::roster::Address::parse).map(|address| address.key());
        window.lost.extend(key.map(|key: AddressKey| (UserId(user), key)));
    }
    let had: i64 = sqlx::query_scalar(concat!(
        "SELECT (SELECT count(*) FROM rd_addresses a JOIN rd_users u ON u.id = a.user_id WHERE a.kind = 'alias' AND ",
        had_access!(),
        ") + (SELECT coalesce(sum(CASE c.kind WHEN 'alias.removed' THEN 1 ELSE -1 END), 0) FROM rd_changes c \
         JOIN rd_users u ON u.id = c.user_id WHERE c.kind IN ('alias.added', 'alias.removed') AND ",
        since!(),
        " AND ",
        had_access!(),
        ")"
    ))
    .bind(source)
    .bind(since.millis())
    .bind(any_list(&ids(&recent.lost)))
    .bind(any_list(&ids(&recent.gained)))
    .fetch_one(&mut *snapshot)
    .await?;
    window.had = counted(had);
    if window.had == 0 {
        let now: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM rd_addresses a JOIN rd_users u ON u.id = a.user_id WHERE a.kind = 'alias' \
             AND u.source = $1 AND u.origin = 'directory' AND u.state IN ('active', 'kept')",
        )
        .bind(source)
        .fetch_one(&mut *snapshot)
        .await?;
        window.had = counted(now) + window.lost.len() as u64;
    }
    Ok(window)
}

pub(super) async fn memberships(
    database: &Database,
    source: &str,
    since: Timestamp,
    recent: &RecentDepartures,
) -> Result<MembershipWindow, Fault> {
    let mut snapshot = database.snapshot().await?;
    let mut window = MembershipWindow::default();
    for row in &losses(&mut snapshot, source, since, BrakeKind::Memberships).await? {
        window.lost.insert((GroupId(row.try_get(1)?), UserId(row.try_get(0)?)));
    }
    let mut had: BTreeMap<GroupId, i64> = BTreeMap::new();
    for statement in [
        concat!(
            "SELECT m.group_id, count(*) FROM rd_memberships m JOIN rd_groups g ON g.id = m.group_id \
             JOIN rd_users u ON u.id = m.user_id WHERE g.source = $1 AND m.via <> 'local' AND ",
            had_access!(),
            " GROUP BY m.group_id"
        ),
        concat!(
            "SELECT c.group_id, sum(CASE c.kind WHEN 'membership.removed' THEN 1 ELSE -1 END) FROM rd_changes c \
             JOIN rd_groups g ON g.id = c.group_id JOIN rd_users u ON u.id = c.user_id WHERE g.source = $1 \
             AND c.kind IN ('membership.added', 'membership.removed') AND ",
            since!(),
            " AND ",
            had_access!(),
            " GROUP BY c.group_id"
        ),
    ] {
        let rows = sqlx::query(statement)
            .bind(source)
            .bind(since.millis())
            .bind(any_list(&ids(&recent.lost)))
            .bind(any_list(&ids(&recent.gained)))
            .fetch_all(&mut *snapshot)
            .await?;
        for row in &rows {
            *had.entry(GroupId(row.try_get(0)?)).or_default() += row.try_get::<i64, _>(1)?;
        }
    }
    window.had = had.into_iter().map(|(group, many)| (group, counted(many))).collect();
    let rows = sqlx::query(
        "SELECT m.group_id, count(*) FROM rd_memberships m JOIN rd_groups g ON g.id = m.group_id \
         JOIN rd_users u ON u.id = m.user_id WHERE g.source = $1 AND m.via <> 'local' \
         AND u.origin = 'directory' AND u.state IN ('active', 'kept') GROUP BY m.group_id",
    )
    .bind(source)
    .fetch_all(&mut *snapshot)
    .await?;
    for row in &rows {
        window.now.insert(GroupId(row.try_get(0)?), counted(row.try_get(1)?));
    }
    Ok(window)
}

/// What is known of the roles and grants of those whose rights changed since a moment.
pub(super) async fn rights(
    database: &Database,
    source: &str,
    since: Timestamp,
) -> Result<BTreeMap<UserId, RightsBefore>, Fault> {
    let rows = sqlx::query(concat!(
        "SELECT c.user_id, c.kind, c.before, c.after FROM rd_changes c JOIN rd_users u ON u.id = c.user_id WHERE ",
        since!(),
        " AND c.kind IN ('role.changed', 'grant.added', 'grant.removed') AND u.source = $1 AND u.created_at < $2 \
         ORDER BY c.seq"
    ))
    .bind(source)
    .bind(since.millis())
    .fetch_all(&mut *database.reader().await?)
    .await?;
    let mut rights: BTreeMap<UserId, RightsBefore> = BTreeMap::new();
    for row in &rows {
        let one = rights.entry(UserId(row.try_get(0)?)).or_default();
        let (before, after) = (document(row, 2)?, document(row, 3)?);
        let text = |value: &Option<serde_json::Value>, key: &str| -> Option<Box<str>> {
            Some(value.as_ref()?.get(key)?.as_str()?.into())
        };
        // The first change tells what was before it.
        match row.try_get::<&str, _>(1)? {
            "role.changed" => _ = one.role.get_or_insert_with(|| text(&before, "role")),
            _ if [&before, &after].iter().any(|side| text(side, "via").as_deref() == Some("local")) => {}
            kind => {
                let privilege = text(&before, "privilege").or_else(|| text(&after, "privilege"));
                privilege.into_iter().for_each(|name| _ = one.grants.entry(name).or_insert(kind == "grant.removed"));
            }
        }
    }
    Ok(rights)
}
