//! One person at a time (S4): the plan of a whole run, of a view that holds nobody else.

use crate::clock::Timestamp;
use crate::plan::{Approval, GroupAct, GroupChange, GroupRef, Plan, Policy, UserRef, View, plan};
use crate::roster::{Account, Digest, Dn, Index, Known, LookUp, Origin, Snapshot};

/// What a run does about the one person that was read. Nobody else is touched and nobody is missed: the index of
/// `view` holds nobody else, and what is written down about others stands.
///
/// `former` is somebody whose entry is gone and whom a newcomer may be (I5); left as it is unless that is so. Groups
/// change only by this person's joining or leaving; what else there is about a group waits for the next run.
pub fn plan_one(snapshot: &Snapshot, view: &View, former: Option<&Account>, policy: &Policy, now: Timestamp) -> Plan {
    let mut policy = policy.clone();
    // Others who are in a group are not known here.
    policy.groups.drop_empty = false;
    let planned = |view: &View| plan(snapshot.clone(), view, &policy, now);
    let with_former = former.and_then(|former| {
        let both = view.index.iter().copied().chain(known(former));
        let planned = planned(&View { index: Index::new(both.collect()), ..view.clone() });
        planned.relinks(former.id).then_some(planned)
    });
    about_one(with_former.unwrap_or_else(|| planned(view)))
}

/// What a whole run does about a newcomer who has the address or the name of others whose entries are gone (I5), as far as
/// it concerns the newcomer; the brake is not asked.
pub fn foresee(snapshot: &Snapshot, view: &View, gone: &[Account], policy: &Policy, now: Timestamp) -> Plan {
    let all = view.index.iter().copied().chain(gone.iter().filter_map(known));
    let mut view = View { index: Index::new(all.collect()), ..view.clone() };
    let look_ups = gone.iter().map(|account| (account.id, LookUp::Gone));
    view.look_ups.extend(look_ups);
    view.accounts.extend(gone.iter().map(|account| (account.id, account.clone())));
    view.approval = Approval::everything_of(&view.index.iter().map(|known| known.id).collect());
    let mut policy = policy.clone();
    policy.groups.drop_empty = false;
    let mut one = about_one(plan(snapshot.clone(), &view, &policy, now));
    let theirs = |subject: &UserRef| gone.iter().any(|account| *subject == UserRef::Known(account.id));
    one.users.retain(|change| !theirs(&change.subject));
    one
}

/// What is no business of a run about one person is left out.
fn about_one(mut one: Plan) -> Plan {
    one.groups = one.groups.into_iter().filter_map(about_members).collect();
    // A person asked for this one: no brake stops it, and what waits of others is not this run's business.
    one.holds.retain(|hold| one.held.iter().any(|held| held.kind == hold.kind));
    one.mapped.causes.clear();
    one.without = None;
    one.group_counts = crate::plan::GroupCounts::of(&one.groups);
    one
}

/// A group is made, or comes back, for whom it gets; whatever else happens to it is left out.
fn about_members(mut group: GroupChange) -> Option<GroupChange> {
    let gets = !group.joins.is_empty();
    let is_new = matches!(group.subject, GroupRef::New(_));
    group.acts.retain(|act| gets && (is_new || matches!(act, GroupAct::Restored { .. })));
    (gets || !group.leaves.is_empty() || !group.changed.is_empty()).then_some(group)
}

/// Somebody as the index would hold it; `None` for whom no entry ever belonged to.
pub fn known(account: &Account) -> Option<Known> {
    Some(Known {
        id: account.id,
        key: account.key.as_ref()?.digest(),
        dn: account.dn.as_deref().map_or_else(|| Digest::of(""), Dn::digest_of),
        fingerprint: account.fingerprint,
        review_at: account.review_at,
        state: account.state,
        reason: account.reason,
        delete_after: account.due(),
        manual: account.origin != Origin::Directory,
    })
}

/// Whether looking somebody up leaves it open whether the person is there.
pub fn is_unjudged(found: &LookUp) -> bool {
    matches!(found, LookUp::InScope { .. } | LookUp::Unjudged { .. })
}
