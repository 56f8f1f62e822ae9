//! Applies groups and who is in them (G1, G2, G6, G8).

use std::collections::HashMap;

use serde_json::json;

use super::write::{Event, Write};
use crate::plan::{GroupAct, GroupChange, GroupId, GroupRef, UserRef};
use crate::roster::{Digest, UserId};
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;
use crate::store::{Stamp, new_uuid};

/// Everything that happens in one transaction, by statement.
struct Batch<'a> {
    users: &'a HashMap<Digest, UserId>,
    added: Rows,
    updated: Rows,
    states: Rows,
    joins: Rows,
    leaves: Rows,
    emptied: Rows,
    newcomers: Vec<(Digest, GroupId)>,
}

/// Applies the changes; returns the rows of those added.
pub(super) async fn apply(
    write: &mut Write,
    stamp: Stamp<'_>,
    changes: &[GroupChange],
    users: &HashMap<Digest, UserId>,
) -> Result<Vec<(Digest, GroupId)>, Fault> {
    let mut batch = Batch {
        users,
        added: Rows::new(8),
        updated: Rows::new(4),
        states: Rows::new(5),
        joins: Rows::new(2),
        leaves: Rows::new(2),
        emptied: Rows::new(1),
        newcomers: Vec::new(),
    };
    for change in changes {
        batch.gather(write, stamp, change)?;
    }
    batch.run(write).await
}

impl Batch<'_> {
    fn gather(&mut self, write: &mut Write, stamp: Stamp<'_>, change: &GroupChange) -> Result<(), Fault> {
        let id = match (change.subject, change.acts.first()) {
            (GroupRef::Known(group), _) => group.0,
            (GroupRef::New(digest), Some(GroupAct::Added { .. })) => {
                let id = write.next_group();
                self.newcomers.push((digest, GroupId(id)));
                id
            }
            (GroupRef::New(_), _) => {
                return Err(Fault::inconsistent(
                    "rd_groups",
                    &change.name,
                    "a new group is changed before being added",
                ));
            }
        };
        for act in &change.acts {
            let (before, after) = act.before_after();
            let (kind, rule) = (act.event(), act.rule());
            write.record(stamp, Event { kind, rule, user: None, group: Some(id), before, after, counted: None });
            self.act(id, act, stamp);
        }
        for user in &change.leaves {
            self.leaves.add([id.into(), user.0.into()]);
            write.record(stamp, membership("membership.removed", "G8", id, user.0));
        }
        for user in &change.joins {
            let user = self.user(user, &change.name)?;
            self.joins.add([id.into(), user.into()]);
            write.record(stamp, membership("membership.added", "G1", id, user));
        }
        Ok(())
    }

    fn user(&self, user: &UserRef, group: &str) -> Result<i64, Fault> {
        match user {
            UserRef::Known(user) => Ok(user.0),
            UserRef::New(digest) => {
                let missing = || Fault::inconsistent("rd_groups", group, "somebody joins who was not added before");
                self.users.get(digest).map(|user| user.0).ok_or_else(missing)
            }
        }
    }

    fn act(&mut self, id: i64, act: &GroupAct, stamp: Stamp<'_>) {
        let now = || Cell::time(Some(stamp.at));
        match act {
            GroupAct::Added { key, dn, name } => self.added.add([
                id.into(),
                new_uuid().into(),
                stamp.source.into(),
                key.as_str().into(),
                dn.as_ref().into(),
                name.as_ref().into(),
                now(),
                now(),
            ]),
            GroupAct::Updated { name, dn } => {
                self.updated.add([id.into(), name.1.as_ref().into(), dn.1.as_ref().into(), now()]);
            }
            GroupAct::Flagged { flagged_at, delete_after } => {
                let (at, due) = (Cell::time(Some(*flagged_at)), Cell::time(*delete_after));
                self.states.add([id.into(), "pending".into(), at, due, now()]);
            }
            GroupAct::Restored { .. } => {
                self.states.add([id.into(), "active".into(), Cell::Int(None), Cell::Int(None), now()]);
            }
            GroupAct::Deleted => {
                self.states.add([id.into(), "deleted".into(), Cell::Int(None), Cell::Int(None), now()]);
                self.emptied.add([id.into()]);
            }
        }
    }

    async fn run(self, write: &mut Write) -> Result<Vec<(Digest, GroupId)>, Fault> {
        write.bulk("DELETE FROM rd_memberships WHERE (group_id, user_id) IN (", self.leaves, ")").await?;
        write.bulk("DELETE FROM rd_memberships WHERE group_id IN (", self.emptied, ")").await?;
        write
            .bulk(
                "INSERT INTO rd_groups (id, uuid, source, unique_id, dn, name, created_at, updated_at)",
                self.added,
                "",
            )
            .await?;
        write
            .bulk(
                "UPDATE rd_groups SET name = v.column2, dn = v.column3, updated_at = v.column4 FROM (",
                self.updated,
                BY_ID,
            )
            .await?;
        write
            .bulk(
                "UPDATE rd_groups SET state = v.column2, flagged_at = v.column3, delete_after = v.column4, \
                 updated_at = v.column5 FROM (",
                self.states,
                BY_ID,
            )
            .await?;
        // Somebody may have written the same membership by hand meanwhile.
        write.bulk("INSERT INTO rd_memberships (group_id, user_id)", self.joins, "ON CONFLICT DO NOTHING").await?;
        Ok(self.newcomers)
    }
}

const BY_ID: &str = ") AS v WHERE rd_groups.id = v.column1";

fn membership(kind: &'static str, rule: &'static str, group: i64, user: i64) -> Event {
    let via = Some(json!({ "via": "direct" }));
    let (before, after) = if kind == "membership.added" { (None, via) } else { (via, None) };
    Event { kind, rule, user: Some(user), group: Some(group), before, after, counted: None }
}
