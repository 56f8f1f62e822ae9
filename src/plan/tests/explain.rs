//! Why somebody is in, or is not.

use proptest::prelude::*;

use super::properties::{PEOPLE, Step, config, edit, grouping, step};
use super::rights::rights;
use super::world::World;
use crate::plan::explain::{Bearing, Entry, Explanation, Facts, explain};
use crate::plan::one::plan_one;
use crate::plan::policy::Rights;
use crate::roster::{Account, State};

/// What happens, the rules that then stand in the way, and how the advice begins.
type Case = (fn(&mut World), &'static [&'static str], &'static str);

impl World {
    /// Explains the one with this unique id.
    fn explain(&self, name: &str) -> (Explanation, bool) {
        let (snapshot, view, former) = self.see_one(name);
        let mut alone = self.clone();
        let of = |one: &&Account| one.key.as_ref().is_some_and(|key| key.as_str() == name);
        let account = self.store.accounts.values().find(of);
        // Looked at as if it were new.
        alone.store.accounts.values_mut().for_each(|one| one.fingerprint = None);
        let (again, ..) = alone.see_one(name);
        let plan = plan_one(&snapshot, &view, former, &self.policy, self.now);
        let person = again.reading().people.first();
        let found = account.and_then(|account| view.look_ups.get(&account.id));
        let entry = match (person, found) {
            (Some(person), _) => Entry::Read(person),
            (None, Some(found)) => Entry::Outside(found),
            (None, None) if self.people.contains_key(name) => Entry::Unreadable("it cannot be understood"),
            (None, None) => Entry::Nowhere,
        };
        let reading = Some((again.reading(), None));
        let (who, policy) = (name, &self.policy);
        let facts = Facts { who, account, entry, reading, view: &view, plan: &plan, policy, held_by: None };
        (explain(&facts), plan.users.iter().any(|change| !change.acts.is_empty()))
    }
}

/// The rules that stand in the way, and the beginning of the advice.
fn stops(world: &World, name: &str) -> (Vec<&'static str>, String) {
    let (explanation, _) = world.explain(name);
    let stops = explanation.findings.iter().filter(|one| one.bearing == Bearing::Stops);
    let words: Vec<&str> = explanation.advice.split(' ').take(3).collect();
    (stops.map(|one| one.rule).collect(), words.join(" "))
}

/// A2: what two attributes bring is said once, as the higher claim.
#[test]
fn an_address_is_told_once() {
    let mut world = World::with(&["ada"]);
    let entry = world.entry("ada");
    entry.aliases = vec!["ADA@ours.example".into(), "a.l@ours.example".into(), "odd".into(), "odd".into()];
    let said = world.explain("ada").0.findings;
    let told: Vec<&str> = said.iter().filter(|one| one.about == "address").map(|one| one.says.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("ada@ours.example (primary)"), "{told:?}");
}

/// U4, A1, A4, A6, D1, E5, U7: of a newcomer the rule that keeps it out, and what to do about that.
#[test]
fn a_newcomer_is_told_what_is_in_the_way() {
    let cases: &[Case] = &[
        (|_| {}, &[], "The next run"),
        (|world| world.entry("eve").enabled = false, &["U8", "U4"], "Enable the entry"),
        (|world| world.entry("eve").doubtful = true, &["U8", "U8"], "Correct the entry"),
        (|world| world.entry("eve").mail.clear(), &["A1", "A1"], "Give the entry"),
        (|world| world.entry("eve").mail = vec!["eve".into()], &["A1", "A6", "A6"], "Correct the address"),
        (|world| world.entry("eve").mail = vec!["eve@other.example".into()], &["D1", "D1", "D1"], "Add the domain"),
        (|world| world.entry("eve").mail = vec!["ada@ours.example".into()], &["A4", "A4"], "Take the address"),
        (|world| world.entry("eve").uid = Some("ADA".into()), &["U7", "U7"], "Give one of"),
        (
            |world| world.policy.rights = Rights { required: true, ..rights(&[("admin", &["crew"])], &[]) },
            &["R3", "R3"],
            "Put the person",
        ),
        (|world| world.entry("eve").readable = false, &["E5"], "Correct the entry"),
        (|world| _ = world.people.remove("eve"), &["I2"], "Look at the"),
    ];
    for (number, (change, rules, advice)) in cases.iter().enumerate() {
        let mut world = World::new(&["ours.example"]);
        world.hire("ada");
        world.run();
        world.hire("eve");
        change(&mut world);
        assert_eq!(stops(&world, "eve"), (rules.to_vec(), (*advice).to_owned()), "case {number}");
        world.run();
        let kept = world.explain("eve").0;
        assert_eq!(kept.findings[0].bearing == Bearing::Fine, number == 0, "case {number}: {kept:?}");
    }
}

/// L1, L2, L5, L7, I4, I5, R1: who is in, who waits, and who was in.
#[test]
fn somebody_known_is_told_the_state_and_what_changes_it() {
    let cases: &[Case] = &[
        (|_| {}, &[], "In, with access."),
        (|world| world.entry("ada").enabled = false, &["L1", "U8", "L2"], "Enable the entry"),
        (|world| world.entry("ada").doubtful = true, &[], "In, with access,"),
        (|world| world.entry("ada").mail.clear(), &["L1", "A1", "L2"], "Give the entry"),
        (|world| world.entry("ada").in_base = false, &["L1", "I4", "L2"], "Move the entry"),
        (|world| world.entry("ada").in_filter = false, &["L1", "I4", "L2"], "Change the entry"),
        (|world| _ = world.people.remove("ada"), &["L1", "I4", "L2"], "Somebody who is"),
        (|world| world.entry("ada").readable = false, &["E5", "E5"], "Correct the entry"),
        (|world| world.entry("ada").mail = vec!["bob@ours.example".into()], &["A4"], "In, with access,"),
    ];
    for (number, (change, rules, advice)) in cases.iter().enumerate() {
        let mut world = World::with(&["ada", "bob"]);
        change(&mut world);
        world.run();
        assert_eq!(stops(&world, "ada"), (rules.to_vec(), (*advice).to_owned()), "case {number}");
    }
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.people.insert("ada2".into(), entry);
    let (explanation, _) = world.explain("ada2");
    assert!(explanation.findings.iter().any(|one| one.rule == "I5" && one.about == "identity"), "{explanation:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..config() })]

    /// Whoever is not in is told of a rule that stands in the way, unless the next run brings the person in; nobody
    /// with access, of whom nothing changes, is told of the disabled test or a missing entry; the last line is never
    /// empty.
    #[test]
    fn whoever_is_not_in_is_told_why(
        steps in prop::collection::vec(step(), 1..40),
        groups in grouping(),
        who in 0..PEOPLE.len(),
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
        for name in [PEOPLE[who].to_owned(), format!("{}2", PEOPLE[who])] {
            let (explanation, changes) = world.explain(&name);
            prop_assert!(!explanation.advice.is_empty());
            let stops: Vec<&str> = explanation.findings.iter().filter(|one| one.bearing == Bearing::Stops).map(|one| one.rule).collect();
            let state = world.store.accounts.values().find(|one| one.key.as_ref().is_some_and(|key| *key.as_str() == *name)).map(|one| one.state);
            let access = state.is_some_and(State::access);
            prop_assert!(access || changes || !stops.is_empty(), "{}: {:?}", name, explanation);
            let gone = stops.iter().any(|rule| ["I4", "I2", "U8"].contains(rule));
            let manual = world.store.accounts.values().any(|one| one.origin != crate::roster::Origin::Directory);
            prop_assert!(!(access && gone) || changes || state == Some(State::Kept) || manual, "{}: {:?}", name, explanation);
        }
    }
}
