//! The `pending-deletion` conflict that goes with a flag (L2).

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::dialect::any_list;
use super::write::Statements;
use crate::clock::Timestamp;
use crate::roster::PendingReason;
use crate::store::Stamp;
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;

/// A row of the `pending-deletion` conflict.
pub(super) struct Flag {
    pub user: i64,
    pub subject: Box<str>,
    pub detail: String,
    pub due_at: Option<Timestamp>,
}

/// Opens `pending-deletion` for people who are flagged, or brings the open one up to date.
pub(super) async fn open_flags(write: &mut Statements, stamp: Stamp<'_>, flags: Vec<Flag>) -> Result<(), Fault> {
    if flags.is_empty() {
        return Ok(());
    }
    let users: Vec<i64> = flags.iter().map(|flag| flag.user).collect();
    let rows = sqlx::query(concat!(
        "SELECT user_id, id FROM rd_conflicts WHERE kind = 'pending-deletion' AND status <> 'resolved' \
         AND user_id ",
        any_of!("$1")
    ))
    .bind(any_list(&users))
    .fetch_all(write.connection())
    .await?;
    let open: BTreeMap<i64, i64> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
    let (mut opened, mut updated) = (Rows::new(9), Rows::new(4));
    for flag in flags {
        let (subject, detail, due) =
            (flag.subject.as_ref().into(), flag.detail.as_str().into(), Cell::time(flag.due_at));
        match open.get(&flag.user) {
            Some(conflict) => updated.add([(*conflict).into(), subject, detail, due]),
            None => opened.add([
                write.next_conflict().into(),
                stamp.source.into(),
                "pending-deletion".into(),
                subject,
                flag.user.into(),
                detail,
                Cell::time(Some(stamp.at)),
                due,
                "open".into(),
            ]),
        }
    }
    write
        .bulk(
            "INSERT INTO rd_conflicts (id, source, kind, subject, user_id, detail, opened_at, due_at, status)",
            opened,
            "",
        )
        .await?;
    write
        .bulk(
            "UPDATE rd_conflicts SET subject = v.column2, detail = v.column3, due_at = v.column4, status = 'open' FROM (",
            updated,
            ") AS v WHERE rd_conflicts.id = v.column1",
        )
        .await
}

/// How a flag ends.
#[derive(Clone, Copy)]
pub(super) enum FlagEnd {
    /// The user is back, or deleted.
    Resolved,
    /// Kept on purpose: it stays in sight as ignored, until the user is active again or deleted (L8).
    Ignored,
}

/// Ends the open flags of people; one that was ignored is resolved, too, when the user is back or deleted.
pub(super) async fn end_flags(write: &mut Statements, at: Timestamp, users: &[i64], end: FlagEnd) -> Result<(), Fault> {
    if users.is_empty() {
        return Ok(());
    }
    let status = match end {
        FlagEnd::Resolved => "resolved",
        FlagEnd::Ignored => "ignored",
    };
    sqlx::query(concat!(
        "UPDATE rd_conflicts SET status = $3, closed_at = $2 WHERE kind = 'pending-deletion' \
         AND status NOT IN ($3, 'resolved') AND user_id ",
        any_of!("$1")
    ))
    .bind(any_list(users))
    .bind(at.millis())
    .bind(status)
    .execute(write.connection())
    .await?;
    Ok(())
}

/// Why, until when, and the two ways out.
pub(super) fn flag_detail(label: &str, reason: PendingReason, due: Option<Timestamp>, detail: &str) -> String {
    let because = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let end = due.map_or_else(|| "is never deleted".to_owned(), |due| format!("is deleted on {due}"));
    if reason == PendingReason::SourceRemoved {
        return format!("{label} has no access: {reason}{because}; no directory is read for it any more, and it {end}");
    }
    format!(
        "{label} has no access: {reason}{because}; comes back when the directory shows the person enabled and in \
         scope again, and otherwise {end}"
    )
}
