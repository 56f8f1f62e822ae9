//! Groups and who is in them (G1-G6, G8).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::clock::Timestamp;
use crate::plan::assign::Assignment;
use crate::plan::departures;
use crate::plan::members::Members;
use crate::plan::nesting::{Team, Teams, is_waiting};
use crate::plan::{
    GroupAct, GroupChange, GroupId, GroupRef, Policy, StoredGroup, StoredMembership, UserRef, Via, View, Without,
};
use crate::roster::{Dn, Group, Reading, State, UserId};

/// What was decided about groups.
#[derive(Default)]
pub(super) struct Decided {
    pub changes: Vec<GroupChange>,
    pub strangers: BTreeMap<String, u64>,
    pub without: Option<Without>,
}

/// Compares groups that were read with those of the store.
struct Judge<'a> {
    view: &'a View,
    policy: &'a Policy,
    members: &'a Members<'a>,
    stored: HashMap<&'a str, &'a StoredGroup>,
    now: Timestamp,
}

/// Compares the groups that were read with those of the store; takes them out of the reading.
pub(super) fn decide(
    reading: &mut Reading,
    view: &View,
    policy: &Policy,
    now: Timestamp,
    proven: bool,
    members: &Members<'_>,
) -> Decided {
    let stored = view.groups.iter().map(|group| (group.key.as_str(), group)).collect();
    let judge = Judge { view, policy, members, stored, now };
    let teams = Teams::new(reading, judge.members, view, policy.groups.flatten);
    let mut walk = teams.walk();
    let may_take: Vec<bool> =
        (0..teams.len()).map(|at| proven && teams.is_whole(at, reading.passes.users, &mut walk)).collect();
    let missing = judge.missing(&teams, reading, proven);
    let mut decided = Decided { strangers: teams.strangers(), ..Decided::default() };
    let one = policy.groups.one.as_ref();
    let mut assignment = one.map(|one| {
        let whole = proven && teams.iter().all(Team::was_read_whole);
        Assignment::new(&teams, one, judge.held(&teams, &may_take, &missing), whole)
    });
    let order = assignment.as_ref().map_or_else(|| (0..teams.len()).collect(), Assignment::order);
    let mut last = None;
    for at in order {
        let (Some(team), Some(&may_take)) = (teams.get(at), may_take.get(at)) else { continue };
        let mut wanted = teams.members(at, &mut walk);
        if let Some(assignment) = &mut assignment {
            assignment.claim(&mut wanted, judge.present(team));
            if assignment.is_default(at) {
                last = Some((team, wanted, may_take));
                continue;
            }
        }
        decided.changes.extend(judge.group(&team.group, wanted, may_take));
    }
    if let Some(mut assignment) = assignment {
        if let Some((team, mut wanted, may_take)) = last {
            assignment.fill(&mut wanted, judge.present(team), judge.members);
            decided.changes.extend(judge.group(&team.group, wanted, may_take));
        }
        decided.without = assignment.left_out(judge.members).filter(|_| proven);
    }
    decided.changes.extend(missing.iter().filter_map(|group| judge.gone(group)));
    decided.changes.sort_by(|a, b| (&a.name, a.subject).cmp(&(&b.name, b.subject)));
    decided
}

impl<'a> Judge<'a> {
    /// Groups of the store that a complete run did not see.
    fn missing(&self, teams: &Teams, reading: &Reading, proven: bool) -> Vec<&'a StoredGroup> {
        let seen: HashSet<GroupId> = teams.iter().filter_map(|team| Some(self.known(&team.group)?.id)).collect();
        let missing = |group: &&StoredGroup| proven && !seen.contains(&group.id) && !is_waiting(group, reading);
        self.view.groups.iter().filter(missing).collect()
    }

    /// People in groups of which nothing may be taken in this run.
    fn held(&self, teams: &Teams, may_take: &[bool], missing: &[&StoredGroup]) -> HashSet<UserId> {
        let free = teams.iter().zip(may_take).filter(|(_, may_take)| **may_take);
        let free = free.filter_map(|(team, _)| Some(self.known(&team.group)?.id));
        let free: HashSet<GroupId> = free.chain(missing.iter().map(|group| group.id)).collect();
        let held = self.view.memberships.iter().filter(|one| !free.contains(&one.group));
        held.map(|one| one.user).collect()
    }

    fn known(&self, group: &Group) -> Option<&'a StoredGroup> {
        self.stored.get(group.key.as_str()).copied()
    }

    /// Who is in a group that was read, in the store.
    fn present(&self, team: &Team) -> &'a [StoredMembership] {
        self.known(&team.group).map(|known| self.stored_members(known.id)).unwrap_or_default()
    }

    /// A group that was read, with those who are to be in it, in order.
    fn group(&self, group: &Group, mut wanted: Vec<(UserRef, Via)>, may_take: bool) -> Option<GroupChange> {
        let known = self.known(group);
        let present = known.map(|known| self.stored_members(known.id)).unwrap_or_default();
        let before = |user: UserRef| match user {
            UserRef::Known(id) => present.binary_search_by_key(&id, |one| one.user).ok().and_then(|at| present.get(at)),
            UserRef::New(_) => None,
        };
        let now = |one: &StoredMembership| {
            let found = wanted.binary_search_by_key(&UserRef::Known(one.user), |(user, _)| *user);
            found.ok().and_then(|at| wanted.get(at)).map(|(_, via)| *via)
        };
        let leaves = |one: &&StoredMembership| {
            may_take && self.members.has_access(UserRef::Known(one.user)) && now(one).is_none()
        };
        let leaves: Vec<(UserId, Via)> = present.iter().filter(leaves).map(|one| (one.user, one.via)).collect();
        // That somebody is no longer named by the group itself is as little proven as that somebody left.
        let differs = |one: &StoredMembership, via: Via| via != one.via && (may_take || via == Via::Direct);
        let changed = present.iter().filter_map(|one| Some((one, now(one)?))).filter(|(one, via)| differs(one, *via));
        let changed = changed.map(|(one, via)| (one.user, one.via, via)).collect();
        wanted.retain(|(user, _)| before(*user).is_none());
        wanted.shrink_to_fit();
        let mut change = GroupChange {
            subject: known.map_or_else(|| GroupRef::New(group.key.digest()), |known| GroupRef::Known(known.id)),
            name: group.name.clone(),
            acts: group_acts(group, known),
            changed,
            joins: wanted,
            leaves,
            counted: Vec::new(),
        };
        if self.policy.groups.drop_empty && self.is_empty_after(&change, present) {
            change.acts = dropped(group, known, may_take)?;
        }
        change.writes().then_some(change)
    }

    /// Whether nobody is in a group after this; whoever waits for deletion still is (L4).
    fn is_empty_after(&self, change: &GroupChange, present: &[StoredMembership]) -> bool {
        let leaves = |user: UserId| change.leaves.binary_search_by_key(&user, |(user, _)| *user).is_ok();
        let stays = |one: &StoredMembership| !leaves(one.user) && !self.members.is_gone(one.user);
        change.joins.is_empty() && !present.iter().any(stays)
    }

    /// A group that a complete run did not see loses its members at once and is deleted after the delay, or at once
    /// where empty groups are left out (G6, G8).
    fn gone(&self, group: &StoredGroup) -> Option<GroupChange> {
        // Whoever is deleted in this run takes the membership along.
        let there = self.stored_members(group.id).iter().filter(|one| !self.members.is_gone(one.user));
        let leaves: Vec<(UserId, Via)> = there.map(|one| (one.user, one.via)).collect();
        let mut acts = Vec::new();
        let mut due = group.delete_after;
        if group.state == State::Active {
            due = departures::after(self.policy.delay, self.view.flagging(self.now));
        }
        if group.state != State::Deleted && self.policy.groups.drop_empty {
            acts.push(GroupAct::Dropped { from: group.state });
        } else if group.state != State::Deleted && due.is_some_and(|at| at <= self.now) && self.view.least_now.is_none()
        {
            acts.push(GroupAct::Deleted);
        } else if group.state == State::Active {
            acts.push(GroupAct::Flagged { flagged_at: self.now, delete_after: due });
        }
        let change = GroupChange {
            subject: GroupRef::Known(group.id),
            name: group.name.as_str().into(),
            acts,
            joins: Vec::new(),
            leaves,
            counted: Vec::new(),
            changed: Vec::new(),
        };
        change.writes().then_some(change)
    }

    fn stored_members(&self, group: GroupId) -> &'a [StoredMembership] {
        let all = &self.view.memberships;
        let from = all.partition_point(|one| one.group < group);
        let to = all.partition_point(|one| one.group <= group);
        all.get(from..to).unwrap_or_default()
    }
}

/// Groups whose delay is over, by the date alone (G6, S6).
pub(super) fn due(view: &View, now: Timestamp) -> Vec<GroupChange> {
    let due = |group: &&StoredGroup| group.state == State::Pending && group.delete_after.is_some_and(|at| at <= now);
    let change = |group: &StoredGroup| GroupChange {
        subject: GroupRef::Known(group.id),
        name: group.name.as_str().into(),
        acts: vec![GroupAct::Deleted],
        joins: Vec::new(),
        leaves: Vec::new(),
        counted: Vec::new(),
        changed: Vec::new(),
    };
    view.groups.iter().filter(due).map(change).collect()
}

impl GroupChange {
    pub(super) fn writes(&self) -> bool {
        !self.acts.is_empty() || !self.joins.is_empty() || !self.leaves.is_empty() || !self.changed.is_empty()
    }
}

/// What happens to a group that nobody is in, where such groups are left out; `None` when nothing does (G6).
///
/// It is left out only when it is proven that nobody is in it, and what is left out is not looked after.
fn dropped(group: &Group, known: Option<&StoredGroup>, may_take: bool) -> Option<Vec<GroupAct>> {
    let known = known.filter(|known| known.state != State::Deleted)?;
    match (may_take, known.state) {
        (true, from) => Some(vec![GroupAct::Dropped { from }]),
        (false, State::Active) => Some(group_acts(group, Some(known))),
        (false, _) => None,
    }
}

fn group_acts(group: &Group, known: Option<&StoredGroup>) -> Vec<GroupAct> {
    let Some(known) = known else {
        return vec![GroupAct::Added { key: group.key.clone(), dn: group.dn.clone(), name: group.name.clone() }];
    };
    let mut acts = Vec::new();
    if known.state != State::Active {
        acts.push(GroupAct::Restored { from: known.state });
    }
    if *known.name != *group.name || Dn::digest_of(&known.dn) != Dn::digest_of(&group.dn) {
        let name = (known.name.as_str().into(), group.name.clone());
        acts.push(GroupAct::Updated { name, dn: (known.dn.as_str().into(), group.dn.clone()) });
    }
    acts
}
