//! Applies groups and who is in them (G1, G2, G4-G6, G8).

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::rights;
use super::write::{Event, Ledger, Statements, Write, no_events};
use crate::plan::{BrakeKind, GroupAct, GroupChange, GroupId, GroupRef, UserRef, Via};
use crate::roster::{Digest, UserId};
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;
use crate::store::{Stamp, new_uuid};

/// Changes in one part: a few statements of full size, and little memory.
const PART: usize = 2_048;
/// Memberships made ready before the database is looked after again.
const STEP: usize = 20;

/// Some of the changes of the groups, by statement.
struct Batch {
    added: Rows,
    updated: Rows,
    states: Rows,
    joins: Rows,
    leaves: Rows,
    changed: Rows,
    emptied: Rows,
    made: Rows,
    events: Rows,
}

/// Makes changes ready, part by part.
struct Parts<'a> {
    stamp: Stamp<'a>,
    /// Ids of groups that were mapped before they are added, by unique id.
    mapped: HashMap<String, Uuid>,
    users: &'a HashMap<Digest, UserId>,
    changes: std::slice::Iter<'a, GroupChange>,
    /// The group that was begun: its row, its name, and whose memberships are still to be written.
    open: Option<Open<'a>>,
    newcomers: Vec<(Digest, GroupId)>,
}

struct Open<'a> {
    id: i64,
    leaves: &'a [(UserId, Via)],
    counted: &'a [UserId],
    /// In the order of their rows, so that the table grows at its end.
    joins: std::vec::IntoIter<(i64, Via)>,
    changed: &'a [(UserId, Via, Via)],
}

/// Applies the changes, part by part; returns the rows of those added.
///
/// While the database works on one part, the next one is made ready.
pub(super) async fn apply(
    write: &mut Write,
    stamp: Stamp<'_>,
    changes: &[GroupChange],
    users: &HashMap<Digest, UserId>,
) -> Result<Vec<(Digest, GroupId)>, Fault> {
    let added = |change: &GroupChange| matches!(change.acts.first(), Some(GroupAct::Added { .. }));
    let mapped = match changes.iter().any(added) {
        true => rights::ids_of_mapped(write, stamp.source).await?.into_iter().collect(),
        false => HashMap::new(),
    };
    let Write { statements, ledger } = write;
    let mut parts = Parts { stamp, mapped, users, changes: changes.iter(), open: None, newcomers: Vec::new() };
    let mut ready = parts.next(ledger).await?;
    while let Some(batch) = ready {
        let (done, next) = tokio::join!(batch.run(statements), parts.next(ledger));
        done?;
        ready = next?;
    }
    Ok(parts.newcomers)
}

impl<'a> Parts<'a> {
    async fn next(&mut self, ledger: &mut Ledger) -> Result<Option<Batch>, Fault> {
        let mut batch = Batch::default();
        let mut size = 0;
        while size < PART {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => match self.changes.next() {
                    Some(change) => {
                        size += 1;
                        self.begin(&mut batch, ledger, change)?
                    }
                    None => break,
                },
            };
            size += self.memberships(&mut batch, ledger, &mut open, STEP.min(PART - size));
            if !open.leaves.is_empty() || open.joins.len() > 0 || !open.changed.is_empty() {
                self.open = Some(open);
            }
            tokio::task::yield_now().await;
        }
        batch.events = ledger.take_events();
        Ok((size > 0).then_some(batch))
    }

    fn begin(&mut self, batch: &mut Batch, ledger: &mut Ledger, change: &'a GroupChange) -> Result<Open<'a>, Fault> {
        let id = match (change.subject, change.acts.first()) {
            (GroupRef::Known(group), _) => group.0,
            (GroupRef::New(digest), Some(GroupAct::Added { .. } | GroupAct::Made { .. })) => {
                let id = ledger.next_group();
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
            ledger.record(self.stamp, Event { kind, rule, user: None, group: Some(id), before, after, counted: None });
            batch.act(id, act, self.stamp, &self.mapped);
        }
        let (leaves, counted) = (&change.leaves, &change.counted);
        let joins = change.joins.iter().map(|(user, via)| Ok((self.user(user, &change.name)?, *via)));
        let mut joins = joins.collect::<Result<Vec<_>, Fault>>()?;
        joins.sort_unstable_by_key(|(user, _)| *user);
        Ok(Open { id, leaves, counted, joins: joins.into_iter(), changed: &change.changed })
    }

    /// So many at most of those who leave, then of those who join, then of those who stay for another reason; how many.
    fn memberships(&self, batch: &mut Batch, ledger: &mut Ledger, open: &mut Open<'_>, most: usize) -> usize {
        let (leaves, left) = open.leaves.split_at(open.leaves.len().min(most));
        let joins = open.joins.len().min(most - leaves.len());
        let (changed, change) = open.changed.split_at(open.changed.len().min(most - leaves.len() - joins));
        (open.leaves, open.changed) = (left, change);
        for (user, via) in leaves {
            batch.leaves.add([open.id.into(), user.0.into()]);
            let counted = open.counted.binary_search(user).is_ok().then_some(BrakeKind::Memberships.as_str());
            ledger.record(self.stamp, Event { counted, ..membership(open.id, user.0, Some(*via), None) });
        }
        for (user, via) in open.joins.by_ref().take(joins) {
            batch.joins.add([open.id.into(), user.into(), via.as_str().into()]);
            ledger.record(self.stamp, membership(open.id, user, None, Some(via)));
        }
        for (user, before, after) in changed {
            batch.changed.add([open.id.into(), user.0.into(), after.as_str().into()]);
            ledger.record(self.stamp, membership(open.id, user.0, Some(*before), Some(*after)));
        }
        leaves.len() + joins + changed.len()
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
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            added: Rows::new(8),
            updated: Rows::new(4),
            states: Rows::new(5),
            joins: Rows::new(3),
            leaves: Rows::new(2),
            changed: Rows::new(3),
            emptied: Rows::new(1),
            made: Rows::new(6),
            events: no_events(),
        }
    }
}

impl Batch {
    fn act(&mut self, id: i64, act: &GroupAct, stamp: Stamp<'_>, mapped: &HashMap<String, Uuid>) {
        let now = || Cell::time(Some(stamp.at));
        match act {
            GroupAct::Added { key, dn, name } => self.added.add([
                id.into(),
                mapped.get(key.as_str()).copied().unwrap_or_else(new_uuid).into(),
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
            GroupAct::Made { name } => {
                let (uuid, name) = (new_uuid().into(), name.as_ref().into());
                self.made.add([id.into(), uuid, "local".into(), name, now(), now()]);
            }
            GroupAct::Deleted | GroupAct::Dropped { .. } | GroupAct::Unmade => {
                self.states.add([id.into(), "deleted".into(), Cell::Int(None), Cell::Int(None), now()]);
                self.emptied.add([id.into()]);
            }
        }
    }

    async fn run(self, write: &mut Statements) -> Result<(), Fault> {
        write.bulk("DELETE FROM rd_memberships WHERE (group_id, user_id) IN (", self.leaves, ")").await?;
        write.bulk("DELETE FROM rd_memberships WHERE group_id IN (", self.emptied, ")").await?;
        write
            .bulk(
                "INSERT INTO rd_groups (id, uuid, source, unique_id, dn, name, created_at, updated_at)",
                self.added,
                "",
            )
            .await?;
        write.bulk("INSERT INTO rd_groups (id, uuid, origin, name, created_at, updated_at)", self.made, "").await?;
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
        write.bulk("INSERT INTO rd_memberships (group_id, user_id, via)", self.joins, "ON CONFLICT DO NOTHING").await?;
        write
            .bulk(
                "UPDATE rd_memberships SET via = v.column3 FROM (",
                self.changed,
                ") AS v WHERE rd_memberships.group_id = v.column1 AND rd_memberships.user_id = v.column2",
            )
            .await?;
        write.feed(self.events).await
    }
}

const BY_ID: &str = ") AS v WHERE rd_groups.id = v.column1";

pub(super) fn membership(group: i64, user: i64, before: Option<Via>, after: Option<Via>) -> Event {
    let local = [before, after].contains(&Some(Via::Local));
    let (kind, rule) = match (before, after) {
        (None, _) if local => ("membership.added", "G9"),
        (_, None) if local => ("membership.removed", "G9"),
        (None, _) => ("membership.added", "G1"),
        (_, None) => ("membership.removed", "G8"),
        (Some(_), Some(_)) => ("membership.updated", "G4"),
    };
    let told = |via: Option<Via>| via.map(|via| json!({ "via": via.as_str() }));
    let (before, after) = (told(before), told(after));
    Event { kind, rule, user: Some(user), group: Some(group), before, after, counted: None }
}
