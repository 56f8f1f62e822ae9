//! Single plans over small rosters, very many of them: what holds between a plan, the store it leaves, and other plans.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::model::Model;
use super::properties::{PEOPLE, Step, edit, step};
use super::world::{DAY, World};
use crate::clock::{Timestamp, environment};
use crate::plan::policy::Delay;
use crate::plan::{Act, ConflictKind, Plan, UserRef};
use crate::roster::{Account, Origin, State, UserId};

/// A roster that was read once, edits of both sides since then, and what the next run would do.
fn world(people: usize, edits: &[Step]) -> World {
    let mut world = World::new(&["ours.example"]);
    world.policy.brake.at_least = 2;
    PEOPLE.iter().take(people).for_each(|name| _ = world.hire(name));
    let dns: Vec<String> = world.people.values().map(|entry| entry.dn.clone()).collect();
    world.groups.insert("staff".into(), ("staff".into(), dns));
    world.run();
    let (before, since) = edits.split_at(edits.len() / 2);
    before.iter().for_each(|step| edit(&mut world, step));
    world.run();
    since.iter().for_each(|step| edit(&mut world, step));
    world
}

fn edits() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..10)
}

fn after(world: &World, plan: &Plan) -> Model {
    let mut store = world.store.clone();
    store.apply(plan, &world.policy.names, world.now);
    store
}

fn whose(plan: &Plan, wanted: fn(&Act) -> bool) -> BTreeSet<UserRef> {
    plan.users.iter().filter(|change| change.acts.iter().any(wanted)).map(|change| change.subject).collect()
}

fn deletes(act: &Act) -> bool {
    matches!(act, Act::Deleted { .. })
}

fn flags(act: &Act) -> bool {
    matches!(act, Act::Flagged { from, .. } if from.access())
}

/// Everything that anybody can see of a store, by unique id instead of by row.
fn shown(model: &Model) -> BTreeSet<String> {
    let name = |id: &UserId| {
        let account = &model.accounts[id];
        account.key.as_ref().map_or_else(|| account.label(), ToString::to_string)
    };
    let group = |id| model.groups[id].key.to_string();
    let person = |one: &Account| {
        let addresses: BTreeSet<String> = one.addresses.iter().map(|one| format!("{one:?}")).collect();
        let dates = (one.flagged_at, one.delete_after, &one.former);
        format!(
            "{} {} {:?} {:?} {addresses:?} {dates:?} {:?}",
            name(&one.id),
            one.state,
            one.dn,
            one.fields,
            one.reason
        )
    };
    let people = model.accounts.values().map(person);
    let members = model.memberships.iter().map(|((one, user), via)| format!("{} {} {via}", group(one), name(user)));
    let groups = model.groups.values().map(|one| format!("{} {} {} {}", one.key, one.name, one.dn, one.state));
    let roles = model.roles.iter().map(|(user, role)| format!("{} is {role}", name(user)));
    let grants = model.grants.keys().map(|(user, grant)| format!("{} may {grant}", name(user)));
    let conflicts = model.conflicts.values().map(|one| format!("{} {} {}", one.kind, one.subject, one.detail));
    people.chain(members).chain(groups).chain(roles).chain(grants).chain(conflicts).collect()
}

/// P3: units, and groups, in whatever order.
fn any_order(world: &World, plan: &Plan) {
    let mut turned = plan.clone();
    let units: Vec<Vec<_>> = turned.users.chunk_by(|a, b| a.unit == b.unit).map(<[_]>::to_vec).collect();
    turned.users = units.into_iter().rev().flatten().collect();
    turned.groups.reverse();
    assert_eq!(shown(&after(world, plan)), shown(&after(world, &turned)), "P3");
}

/// P5: the numbers are those of the difference between the store of before and the store of after.
fn accounts_for(world: &World, plan: &Plan, store: &Model) {
    let state = |model: &Model, id: &UserId| model.accounts.get(id).map(|one| one.state);
    let count = |wanted: &dyn Fn(Option<State>, State) -> bool| {
        let moved = |(id, one): &(&UserId, &Account)| wanted(state(&world.store, id), one.state);
        store.accounts.iter().filter(moved).count() as u64
    };
    let in_store = |before: Option<State>| before.is_some_and(|state| state != State::Deleted);
    let removed = whose(plan, |act| matches!(act, Act::Removed { from, .. } if from.access())).len() as u64;
    let relinked = whose(plan, |act| matches!(act, Act::Relinked { from: State::Deleted, .. })).len() as u64;
    let added = count(&|before, after| !in_store(before) && after == State::Active);
    let counts = &plan.counts;
    assert_eq!(counts.added, added, "P5: added, of them re-linked {relinked}");
    let lost = count(&|before, after| before.is_some_and(State::access) && !after.access());
    assert_eq!(counts.flagged, lost - removed, "P5: flagged");
    let back = |before| matches!(before, Some(State::Pending | State::Kept));
    assert_eq!(counts.restored, count(&|before, after| back(before) && after == State::Active), "P5: restored");
    assert_eq!(counts.deleted, count(&|before, after| in_store(before) && after == State::Deleted), "P5: deleted");
    let pending = count(&|_, after| after == State::Pending);
    assert_eq!((plan.pending, counts.conflicts), (pending, pending + store.conflicts.len() as u64), "P5: conflicts");
    assert_eq!(counts.skipped, plan.skips.len() as u64, "P5: skipped");
    // Everybody who can be understood is in, or left out with a reason.
    let told: BTreeSet<&str> = plan.skips.iter().filter_map(|skip| skip.unique_id.as_deref()).collect();
    for (key, entry) in world.people.iter().filter(|(_, entry)| entry.in_base && entry.in_filter && entry.readable) {
        let known = store.accounts.values().any(|one| one.key.as_ref().is_some_and(|one| one.as_str() == key));
        assert!(known || told.contains(key.as_str()), "P5: nothing is said of {key} {entry:?}");
    }
}

/// P7, P12: an earlier moment, a longer delay and a tighter brake never delete or flag anybody else.
fn monotone(world: &World, plan: &Plan) {
    let variant = |change: &dyn Fn(&mut World)| {
        let mut other = world.clone();
        change(&mut other);
        other.look().plan
    };
    let earlier = variant(&|other| other.now = Timestamp::from_millis(other.now.millis() - 86_400_000 * 9));
    let patient = variant(&|other| other.policy.delay = Delay::After(40 * DAY));
    let never = variant(&|other| (other.policy.delay, other.policy.disabled_delay) = (Delay::Never, Delay::Never));
    let tight = variant(&|other| (other.policy.brake.at_least, other.policy.brake.percent) = (0, 0.0));
    for (name, less) in [("earlier", &earlier), ("longer", &patient), ("never", &never), ("tighter", &tight)] {
        assert!(whose(less, deletes).is_subset(&whose(plan, deletes)), "P12: {name}");
    }
    assert!(whose(&tight, flags).is_subset(&whose(plan, flags)), "P12: a tighter brake flags more");
    assert!(whose(&tight, flags).is_empty(), "P11: a brake of nobody flags nobody");
}

/// P15: what is in conflict is wanted by two, and the sentence names whoever has it.
fn conflicts_have_causes(world: &World, store: &Model) {
    for one in store.conflicts.values() {
        let wants = |entry: &&super::world::Entry| match one.kind {
            ConflictKind::AddressTaken => {
                entry.mail.iter().chain(&entry.aliases).any(|address| address.to_lowercase() == one.subject)
            }
            ConflictKind::UsernameTaken => entry.uid.as_ref().is_some_and(|uid| uid.to_lowercase() == one.subject),
            _ => true,
        };
        assert!(world.people.values().any(|entry| wants(&entry)), "P15: nobody wants {one:?}");
        let owner = one.owner.map(|owner| match owner {
            UserRef::Known(id) => &store.accounts[&id],
            UserRef::New(_) => panic!("P15: nobody was added for {one:?}"),
        });
        let contest = matches!(one.kind, ConflictKind::AddressTaken | ConflictKind::UsernameTaken);
        assert!(owner.is_some() || !contest, "P15: nobody has what is contested: {one:?}");
        if let Some(owner) = owner.filter(|_| contest) {
            assert!(one.detail.contains(&format!("`{}`", owner.label())), "P15: {one:?} {owner:?}");
        }
    }
}

fn whole(world: &World) -> bool {
    world.broken.is_none() && world.cut_off.is_empty() && world.garbled.is_empty()
}

fn config() -> ProptestConfig {
    let cases = environment("ROSTERD_CASES").and_then(|text| text.parse().ok()).unwrap_or(2_500);
    let given = ProptestConfig::default();
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_123) } else { given.rng_seed };
    ProptestConfig { cases, max_shrink_iters: 20_000, rng_seed, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(config())]

    /// P1, P2, P4, P13: the same plan every time; what it says is what applying it does, and then there is nothing left.
    #[test]
    fn a_plan_is_all_there_is_to_do(people in 1..7_usize, edits in edits()) {
        let world = world(people, &edits);
        let said = world.look();
        prop_assert_eq!(&said.plan, &world.look().plan);
        let mut next = world.clone();
        next.store = after(&world, &said.plan);
        let again = next.look();
        prop_assert!(again.plan.is_empty() && again.plan.users.is_empty(), "P2: {:?} after {:?}", again.text, said.text);
        if whole(&world) && said.plan.holds.is_empty() {
            conflicts_have_causes(&world, &next.store);
        }
    }

    /// P3, P5: in any order of units the same store; every number is one of the difference.
    #[test]
    fn a_plan_adds_up_in_any_order(people in 1..7_usize, edits in edits()) {
        let world = world(people, &edits);
        let said = world.look();
        any_order(&world, &said.plan);
        accounts_for(&world, &said.plan, &after(&world, &said.plan));
    }

    /// P6, P7, P11, P12: time, patience and brakes only ever take from what is taken.
    #[test]
    fn caution_never_takes_more(people in 1..7_usize, edits in edits()) {
        let world = world(people, &edits);
        let said = world.look();
        monotone(&world, &said.plan);
        for change in said.plan.users.iter().filter(|change| change.acts.iter().any(|act| deletes(act) || flags(act))) {
            let UserRef::Known(id) = change.subject else { panic!("P7: {change:?}") };
            prop_assert_eq!(world.store.accounts[&id].origin, Origin::Directory, "P6");
        }
    }

    /// P8, P9, P16: gone and disabled come to the same, and whoever is back has everything that was frozen.
    #[test]
    fn gone_and_disabled_come_to_the_same(people in 2..8_usize, edits in edits(), who in 0..8_usize) {
        let mut world = world(people, &edits);
        world.policy.brake.at_least = 100;
        world.run();
        let keys: Vec<String> = world.people.keys().cloned().collect();
        let Some(key) = keys.get(who).cloned() else { return Ok(()) };
        let entry = &world.people[&key];
        let plain = entry.enabled && entry.in_base && entry.in_filter && entry.readable && !entry.twin;
        let known = world.store.accounts.values().find(|one| one.key.as_ref().is_some_and(|one| one.as_str() == key));
        let id = known.filter(|one| plain && one.state == State::Active && one.origin == Origin::Directory).map(|one| one.id);
        let Some(id) = id else { return Ok(()) };
        let (mut gone, mut disabled) = (world.clone(), world.clone());
        gone.people.remove(&key);
        disabled.entry(&key).enabled = false;
        gone.run();
        disabled.run();
        let dates = |world: &World| {
            let dates = |one: &Account| (one.state, one.flagged_at, one.delete_after, one.addresses.clone());
            world.store.accounts.iter().map(|(id, one)| (*id, dates(one))).collect::<BTreeMap<_, _>>()
        };
        let held = [&gone, &disabled].iter().any(|world| !world.look().plan.held.is_empty());
        let shows_nobody = !gone.people.values().any(|entry| entry.in_base && entry.in_filter);
        prop_assert!(held || shows_nobody || !whole(&gone) || dates(&gone) == dates(&disabled), "P16");
        // P8: back again an hour later, with the same id, addresses and name.
        let before = world.store.accounts[&id].clone();
        let access = |world: &World| world.store.accounts[&id].state.access();
        if access(&disabled) {
            return Ok(());
        }
        disabled.later(Duration::from_secs(3_600));
        disabled.entry(&key).enabled = true;
        disabled.run();
        let back = &disabled.store.accounts[&id];
        if back.state == State::Active {
            prop_assert_eq!((back.uuid, back.primary()), (before.uuid, before.primary()), "P8");
            let aliases = |one: &Account| one.aliases().map(ToString::to_string).collect::<BTreeSet<_>>();
            prop_assert_eq!(aliases(back), aliases(&before), "P8");
        }
    }
}
