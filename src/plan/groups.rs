//! Groups and who is in them (G1-G3, G6, G8).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::clock::Timestamp;
use crate::plan::departures;
use crate::plan::{Act, GroupAct, GroupChange, GroupId, GroupRef, Policy, StoredGroup, UserChange, UserRef, View};
use crate::roster::address::fold;
use crate::roster::{Digest, Dn, FieldId, Group, Known, MemberRef, Positions, Reading, State, UserId};

/// Who may be in a group after this run, and who stands at which DN.
struct Members<'a> {
    view: &'a View,
    /// By digest of the DN: this run's entries, else what the store knows.
    by_dn: HashMap<Digest, UserRef>,
    /// State after the run, where it changes.
    access: HashMap<UserRef, bool>,
    /// State in the store.
    states: HashMap<UserId, State>,
    /// By digest of the folded username.
    by_name: HashMap<Digest, UserRef>,
}

/// What was decided about groups.
pub(super) struct Decided {
    pub changes: Vec<GroupChange>,
    pub strangers: BTreeMap<String, u64>,
}

/// Compares the groups that were read with those of the store.
pub(super) fn decide(
    reading: &Reading,
    view: &View,
    policy: &Policy,
    now: Timestamp,
    proven: bool,
    people: (&[UserChange], &[(Digest, UserRef)]),
) -> Decided {
    let mut decided = Decided { changes: Vec::new(), strangers: BTreeMap::new() };
    if !reading.passes.groups {
        return decided;
    }
    let members = Members::new(view, &reading.unchanged, people);
    let stored: HashMap<&str, &StoredGroup> = view.groups.iter().map(|group| (group.key.as_str(), group)).collect();
    let named_by_users = named_by_users(reading, view);
    let mut seen: BTreeSet<GroupId> = BTreeSet::new();
    for group in &reading.groups {
        let known = stored.get(group.key.as_str()).copied();
        seen.extend(known.map(|known| known.id));
        let mut strangers = 0;
        let mut wanted: Vec<UserRef> =
            group.members.iter().filter_map(|member| members.resolve(*member, &mut strangers)).collect();
        wanted.extend(named_by_users.get(&Dn::digest_of(&group.dn)).into_iter().flatten());
        if strangers > 0 {
            decided.strangers.insert(group.name.to_string(), strangers);
        }
        // Without a users pass, a member nobody knows may be somebody known who was renamed.
        let may_take = proven && group.whole && (reading.passes.users || strangers == 0);
        decided.changes.extend(members.group(group, known, wanted, may_take));
    }
    if proven {
        let waits = |group: &&StoredGroup| {
            let waiting = &reading.waiting_groups;
            waiting.contains(&group.key.digest()) || waiting.contains(&Dn::digest_of(&group.dn))
        };
        let missing = view.groups.iter().filter(|group| !seen.contains(&group.id) && !waits(group));
        decided.changes.extend(missing.filter_map(|group| members.missing(group, policy, now)));
    }
    decided.changes.sort_by(|a, b| (&a.name, a.subject).cmp(&(&b.name, b.subject)));
    decided
}

/// Memberships that users name themselves, by digest of the group's DN.
fn named_by_users(reading: &Reading, view: &View) -> HashMap<Digest, Vec<UserRef>> {
    let mut named: HashMap<Digest, Vec<UserRef>> = HashMap::new();
    for (group, user) in &reading.member_of {
        let user = view.index.find(*user).map_or(UserRef::New(*user), |known| UserRef::Known(known.id));
        named.entry(*group).or_default().push(user);
    }
    named
}

impl<'a> Members<'a> {
    fn new(view: &'a View, unchanged: &Positions, (changes, places): (&[UserChange], &[(Digest, UserRef)])) -> Self {
        let mut by_dn: HashMap<Digest, UserRef> = HashMap::with_capacity(view.index.len() + places.len());
        // Whoever was read stands where the entry stands now, and nowhere else.
        let read: HashSet<UserRef> = places.iter().map(|(_, user)| *user).collect();
        let standing: Vec<(usize, &Known)> = view
            .index
            .iter()
            .enumerate()
            .filter(|(_, known)| !known.state.tombstone() && !read.contains(&UserRef::Known(known.id)))
            .collect();
        // A DN is used again: of two who stood there, the one who was seen counts, then the one who has access.
        for (seen, access) in [(false, false), (false, true), (true, false), (true, true)] {
            let these = standing
                .iter()
                .filter(|(position, known)| (unchanged.contains(*position), known.state.access()) == (seen, access));
            by_dn.extend(these.map(|(_, known)| (known.dn, UserRef::Known(known.id))));
        }
        by_dn.extend(places.iter().copied());
        let access: HashMap<UserRef, bool> =
            changes.iter().filter_map(|change| Some((change.subject, access_after(&change.acts)?))).collect();
        let states = view.index.iter().map(|known| (known.id, known.state)).collect();
        let mut members = Self { view, by_dn, access, states, by_name: HashMap::new() };
        members.by_name = members.names(changes);
        members
    }

    /// Users by the name they have after this run; of two who bore it the one who has access.
    fn names(&self, changes: &[UserChange]) -> HashMap<Digest, UserRef> {
        let renamed: HashMap<UserRef, Option<&str>> =
            changes.iter().filter_map(|change| Some((change.subject, name_after(&change.acts)?))).collect();
        let stored = self.view.usernames.iter().map(|(name, user)| (*name, UserRef::Known(*user)));
        let mut names: Vec<(bool, Digest, UserRef)> = stored
            .filter(|(_, user)| !renamed.contains_key(user))
            .map(|(name, user)| (self.has_access(user), name, user))
            .collect();
        let digest = |name: &str| Digest::of(fold(name));
        names.extend(renamed.iter().filter_map(|(user, name)| Some((self.has_access(*user), digest((*name)?), *user))));
        names.sort_unstable();
        names.into_iter().map(|(_, name, user)| (name, user)).collect()
    }

    fn resolve(&self, member: MemberRef, strangers: &mut u64) -> Option<UserRef> {
        let found = match member {
            MemberRef::Dn(dn) => self.by_dn.get(&dn).copied(),
            MemberRef::Username(name) => self.by_name.get(&name).copied(),
        };
        *strangers += u64::from(found.is_none());
        found
    }

    /// Whether somebody has access after this run; memberships of everybody else are frozen (L4).
    fn has_access(&self, user: UserRef) -> bool {
        let before = || match user {
            UserRef::Known(id) => self.states.get(&id).is_some_and(|state| state.access()),
            UserRef::New(_) => false,
        };
        self.access.get(&user).copied().unwrap_or_else(before)
    }

    fn group(
        &self,
        group: &Group,
        known: Option<&StoredGroup>,
        mut wanted: Vec<UserRef>,
        may_take: bool,
    ) -> Option<GroupChange> {
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|user| self.has_access(*user));
        let present = known.map(|known| self.stored_members(known.id)).unwrap_or_default();
        let is_present = |user: &UserRef| match user {
            UserRef::Known(id) => present.binary_search_by_key(id, |(_, user)| *user).is_ok(),
            UserRef::New(_) => false,
        };
        let joins: Vec<UserRef> = wanted.iter().copied().filter(|user| !is_present(user)).collect();
        let leaves = present.iter().map(|(_, user)| *user).filter(|user| {
            let user = UserRef::Known(*user);
            may_take && self.has_access(user) && wanted.binary_search(&user).is_err()
        });
        let change = GroupChange {
            subject: known.map_or_else(|| GroupRef::New(group.key.digest()), |known| GroupRef::Known(known.id)),
            name: group.name.clone(),
            acts: group_acts(group, known),
            joins,
            leaves: leaves.collect(),
        };
        (!change.acts.is_empty() || !change.joins.is_empty() || !change.leaves.is_empty()).then_some(change)
    }

    /// A group that a complete run did not see loses its members at once and is deleted after the delay (G6, G8).
    fn missing(&self, group: &StoredGroup, policy: &Policy, now: Timestamp) -> Option<GroupChange> {
        let leaves: Vec<UserId> = self.stored_members(group.id).iter().map(|(_, user)| *user).collect();
        let mut acts = Vec::new();
        let mut due = group.delete_after;
        if group.state == State::Active {
            due = departures::after(policy.delay, now);
        }
        if group.state != State::Deleted && due.is_some_and(|at| at <= now) {
            acts.push(GroupAct::Deleted);
        } else if group.state == State::Active {
            acts.push(GroupAct::Flagged { flagged_at: now, delete_after: due });
        }
        let change = GroupChange {
            subject: GroupRef::Known(group.id),
            name: group.name.as_str().into(),
            acts,
            joins: Vec::new(),
            leaves,
        };
        (!change.acts.is_empty() || !change.leaves.is_empty()).then_some(change)
    }

    fn stored_members(&self, group: GroupId) -> &'a [(GroupId, UserId)] {
        let all = &self.view.memberships;
        let from = all.partition_point(|(other, _)| *other < group);
        let to = all.partition_point(|(other, _)| *other <= group);
        all.get(from..to).unwrap_or_default()
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

/// The username after these acts; `None` when they leave it as it is.
fn name_after(acts: &[Act]) -> Option<Option<&str>> {
    acts.iter().rev().find_map(|act| match act {
        Act::Added(new) | Act::Revived(new) => Some(new.fields.first(FieldId::USERNAME)),
        Act::Updated(fields) => {
            let name = fields.iter().find(|field| field.field == Some(FieldId::USERNAME))?;
            Some(name.after.as_deref())
        }
        _ => None,
    })
}

/// Access after these acts; `None` when they leave it as it is.
fn access_after(acts: &[Act]) -> Option<bool> {
    acts.iter().rev().find_map(|act| match act {
        Act::Added(_) | Act::Revived(_) | Act::Restored { .. } => Some(true),
        Act::Flagged { .. } | Act::Deleted { .. } => Some(false),
        _ => None,
    })
}
