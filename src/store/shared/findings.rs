//! Conflicts, and what was skipped: both as they are after the run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;
use sqlx::Row as _;

use super::dialect::{Connection, Database, any_list};
use super::word;
use super::write::{Event, Write};
use crate::plan::{Conflict, ConflictId, ConflictKind, UserRef};
use crate::roster::{Digest, Skip, UniqueId, UserId};
use crate::store::Stamp;
use crate::store::bulk::{Cell, Rows, clean};
use crate::store::error::Fault;

/// What [`apply`] writes.
pub(super) struct Findings<'a> {
    pub opened: &'a [Conflict],
    pub resolved: &'a [ConflictId],
    pub skips: &'a [Skip],
    pub added: &'a HashMap<Digest, UserId>,
}

pub(super) async fn apply(database: &Database, stamp: Stamp<'_>, findings: Findings<'_>) -> Result<(), Fault> {
    let mut write = Write::begin(database, stamp.leases).await?;
    resolve(&mut write, stamp, findings.resolved).await?;
    open(&mut write, stamp, &findings).await?;
    skip(&mut write, stamp, findings.skips).await?;
    write.commit_if_changed().await
}

fn rule(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::PendingDeletion => "L2",
        ConflictKind::AddressTaken => "A4",
        ConflictKind::UsernameTaken => "U7",
        ConflictKind::MaybeSamePerson => "I5",
        ConflictKind::DuplicateId => "I7",
        ConflictKind::Overlap => "I8",
    }
}

/// An open conflict as the store has it.
struct Open {
    id: i64,
    kind: ConflictKind,
    subject: String,
    user: Option<i64>,
    detail: String,
}

async fn open_now(connection: &mut Connection, source: &str) -> Result<Vec<Open>, Fault> {
    let rows = sqlx::query(
        "SELECT id, kind, subject, user_id, detail FROM rd_conflicts \
         WHERE source = $1 AND status = 'open' AND kind <> 'pending-deletion'",
    )
    .bind(source)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let (id, kind): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            let kind = word("rd_conflicts", id, kind, ConflictKind::parse(kind))?;
            Ok(Open { id, kind, subject: row.try_get(2)?, user: row.try_get(3)?, detail: row.try_get(4)? })
        })
        .collect()
}

async fn resolve(write: &mut Write, stamp: Stamp<'_>, resolved: &[ConflictId]) -> Result<(), Fault> {
    if resolved.is_empty() {
        return Ok(());
    }
    let resolved: BTreeSet<i64> = resolved.iter().map(|id| id.0).collect();
    let mut ids = Vec::new();
    for open in open_now(write.connection(), stamp.source).await? {
        if resolved.contains(&open.id) {
            ids.push(open.id);
            write.ledger.record(
                stamp,
                Event {
                    kind: "conflict.resolved",
                    rule: rule(open.kind),
                    user: open.user,
                    group: None,
                    before: Some(json!({ "kind": open.kind.as_str(), "subject": open.subject, "detail": open.detail })),
                    after: None,
                    counted: None,
                },
            );
        }
    }
    sqlx::query(concat!("UPDATE rd_conflicts SET status = 'resolved', closed_at = $2 WHERE id ", any_of!("$1")))
        .bind(any_list(&ids))
        .bind(stamp.at.millis())
        .execute(write.connection())
        .await?;
    Ok(())
}

/// Opens what is not open yet; an open one whose owner or words differ is brought up to date without an event.
async fn open(write: &mut Write, stamp: Stamp<'_>, findings: &Findings<'_>) -> Result<(), Fault> {
    let wanted: BTreeMap<(ConflictKind, String), &Conflict> = findings
        .opened
        .iter()
        .filter(|conflict| conflict.kind != ConflictKind::PendingDeletion)
        .map(|conflict| ((conflict.kind, clean(&conflict.subject).into_owned()), conflict))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let open: BTreeMap<_, _> = open_now(write.connection(), stamp.source)
        .await?
        .into_iter()
        .map(|open| ((open.kind, open.subject), (open.id, open.user, open.detail)))
        .collect();
    let (mut opened, mut updated) = (Rows::new(9), Rows::new(4));
    for ((kind, subject), conflict) in wanted {
        let user = owner(conflict, findings.added)?;
        let detail = clean(&conflict.detail).into_owned();
        let other = conflict.other.as_ref().map(UniqueId::as_str);
        match open.get(&(kind, subject.clone())) {
            Some((_, had, words)) if *had == user && *words == detail => (),
            Some((id, ..)) => updated.add([(*id).into(), Cell::Int(user), detail.as_str().into(), other.into()]),
            None => {
                let after = json!({ "kind": kind.as_str(), "subject": subject, "detail": detail });
                opened.add([
                    write.statements.next_conflict().into(),
                    stamp.source.into(),
                    kind.as_str().into(),
                    subject.as_str().into(),
                    Cell::Int(user),
                    detail.as_str().into(),
                    Cell::time(Some(stamp.at)),
                    "open".into(),
                    other.into(),
                ]);
                let (before, after) = (None, Some(after));
                let (kind, rule) = ("conflict.opened", rule(kind));
                write.ledger.record(stamp, Event { kind, rule, user, group: None, before, after, counted: None });
            }
        }
    }
    write
        .statements
        .bulk(
            "INSERT INTO rd_conflicts (id, source, kind, subject, user_id, detail, opened_at, status, other)",
            opened,
            "",
        )
        .await?;
    write
        .statements
        .bulk(
            "UPDATE rd_conflicts SET user_id = v.column2, detail = v.column3, other = v.column4 FROM (",
            updated,
            ") AS v WHERE rd_conflicts.id = v.column1",
        )
        .await
}

fn owner(conflict: &Conflict, added: &HashMap<Digest, UserId>) -> Result<Option<i64>, Fault> {
    match conflict.owner {
        None => Ok(None),
        Some(UserRef::Known(user)) => Ok(Some(user.0)),
        Some(UserRef::New(digest)) => {
            let missing = || Fault::inconsistent("rd_conflicts", &conflict.subject, "its owner was not added before");
            added.get(&digest).map(|user| Some(user.0)).ok_or_else(missing)
        }
    }
}

/// Makes `roster_skipped` of the source equal the skips, writing only what differs.
async fn skip(write: &mut Write, stamp: Stamp<'_>, skips: &[Skip]) -> Result<(), Fault> {
    let mut wanted: BTreeSet<[String; 5]> = skips.iter().map(skip_key).collect();
    let rows =
        sqlx::query("SELECT id, dn, coalesce(unique_id, ''), reason, rule, detail FROM rd_skipped WHERE source = $1")
            .bind(stamp.source)
            .fetch_all(write.connection())
            .await?;
    let mut gone = Rows::new(1);
    for row in &rows {
        let key = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        if !wanted.remove(&key) {
            gone.add([row.try_get::<i64, _>(0)?.into()]);
        }
    }
    let mut new = Rows::new(7);
    for [dn, unique_id, reason, rule, detail] in wanted {
        new.add([
            stamp.source.into(),
            dn.as_str().into(),
            Some(unique_id.as_str()).filter(|id| !id.is_empty()).into(),
            reason.as_str().into(),
            rule.as_str().into(),
            detail.as_str().into(),
            Cell::time(Some(stamp.at)),
        ]);
    }
    write.statements.bulk("DELETE FROM rd_skipped WHERE id IN (", gone, ")").await?;
    write
        .statements
        .bulk("INSERT INTO rd_skipped (source, dn, unique_id, reason, rule, detail, seen_at)", new, "")
        .await
}

fn skip_key(skip: &Skip) -> [String; 5] {
    let unique_id = skip.unique_id.as_deref().unwrap_or_default();
    [&skip.dn, unique_id, &skip.reason, &skip.rule, &skip.detail].map(|text| clean(text).into_owned())
}
