//! Roles and grants from groups (R1-R4).
//!
//! They come from groups, not from the entry of a person, so that everybody is compared in every run that reads users,
//! whether the entry changed or not.

mod acts;
pub mod by_hand;
mod entitled;
mod gifts;
mod mappings;

pub use acts::{Broken, Grant, KnownGroup, MappedAct, MappedGroups, RightsAct, RightsCounts, StoredGrant};
pub(super) use entitled::Entitled;
pub(super) use gifts::Gifts;
pub(super) use mappings::Mappings;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::plan::members::Members;
use crate::plan::people::Decided;
use crate::plan::policy::Mapped;
use crate::plan::{Act, BrakeKind, Held, Hold, Loss, Policy, UserChange, UserRef, View, brake};
use crate::roster::{Known, Reading, Snapshot, UserId};

/// Whether this run has anything to do with roles or grants.
pub(super) fn concerned(reading: &Reading, view: &View, policy: &Policy) -> bool {
    let rights = &policy.rights;
    let configured = !rights.places.is_empty() || rights.default_role.is_some();
    let known = !view.grants.is_empty() || !view.mapped.is_empty() || !view.neighbours.users.is_empty();
    reading.passes.users && (configured || known)
}

/// People whose entry is unchanged, but whom no mapped group gives anything any more although they need it (R3); of
/// the others the entry itself is looked at anyway.
pub fn without_role(snapshot: &Snapshot, view: &View, policy: &Policy) -> Vec<UserId> {
    let reading = snapshot.reading();
    let proven = snapshot.complete().is_some();
    let mappings = Mappings::new(reading, view, policy, proven);
    let Some(entitled) = Entitled::new(&mappings, (reading, proven, reading.names_members_by_username()), view, policy)
    else {
        return Vec::new();
    };
    let unchanged = view.index.iter().enumerate().filter(|(position, _)| reading.unchanged.contains(*position));
    let lacking =
        unchanged.filter(|(_, known)| proven && !known.manual && entitled.lacks(UserRef::Known(known.id), None));
    lacking.map(|(_, known)| known.id).collect()
}

/// Gives roles and grants to those who have access after this run, and takes what is proven to be gone.
pub(super) fn assign(
    decided: &mut Decided,
    mappings: &Mappings<'_>,
    members: &Members<'_>,
    (reading, proven): (&Reading, bool),
    view: &View,
    policy: &Policy,
) {
    let gifts = Gifts::new(mappings, reading, view, policy, members);
    let departures = decided.held.iter().filter(|held| held.loses.is_of_entry());
    let held = departures.map(|held| UserRef::Known(held.user)).collect();
    let read = decided.places.iter().map(|(_, user)| *user).collect();
    let (untold, crossing) = (gifts::untold(reading, members), view.crossing());
    let giving = Giving { mappings, members, gifts, reading, proven, view, policy, held, read, untold, crossing };
    giving.newcomers(&mut decided.changes);
    let (mut gains, losses) = giving.compare(arriving(&decided.changes));
    let (by_gone, limit) = giving.holds(&losses);
    for loss in losses {
        if loss.is_held_as_gone() || (limit.is_some() && !loss.approved) {
            let says: Vec<String> = loss.acts.iter().map(RightsAct::loses).collect();
            let (kind, loses) = (BrakeKind::Rights, Loss::Things(says.join(", ").into()));
            decided.held.push(Held { user: loss.user, label: giving.label(loss.user), kind, loses });
        } else {
            gains.entry(loss.user).or_default().extend(loss.acts);
        }
    }
    decided.holds.extend(by_gone.into_iter().chain(limit));
    decided.holds.extend(mappings.replaced.iter().cloned());
    giving.place(gains, &mut decided.changes);
}

/// Manual accounts that are linked to their entry in this run, and people who come over: no user of the source before
/// (M2, I8).
fn arriving(changes: &[UserChange]) -> impl Iterator<Item = UserId> {
    let arrives = |act: &Act| matches!(act, Act::Linked { .. } | Act::Crossed { .. } | Act::Woken { .. });
    let arriving = changes.iter().filter(move |change| {
        let revived = change.acts.iter().any(|act| matches!(act, Act::Revived(_)));
        !revived && change.acts.iter().any(arrives)
    });
    arriving.filter_map(|change| match change.subject {
        UserRef::Known(user) => Some(user),
        UserRef::New(_) => None,
    })
}

/// One person who would lose something.
struct Losing {
    user: UserId,
    acts: Vec<RightsAct>,
    /// By the disappearance of a mapped group that nobody approved.
    by_gone: bool,
    approved: bool,
}

/// What somebody gains and loses.
#[derive(Default)]
struct Difference {
    gains: Vec<RightsAct>,
    losses: Vec<RightsAct>,
    by_gone: bool,
}

struct Giving<'a> {
    mappings: &'a Mappings<'a>,
    members: &'a Members<'a>,
    gifts: Gifts<'a>,
    reading: &'a Reading,
    proven: bool,
    view: &'a View,
    policy: &'a Policy,
    /// People whose departure is held: they stay as they are.
    held: HashSet<UserRef>,
    /// People whose entry was read and differs.
    read: HashSet<UserRef>,
    /// People whose primary group cannot be told: nothing is taken from them (G3).
    untold: HashSet<UserRef>,
    /// Who may come over, and from which source (I8).
    crossing: HashMap<UserId, &'a str>,
}

impl<'a> Giving<'a> {
    fn roles(&self) -> &'a [Mapped] {
        &self.policy.rights.roles
    }

    fn default_role(&self) -> Option<&'a str> {
        self.policy.rights.default_role.as_deref()
    }

    /// What somebody new starts with, and somebody who comes back after deletion.
    fn newcomers(&self, changes: &mut [UserChange]) {
        for change in changes {
            let new = change.acts.iter_mut().find_map(|act| match act {
                Act::Added(new) | Act::Revived(new) => Some(new),
                _ => None,
            });
            let Some(new) = new else { continue };
            new.role = self.role_of(self.rank(change.subject)).map(Into::into);
            let grants = self.grants(change.subject);
            change.acts.extend(grants.map(|grant| Act::Rights(RightsAct::Granted(Box::new(grant)))));
        }
    }

    /// The place of somebody's role: below those listed the default role, then none.
    fn rank(&self, user: UserRef) -> usize {
        let given = self.gifts.roles.get(&user).copied();
        let default = self.default_role().map(|name| self.rank_of(Some(name)).unwrap_or(self.roles().len()));
        let none = self.roles().len() + 1;
        given.unwrap_or(none).min(default.unwrap_or(none))
    }

    fn role_of(&self, rank: usize) -> Option<&'a str> {
        let listed = self.roles().get(rank).map(|role| role.name.as_str());
        listed.or_else(|| self.default_role().filter(|_| rank == self.roles().len()))
    }

    /// The place of a stored role; `None` for one that the configuration does not know.
    fn rank_of(&self, role: Option<&str>) -> Option<usize> {
        let Some(role) = role else { return Some(self.roles().len() + 1) };
        let listed = self.roles().iter().position(|one| one.name == role);
        listed.or_else(|| (self.default_role() == Some(role)).then_some(self.roles().len()))
    }

    fn grants(&self, user: UserRef) -> impl Iterator<Item = Grant> {
        let given = self.gifts.grants.get(&user).into_iter().flatten();
        given.filter_map(|(at, giver)| {
            let privilege = self.policy.rights.grants.get(*at)?.name.as_str().into();
            Some(Grant { privilege, key: giver.key.clone(), dn: giver.dn.clone() })
        })
    }

    /// What everybody known gains at once, and who would lose something.
    fn compare(&self, arriving: impl Iterator<Item = UserId>) -> (BTreeMap<UserId, Vec<RightsAct>>, Vec<Losing>) {
        let (mut gains, mut losses) = (BTreeMap::new(), Vec::new());
        if self.policy.rights.places.is_empty() && self.view.grants.is_empty() && self.crossing.is_empty() {
            return (gains, losses);
        }
        // Who was not seen, or not understood, stays as they are (E5); a manual account has its rights from groups whether
        // its entry is still there or not (M2, M3).
        let seen = |(position, known): &(usize, &Known)| {
            let manual = known.manual && self.proven && !self.reading.waiting.contains(*position);
            manual || self.reading.unchanged.contains(*position) || self.read.contains(&UserRef::Known(known.id))
        };
        let known = self.view.index.iter().enumerate().filter(|(_, known)| !known.state.tombstone()).filter(seen);
        for user in known.map(|(_, known)| known.id).chain(arriving) {
            let one = UserRef::Known(user);
            if !self.members.has_access(one) || self.held.contains(&one) {
                continue;
            }
            let mut difference = Difference::default();
            self.compare_role(user, &mut difference);
            self.compare_grants(user, &mut difference);
            if !difference.gains.is_empty() {
                gains.insert(user, difference.gains);
            }
            if !difference.losses.is_empty() && !self.untold.contains(&one) {
                // What another source's groups gave is left behind: no departure (I8).
                let crosses = self.crossing.contains_key(&user);
                let approved = crosses || self.view.approval.rights.contains(&user);
                let by_gone = difference.by_gone;
                let acts = difference.losses.into_iter().map(|act| if approved { act.uncounted() } else { act });
                losses.push(Losing { user, acts: acts.collect(), by_gone, approved });
            }
        }
        (gains, losses)
    }

    fn compare_role(&self, user: UserId, difference: &mut Difference) {
        let gave_role = |source: &&str| self.view.neighbours.gave_role(source);
        // Without mapped roles the role belongs to the store, unless another source's groups gave it (R1, I8).
        if self.roles().is_empty() && !self.crossing.get(&user).is_some_and(gave_role) {
            return;
        }
        let stored = self.view.roles.get(&user).map(|role| &**role);
        let now = self.rank(UserRef::Known(user));
        let after = self.role_of(now);
        if stored == after {
            return;
        }
        let before = self.rank_of(stored);
        let act = |counted| RightsAct::Role { before: stored.map(Into::into), after: after.map(Into::into), counted };
        if before.is_some_and(|before| now < before) {
            difference.gains.push(act(false));
            return;
        }
        // The role that was, and every one in between, which somebody may have by a group that was not read whole.
        let between = self.roles().get(before.unwrap_or(0)..now.min(self.roles().len())).unwrap_or_default();
        if self.may_take(between) || self.roles().is_empty() {
            let kept = before.and_then(|before| self.roles().get(before));
            difference.by_gone |= kept.is_some_and(|role| self.is_gone(role));
            difference.losses.push(act(true));
        }
    }

    fn compare_grants(&self, user: UserId, difference: &mut Difference) {
        let stored = self.view.grants_of(user);
        let given: Vec<Grant> = self.grants(UserRef::Known(user)).collect();
        for one in stored {
            let before = &one.grant;
            let mapped = self.policy.rights.grants.iter().find(|grant| *grant.name == *before.privilege);
            let may_take = self.may_take(mapped.map(std::slice::from_ref).unwrap_or_default());
            match given.iter().find(|grant| grant.privilege == before.privilege) {
                Some(after) if after.key != before.key && may_take => {
                    let (before, after) = (Box::new(before.clone()), Box::new(after.clone()));
                    difference.gains.push(RightsAct::Shown { before, after });
                }
                Some(_) => {}
                None if may_take => {
                    difference.by_gone |= mapped.is_some_and(|grant| self.is_gone(grant));
                    let grant = Box::new(before.clone());
                    difference.losses.push(RightsAct::Revoked { grant, counted: true });
                }
                None => {}
            }
        }
        let new = given.into_iter().filter(|grant| !stored.iter().any(|one| one.grant.privilege == grant.privilege));
        difference.gains.extend(new.map(|grant| RightsAct::Granted(Box::new(grant))));
    }

    /// Whether it is proven that somebody is in no group that gives any of these (E1).
    fn may_take(&self, mapped: &[Mapped]) -> bool {
        let whole = |place: &usize| self.gifts.whole.get(*place).copied().unwrap_or(false);
        self.proven && mapped.iter().flat_map(|one| &one.places).all(whole)
    }

    fn is_gone(&self, mapped: &Mapped) -> bool {
        mapped.places.iter().any(|place| self.mappings.places.get(*place).is_some_and(|judged| judged.gone))
    }

    /// What the brake, or the disappearance of a mapped group, holds (B1, R4).
    fn holds(&self, losses: &[Losing]) -> (Option<Hold>, Option<Hold>) {
        let by_gone: BTreeSet<UserId> =
            losses.iter().filter(|loss| loss.is_held_as_gone()).map(|one| one.user).collect();
        let counted = losses.iter().filter(|loss| !loss.approved && !loss.by_gone);
        let counted: BTreeSet<UserId> = counted.map(|loss| loss.user).collect();
        let departed = self.view.recent.departed.iter().filter(|(kind, _)| *kind == BrakeKind::Rights);
        let before: BTreeSet<UserId> = departed.map(|(_, user)| *user).filter(|user| !counted.contains(user)).collect();
        let had: BTreeSet<UserId> = self.had().collect();
        // Within a window of the first sync nobody had any before.
        let mut having: BTreeSet<UserId> = if had.is_empty() { self.having().collect() } else { had };
        having.extend(before.iter().chain(&counted));
        let (of, before) = (having.len() as u64, Vec::from_iter(before));
        let gone = self.policy.rights.places.iter().zip(&self.mappings.places).filter(|(_, judged)| judged.gone);
        let gone: Vec<String> = gone.map(|(place, _)| format!("`{}`", place.as_str())).collect();
        let would_go = by_gone.len() as u64;
        let says = format!(
            "{would_go} of {of} people with a mapped role or grant would lose one because a mapped group is gone: {}",
            gone.join(", ")
        );
        let by_gone = (would_go > 0).then_some(Hold::new(BrakeKind::Rights, (would_go, of), says, []));
        let limit = brake::hold(BrakeKind::Rights, counted.len() as u64, &before, of, self.policy);
        (by_gone, limit)
    }

    /// People with access who have something that mapped groups give.
    fn having(&self) -> impl Iterator<Item = UserId> {
        let access = self.view.index.iter().filter(|known| known.state.access()).map(|known| known.id);
        access.filter(|id| {
            let role = self.view.roles.get(id).map(|role| &**role);
            self.is_given(role) || !self.view.grants_of(*id).is_empty()
        })
    }

    /// The same when the brake's window began.
    fn had(&self) -> impl Iterator<Item = UserId> {
        let recent = &self.view.recent;
        let access = self.view.index.iter().filter(|known| {
            (known.state.access() && !recent.gained.contains(&known.id)) || recent.lost.contains(&known.id)
        });
        access.map(|known| known.id).filter(|id| {
            let role = self.view.roles.get(id).map(|role| &**role);
            let then = recent.rights.get(id);
            let role = then.and_then(|then| then.role.as_ref()).map_or(role, Option::as_deref);
            let grants = then.map(|then| &then.grants);
            let came = |privilege: &str| grants.is_some_and(|grants| grants.contains_key(privilege));
            let still = self.view.grants_of(*id).iter().any(|one| !came(&one.grant.privilege));
            self.is_given(role) || still || grants.is_some_and(|grants| grants.values().any(|had| *had))
        })
    }

    /// Whether a role comes from a mapped group; the default one does not.
    fn is_given(&self, role: Option<&str>) -> bool {
        role.is_some_and(|role| !self.roles().is_empty() && Some(role) != self.default_role())
    }

    fn label(&self, user: UserId) -> Box<str> {
        self.view.accounts.get(&user).map(|account| account.label().into()).unwrap_or_default()
    }

    /// Adds what happens to the changes of those who have one, and a change for everybody else.
    fn place(&self, acts: BTreeMap<UserId, Vec<RightsAct>>, changes: &mut Vec<UserChange>) {
        if acts.is_empty() {
            return;
        }
        let at: HashMap<UserRef, usize> = changes.iter().enumerate().map(|(at, one)| (one.subject, at)).collect();
        let mut unit = changes.last().map_or(0, |last| last.unit + 1);
        for (user, acts) in acts {
            let subject = UserRef::Known(user);
            let acts = acts.into_iter().map(Act::Rights);
            if let Some(change) = at.get(&subject).and_then(|at| changes.get_mut(*at)) {
                change.acts.extend(acts);
                continue;
            }
            changes.push(UserChange { subject, label: self.label(user), unit, acts: acts.collect(), mark: None });
            unit += 1;
        }
    }
}

impl Losing {
    fn is_held_as_gone(&self) -> bool {
        self.by_gone && !self.approved
    }
}

impl View {
    /// The stored grants of one user, in order.
    pub(super) fn grants_of(&self, user: UserId) -> &[StoredGrant] {
        let from = self.grants.partition_point(|one| one.user < user);
        let to = self.grants.partition_point(|one| one.user <= user);
        self.grants.get(from..to).unwrap_or_default()
    }
}
