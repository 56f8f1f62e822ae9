//! What the store remembers of the brake's window: what people had when it began, and what was lost in it (B1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::truth::within;
use crate::clock::Timestamp;
use crate::plan::tests::model::Model;
use crate::plan::tests::world::World;
use crate::plan::{
    Act, AliasWindow, BrakeKind, GroupId, GroupRef, Hold, MembershipWindow, Plan, RightsBefore, UserRef,
};
use crate::roster::{Account, AddressKey, Origin, UserId};

/// What was lost and counted, and how the store looked after each change.
#[derive(Clone, Default, Debug)]
pub struct Window {
    past: Vec<(Timestamp, Model)>,
    /// When runs ended well after which somebody had access.
    ends: Vec<Timestamp>,
    aliases: Vec<(Timestamp, (UserId, AddressKey))>,
    memberships: Vec<(Timestamp, (GroupId, UserId))>,
}

impl Window {
    /// After a change of the store, by a run or by hand.
    pub fn note(&mut self, world: &World) {
        self.past.push((world.now, world.store.clone()));
    }

    /// After a run that read everybody and came to its end.
    pub fn end(&mut self, world: &World) {
        self.ends.extend(anybody(&world.store).then_some(world.now));
    }

    /// Before the first sync nobody had anything: then it begins when the first run that ended well is over.
    fn begin(&self, world: &World) -> Timestamp {
        let since = world.now - world.policy.brake.window;
        let first =
            self.ends.iter().find(|at| (since..=world.now).contains(*at)).filter(|_| !anybody(&self.then(since)));
        first.map_or(since, |at| *at + Duration::from_millis(1))
    }

    /// What a run took away, once it is applied.
    pub fn lose(&mut self, plan: &Plan, at: Timestamp) {
        for change in &plan.users {
            let UserRef::Known(user) = change.subject else { continue };
            let lost = change.acts.iter().filter_map(|act| match act {
                Act::AliasRemoved { address, counted: true } => Some((at, (user, address.key()))),
                _ => None,
            });
            self.aliases.extend(lost);
        }
        for change in &plan.groups {
            let GroupRef::Known(group) = change.subject else { continue };
            self.memberships.extend(change.counted.iter().map(|user| (at, (group, *user))));
        }
    }

    fn then(&self, since: Timestamp) -> Model {
        self.past.iter().rev().find(|(at, _)| *at < since).map(|(_, model)| model.clone()).unwrap_or_default()
    }

    /// Where the window begins now.
    pub fn open(&self, world: &mut World) {
        world.since = Some(self.begin(world));
    }

    /// Gives the world what a store would know now.
    pub fn recall(&self, world: &mut World) {
        let since = self.begin(world);
        let then = self.then(since);
        let had_access = |user: &UserId| {
            let before = then.accounts.get(user);
            before.is_some_and(|account| account.state.access() && !is_manual(account))
        };
        let aliases = then.accounts.values().filter(|account| had_access(&account.id)).flat_map(Account::aliases);
        let had = aliases.count() as u64;
        let lost = within(&self.aliases, |one| one.0 < since).iter().map(|one| one.1.clone()).collect();
        world.recent.aliases = AliasWindow { had, lost };
        let mut had: BTreeMap<GroupId, u64> = BTreeMap::new();
        for (group, _) in then.memberships.keys().filter(|(_, user)| had_access(user)) {
            *had.entry(*group).or_default() += 1;
        }
        let lost = within(&self.memberships, |one| one.0 < since).iter().map(|one| one.1).collect();
        world.memberships = MembershipWindow { had, now: BTreeMap::new(), lost };
        world.recent.rights = self.rights(&then, since);
    }

    fn rights(&self, then: &Model, since: Timestamp) -> BTreeMap<UserId, RightsBefore> {
        let mut rights: BTreeMap<UserId, RightsBefore> = BTreeMap::new();
        for (_, model) in within(&self.past, |one| one.0 < since) {
            for user in then.accounts.keys() {
                if then.roles.get(user) != model.roles.get(user) {
                    rights.entry(*user).or_default().role = Some(then.roles.get(user).cloned());
                }
                let had = privileges(then, *user);
                for name in had.symmetric_difference(&privileges(model, *user)) {
                    rights.entry(*user).or_default().grants.insert(name.clone(), had.contains(name));
                }
            }
        }
        rights
    }

    /// Whether what is held is measured by what there is now because people had none when the window began: then more may
    /// go in the run after one that gives people some (B1).
    pub fn is_young(&self, world: &World, holds: &[Hold]) -> bool {
        let had = &world.memberships.had;
        let group_is_new = world.store.groups.keys().any(|group| !had.contains_key(group));
        holds.iter().any(|hold| match hold.kind {
            BrakeKind::Aliases => world.recent.aliases.had == 0,
            BrakeKind::Memberships => had.is_empty() || group_is_new,
            _ => false,
        })
    }
}

fn privileges(model: &Model, user: UserId) -> BTreeSet<Box<str>> {
    model.grants.keys().filter(|(one, _)| *one == user).map(|(_, name)| name.clone()).collect()
}

/// Whether anybody of the directory has access.
fn anybody(model: &Model) -> bool {
    model.accounts.values().any(|account| account.state.access() && !is_manual(account))
}

fn is_manual(account: &Account) -> bool {
    account.origin != Origin::Directory
}
