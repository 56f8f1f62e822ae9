//! One person at a time (S4).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::model::Model;
use super::properties::{PEOPLE, Step, config, edit, grouping, step};
use super::world::{Entry, World};
use crate::plan::one::{known, plan_one};
use crate::plan::*;
use crate::roster::address::fold;
use crate::roster::*;

impl World {
    /// What a run about one person would do, reading nobody else.
    pub fn look_at(&self, name: &str) -> Plan {
        let (snapshot, view, former) = self.see_one(name);
        let mut plan = plan_one(&snapshot, &view, former, &self.policy, self.now);
        plan.label(&self.store.accounts);
        plan
    }

    /// Both sides of one person, and somebody who is gone whom a newcomer may be.
    pub fn see_one(&self, name: &str) -> (Snapshot, View, Option<&Account>) {
        let account = self.store.accounts.values().find(|one| one.key.as_ref().is_some_and(|key| key.as_str() == name));
        let index = Index::new(account.and_then(known).into_iter().collect());
        let alone = self.alone(name, account);
        let snapshot = Snapshot::judge(alone.read(&index), Ok(()), &Before::default());
        let mut look_ups = HashMap::new();
        if let Some(account) = account.filter(|_| self.visible(name).is_none()) {
            look_ups.insert(account.id, self.look_up(account.id));
        }
        let former = self.former(name).filter(|_| account.is_none());
        look_ups.extend(former.map(|former| (former.id, LookUp::Gone)));
        let themselves: BTreeSet<UserId> = account.into_iter().chain(former).map(|one| one.id).collect();
        let mut view = self.view(index, &snapshot, look_ups);
        view.accounts.extend(account.into_iter().chain(former).map(|one| (one.id, one.clone())));
        let claims = snapshot.reading().people.iter().flat_map(|person| &person.claims);
        let claims: Vec<AddressKey> = claims.filter_map(|claim| Some(claim.value.as_ref().ok()?.key())).collect();
        let remembers = |one: &&Account| {
            let address = one.former.as_ref().and_then(|former| former.address.as_ref());
            account.is_none() && address.is_some_and(|address| claims.contains(address))
        };
        let tombstones = self.store.accounts.values().filter(remembers);
        view.accounts.extend(tombstones.map(|one| (one.id, one.clone())));
        view.memberships.retain(|one| themselves.contains(&one.user));
        let theirs: BTreeSet<GroupId> = view.memberships.iter().map(|one| one.group).collect();
        let read = |key: &UniqueId| snapshot.reading().groups.iter().any(|group| group.key == *key);
        view.groups.retain(|group| theirs.contains(&group.id) || read(&group.key));
        view.roles.retain(|user, _| themselves.contains(user));
        view.grants.retain(|grant| themselves.contains(&grant.user));
        (view.recent, view.vanished) = (RecentDepartures::default(), BTreeSet::new());
        view.approval = Approval::everything_of(&themselves);
        view.one_person = true;
        (snapshot, view, former)
    }

    fn visible(&self, name: &str) -> Option<&Entry> {
        self.people.get(name).filter(|entry| entry.in_base && entry.in_filter)
    }

    /// The directory as searches for one person show it: this one, and the groups around.
    fn alone(&self, name: &str, account: Option<&Account>) -> Self {
        let mut alone = self.clone();
        (alone.broken, alone.hidden) = (None, BTreeSet::new());
        alone.cut_off = BTreeSet::new();
        alone.people.retain(|other, _| other == name);
        alone.passes = Passes { users: true, groups: self.passes.groups };
        let Some(entry) = self.visible(name).filter(|entry| entry.readable && !entry.twin) else {
            (alone.passes.groups, alone.groups) = (false, BTreeMap::new());
            return alone;
        };
        let mut within = vec![entry.dn.clone()];
        let place = |group: &str| format!("cn={group},ou=groups,dc=example");
        loop {
            let names = |members: &[String]| members.iter().any(|member| within.contains(member));
            let flatten = self.policy.groups.flatten;
            let next = self.groups.iter().filter(|(id, _)| flatten && !self.garbled.contains(*id));
            let mut next = next.filter(|(_, group)| names(&group.1)).map(|(_, group)| place(&group.0));
            let Some(new) = next.find(|dn| !within.contains(dn)) else { break };
            within.push(new);
        }
        let stored = |id: &str| {
            let row = self.store.groups.values().find(|one| one.key.as_str() == id);
            row.zip(account).is_some_and(|(row, account)| self.store.memberships.contains_key(&(row.id, account.id)))
        };
        let default = self.policy.groups.one.as_ref().and_then(|one| one.default.clone());
        let mapped: Vec<&str> = self.policy.rights.places.iter().map(policy::Place::as_str).collect();
        alone.groups.values_mut().for_each(|group| group.1.retain(|member| within.contains(member)));
        alone.groups.retain(|id, group| {
            let (is_mapped, is_default) = (mapped.contains(&&*place(&group.0)), default.as_ref() == Some(&group.0));
            !group.1.is_empty() || stored(id) || is_default || is_mapped
        });
        alone
    }

    /// Somebody with the newcomer's name and address whose entry is gone (I5).
    fn former(&self, name: &str) -> Option<&Account> {
        let entry = self.visible(name)?;
        let uid = fold(entry.uid.as_ref()?);
        self.store.accounts.values().find(|one| {
            let holds = |mail: &String| {
                Address::parse(mail).is_some_and(|mail| one.addresses.iter().any(|own| own.address.key() == mail.key()))
            };
            let called = one.fields.get(&FieldId::USERNAME).is_some_and(|other| fold(other) == uid);
            let ours = one.origin == Origin::Directory && one.key.is_some() && !one.state.tombstone();
            ours && called && entry.mail.iter().any(holds) && self.look_up(one.id) == LookUp::Gone
        })
    }
}

/// Everything that belongs to somebody else.
fn others(model: &Model, themselves: &[UserId]) -> Vec<String> {
    let not = |user: &UserId| !themselves.contains(user);
    let accounts = model.accounts.iter().filter(|(user, _)| not(user)).map(|one| format!("{one:?}"));
    let members = model.memberships.iter().filter(|((_, user), _)| not(user)).map(|one| format!("{one:?}"));
    let roles = model.roles.iter().filter(|(user, _)| not(user)).map(|one| format!("{one:?}"));
    let grants = model.grants.iter().filter(|((user, _), _)| not(user)).map(|one| format!("{one:?}"));
    let rules = model.rules.iter().filter(|(user, _)| not(user)).map(|one| format!("{one:?}"));
    accounts.chain(members).chain(roles).chain(grants).chain(rules).collect()
}

/// The users with this unique id, now or after the plan.
fn themselves(plan: &Plan, before: &Model, after: &Model, name: &str) -> Vec<UserId> {
    let relinked = plan
        .users
        .iter()
        .filter(|change| change.acts.iter().any(|act| matches!(act, Act::Relinked { .. } | Act::Linked { .. })));
    let relinked = relinked.filter_map(|change| match change.subject {
        UserRef::Known(user) => Some(user),
        UserRef::New(_) => None,
    });
    let named = |one: &&Account| one.key.as_ref().is_some_and(|key| key.as_str() == name);
    let all = before.accounts.values().chain(after.accounts.values());
    all.filter(named).map(|one| one.id).chain(relinked).collect()
}

/// S4, B1: somebody confirmed goes although the brake holds the others, who are neither missed nor counted.
#[test]
fn one_confirmed_person_goes_past_the_brake() {
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.people.retain(|name, _| name.as_str() < "u05");
    assert!(!world.look().plan.holds.is_empty());
    let plan = world.look_at("u19");
    assert!(plan.holds.is_empty() && plan.held.is_empty());
    world.store.apply(&plan, &world.policy.names, world.now);
    assert_eq!((world.state("u19"), world.state("u18")), (State::Pending, State::Active));
    assert!(world.look().plan.holds[0].says.contains("14 of 19"), "{:?}", world.look().plan.holds);
}

/// S4, B1
#[test]
fn one_confirmed_person_loses_many_aliases_at_once() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").aliases = (0..7).map(|n| format!("a{n}@ours.example")).collect();
    world.run();
    world.entry("ada").aliases.clear();
    assert!(!world.look().plan.holds.is_empty(), "a whole run holds them");
    let plan = world.look_at("ada");
    let lost = plan.users.iter().flat_map(|change| &change.acts).filter(|act| matches!(act, Act::AliasRemoved { .. }));
    assert_eq!((plan.holds.len(), lost.count()), (0, 7));
}

/// S4, I5: an entry with the id of before in mind goes on as the user it was; one that only resembles leaves that user
/// alone.
#[test]
fn a_newcomer_may_be_somebody_who_is_gone() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.people.insert("ada2".into(), entry.clone());
    let events = |plan: &Plan| plan.users.iter().flat_map(|one| one.acts.iter().map(Act::event)).collect::<Vec<_>>();
    assert_eq!(events(&world.look_at("ada2")), ["user.relinked"]);
    world.policy.relink_within = None;
    assert_eq!(events(&world.look_at("ada2")), [""; 0], "waits outside for the address");
    world.policy.relink_within = Some(super::world::DAY);
    world.entry("ada2").enabled = false;
    assert_eq!(events(&world.look_at("ada2")), [""; 0], "U4: nobody yet, and the old one is not missed by this");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..config() })]

    /// S4, P2, P4: whatever happened, a run about one person touches nobody else and leaves nothing for a second one;
    /// no address or name ever has two owners, and no conflict of others is closed or worded anew.
    #[test]
    fn one_person_at_a_time_touches_nobody_else(
        steps in prop::collection::vec(step(), 1..40),
        groups in grouping(),
        who in prop::collection::vec(0..PEOPLE.len(), 1..4),
    ) {
        let mut world = World::new(&["ours.example"]);
        world.policy.groups = groups;
        for step in &steps {
            match step {
                Step::Run => _ = world.run(),
                Step::BrokenRun | Step::GroupsRun => {}
                other => edit(&mut world, other),
            }
        }
        for name in who.iter().flat_map(|who| [PEOPLE[*who].to_owned(), format!("{}2", PEOPLE[*who])]) {
            let before = world.store.clone();
            let plan = world.look_at(&name);
            world.store.apply(&plan, &world.policy.names, world.now);
            let one = themselves(&plan, &before, &world.store, &name);
            prop_assert_eq!(others(&before, &one), others(&world.store, &one), "{} {:?}", name, plan);
            prop_assert!(plan.resolved.is_empty() && plan.reworded.is_empty());
            let again = world.look_at(&name);
            prop_assert!(again.users.is_empty() && again.groups.is_empty() && again.opened.is_empty(), "{}: {:?} after {:?}", name, again, plan);
        }
    }
}

/// S4, U9: what is told of one person says nothing of what was skipped of others.
#[test]
fn of_one_person_only_what_was_skipped_of_this_one_is_counted() {
    let mut world = World::with(&["ada", "bob", "cy"]);
    for name in ["ada", "bob"] {
        world.entry(name).aliases = vec!["no address".into()];
    }
    world.hire("eve").mail = Vec::new();
    world.run();
    assert_eq!(world.look().plan.skipped.values().map(|tally| tally.total).sum::<u64>(), 3);
    world.entry("ada").notes = vec!["new".into()];
    let told = world.look_at("ada").skipped;
    assert_eq!(told.iter().map(|(what, tally)| (*what, tally.total)).collect::<Vec<_>>(), [(Skipped::Without, 1)]);
    assert!(world.look_at("cy").skipped.is_empty());
}
