//! A plan as one JSON object, complete.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use crate::cli::json::Stream;
use crate::cli::render::PlanLabels;
use crate::cli::render::plan::View;
use crate::plan::{
    Broken, Conflict, Counts, Frozen, GroupChange, Held, Hold, LateClock, Loss, Since, UserChange, UserRef, Via,
    Without,
};
use crate::roster::{Incomplete, PendingReason, Skip, Skipped, UserId};

/// The whole plan; its people are written one by one, so that a million of them need no memory of their own.
pub struct Whole<'a>(pub &'a View<'a>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let plan = view.plan;
        let named = PlanLabels::of(plan);
        let mut all = serializer.serialize_map(None)?;
        all.serialize_entry("server", &view.server)?;
        all.serialize_entry("incomplete", &view.incomplete.map(incomplete))?;
        all.serialize_entry("frozen", &plan.frozen.as_ref().map(frozen))?;
        all.serialize_entry("since", &plan.since.as_ref().map(since))?;
        all.serialize_entry("clock", &plan.late.as_ref().map(late))?;
        all.serialize_entry("pending", &!plan.is_empty())?;
        all.serialize_entry("counts", &counts(&plan.counts))?;
        let users = || plan.users.iter().filter(|change| !change.acts.is_empty());
        all.serialize_entry("users", &Stream(|| users().map(|change| user(change, view))))?;
        all.serialize_entry("groups", &Stream(|| plan.groups.iter().map(|change| group(change, view, &named))))?;
        all.serialize_entry("held", &Stream(|| plan.held.iter().map(|held| self::held(held, view))))?;
        all.serialize_entry("holds", &Stream(|| plan.holds.iter().map(hold)))?;
        all.serialize_entry("unjudged", &Stream(|| plan.unjudged.iter().map(unjudged)))?;
        all.serialize_entry("opened", &Stream(|| plan.opened.iter().map(conflict)))?;
        all.serialize_entry("reworded", &Stream(|| plan.reworded.iter().map(conflict)))?;
        all.serialize_entry("resolved", &plan.resolved.iter().map(|id| id.0).collect::<Vec<_>>())?;
        all.serialize_entry("skipped", &Stream(|| plan.skips.iter().zip(&plan.fates).map(skipped)))?;
        all.serialize_entry("strangers", &plan.strangers)?;
        all.serialize_entry("mapped_groups", &Stream(|| plan.mapped.broken.iter().map(broken)))?;
        all.serialize_entry("without_group", &plan.without.as_ref().map(without))?;
        all.end()
    }
}

/// What waits because the source is frozen.
pub fn frozen(frozen: &Frozen) -> Value {
    json!({
        "until": frozen.until.to_string(),
        "reason": frozen.reason,
        "missing": frozen.missing,
        "first": frozen.first,
        "due": frozen.due,
    })
}

/// What changed since the last run that ended well.
pub fn since(since: &Since) -> Value {
    json!({ "run": since.run, "changes": since.changes })
}

/// Deletions that wait because the clock is not believed.
pub fn late(late: &LateClock) -> Value {
    json!({ "due": late.due, "says": late.says })
}

fn without(without: &Without) -> Value {
    let Without { group, found, people } = without;
    json!({ "default_group": group, "found": found, "people": people, "says": without.says() })
}

fn broken(broken: &Broken) -> Value {
    json!({ "group": broken.place, "says": broken.says })
}

fn unjudged((label, why): &(Box<str>, String)) -> Value {
    json!({ "label": label, "reason": why })
}

fn conflict(conflict: &Conflict) -> Value {
    json!({ "kind": conflict.kind.as_str(), "subject": conflict.subject, "detail": conflict.detail })
}

fn skipped((skip, fate): (&Skip, &Skipped)) -> Value {
    json!({
        "what": fate.as_str(),
        "dn": skip.dn,
        "unique_id": skip.unique_id,
        "reason": skip.reason,
        "rule": skip.rule,
        "detail": skip.detail,
    })
}

/// Numbers under the names of `roster_runs`.
pub fn counts(counts: &Counts) -> Map<String, Value> {
    [
        ("entries", counts.entries),
        ("added", counts.added),
        ("updated", counts.updated),
        ("moved", counts.moved),
        ("flagged", counts.flagged),
        ("restored", counts.restored),
        ("deleted", counts.deleted),
        ("dormant", counts.dormant),
        ("conflicts", counts.conflicts),
        ("skipped", counts.skipped),
    ]
    .into_iter()
    .map(|(name, n)| (name.to_owned(), n.into()))
    .collect()
}

/// Why a read is no proof of absence.
pub fn incomplete(incomplete: &Incomplete) -> Value {
    json!({ "cause": incomplete.cause, "says": incomplete.says, "attribute": incomplete.attribute })
}

/// Why one kind of departure is held.
pub fn hold(hold: &Hold) -> Value {
    let (kind, went) = (hold.kind.as_str(), hold.went.iter().map(|(_, label)| &**label).collect::<Vec<_>>());
    json!({ "kind": kind, "would_go": hold.would_go, "of": hold.of, "says": hold.says, "gone": hold.gone, "went": went })
}

fn held(held: &Held, view: &View<'_>) -> Value {
    let mut one = loss(held);
    if let Some(object) = one.as_object_mut() {
        object.insert("user_id".into(), json!(view.labels.uuid(held.user)));
    }
    one
}

/// What the brake holds of one person: `pending_reason` for access, `loses` for roles and grants.
pub fn loss(held: &Held) -> Value {
    match &held.loses {
        Loss::Access(reason) => {
            json!({ "label": held.label, "kind": held.kind.as_str(), "pending_reason": reason.as_str() })
        }
        Loss::Dormant => {
            json!({ "label": held.label, "kind": held.kind.as_str(), "loses": "access", "state": held.loses.as_str() })
        }
        Loss::Removed(domain) => json!({
            "label": held.label,
            "kind": held.kind.as_str(),
            "pending_reason": PendingReason::UnmanagedDomain.as_str(),
            "loses": "everything, at once",
            "domain": domain,
        }),
        Loss::Relink => json!({ "label": held.label, "kind": held.kind.as_str(), "loses": null }),
        Loss::Things(what) => json!({ "label": held.label, "kind": held.kind.as_str(), "loses": what }),
    }
}

fn user_id<'a>(user: UserRef, view: &'a View<'_>) -> Option<&'a str> {
    match user {
        UserRef::Known(id) => view.labels.uuid(id),
        UserRef::New(_) => None,
    }
}

fn user(change: &UserChange, view: &View<'_>) -> Value {
    let acts = change.acts.iter().map(|act| {
        let (before, after) = act.before_after(view.names);
        json!({ "kind": act.event(), "before": before, "after": after, "rule": act.rule() })
    });
    json!({
        "user_id": user_id(change.subject, view),
        "label": change.label,
        "acts": acts.collect::<Vec<_>>(),
    })
}

fn group(change: &GroupChange, view: &View<'_>, named: &PlanLabels<'_>) -> Value {
    let acts = change.acts.iter().map(|act| {
        let (before, after) = act.before_after();
        json!({ "kind": act.event(), "before": before, "after": after, "rule": act.rule() })
    });
    let member = |user: UserRef, via: Value| json!({ "user_id": user_id(user, view), "label": view.labels.name(named, user), "via": via });
    let join = |(user, via): &(UserRef, Via)| member(*user, json!(via.as_str()));
    let leave = |(id, via): &(UserId, Via)| member(UserRef::Known(*id), json!(via.as_str()));
    let stay = |(id, before, after): &(UserId, Via, Via)| {
        member(UserRef::Known(*id), json!({ "before": before.as_str(), "after": after.as_str() }))
    };
    json!({
        "name": change.name,
        "acts": acts.collect::<Vec<_>>(),
        "joins": change.joins.iter().map(join).collect::<Vec<_>>(),
        "leaves": change.leaves.iter().map(leave).collect::<Vec<_>>(),
        "changed": change.changed.iter().map(stay).collect::<Vec<_>>(),
    })
}
