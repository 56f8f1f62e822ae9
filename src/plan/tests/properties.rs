//! What holds for any directory and any history: one roster, edited again and again by small steps.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::explain::check_fates;
use super::model::Model;
use super::rights::rights;
use super::world::{DAY, Entry, Said, World};
use crate::plan::policy::{GroupPolicy, OneGroup, Rights};
use crate::plan::{Act, BrakeKind, UserRef, Via};
use crate::roster::{Account, Address, FieldId, Origin, PendingReason, State, UniqueId, UserId};

pub(super) const PEOPLE: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const TEAMS: [&str; 4] = ["crew", "guests", "staff", "team"];
const LOCALS: [&str; 6] = ["p", "q", "r", "s", "P", "t"];
const DOMAINS: [&str; 3] = ["ours.example", "OURS.example", "other.example"];
/// What may be managed: everything, one domain, two of them; so that a domain is taken away (D2), and comes back (L7).
const MANAGED: [&[&str]; 3] = [&[], &["ours.example"], &["ours.example", "other.example"]];

/// One small edit, or one thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Hire(usize),
    Leave(usize),
    Toggle(usize),
    Doubt(usize),
    Mail(usize, Vec<(usize, usize)>),
    Alias(usize, Vec<(usize, usize)>),
    Name(usize, Option<usize>),
    Swap(usize, usize),
    Move(usize, usize),
    Readd(usize),
    OutOfBase(usize),
    Filter(usize),
    Garble(usize),
    Twin(usize),
    Member(usize, usize),
    Inside(usize, usize),
    Primary(usize, Option<Option<usize>>),
    Disband(usize),
    CutOff(usize),
    GarbleGroup(usize),
    Days(u8),
    AddByHand(usize),
    ByHand(fn(&mut World, UserId) -> bool, usize),
    Grouping(GroupPolicy),
    Rights(usize),
    Domains(usize),
    Run,
    GroupsRun,
    BrokenRun,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PEOPLE.len();
    let team = || 0..TEAMS.len();
    let addresses = || prop::collection::vec((0..LOCALS.len(), 0..DOMAINS.len()), 0..3);
    prop_oneof![
        3 => who().prop_map(Step::Hire),
        2 => who().prop_map(Step::Leave),
        2 => who().prop_map(Step::Toggle),
        1 => who().prop_map(Step::Doubt),
        3 => (who(), addresses()).prop_map(|(who, mail)| Step::Mail(who, mail)),
        3 => (who(), addresses()).prop_map(|(who, mail)| Step::Alias(who, mail)),
        2 => (who(), prop::option::weighted(0.8, who())).prop_map(|(who, name)| Step::Name(who, name)),
        2 => (who(), who()).prop_map(|(a, b)| Step::Swap(a, b)),
        1 => (who(), 0..3_usize).prop_map(|(who, to)| Step::Move(who, to)),
        2 => who().prop_map(Step::Readd),
        1 => who().prop_map(Step::OutOfBase),
        1 => who().prop_map(Step::Filter),
        1 => who().prop_map(Step::Garble),
        1 => who().prop_map(Step::Twin),
        3 => (who(), team()).prop_map(|(who, team)| Step::Member(who, team)),
        2 => (team(), team()).prop_map(|(team, other)| Step::Inside(team, other)),
        3 => (0..3_usize, prop::option::weighted(0.9, prop::option::weighted(0.7, team())))
            .prop_map(|(who, team)| Step::Primary(who, team)),
        1 => team().prop_map(Step::Disband),
        1 => team().prop_map(Step::CutOff),
        1 => team().prop_map(Step::GarbleGroup),
        2 => (0..20_u8).prop_map(Step::Days),
        1 => who().prop_map(Step::AddByHand),
        2 => (by_hand(), who()).prop_map(|(done, who)| Step::ByHand(done, who)),
        1 => grouping().prop_map(Step::Grouping),
        1 => (0..MAPPINGS).prop_map(Step::Rights),
        1 => (0..MANAGED.len()).prop_map(Step::Domains),
        6 => Just(Step::Run),
        1 => Just(Step::GroupsRun),
        1 => Just(Step::BrokenRun),
    ]
}

/// What an administrator may do to somebody (L8).
fn by_hand() -> impl Strategy<Value = fn(&mut World, UserId) -> bool> {
    prop_oneof![
        Just(World::ignore as fn(&mut World, UserId) -> bool),
        Just(World::restore as fn(&mut World, UserId) -> bool),
        Just(World::delete as fn(&mut World, UserId) -> bool),
    ]
}

pub(super) fn edit(world: &mut World, step: &Step) {
    let text = |list: &[(usize, usize)]| list.iter().map(|(l, d)| format!("{}@{}", LOCALS[*l], DOMAINS[*d])).collect();
    let mut on = |who: &usize, change: &mut dyn FnMut(&mut Entry)| {
        if let Some(entry) = world.people.get_mut(PEOPLE[*who]) {
            change(entry);
        }
    };
    match step {
        Step::Hire(who) => {
            let again = format!("{}2", PEOPLE[*who]);
            if !world.people.contains_key(PEOPLE[*who]) && !world.people.contains_key(&again) {
                world.hire(PEOPLE[*who]);
            }
        }
        Step::Leave(who) => _ = world.people.remove(PEOPLE[*who]),
        Step::Toggle(who) => on(who, &mut |entry| entry.enabled = !entry.enabled),
        Step::Doubt(who) => on(who, &mut |entry| entry.doubtful = !entry.doubtful),
        Step::Mail(who, mail) => on(who, &mut |entry| entry.mail = text(mail)),
        Step::Alias(who, mail) => on(who, &mut |entry| entry.aliases = text(mail)),
        Step::Name(who, name) => on(who, &mut |entry| entry.uid = name.map(|name| PEOPLE[name].to_uppercase())),
        Step::Swap(a, b) => {
            let mail = |world: &World, who: usize| world.people.get(PEOPLE[who]).map(|entry| entry.mail.clone());
            if let (Some(x), Some(y)) = (mail(world, *a), mail(world, *b)) {
                world.entry(PEOPLE[*a]).mail = y;
                world.entry(PEOPLE[*b]).mail = x;
            }
        }
        Step::Move(who, to) => on(who, &mut |entry| entry.dn = format!("uid={},ou=unit{to},dc=example", PEOPLE[*who])),
        Step::Readd(who) => {
            let keys = [PEOPLE[*who].to_owned(), format!("{}2", PEOPLE[*who])];
            if let Some((from, entry)) = keys.iter().find_map(|key| Some((key, world.people.remove(key)?))) {
                let to = keys.iter().find(|key| *key != from).unwrap();
                world.people.insert(to.clone(), entry);
            }
        }
        Step::OutOfBase(who) => on(who, &mut |entry| entry.in_base = !entry.in_base),
        Step::Filter(who) => on(who, &mut |entry| entry.in_filter = !entry.in_filter),
        Step::Twin(who) => on(who, &mut |entry| entry.twin = !entry.twin),
        Step::Garble(who) => on(who, &mut |entry| entry.readable = !entry.readable),
        Step::Member(who, team) => {
            let dn = world.people.get(PEOPLE[*who]).map(|entry| entry.dn.clone());
            dn.into_iter().for_each(|dn| toggle(world, *team, dn));
        }
        Step::Inside(team, other) => toggle(world, *team, format!("cn={},ou=groups,dc=example", TEAMS[*other])),
        Step::Primary(who, None) => _ = world.primary.remove(PEOPLE[*who]),
        Step::Primary(who, Some(team)) => {
            _ = world.primary.insert(PEOPLE[*who].to_owned(), team.map(|team| TEAMS[team].to_owned()));
        }
        Step::Disband(team) => _ = world.groups.remove(TEAMS[*team]),
        Step::CutOff(team) => flip(&mut world.cut_off, TEAMS[*team]),
        Step::GarbleGroup(team) => flip(&mut world.garbled, TEAMS[*team]),
        Step::Days(days) => _ = world.later(DAY * u32::from(*days)),
        Step::Grouping(groups) => world.policy.groups = groups.clone(),
        Step::Rights(which) => world.policy.rights = mapping(*which),
        Step::Domains(which) => world.policy.managed = super::policy(MANAGED[*which]).managed,
        Step::AddByHand(who) => _ = world.add_by_hand(PEOPLE[*who]),
        Step::ByHand(done, who) => {
            let key = UniqueId::new(PEOPLE[*who]);
            let found = world.store.accounts.values().find(|one| one.key == key).map(|one| one.id);
            found.into_iter().for_each(|id| _ = done(world, id));
        }
        Step::Run | Step::GroupsRun | Step::BrokenRun => {}
    }
}

/// Takes a member out of a group, or puts it in.
fn toggle(world: &mut World, team: usize, dn: String) {
    let group = world.groups.entry(TEAMS[team].into()).or_insert_with(|| (TEAMS[team].into(), Vec::new()));
    match group.1.iter().position(|member| *member == dn) {
        Some(at) => _ = group.1.remove(at),
        None => group.1.push(dn),
    }
}

fn flip(set: &mut BTreeSet<String>, name: &str) {
    if !set.remove(name) {
        set.insert(name.to_owned());
    }
}

/// How groups are dealt with: nested, assigned (to nobody, by name, with an order, with a default group), dropped.
pub(super) fn grouping() -> impl Strategy<Value = GroupPolicy> {
    let one = |(priority, default): (Vec<usize>, bool)| OneGroup {
        priority: priority.into_iter().map(|team| TEAMS[team].to_owned()).collect(),
        default: default.then(|| "guests".to_owned()),
    };
    let priority = prop::collection::vec(0..TEAMS.len(), 0..3);
    (any::<bool>(), prop::option::of((priority, any::<bool>()).prop_map(one)), any::<bool>())
        .prop_map(|(flatten, one, drop_empty)| GroupPolicy { flatten, one, drop_empty })
}

/// How many ways there are to map groups.
const MAPPINGS: usize = 6;

/// Groups that give roles and grants: none, one each, several, with a default role, with a role required.
fn mapping(which: usize) -> Rights {
    let roles: &[(&str, &[&str])] = &[("admin", &["crew"]), ("user", &["staff", "team"])];
    let grants: &[(&str, &[&str])] = &[("read", &["guests", "staff"]), ("write", &["crew"])];
    let default_role = Some("user".to_owned()).filter(|_| which >= 3);
    match which {
        0 => Rights::default(),
        1 => rights(roles, &[]),
        2 => rights(&[], grants),
        3 | 4 => Rights { default_role, ..rights(roles, grants) },
        _ => Rights { required: true, default_role, ..rights(roles, grants) },
    }
}

/// What must hold of roles and grants after a run.
fn check_rights(world: &World, before: &Model, broken: bool) {
    let (after, rights) = (&world.store, &world.policy.rights);
    let access = |model: &Model, user: &UserId| model.accounts.get(user).is_some_and(|one| one.state.access());
    let stays = |user: &UserId| access(before, user) && access(after, user);
    if broken {
        for (one, _) in before.grants.iter().filter(|((user, _), _)| stays(user)) {
            assert!(after.grants.contains_key(one), "E1: {one:?} is lost by a partial read");
        }
        let rank = |role: Option<&Box<str>>| {
            role.map(|role| rights.roles.iter().position(|one| *one.name == **role).unwrap_or(rights.roles.len()))
        };
        for (user, role) in before.roles.iter().filter(|(user, _)| stays(user)) {
            let now = rank(after.roles.get(user));
            assert!(now.is_some() && now <= rank(Some(role)), "E1: {user:?} was {role} and is {now:?}");
        }
    }
    // L4
    for user in after.accounts.values().filter(|one| one.state == State::Pending).map(|one| one.id) {
        let of = |model: &Model| {
            let grants = model.grants.iter().filter(|((one, _), _)| *one == user).map(|(one, _)| one.clone());
            (model.roles.get(&user).cloned(), grants.collect::<Vec<_>>())
        };
        assert_eq!(of(before), of(after), "L4: {user:?}");
    }
    // R1: nobody has a mapped role whom no group gives one, in a world in which everything is known.
    let known = world.garbled.is_empty() && world.cut_off.is_empty() && !broken && world.passes.users;
    if known && world.look().plan.holds.is_empty() && !rights.roles.is_empty() {
        for (user, role) in after.roles.iter().filter(|(user, _)| access(after, user)) {
            let key = after.accounts[user].key.as_ref().unwrap().to_string();
            let Some(entry) = world.people.get(&key).filter(|entry| entry.readable && !entry.twin) else { continue };
            let names = |group: &(String, Vec<String>)| group.1.contains(&entry.dn);
            let direct = world.groups.values().any(names);
            let primary =
                world.primary.get(&key).is_some_and(|id| id.as_ref().is_none_or(|id| world.groups.contains_key(id)));
            assert!(direct || primary || rights.default_role.is_some(), "R1: {key} is {role} by no group");
        }
    }
}

/// What must hold of groups after a run.
fn check_groups(world: &World, before: &Model, broken: bool) {
    let after = &world.store;
    let access = |model: &Model, user: &UserId| model.accounts.get(user).is_some_and(|one| one.state.access());
    let groups_of = |model: &Model, user: &UserId| model.memberships.keys().filter(|(_, one)| one == user).count();
    if broken {
        for (one, via) in &before.memberships {
            let now = after.memberships.get(one);
            assert!(now.is_some_and(|now| now <= via), "E1: {one:?} was {via} and is {now:?}");
        }
        for group in before.groups.values().filter(|group| group.state == State::Active) {
            assert_eq!(after.groups[&group.id].state, State::Active, "E1: {group:?}");
        }
    }
    if world.policy.groups.one.is_none() && !broken {
        check_primary(world, before);
    }
    if world.policy.groups.one.is_some() {
        for user in after.accounts.keys().filter(|user| access(after, user)) {
            let (had, has) = (groups_of(before, user), groups_of(after, user));
            assert!(has <= had.max(1), "G5: {user:?} had {had} groups and has {has}");
            let lost = broken && has < had;
            assert!(!lost, "G5: {user:?} loses a group by a partial read");
        }
    }
    if world.policy.groups.drop_empty
        && world.passes.users
        && !broken
        && world.cut_off.is_empty()
        && world.garbled.is_empty()
    {
        for group in after.groups.values().filter(|group| group.state != State::Deleted) {
            assert!(after.memberships.keys().any(|(one, _)| *one == group.id), "G6: nobody is in {group:?}");
        }
    }
}

/// G3: who has a primary group is in it; who stays, and of whom nobody could tell it, stays in it, too.
fn check_primary(world: &World, before: &Model) {
    let after = &world.store;
    let stays = |user: &UserId| {
        [before, after].iter().all(|model| model.accounts.get(user).is_some_and(|one| one.state.access()))
    };
    for ((group, user), _) in before.memberships.iter().filter(|((_, user), via)| **via == Via::Primary && stays(user))
    {
        let key = before.accounts[user].key.as_ref().map(ToString::to_string).unwrap_or_default();
        let untold = world.primary.get(&key).is_none_or(Option::is_none);
        let there = after.groups[group].state == State::Active && world.people.contains_key(&key);
        let is_in = after.memberships.contains_key(&(*group, *user));
        assert!(!untold || !there || is_in, "{key} is no longer in {:?}", after.groups[group]);
    }
    let whole = world.passes.groups && world.cut_off.is_empty() && world.garbled.is_empty();
    for ((group, user), _) in after.memberships.iter().filter(|(_, via)| whole && **via == Via::Primary) {
        let Some(key) = after.accounts[user].key.as_ref().filter(|_| stays(user)) else { continue };
        let Some(Some(id)) = world.primary.get(key.as_str()).filter(|_| world.people.contains_key(key.as_str())) else {
            continue;
        };
        assert_eq!(*id, after.groups[group].key.as_str(), "{key} is in another one by it");
    }
}

/// M2, M3: what a person gave a manual account stays.
fn check_manual(world: &World, before: &Model) {
    let manual = |one: &&Account| one.origin != Origin::Directory && one.state != State::Deleted;
    for one in before.accounts.values().filter(manual) {
        let after = &world.store.accounts[&one.id];
        let own = |one: &Account| (one.origin, one.state, one.fields.get(&FieldId::USERNAME).cloned());
        let kept = one.state == State::Kept;
        assert!(own(one) == own(after) || kept, "{one:?} {after:?}");
        assert_eq!(one.primary(), after.primary());
        assert!(one.aliases().all(|alias| after.aliases().any(|same| same == alias)), "{one:?} {after:?}");
    }
}

/// What must hold of what the brake holds.
fn check_brake(world: &World, before: &Model, said: &Said) {
    // P11: above the limit nothing of the kind is in the plan but what was pending before.
    for hold in &said.plan.holds {
        // What a mapped group strips that is gone is held for itself; who is missing beside goes on (R4).
        let by_gone = hold.says.contains("a mapped group is gone");
        let flags = said
            .plan
            .users
            .iter()
            .flat_map(|change| &change.acts)
            .filter(|act| matches!(act, Act::Flagged { counted: Some(kind), reason, .. } if *kind == hold.kind && (!by_gone || *reason == PendingReason::NoRole)));
        assert_eq!(flags.count(), 0, "P11");
    }
    let holds = |kind: BrakeKind| said.plan.holds.iter().any(|hold| hold.kind == kind);
    let acts = || said.plan.users.iter().flat_map(|change| &change.acts);
    let lost_aliases = acts().filter(|act| matches!(act, Act::AliasRemoved { counted: true, .. })).count();
    assert!(!holds(BrakeKind::Aliases) || lost_aliases == 0, "P11: {said:?}");
    assert!(!holds(BrakeKind::Memberships) || !said.plan.loses_memberships(), "P11: {said:?}");
    // Who is held loses nothing of the kind, and gains go on (B1).
    for held in said.plan.held.iter().filter(|held| held.kind == BrakeKind::Aliases) {
        let (before, after) = (&before.accounts[&held.user], &world.store.accounts[&held.user]);
        let has = |alias| after.addresses.iter().any(|one| one.address.key() == Address::key(alias));
        assert!(before.aliases().all(has), "B1: {} loses an alias", held.label);
    }
}

/// Runs once and checks everything that must hold of any single run.
fn checked_run(world: &mut World, broken: bool) {
    world.broken = broken.then_some("connection-lost");
    let before = world.store.clone();
    let said = world.look();
    // P1: blind to the order in which things come.
    let mut shuffled = world.clone();
    for entry in shuffled.people.values_mut() {
        entry.mail.reverse();
        entry.aliases.reverse();
    }
    shuffled.groups.values_mut().for_each(|(_, members)| members.reverse());
    assert_eq!(said.plan, shuffled.look().plan);
    // The model checks P4 after every unit, and that nobody is deleted early or unflagged (P7).
    world.run();
    check_manual(world, &before);
    check_groups(world, &before, broken);
    check_rights(world, &before, broken);
    for change in &said.plan.users {
        let flagged = change.acts.iter().any(|act| matches!(act, Act::Flagged { .. }));
        let deleted = change.acts.iter().any(|act| matches!(act, Act::Deleted { .. } | Act::Removed { .. }));
        if let UserRef::Known(id) = change.subject {
            let account = &before.accounts[&id];
            let manual = account.origin != Origin::Directory;
            assert!(!manual || account.state == State::Deleted || !(flagged || deleted), "M3: {account:?}");
            let Some(key) = account.key.as_ref().map(|key| key.as_str().to_owned()) else { continue };
            let entry = world.people.get(&key);
            let healthy = |entry: &&Entry| {
                entry.enabled
                    && !entry.doubtful
                    && entry.in_base
                    && entry.in_filter
                    && entry.readable
                    && !entry.twin
                    && entry.mail == [format!("{key}@ours.example")]
            };
            let no_role = PendingReason::NoRole;
            let role_missed = change.acts.iter().any(|act| match act {
                Act::Flagged { reason, .. } => *reason == no_role,
                Act::Deleted { reason } => *reason == Some(no_role),
                _ => false,
            });
            assert!(
                !(flagged || deleted) || role_missed || entry.filter(healthy).is_none(),
                "P9, P10: {key} was fine: {said:?}"
            );
            let unreadable =
                entry.is_some_and(|entry| (!entry.readable || entry.twin) && entry.in_base && entry.in_filter);
            assert!(!unreadable || change.acts.is_empty(), "P10: {key} waits");
            assert!(!broken || !deleted, "E1: nothing is deleted from a partial read");
            let absent = entry.is_none_or(|entry| !entry.in_base || !entry.in_filter);
            let relinked = change.acts.iter().any(|act| matches!(act, Act::Relinked { .. }));
            assert!(!broken || !absent || relinked || change.acts.is_empty(), "E1: nobody is missed in a partial read");
        }
    }
    check_brake(world, &before, &said);
    check_fates(&said.plan, &world.store);
    // P2: quiet when run again at the same moment.
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "P2: {:?} after {:?}", again.plan, said.plan);
    // U8: who is in, and may be disabled, is told in every run.
    for (name, entry) in world.people.iter().filter(|(_, entry)| entry.doubtful && entry.enabled && !broken) {
        let known = world.store.accounts.values().find(|one| one.key.as_ref().is_some_and(|key| key.as_str() == name));
        let ours = known.filter(|one| one.state.access() && one.origin == Origin::Directory && world.passes.users);
        let read = entry.in_base && entry.in_filter && entry.readable && !entry.twin;
        let told = |skip: &crate::roster::Skip| skip.unique_id.as_deref() == Some(name) && skip.rule == "U8";
        assert!(ours.is_none() || !read || again.plan.skips.iter().any(told), "U8: {name} in {:?}", again.plan.skips);
    }
    // I1: an internal id is of one user, who keeps it.
    for (id, account) in &before.accounts {
        assert_eq!(world.store.accounts[id].uuid, account.uuid, "I1");
    }
    // A5: only people with access are in the change of a group.
    for account in world.store.accounts.values() {
        assert_eq!(account.reason.is_some(), account.state == State::Pending);
    }
}

proptest! {
    #![proptest_config(config())]

    /// P1, P2, P4, P7, P9, P10, P11, E1, D2, G4, G5, G6, R1, R2, R3, R4
    #[test]
    fn any_history_keeps_the_promises(
        steps in prop::collection::vec(step(), 1..40),
        managed in 0..MANAGED.len(),
        groups in grouping(),
    ) {
        let mut world = World::new(MANAGED[managed]);
        world.policy.groups = groups;
        for step in &steps {
            match step {
                Step::Run => checked_run(&mut world, false),
                Step::BrokenRun => checked_run(&mut world, true),
                Step::GroupsRun => {
                    world.passes.users = false;
                    checked_run(&mut world, false);
                    world.passes.users = true;
                }
                other => edit(&mut world, other),
            }
        }
        checked_run(&mut world, false);
        // P8: everybody comes back with the id they had.
        let before = world.store.clone();
        world.people.clear();
        world.policy.brake.at_least = 100;
        world.policy.rights = Rights::default();
        checked_run(&mut world, false);
        let ours = |account: &&Account| account.state.access() && account.origin == Origin::Directory;
        for account in before.accounts.values().filter(ours) {
            world.hire(account.key.as_ref().unwrap().as_str());
        }
        checked_run(&mut world, false);
        for account in before.accounts.values().filter(|account| account.state.access()) {
            let after = &world.store.accounts[&account.id];
            prop_assert_eq!(after.uuid, account.uuid);
        }
        let missing = BrakeKind::Missing;
        prop_assert!(world.look().plan.holds.iter().all(|hold| hold.kind != missing));
    }
}

/// The same histories in every run, so that a change is judged by what it changes; others by `PROPTEST_RNG_SEED`, more
/// of them by `PROPTEST_CASES`.
pub(super) fn config() -> ProptestConfig {
    let seed = match ProptestConfig::default().rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_261_122),
        given => given,
    };
    let failure_persistence = None;
    ProptestConfig {
        cases: 2_000,
        max_shrink_iters: 20_000,
        rng_seed: seed,
        failure_persistence,
        ..ProptestConfig::default()
    }
}
