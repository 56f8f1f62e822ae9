//! Who bears which name and address when several people want it, and when somebody comes back (A4, A5, L5, L7, U7).

use super::model::bury;
use super::world::{DAY, World};
use crate::plan::{ConflictKind, UserRef};
use crate::roster::State;

const NOTHING: [&str; 0] = [];

fn rename(world: &mut World, who: &str, uid: &str) {
    world.entry(who).uid = Some(uid.into());
}

/// The one open conflict of a kind: who holds the thing, and the words.
fn conflict(world: &World, kind: ConflictKind) -> (String, String) {
    let open: Vec<_> = world.store.conflicts.values().filter(|one| one.kind == kind).collect();
    let [one] = open.as_slice() else { panic!("{open:?}") };
    let Some(UserRef::Known(owner)) = one.owner else { panic!("{one:?}") };
    (world.store.accounts[&owner].key.as_ref().unwrap().to_string(), one.detail.clone())
}

/// U7, A5: names that change hands within one run are applied like addresses: in one unit, without a conflict.
#[test]
fn names_change_hands_within_one_run() {
    let mut world = World::with(&["ada", "bob", "cy"]);
    for (who, uid) in [("ada", "BOB"), ("bob", "CY"), ("cy", "ADA")] {
        rename(&mut world, who, uid);
    }
    let said = world.look();
    assert!(said.plan.users.len() == 3 && said.plan.users.iter().all(|one| one.unit == said.plan.users[0].unit));
    assert_eq!(world.run().len(), 3);
    assert_eq!(world.run(), NOTHING);
    // What one gives up a newcomer takes, in the same run.
    rename(&mut world, "ada", "new");
    world.hire("dan").uid = Some("bob".into());
    assert_eq!(world.run(), ["BOB: update username BOB -> new", "bob: add"]);
    assert!(world.store.conflicts.is_empty());
}

/// U7: among newcomers the lowest unique id, whatever the case; the other waits and nobody else does.
#[test]
fn of_several_newcomers_with_one_name_the_lowest_id_comes_in() {
    let mut world = World::new(&[]);
    for (who, uid) in [("n3", "Name"), ("n1", "NAME"), ("n2", "name")] {
        world.hire(who).uid = Some(uid.into());
    }
    world.hire("zoe");
    assert_eq!(world.run(), ["NAME: add", "zoe: add", "conflict username-taken name"]);
    let (owner, detail) = conflict(&world, ConflictKind::UsernameTaken);
    assert_eq!(owner, "n1");
    for party in ["`name` (uid=n2,", "`Name` (uid=n3,", "belongs to `NAME`"] {
        assert!(detail.contains(party), "{detail}");
    }
    // It does not flip when a lower id comes, and goes to the next one when the bearer gives it up.
    world.hire("n0").uid = Some("name".into());
    assert_eq!(world.run(), ["conflict username-taken name reworded"]);
    assert_eq!(world.run(), NOTHING);
    rename(&mut world, "n1", "other");
    assert_eq!(
        world.run(),
        ["name: add", "NAME: update username NAME -> other", "conflict username-taken name reworded"]
    );
    assert_eq!(world.state("n0"), State::Active);
}

/// U7: an entry without a username has none and contests none.
#[test]
fn people_without_a_username_contest_none() {
    let mut world = World::new(&[]);
    world.hire("ada").uid = None;
    world.hire("bob").uid = None;
    assert_eq!(world.run(), ["ada@ours.example: add", "bob@ours.example: add"]);
    rename(&mut world, "ada", "x");
    assert_eq!(world.run(), ["ada@ours.example: update username - -> x"]);
    // A contest names them by address, in the run that adds them and in the next.
    world.hire("dan").uid = None;
    world.hire("eve").aliases = vec!["dan@ours.example".into()];
    assert_eq!(world.run(), ["dan@ours.example: add", "eve: add", "conflict address-taken dan@ours.example"]);
    assert_eq!(world.run(), NOTHING);
    assert!(conflict(&world, ConflictKind::AddressTaken).1.contains("belongs to `dan@ours.example`"));
    world.entry("ada").uid = None;
    world.hire("cy").uid = Some("X".into());
    assert_eq!(world.run(), ["x: update username x -> -", "X: add"], "a name given up is free");
}

/// U7, A4: a user whose new name is somebody else's keeps the present one, and everything else is applied.
#[test]
fn who_cannot_have_the_new_name_keeps_the_present_one() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.entry("bob");
    (entry.uid, entry.notes) = (Some("Ada".into()), vec!["n".into()]);
    world.hire("cy").uid = Some("bob".into());
    assert_eq!(
        world.run(),
        ["bob: update notes - -> n", "conflict username-taken ada", "conflict username-taken bob"],
        "bob still claims the name of before"
    );
    assert_eq!(world.run(), NOTHING);
    world.people.remove("ada");
    assert_eq!(
        world.run(),
        [
            "ada: flag gone until 2026-03-16",
            "bob: update username bob -> Ada",
            "bob: add",
            "conflict resolved",
            "conflict resolved"
        ],
        "somebody pending yields the name"
    );
}

/// U7: somebody kept has access and is the incumbent; somebody deleted yields the name.
#[test]
fn the_kept_keep_their_name_and_the_deleted_yield_it() {
    let mut world = World::with(&["ada"]);
    world.people.remove("ada");
    world.run();
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    (account.state, account.reason, account.delete_after) = (State::Kept, None, None);
    world.hire("zoe").uid = Some("ada".into());
    assert_eq!(world.run(), ["conflict username-taken ada", "conflict maybe-same-person ada"]);
    bury(world.store.accounts.get_mut(&id).unwrap(), world.now);
    assert_eq!(world.run(), ["ada: add", "conflict resolved", "conflict resolved"]);
    world.hire("ada");
    assert_eq!(world.run(), ["conflict username-taken ada"], "a tombstone that would return is a newcomer (L7)");
    assert_eq!(world.state("ada"), State::Deleted);
}

/// L5, U7: a returner whose new name is taken comes back under the name of before, as long as nobody else bears it.
#[test]
fn a_returner_falls_back_on_the_free_name_of_before() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").enabled = false;
    world.run();
    let entry = world.entry("ada");
    (entry.enabled, entry.uid, entry.notes) = (true, Some("bob".into()), vec!["n".into()]);
    // A newcomer of the same run does not take it away: it was hers.
    world.hire("a0").uid = Some("ADA".into());
    assert_eq!(
        world.run(),
        ["ada: restore", "ada: update notes - -> n", "conflict username-taken ada", "conflict username-taken bob"]
    );
    assert_eq!(world.account("ada").fields[&crate::roster::FieldId::USERNAME], "ada");
    assert_eq!(world.run(), NOTHING, "it does not flip");
    rename(&mut world, "bob", "robert");
    assert_eq!(world.run().len(), 5, "she gets the new one when it is free, and the newcomer hers");
    assert_eq!(world.state("a0"), State::Active);
}

/// L5, U7: when both the new name and the name of before are somebody else's, the returner waits, the date stands
/// still, and either name lets her in.
#[test]
fn a_returner_without_any_free_name_waits() {
    for freed in ["zoe", "bob"] {
        let mut world = World::with(&["ada", "bob"]);
        world.entry("ada").enabled = false;
        world.run();
        world.hire("zoe").uid = Some("Ada".into());
        world.run();
        let entry = world.entry("ada");
        (entry.enabled, entry.uid) = (true, Some("bob".into()));
        world.later(20 * DAY);
        assert_eq!(world.run(), ["conflict username-taken bob"]);
        assert_eq!((world.state("ada"), world.run()), (State::Pending, Vec::new()), "neither flips nor deletes");
        world.entry("zoe").aliases = vec!["ada@ours.example".into()];
        world.run();
        let (owner, detail) = conflict(&world, ConflictKind::AddressTaken);
        assert!(owner == "ada" && detail.contains("pending and waits for a username"), "{detail}");
        world.entry("zoe").aliases.clear();
        rename(&mut world, freed, "free");
        assert!(world.run().contains(&"ada: restore".to_owned()), "{freed}");
    }
}

/// L5, A5: the name of before is given up and taken back in one run: one unit.
#[test]
fn a_name_of_before_given_up_in_the_same_run_is_taken_back() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").enabled = false;
    world.run();
    world.hire("zoe").uid = Some("ada".into());
    world.run();
    world.entry("ada").enabled = true;
    rename(&mut world, "ada", "bob");
    rename(&mut world, "zoe", "zoe");
    let said = world.look();
    assert!(said.text.contains(&"ada: restore".to_owned()), "{:?}", said.text);
    assert!(said.plan.users.iter().all(|one| one.unit == said.plan.users[0].unit), "never split");
    world.run();
    assert_eq!(world.run(), NOTHING);
}

/// L7, A1: of several mail values the one that the tombstone remembers is the primary again.
#[test]
fn somebody_back_after_deletion_has_the_remembered_primary() {
    let mut world = World::new(&[]);
    world.hire("ada").mail = vec!["m@ours.example".into()];
    world.hire("bob");
    world.run();
    let (before, entry) = (world.account("ada").uuid, world.people.remove("ada").unwrap());
    world.run();
    world.later(14 * DAY).run();
    assert_eq!(world.state("ada"), State::Deleted);
    world.people.insert("ada".into(), entry);
    world.entry("ada").mail = ["a@ours.example", "M@ours.example", "z@ours.example"].map(str::to_owned).into();
    assert_eq!(world.run(), ["ada: revive"]);
    let after = world.account("ada");
    assert_eq!((after.uuid, after.primary().unwrap().as_str()), (before, "M@ours.example"));
    assert_eq!(after.aliases().count(), 2);
    assert_eq!(world.run(), NOTHING);
}

/// L7, A1: what a tombstone remembers is no address it has: a malformed mail does not bring it back.
#[test]
fn a_remembered_primary_is_no_present_one() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.later(14 * DAY).run();
    world.people.insert("ada".into(), entry);
    world.entry("ada").mail = vec!["no address".into()];
    assert_eq!(world.run(), NOTHING);
    assert!(world.store.skips.iter().any(|skip| skip.reason == "malformed-address"));
    world.entry("ada").mail = vec!["bob@ours.example".into()];
    assert_eq!(world.run(), ["conflict address-taken bob@ours.example"], "and one that is taken is taken");
    assert_eq!(world.state("ada"), State::Deleted);
}
