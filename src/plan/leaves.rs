//! Memberships that people lose who stay (B1).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::plan::{
    Act, BrakeKind, GroupAct, GroupChange, GroupId, GroupRef, Held, Hold, Loss, MembershipWindow, Plan, Policy,
    UserRef, View, brake,
};
use crate::roster::UserId;
use crate::roster::words::number;

/// In one group: so many, and so large a share in percent, may go without asking.
const MOST_OF_A_GROUP: (u64, u64) = (20, 20);

/// A membership.
type Place = (GroupId, UserId);

impl Plan {
    /// Says which memberships the brake counts as lost, and leaves alone those of people whose own departure is held.
    ///
    /// Not counted: what people lose who depart themselves, manual accounts, and what a person approved.
    pub(super) fn count_leaves(&mut self, view: &View, policy: &Policy) {
        if self.groups.iter().all(|change| change.leaves.is_empty()) {
            return;
        }
        let held = self.held.iter().filter(|held| held.loses.is_of_entry()).map(|held| held.user);
        let held: HashSet<UserId> = held.collect();
        let departs = |act: &Act| matches!(act, Act::Flagged { .. } | Act::Deleted { .. } | Act::Removed { .. });
        let departing = self.users.iter().filter(|change| change.acts.iter().any(departs));
        let departing: HashSet<UserRef> = departing.map(|change| change.subject).collect();
        let stays = view.index.iter().filter(|known| known.state.access() && !known.manual).map(|known| known.id);
        let stays = stays.filter(|user| !departing.contains(&UserRef::Known(*user)));
        let counted: HashSet<UserId> = stays.filter(|user| !view.approval.memberships.contains(user)).collect();
        let leaves =
            self.known_groups().flat_map(|(group, change)| change.leaves.iter().map(move |one| (group, one.0)));
        let frozen: BTreeSet<Place> = leaves.filter(|(_, user)| held.contains(user)).collect();
        self.withhold(&frozen, policy);
        for change in &mut self.groups {
            let users = change.leaves.iter().map(|(user, _)| *user);
            change.counted = users.filter(|user| counted.contains(user)).collect();
        }
    }

    /// Whether the brake has to be asked about memberships.
    pub fn loses_memberships(&self) -> bool {
        self.groups.iter().any(|change| !change.counted.is_empty())
    }

    /// Applies the brake to losses of memberships: all of them, and those of one group. Who would lose one stays in the
    /// group, and joins no other where everybody is in one group only.
    pub fn hold_memberships(&mut self, window: &MembershipWindow, policy: &Policy) {
        let losing =
            self.known_groups().flat_map(|(group, change)| change.counted.iter().map(move |one| (group, *one)));
        let losing: BTreeSet<Place> = losing.collect();
        let gone: BTreeSet<Place> = window.lost.difference(&losing).copied().collect();
        let now = losing.len() as u64;
        let went: Vec<UserId> = gone.iter().map(|(_, user)| *user).collect();
        let before = went.len() as u64;
        let had = window.had.values().sum::<u64>();
        let of = if had == 0 { window.now.values().sum::<u64>() + before } else { had }.max(now + before);
        let mut holds: Vec<Hold> = brake::hold(BrakeKind::Memberships, now, &went, of, policy).into_iter().collect();
        let held = if holds.is_empty() {
            let groups: BTreeMap<GroupId, Hold> =
                self.known_groups().filter_map(|one| Some((one.0, of_one_group(one, &gone, window)?))).collect();
            let held = losing.into_iter().filter(|(group, _)| groups.contains_key(group)).collect();
            holds = groups.into_values().collect();
            held
        } else {
            losing
        };
        if holds.is_empty() {
            return;
        }
        self.name_held(&held);
        self.withhold(&held, policy);
        self.holds.extend(holds);
        self.group_counts = crate::plan::GroupCounts::of(&self.groups);
    }

    fn name_held(&mut self, held: &BTreeSet<Place>) {
        let mut groups: BTreeMap<UserId, Vec<&str>> = BTreeMap::new();
        for (group, change) in self.known_groups() {
            for user in change.counted.iter().filter(|user| held.contains(&(group, **user))) {
                groups.entry(*user).or_default().push(&change.name);
            }
        }
        let held = groups.into_iter().map(|(user, names)| {
            let loses = Loss::Things(format!("group {}", names.join(", ")).into());
            Held { user, label: Box::default(), kind: BrakeKind::Memberships, loses }
        });
        let held: Vec<Held> = held.collect();
        self.held.extend(held);
    }

    fn known_groups(&self) -> impl Iterator<Item = (GroupId, &GroupChange)> {
        self.groups.iter().filter_map(|change| match change.subject {
            GroupRef::Known(group) => Some((group, change)),
            GroupRef::New(_) => None,
        })
    }

    /// Takes these losses out of the plan, and what hangs on them.
    fn withhold(&mut self, held: &BTreeSet<Place>, policy: &Policy) {
        if held.is_empty() {
            return;
        }
        let one = policy.groups.one.is_some();
        let users: HashSet<UserRef> = held.iter().filter(|_| one).map(|(_, user)| UserRef::Known(*user)).collect();
        let drop_empty = policy.groups.drop_empty;
        self.groups.retain_mut(|change| {
            let joined = !change.joins.is_empty();
            change.joins.retain(|(user, _)| !users.contains(user));
            if let GroupRef::Known(group) = change.subject {
                let before = change.leaves.len();
                change.leaves.retain(|(user, _)| !held.contains(&(group, *user)));
                change.counted.retain(|user| !held.contains(&(group, *user)));
                if change.leaves.len() < before {
                    // Somebody is in it; its own deletion waits.
                    change.acts.retain(|act| !matches!(act, GroupAct::Deleted | GroupAct::Dropped { .. }));
                }
            }
            let comes = |act: &GroupAct| matches!(act, GroupAct::Added { .. } | GroupAct::Restored { .. });
            let stays_out = drop_empty && joined && change.joins.is_empty() && change.acts.iter().any(comes);
            !stays_out && change.writes()
        });
    }
}

/// Whether one group would lose too many of its members.
fn of_one_group(
    (group, change): (GroupId, &GroupChange),
    gone: &BTreeSet<Place>,
    window: &MembershipWindow,
) -> Option<Hold> {
    let (most, percent) = MOST_OF_A_GROUP;
    let now = change.counted.len() as u64;
    let went: Vec<UserId> = gone.iter().filter(|(one, _)| *one == group).map(|(_, user)| *user).collect();
    let before = went.len() as u64;
    let would_go = now + before;
    let count = |of: &BTreeMap<GroupId, u64>| of.get(&group).copied().unwrap_or_default();
    let had = count(&window.had);
    let of = if had == 0 { count(&window.now) + before } else { had }.max(would_go);
    let too_many = now > 0 && would_go > most && would_go * 100 > percent * of;
    too_many.then(|| {
        let says = format!(
            "{} of {} members of the group `{}` are no longer in it: more than {most} and more than {percent} % of one \
             group",
            number(would_go),
            number(of),
            change.name
        );
        Hold::new(BrakeKind::Memberships, (would_go, of), says, went)
    })
}
