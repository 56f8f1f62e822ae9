//! Why somebody is in, or is not.

use proptest::prelude::*;

use super::model::Model;
use super::properties::{PEOPLE, Step, config, edit, grouping, step};
use super::rights::rights;
use super::world::World;
use crate::plan::explain::{Bearing, Entry, Explanation, Facts, Waits, Whole, explain, hold_alone};
use crate::plan::one::plan_one;
use crate::plan::policy::{Brake, Rights};
use crate::plan::{Act, BrakeKind, Held, Loss, Plan, RecentDepartures, Since, View};
use crate::roster::{Account, PendingReason, Skipped, State, UserId};

/// What happens, the rules that then stand in the way, and how the advice begins.
type Case = (fn(&mut World), &'static [&'static str], &'static str);

impl World {
    /// Explains the one with this unique id.
    fn explain(&self, name: &str) -> (Explanation, bool) {
        self.explain_with(name, Whole::default())
    }

    /// The same with what is known of runs that read everybody.
    fn explain_with(&self, name: &str, whole: Whole) -> (Explanation, bool) {
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
        let facts = Facts {
            who,
            account,
            entry,
            reading,
            view: &view,
            plan: &plan,
            policy,
            successor: None,
            heir: None,
            whole,
        };
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

/// B1, E2, I5: what a whole run may hold, or not believe, is not promised; what it holds already is said as what it is.
#[test]
fn a_departure_is_promised_only_as_far_as_it_is_known() {
    let held = |kind, loses| {
        let held = vec![Held { user: UserId(1), label: "ada".into(), kind, loses }];
        let waits = Waits { run: 7, says: "so many would go".into(), held, people: 10 };
        Whole { waits: Some(waits), ..Whole::default() }
    };
    let others = Waits { run: 7, says: "nobody was found".into(), ..Waits::default() };
    let since = Since { run: 3, changes: vec!["`users.filter` was a and is b".into()] };
    let missing = Loss::Access(PendingReason::FilteredOut);
    let cases: &[(Whole, &str, &[&str], &str)] = &[
        (Whole::default(), "if not held", &["decides together with everybody else"], "A whole run takes access away"),
        (
            Whole { nobody: true, ..Whole::default() },
            "if believed",
            &["nobody at all is found"],
            "No whole run takes access",
        ),
        (
            Whole { waits: Some(others.clone()), since: Some(since), ..Whole::default() },
            "if not held",
            &["run 7 waits for a person: nobody was found", "`users.filter` was a and is b"],
            "A whole run takes access away",
        ),
        (
            Whole { waits: Some(Waits { people: 9, ..others }), ..Whole::default() },
            "if not held",
            &["run 7 holds 9 people", "is not among them"],
            "A whole run takes access away",
        ),
        (
            held(BrakeKind::Missing, missing),
            "if let go",
            &["run 7 would have taken access (filtered-out) and held that"],
            "The brake holds this, and nothing is lost: `rosterd runs show 7` shows it; if it is right, `rosterd approve 7` \
             lets it go, and 9 others with this one; if it is a mistake, correct users.filter",
        ),
        (
            held(BrakeKind::Aliases, Loss::Things("alias a@ours.example".into())),
            "if not held",
            &["run 7 would have taken alias a@ours.example and held that"],
            "A whole run takes access away",
        ),
    ];
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").in_filter = false;
    for (number, (whole, when, words, advice)) in cases.iter().enumerate() {
        let (said, _) = world.explain_with("ada", whole.clone());
        let loss = said.findings.iter().find(|one| one.says.starts_with("takes access away")).unwrap();
        assert_eq!(loss.about, *when, "case {number}");
        for word in *words {
            assert!(said.findings.iter().any(|one| one.says.contains(word)), "case {number}: {word}: {said:?}");
        }
        assert!(said.advice.starts_with(advice), "case {number}: {said:?}");
        assert!(said.advice.contains("no brake stops that"), "case {number}: {said:?}");
    }
    // Nothing would be lost any more, or nothing ever would.
    let world = World::with(&["ada", "bob"]);
    let (said, _) = world.explain_with("ada", held(BrakeKind::Missing, Loss::Access(PendingReason::Gone)));
    assert!(said.advice.starts_with("What run 7 held is over"), "{said:?}");
    let (said, _) = world.explain_with("ada", held(BrakeKind::Relinks, Loss::Relink));
    assert!(said.findings.iter().any(|one| one.says.contains("would have gone on with the user under a new entry")));
    assert!(said.advice.starts_with("The person stays in, with access"), "{said:?}");
}

/// B1: one departure more is held when those of the window and it are too many.
#[test]
fn the_last_departure_of_a_window_is_held() {
    let mut world = World::with(&["ada", "bob", "cy", "dan", "eve"]);
    world.policy.brake = Brake { percent: 10.0, at_least: 2, ..world.policy.brake };
    let hold = |gone: usize| {
        let index = world.store.index();
        let ids: Vec<UserId> = index.iter().map(|known| known.id).collect();
        let departed = ids[..gone].iter().map(|id| (BrakeKind::Missing, *id)).collect();
        let recent = RecentDepartures { departed, ..RecentDepartures::default() };
        hold_alone((BrakeKind::Missing, ids[4]), &world.policy, &View { index, recent, ..View::default() })
    };
    assert_eq!((hold(1).is_some(), hold(2).map(|hold| hold.would_go)), (false, Some(3)));
}

/// U9: what is said of those of whom something is skipped is so once the plan is carried out.
pub(super) fn check_fates(plan: &Plan, after: &Model) {
    assert_eq!(plan.fates.len(), plan.skips.len());
    for (skip, fate) in plan.skips.iter().zip(&plan.fates) {
        let theirs = |one: &&Account| one.key.as_ref().map(|key| key.as_str()) == skip.unique_id.as_deref();
        let user = after.accounts.values().find(|one| one.key.is_some() && theirs(one) && !one.state.tombstone());
        assert_eq!(*fate, Skipped::of((&skip.reason, &skip.rule), user.is_some()), "U9: {skip:?}, {user:?}");
    }
}

/// U9, I5: what a person who is re-linked comes in without is a value of somebody who is in, in a run as in `explain`; what
/// is left of somebody deleted in the same run is somebody left out.
#[test]
fn who_is_re_linked_is_in_and_who_is_deleted_is_out() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.people.insert("ada2".into(), entry);
    world.entry("ada2").aliases = vec!["odd".into()];
    let said = world.look();
    assert!(said.plan.users.iter().flat_map(|change| &change.acts).any(|act| matches!(act, Act::Relinked { .. })));
    assert_eq!((said.plan.skips.len(), said.plan.fates.as_slice()), (1, &[Skipped::Without][..]));
    assert!(world.explain("ada2").0.findings.iter().any(|one| one.about == "came in without"));
    world.run();
    check_fates(&said.plan, &world.store);
    let mut world = World::new(&["ours.example", "theirs.example"]);
    world.hire("ada");
    world.entry("ada").mail = vec!["ada@theirs.example".into()];
    world.run();
    world.policy.managed = World::new(&["ours.example"]).policy.managed;
    let said = world.look();
    assert_eq!(said.plan.fates, [Skipped::LeftOut], "{:?}", said.plan.skips);
    world.run();
    check_fates(&said.plan, &world.store);
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
