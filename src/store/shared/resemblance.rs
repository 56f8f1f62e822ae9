//! What a person says about two who may be one (I5): one row lives on, or the question is never asked again.

use serde_json::json;
use sqlx::Row as _;
use sqlx::types::Json;

use super::dialect::Database;
use super::handover::Holding;
use super::write::{Event, Write};
use crate::plan::{ConflictId, ConflictKind};
use crate::roster::{State, UniqueId};
use crate::store::Stamp;
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;

/// The open question, as the store has it.
struct Question {
    id: i64,
    subject: String,
    detail: String,
    old: i64,
    newcomer: UniqueId,
}

pub(super) async fn settle(
    database: &Database,
    stamp: Stamp<'_>,
    conflict: ConflictId,
    one_person: bool,
) -> Result<bool, Fault> {
    let mut write = Write::begin(database, stamp.leases).await?;
    let row = sqlx::query(
        "SELECT subject, detail, user_id, other FROM rd_conflicts WHERE id = $1 AND kind = 'maybe-same-person' \
         AND status = 'open' AND user_id IS NOT NULL AND other IS NOT NULL",
    )
    .bind(conflict.0)
    .fetch_optional(write.connection())
    .await?;
    let Some(row) = row else { return Ok(false) };
    let newcomer: &str = row.try_get(3)?;
    let unfit = || Fault::inconsistent("rd_conflicts", conflict.0, "its newcomer has no unique id");
    let question = Question {
        id: conflict.0,
        subject: row.try_get(0)?,
        detail: row.try_get(1)?,
        old: row.try_get(2)?,
        newcomer: UniqueId::new(newcomer).ok_or_else(unfit)?,
    };
    if one_person {
        question.unite(&mut write, stamp).await?;
    }
    question.close(&mut write, stamp, if one_person { "resolved" } else { "ignored" }).await?;
    write.statements.changed();
    write.commit().await?;
    Ok(true)
}

impl Question {
    /// The old row bears the newcomer's unique id; a newcomer who is in hands everything over and leaves a tombstone.
    async fn unite(&self, write: &mut Write, stamp: Stamp<'_>) -> Result<(), Fault> {
        let row = sqlx::query("SELECT unique_id, state FROM rd_users WHERE id = $1")
            .bind(self.old)
            .fetch_one(write.connection())
            .await?;
        let (before, state): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
        let interim = sqlx::query("SELECT id, state, extra FROM rd_users WHERE source = $1 AND unique_id = $2")
            .bind(stamp.source)
            .bind(self.newcomer.as_str())
            .fetch_optional(write.connection())
            .await?;
        if let Some(row) = &interim {
            sqlx::query("UPDATE rd_users SET unique_id = NULL, unique_id_digest = NULL WHERE id = $1")
                .bind(row.try_get::<i64, _>(0)?)
                .execute(write.connection())
                .await?;
        }
        sqlx::query(
            "UPDATE rd_users SET unique_id = $2, unique_id_digest = $3, fingerprint = NULL, updated_at = CASE state \
             WHEN 'deleted' THEN updated_at ELSE $4 END WHERE id = $1",
        )
        .bind(self.old)
        .bind(self.newcomer.as_str())
        .bind(self.newcomer.digest().to_bytes().to_vec())
        .bind(stamp.at.millis())
        .execute(write.connection())
        .await?;
        self.record(
            (write, stamp),
            ("user.relinked", self.old),
            (json!({ "unique_id": before, "state": state }), json!({ "unique_id": self.newcomer.as_str() })),
        );
        if let Some(row) = interim {
            let (interim, state): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            // Somebody deleted has nothing to hand over; a new entry brings the old user back with the next run.
            if State::parse(&state) == Some(State::Deleted) {
                return Ok(());
            }
            let extra: Json<serde_json::Value> = row.try_get(2)?;
            // Before anything of the interim user's is the old one's, so that a reader finds everything with one bearer.
            let (was, now) = (json!({ "state": state }), json!({ "state": "deleted" }));
            self.record((write, stamp), ("user.deleted", interim), (was, now));
            let before = Holding::of(write.connection(), self.old).await?;
            self.hand_over(write, stamp, interim, extra.0).await?;
            let after = Holding::of(write.connection(), self.old).await?;
            before.tell(&after, &mut write.ledger, stamp);
        }
        Ok(())
    }

    async fn hand_over(
        &self,
        write: &mut Write,
        stamp: Stamp<'_>,
        interim: i64,
        extra: serde_json::Value,
    ) -> Result<(), Fault> {
        for statement in HAND_OVER {
            sqlx::query(*statement).bind(self.old).bind(interim).execute(write.connection()).await?;
        }
        let mut patch = Rows::new(2);
        patch.add([self.old.into(), Cell::json(Some(extra))]);
        write
            .statements
            .bulk(
                concat!("UPDATE rd_users SET extra = ", merged!("rd_users.extra", "v.column2"), " FROM ("),
                patch,
                ") AS v WHERE rd_users.id = v.column1",
            )
            .await?;
        sqlx::query("UPDATE rd_users SET updated_at = $2 WHERE id = $1 OR id = $3")
            .bind(self.old)
            .bind(stamp.at.millis())
            .bind(interim)
            .execute(write.connection())
            .await?;
        Ok(())
    }

    async fn close(&self, write: &mut Write, stamp: Stamp<'_>, status: &'static str) -> Result<(), Fault> {
        sqlx::query("UPDATE rd_conflicts SET status = $2, closed_at = $3 WHERE id = $1")
            .bind(self.id)
            .bind(status)
            .bind(stamp.at.millis())
            .execute(write.connection())
            .await?;
        let kind = ConflictKind::MaybeSamePerson.as_str();
        let was = json!({ "kind": kind, "subject": self.subject, "detail": self.detail });
        self.record((write, stamp), ("conflict.resolved", self.old), (was, json!({ "status": status })));
        Ok(())
    }

    fn record(
        &self,
        (write, stamp): (&mut Write, Stamp<'_>),
        (kind, user): (&'static str, i64),
        (before, after): (serde_json::Value, serde_json::Value),
    ) {
        let (before, after) = (Some(before), Some(after));
        let event = Event { kind, rule: "I5", user: Some(user), group: None, before, after, counted: None };
        write.ledger.record(stamp, event);
    }
}

/// Everything that hangs on the interim user ($2) hangs on the old one ($1) afterwards, who is as the interim one was;
/// of the interim one a tombstone is left that nothing recognises, and that says who it is now.
const HAND_OVER: &[&str] = &[
    "UPDATE rd_users SET (state, pending_reason, flagged_at, delete_after, waits_since, reasons_seen, dn, dn_digest, username, \
     username_key, user_principal_name, display_name, given_name, surname, home_phone, mobile, company, department, \
     notes, role) = (SELECT i.state, i.pending_reason, i.flagged_at, i.delete_after, i.waits_since, i.reasons_seen, i.dn, i.dn_digest, \
     i.username, i.username_key, i.user_principal_name, i.display_name, i.given_name, i.surname, i.home_phone, \
     i.mobile, i.company, i.department, i.notes, coalesce(i.role, rd_users.role) FROM rd_users i WHERE i.id = $2), \
     former_address = NULL, former_username = NULL, transferred_to = NULL, review_at = NULL WHERE id = $1",
    "DELETE FROM rd_addresses WHERE user_id = $1 AND user_id <> $2",
    "UPDATE rd_addresses SET user_id = $1 WHERE user_id = $2",
    "DELETE FROM rd_memberships WHERE user_id = $2 AND group_id IN (SELECT group_id FROM rd_memberships WHERE \
     user_id = $1)",
    "UPDATE rd_memberships SET user_id = $1 WHERE user_id = $2",
    "DELETE FROM rd_rules WHERE user_id = $2 AND pattern IN (SELECT pattern FROM rd_rules WHERE user_id = $1)",
    "UPDATE rd_rules SET user_id = $1 WHERE user_id = $2",
    "DELETE FROM rd_grants WHERE user_id = $2 AND EXISTS (SELECT 1 FROM rd_grants g WHERE g.user_id = $1 \
     AND g.privilege = rd_grants.privilege AND (g.group_key IS NULL) = (rd_grants.group_key IS NULL))",
    "UPDATE rd_grants SET user_id = $1 WHERE user_id = $2",
    "UPDATE rd_conflicts SET status = 'resolved' WHERE user_id = $1 AND user_id <> $2 AND kind = 'pending-deletion' \
     AND status <> 'resolved'",
    "UPDATE rd_conflicts SET user_id = $1 WHERE user_id = $2 AND status <> 'resolved'",
    "UPDATE rd_users SET state = 'deleted', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '', former_address = NULL, former_username = NULL, dn = NULL, dn_digest = NULL, username = NULL, \
     username_key = NULL, user_principal_name = NULL, display_name = NULL, given_name = NULL, surname = NULL, \
     home_phone = NULL, mobile = NULL, company = NULL, department = NULL, notes = NULL, role = NULL, extra = '{}', \
     fingerprint = NULL, review_at = NULL, transferred_to = (SELECT CAST(o.uuid AS text) FROM rd_users o \
     WHERE o.id = $1) WHERE id = $2",
];
