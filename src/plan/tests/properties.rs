//! What holds for any directory and any history: one roster, edited again and again by small steps.

use proptest::prelude::*;

use super::world::{DAY, Entry, World};
use crate::plan::{Act, BrakeKind, UserRef};
use crate::roster::State;

const PEOPLE: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const LOCALS: [&str; 6] = ["p", "q", "r", "s", "P", "t"];
const DOMAINS: [&str; 3] = ["ours.example", "OURS.example", "other.example"];

/// One small edit, or one thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Hire(usize),
    Leave(usize),
    Toggle(usize),
    Mail(usize, Vec<(usize, usize)>),
    Alias(usize, Vec<(usize, usize)>),
    Name(usize, usize),
    Swap(usize, usize),
    Move(usize, usize),
    OutOfBase(usize),
    Filter(usize),
    Garble(usize),
    Member(usize),
    Days(u8),
    Run,
    BrokenRun,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PEOPLE.len();
    let addresses = || prop::collection::vec((0..LOCALS.len(), 0..DOMAINS.len()), 0..3);
    prop_oneof![
        3 => who().prop_map(Step::Hire),
        2 => who().prop_map(Step::Leave),
        2 => who().prop_map(Step::Toggle),
        3 => (who(), addresses()).prop_map(|(who, mail)| Step::Mail(who, mail)),
        3 => (who(), addresses()).prop_map(|(who, mail)| Step::Alias(who, mail)),
        2 => (who(), who()).prop_map(|(who, name)| Step::Name(who, name)),
        2 => (who(), who()).prop_map(|(a, b)| Step::Swap(a, b)),
        1 => (who(), 0..3_usize).prop_map(|(who, to)| Step::Move(who, to)),
        1 => who().prop_map(Step::OutOfBase),
        1 => who().prop_map(Step::Filter),
        1 => who().prop_map(Step::Garble),
        1 => who().prop_map(Step::Member),
        2 => (0..20_u8).prop_map(Step::Days),
        6 => Just(Step::Run),
        1 => Just(Step::BrokenRun),
    ]
}

fn edit(world: &mut World, step: &Step) {
    let text = |list: &[(usize, usize)]| list.iter().map(|(l, d)| format!("{}@{}", LOCALS[*l], DOMAINS[*d])).collect();
    let mut on = |who: &usize, change: &mut dyn FnMut(&mut Entry)| {
        if let Some(entry) = world.people.get_mut(PEOPLE[*who]) {
            change(entry);
        }
    };
    match step {
        Step::Hire(who) => {
            if !world.people.contains_key(PEOPLE[*who]) {
                world.hire(PEOPLE[*who]);
            }
        }
        Step::Leave(who) => _ = world.people.remove(PEOPLE[*who]),
        Step::Toggle(who) => on(who, &mut |entry| entry.enabled = !entry.enabled),
        Step::Mail(who, mail) => on(who, &mut |entry| entry.mail = text(mail)),
        Step::Alias(who, mail) => on(who, &mut |entry| entry.aliases = text(mail)),
        Step::Name(who, name) => on(who, &mut |entry| entry.uid = Some(PEOPLE[*name].to_uppercase())),
        Step::Swap(a, b) => {
            let mail = |world: &World, who: usize| world.people.get(PEOPLE[who]).map(|entry| entry.mail.clone());
            if let (Some(x), Some(y)) = (mail(world, *a), mail(world, *b)) {
                world.entry(PEOPLE[*a]).mail = y;
                world.entry(PEOPLE[*b]).mail = x;
            }
        }
        Step::Move(who, to) => on(who, &mut |entry| entry.dn = format!("uid={},ou=unit{to},dc=example", PEOPLE[*who])),
        Step::OutOfBase(who) => on(who, &mut |entry| entry.in_base = !entry.in_base),
        Step::Filter(who) => on(who, &mut |entry| entry.in_filter = !entry.in_filter),
        Step::Garble(who) => on(who, &mut |entry| entry.readable = !entry.readable),
        Step::Member(who) => {
            let dn = world.people.get(PEOPLE[*who]).map(|entry| entry.dn.clone());
            let group = world.groups.entry("g".into()).or_insert_with(|| ("team".into(), Vec::new()));
            match group.1.iter().position(|member| Some(member) == dn.as_ref()) {
                Some(at) => _ = group.1.remove(at),
                None => group.1.extend(dn),
            }
        }
        Step::Days(days) => _ = world.later(DAY * u32::from(*days)),
        Step::Run | Step::BrokenRun => {}
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
    assert_eq!(said.plan, shuffled.look().plan);
    // The model checks P4 after every unit, and that nobody is deleted early or unflagged (P7).
    world.run();
    for change in &said.plan.users {
        let flagged = change.acts.iter().any(|act| matches!(act, Act::Flagged { .. }));
        let deleted = change.acts.iter().any(|act| matches!(act, Act::Deleted { .. }));
        if let UserRef::Known(id) = change.subject {
            let key = before.accounts[&id].key.as_ref().unwrap().as_str().to_owned();
            let entry = world.people.get(&key);
            let healthy = |entry: &&Entry| {
                entry.enabled
                    && entry.in_base
                    && entry.in_filter
                    && entry.readable
                    && entry.mail == [format!("{key}@ours.example")]
            };
            assert!(!(flagged || deleted) || entry.filter(healthy).is_none(), "P9, P10: {key} was fine: {said:?}");
            let unreadable = entry.is_some_and(|entry| !entry.readable && entry.in_base && entry.in_filter);
            assert!(!unreadable || change.acts.is_empty(), "P10: {key} waits");
            assert!(!broken || !deleted, "E1: nothing is deleted from a partial read");
            let absent = entry.is_none_or(|entry| !entry.in_base || !entry.in_filter);
            assert!(!broken || !absent || change.acts.is_empty(), "E1: nobody is missed in a partial read");
        }
    }
    // P11: above the limit nothing of the kind is in the plan but what was pending before.
    for hold in &said.plan.holds {
        let flags = said
            .plan
            .users
            .iter()
            .flat_map(|change| &change.acts)
            .filter(|act| matches!(act, Act::Flagged { counted: Some(kind), .. } if *kind == hold.kind));
        assert_eq!(flags.count(), 0, "P11");
    }
    // P2: quiet when run again at the same moment.
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "P2: {:?} after {:?}", again.plan, said.plan);
    // A5: only people with access are in the change of a group.
    for account in world.store.accounts.values() {
        assert_eq!(account.reason.is_some(), account.state == State::Pending);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// P1, P2, P4, P7, P9, P10, P11, E1
    #[test]
    fn any_history_keeps_the_promises(steps in prop::collection::vec(step(), 1..40), managed in any::<bool>()) {
        let mut world = World::new(if managed { &["ours.example"] } else { &[] });
        for step in &steps {
            match step {
                Step::Run => checked_run(&mut world, false),
                Step::BrokenRun => checked_run(&mut world, true),
                other => edit(&mut world, other),
            }
        }
        checked_run(&mut world, false);
        // P8: everybody comes back with the id they had.
        let before = world.store.clone();
        world.people.clear();
        world.policy.brake.at_least = 100;
        checked_run(&mut world, false);
        for account in before.accounts.values().filter(|account| account.state.access()) {
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

/// More by `ROSTERD_TEST_CASES`.
#[expect(clippy::disallowed_methods, reason = "a test's parameter, not the program's")]
fn cases() -> u32 {
    std::env::var("ROSTERD_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}
