//! Verbs: what a run decides, as plain functions of directory, store, policy and time.
//!
//! Nothing here waits, logs, or reads a clock. [`plan()`] is the whole of it; the files beside it are its chapters.
//!
//! # Guarantees
//! - The same input gives the same plan, whatever the order of entries and values.
//! - A partial snapshot takes nothing from anybody by absence: aliases and memberships only grow, nobody is missed,
//!   no due deletion is carried out (E1). A disabled test that was read still counts.
//! - Nobody is deleted who was not flagged before, or in the same plan with a delay of zero (L6).
//! - After every unit of the plan, every address and every username has at most one owner (A3, U7).

mod acts;
mod admission;
mod after;
mod aliases;
mod another;
mod approval;
mod assign;
mod basis;
mod brake;
pub mod by_hand;
pub mod change;
mod claims;
mod clock;
mod conflict;
mod contest;
mod counts;
pub mod crossing;
mod departures;
pub mod explain;
mod findings;
mod frozen;
mod groups;
mod identity;
mod leaves;
mod left;
pub mod local_groups;
pub mod manual;
mod matching;
mod members;
mod nesting;
pub mod one;
mod people;
pub mod policy;
mod proof;
pub mod refusal;
mod relink;
mod retire;
pub mod rights;
mod same;
mod team;
mod units;
pub mod view;
mod wishes;

#[cfg(test)]
pub(crate) mod tests;

pub use another::Another;
pub use approval::{Approval, acceptable, approved_run, approves};
pub use assign::Without;
pub use basis::{Basis, Since};
pub use brake::{Hold, Loss, held_sentence};
pub use by_hand::{HandAct, Rule, RuleKind};
pub use change::*;
pub use clock::{ClockReading, LateClock};
pub use conflict::{Claimant, Conflict, ConflictId, ConflictKind, OpenConflict};
pub use counts::{Counts, GroupCounts};
pub use crossing::{Holdings, Neighbour, Neighbours};
pub use departures::GONE;
pub use frozen::Frozen;
pub use nesting::Via;
pub use policy::Policy;
pub use proof::Proof;
pub use retire::retire;
pub use rights::{
    Broken, Grant, KnownGroup, MappedAct, MappedGroups, RightsAct, RightsCounts, StoredGrant, without_role,
};
pub use team::{GroupAct, GroupChange};
pub use view::{
    AliasWindow, MembershipWindow, Needs, RecentDepartures, RightsBefore, StoredGroup, StoredMembership, View, doubt,
    is_due, may_lose_aliases, old_names,
};

use std::collections::{BTreeMap, HashSet};

use crate::clock::Timestamp;
use crate::plan::members::Members;
use crate::plan::rights::{Entitled, Mappings};
use crate::roster::skipped::{UNJUDGED, UNREADABLE};
use crate::roster::{Account, Digest, Index, LookUp, Reading, Skip, Snapshot, State, UniqueId, UserId};

/// Everything a run does about what it read.
///
/// `view` has to hold what [`Needs::of`] and [`Needs::with_claims`] named for the same snapshot. When the plan
/// [`Plan::loses_memberships`], it is not done before [`Plan::hold_memberships`] has looked at them; what that compares
/// with is only then worth asking for.
pub fn plan(snapshot: Snapshot, view: &View, policy: &Policy, now: Timestamp) -> Plan {
    let proven = snapshot.complete().is_some();
    let mut people = people::People::new(view, policy, now, proven);
    if let Some(complete) = snapshot.complete() {
        people.see_missing(complete);
    }
    let mut reading = snapshot.into_reading();
    let by_name = reading.names_members_by_username();
    // Taken out so that it can be looked at while the rest of the reading is worked off.
    let mapped = Reading { mapped: std::mem::take(&mut reading.mapped), passes: reading.passes, ..Reading::default() };
    let mappings = Mappings::new(&mapped, view, policy, proven);
    people.entitled = Entitled::new(&mappings, (&reading, proven, by_name), view, policy);
    people.see_without_role(&reading.unchanged);
    let read: HashSet<Digest> =
        reading.people.iter().filter(|_| !proven || view.one_person).map(|one| one.key.digest()).collect();
    let entries = std::mem::take(&mut reading.people);
    let absent = people.see_people(entries, &reading);
    let mut decided = people.decide(&absent);
    let concerned = rights::concerned(&reading, view, policy);
    let mut groups = groups::Decided::default();
    if concerned || reading.passes.groups {
        let after = (&*decided.changes, &*decided.places, &*decided.frozen);
        let members = Members::new(view, &reading.unchanged, after, by_name);
        if concerned {
            rights::assign(&mut decided, &mappings, &members, (&reading, proven), view, policy);
        }
        // Nobody asks for them any more, and groups need the room.
        decided.places = Vec::new();
        if reading.passes.groups {
            groups = groups::decide(&mut reading, view, policy, now, proven, &members);
        }
    }
    if decided.findings.any_resemblance() {
        decided.findings.drop_resemblances(relink::is_over(view, &decided.changes));
    }
    decided.findings.duplicate_ids(&reading.skips, view);
    decided.findings.add_skips(reading.skips.iter().cloned());
    decided.findings.add_skips(kept_skips(&reading, view, proven, &read));
    // A run that looked at no user knows nothing of conflicts between them.
    let judged = proven && reading.passes.users && !view.one_person;
    let lasting = relink::lasting(view, &decided.changes);
    let conflicts = decided.findings.conflicts(&view.conflicts, judged, &lasting);
    decided.changes.retain(|change| change.writes(view));
    let mut plan = Plan {
        users: decided.changes,
        groups: groups.changes,
        skips: decided.findings.into_skips(),
        fates: Vec::new(),
        skipped: BTreeMap::new(),
        held: decided.held,
        holds: decided.holds,
        unjudged: decided.unjudged,
        barred: decided.barred,
        strangers: groups.strangers,
        without: groups.without,
        frozen: None,
        since: None,
        late: None,
        opened: conflicts.opened,
        reworded: conflicts.reworded,
        resolved: conflicts.resolved,
        counts: Counts::default(),
        pending: 0,
        group_counts: GroupCounts::default(),
        mapped: mappings.found,
        rights: RightsCounts::default(),
    };
    plan.count_leaves(view, policy);
    plan.count(reading.entries, view, view.one_person.then_some(&read));
    plan
}

/// Deletes those who are due without reading the directory as a whole: after looking each of them up, or, with
/// `by_date`, by the date alone because the source is switched off (L9, S1).
pub fn cleanup(view: &View, now: Timestamp, by_date: bool) -> Plan {
    let mut plan = Plan::default();
    for known in view.index.iter().filter(|known| is_due(known, now) && view.least_now.is_none()) {
        let Some(account) = view.accounts.get(&known.id) else { continue };
        let found = view.look_ups.get(&known.id);
        if view.held_relinks.contains(&known.id) {
            // Both sides stay as they are until a person decides (I5).
            plan.unjudged.push((account.label().into(), "due, but the re-link to a new entry is held".to_owned()));
        } else if by_date || found.is_some_and(|found| departures::cause(found).is_some()) {
            let acts = vec![Act::Deleted { reason: known.reason }];
            let mark = Mark {
                fingerprint: None,
                review_at: None,
                reasons_seen: account.reasons_seen.clone(),
                waits_since: None,
            };
            plan.users.push(acts::change(account, acts, mark));
        } else {
            let says = match found {
                Some(LookUp::InScope { dn }) => format!("due, but in scope at `{dn}`; the next full run decides"),
                Some(LookUp::Unjudged { says }) => format!("due, but looking up gave no usable answer: {says}"),
                _ => "due, but not looked up".to_owned(),
            };
            plan.unjudged.push((account.label().into(), says));
        }
    }
    plan.users.sort_by_key(|change| change.subject);
    for (unit, change) in (0..).zip(&mut plan.users) {
        change.unit = unit;
    }
    if by_date && view.least_now.is_none() {
        plan.groups = groups::due(view, now);
    }
    plan.skips = view.skips.clone();
    plan.count(0, view, None);
    plan
}

/// Rows of `roster_skipped` that this run has no reason to drop: those of entries that were read and are unchanged, of
/// people who could not be judged, and, when not everything was read, all that were there.
fn kept_skips<'a>(
    reading: &'a Reading,
    view: &'a View,
    proven: bool,
    read: &'a HashSet<Digest>,
) -> impl Iterator<Item = Skip> + 'a {
    let all = !proven || !reading.passes.users || view.one_person;
    let is_garbled = |skip: &Skip| UNREADABLE.contains(&&*skip.reason) && skip.rule != UNJUDGED;
    let garbled: HashSet<&str> =
        reading.skips.iter().filter(|skip| is_garbled(skip)).filter_map(|skip| skip.unique_id.as_deref()).collect();
    view.skips
        .iter()
        .filter(move |skip| {
            let key = skip.unique_id.as_deref().and_then(UniqueId::new).map(|key| key.digest());
            if key.is_some_and(|key| read.contains(&key)) {
                return false;
            }
            // Said anew, perhaps in other words; what an entry that could be understood did not tell is no news either.
            if skip.unique_id.as_deref().is_some_and(|id| garbled.contains(id)) && UNREADABLE.contains(&&*skip.reason) {
                return false;
            }
            let position = key.and_then(|key| view.index.position(key));
            let unjudged = |at| {
                let known = view.index.get(at).and_then(|known| view.look_ups.get(&known.id));
                known.is_some_and(|found| departures::cause(found).is_none())
            };
            // An entry that is as it was can be understood (E5), and bears an id that no other one bears (I7). Whether it
            // is disabled can be told no better than before (U8).
            let entry = skip.reason == view::DUPLICATE_ID || is_garbled(skip);
            let unchanged = |at| reading.unchanged.contains(at) && !entry;
            // Whoever was seen is judged, and of whom a complete run did not see it has said so anew (L2).
            if skip.reason == view::NOT_JUDGED && reading.passes.users {
                let seen = |at| reading.unchanged.contains(at) || reading.waiting.contains(at);
                return all && !position.is_some_and(seen);
            }
            let kept = |at| unchanged(at) || reading.waiting.contains(at) || unjudged(at);
            all || position.is_some_and(kept)
        })
        .cloned()
}

impl Plan {
    fn count(&mut self, entries: u64, view: &View, about: Option<&HashSet<Digest>>) {
        let mut counts = Counts { entries, skipped: self.skips.len() as u64, ..Counts::default() };
        for change in &self.users {
            let has = |wanted: fn(&Act) -> bool| u64::from(change.acts.iter().any(wanted));
            counts.added += has(|act| matches!(act, Act::Added(_) | Act::Revived(_)));
            let changes = |act: &Act| match act {
                Act::Relinked { from, .. } => *from != State::Deleted,
                Act::Updated(_)
                | Act::AliasAdded(_)
                | Act::AliasRemoved { .. }
                | Act::Linked { .. }
                | Act::Rights(_) => true,
                _ => false,
            };
            let is_new = has(|act| matches!(act, Act::Added(_) | Act::Revived(_))) > 0;
            counts.updated += u64::from(!is_new && change.acts.iter().any(changes));
            self.rights.add(change);
            counts.moved += has(|act| matches!(act, Act::Moved { .. } | Act::Crossed { .. }));
            counts.flagged += has(|act| matches!(act, Act::Flagged { from, .. } if from.access()));
            counts.restored += has(|act| matches!(act, Act::Restored { .. } | Act::Woken { .. }));
            counts.deleted += has(Act::deletes);
            counts.dormant += has(|act| matches!(act, Act::Parted { from, .. } if *from != State::Deleted));
        }
        (self.fates, self.skipped) = self.tally(view, about);
        let waiting = view.index.iter().filter(|known| known.state == State::Pending).count() as u64;
        let others = (view.conflicts.len() + self.opened.len() - self.resolved.len()) as u64;
        let brought = self.users.iter().filter(|change| change.brings_pending()).count() as u64;
        let left = self.users.iter().filter(|change| change.leaves_pending()).count() as u64;
        let waiting = waiting + brought + counts.flagged;
        self.pending = waiting - left.min(waiting);
        counts.conflicts = self.pending + others;
        self.counts = counts;
        self.group_counts = GroupCounts::of(&self.groups);
    }

    /// How many people wait for deletion after this plan although their date is over.
    pub fn due_after(&self, index: &Index, now: Timestamp) -> u64 {
        let due = index.iter().filter(|known| is_due(known, now)).map(|known| UserRef::Known(known.id));
        let mut due: HashSet<UserRef> = due.collect();
        for change in &self.users {
            for act in &change.acts {
                match act {
                    Act::Flagged { delete_after: Some(at), .. } if *at <= now => _ = due.insert(change.subject),
                    Act::Flagged { .. } | Act::Restored { .. } | Act::Deleted { .. } | Act::Removed { .. } => {
                        due.remove(&change.subject);
                    }
                    _ => {}
                }
            }
        }
        due.len() as u64
    }

    /// People of the store whom the plan knows by number only: nothing but a role or a grant changes.
    pub fn unlabelled(&self) -> Vec<UserId> {
        let changed = self.users.iter().filter(|change| change.label.is_empty()).filter_map(|change| {
            let UserRef::Known(id) = change.subject else { return None };
            Some(id)
        });
        let held = self.held.iter().filter(|held| held.label.is_empty()).map(|held| held.user);
        let went = self.holds.iter().flat_map(|hold| hold.went.iter().map(|(user, _)| *user));
        changed.chain(held).chain(went).collect()
    }

    /// Says what people call those whom the plan knows by number only.
    pub fn label(&mut self, accounts: &BTreeMap<UserId, Account>) {
        let label = |id: UserId| accounts.get(&id).map_or_else(|| "?".into(), |account| account.label().into());
        for change in self.users.iter_mut().filter(|change| change.label.is_empty()) {
            if let UserRef::Known(id) = change.subject {
                change.label = label(id);
            }
        }
        self.held.iter_mut().filter(|held| held.label.is_empty()).for_each(|held| held.label = label(held.user));
        self.holds.iter_mut().flat_map(|hold| &mut hold.went).for_each(|(user, known)| *known = label(*user));
    }
}

impl UserChange {
    /// Whether applying it would write anything (U3).
    fn writes(&self, view: &View) -> bool {
        let UserRef::Known(id) = self.subject else { return true };
        let marked = |mark: &Mark| {
            view.accounts.get(&id).is_none_or(|account| {
                (mark.fingerprint, mark.review_at, &mark.reasons_seen, mark.waits_since)
                    != (account.fingerprint, account.review_at, &account.reasons_seen, account.waits_since)
            })
        };
        !self.acts.is_empty() || self.mark.as_ref().is_some_and(marked)
    }

    /// Whether somebody who waits for deletion comes over from another source (I8).
    fn brings_pending(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::Crossed { from: State::Pending, .. }))
    }

    /// Whether the user's pending deletion ends here, by return or by deletion.
    fn leaves_pending(&self) -> bool {
        let leaves = |act: &Act| {
            let (Act::Restored { from, .. } | Act::Removed { from, .. } | Act::Parted { from, .. }) = act else {
                return matches!(act, Act::Deleted { .. });
            };
            *from == State::Pending
        };
        self.acts.iter().any(leaves)
    }
}
