//! A run straight after a run changes nothing (U3): the corners that the simulation found.

use std::time::Duration;

use super::rights::rights;
use super::world::{DAY, World};
use crate::plan::policy::Delay;
use crate::roster::Skip;

/// A roster in which any number may go.
fn world(people: &[&str]) -> World {
    let mut world = World::with(people);
    world.policy.brake.at_least = 100;
    world
}

/// Runs twice; what the first run said.
#[track_caller]
fn quiet(world: &mut World) -> Vec<String> {
    let said = world.run();
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "U3: {:?} after {said:?}", again.text);
    let rows = |skips: &[Skip]| {
        let mut rows = skips.to_vec();
        rows.sort();
        rows
    };
    assert_eq!(rows(&again.plan.skips), rows(&world.store.skips), "U3: what is left out");
    said
}

fn readd(world: &mut World, old: &str, new: &str) {
    let entry = world.people.remove(old).unwrap();
    world.people.insert(new.to_owned(), entry);
}

/// I5: somebody who has the name of one and the address of another is asked about the one that nobody else turns out
/// to be.
#[test]
fn a_newcomer_resembles_only_whom_no_other_newcomer_is() {
    let mut world = world(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    readd(&mut world, "bob", "bob2");
    world.entry("bob2").mail = vec!["ada@ours.example".into()];
    let said = quiet(&mut world);
    assert!(said.contains(&"ada: relink ada -> ada2".to_owned()), "{said:?}");
    assert!(said.contains(&"conflict maybe-same-person bob".to_owned()), "{said:?}");
}

/// I5, A1: of several addresses the one by which somebody of that name is known counts, and no other one.
#[test]
fn only_the_address_of_somebody_with_the_same_name_is_remembered() {
    let mut world = world(&["ada", "bob", "cy"]);
    readd(&mut world, "ada", "ada2");
    let mut entry = world.people.remove("bob").unwrap();
    entry.mail = vec!["ada@ours.example".into(), "bob@ours.example".into(), "cy@ours.example".into()];
    world.people.insert("bob2".into(), entry);
    let said = quiet(&mut world);
    assert!(said.contains(&"bob: relink bob -> bob2".to_owned()), "{said:?}");
    assert_eq!(world.account("bob2").primary().unwrap().as_str(), "bob@ours.example");
    let mut entry = world.people.remove("cy").unwrap();
    entry.uid = Some("dan".into());
    entry.mail = vec!["bob@ours.example".into(), "cy@ours.example".into()];
    world.people.insert("dan".into(), entry);
    quiet(&mut world);
}

/// I5: of somebody deleted the name alone opens no question, in the run that deletes as in those after it.
#[test]
fn a_question_about_a_name_ends_with_the_run_that_deletes() {
    let mut world = world(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").mail = vec!["bob@ours.example".into()];
    let said = quiet(&mut world);
    assert!(said.contains(&"conflict maybe-same-person ada".to_owned()), "{said:?}");
    world.later(14 * DAY);
    assert_eq!(quiet(&mut world), ["ada: delete", "conflict resolved"]);
    assert!(world.store.conflicts.values().all(|one| one.subject != "ada"));
}

/// I5: a question about somebody who came in is not given up for somebody who waits outside.
#[test]
fn a_question_about_somebody_who_is_in_stays() {
    let mut world = world(&["ada"]);
    world.policy.relink_within = None;
    world.policy.delay = Delay::After(Duration::ZERO);
    readd(&mut world, "ada", "ada2");
    world.hire("bob").mail = vec!["ada@ours.example".into()];
    quiet(&mut world);
    let other = world.store.conflicts.values().filter_map(|one| one.other.as_ref()).map(ToString::to_string);
    assert_eq!(other.collect::<Vec<_>>(), ["ada2"], "and not bob, who lost the address to her");
}

/// R3: who is deleted at once for want of a role is left out from then on, with the reason.
#[test]
fn somebody_deleted_at_once_for_want_of_a_role_is_left_out() {
    let mut world = world(&["ada", "bob"]);
    world.policy.rights = rights(&[("user", &["staff"])], &[]);
    world.groups.insert("staff".into(), ("staff".into(), vec![world.people["ada"].dn.clone()]));
    quiet(&mut world);
    world.policy.rights.required = true;
    world.policy.delay = Delay::After(Duration::ZERO);
    quiet(&mut world);
    let rows: Vec<_> = world.store.skips.iter().map(|row| (row.unique_id.as_deref().unwrap(), &*row.reason)).collect();
    assert_eq!(rows, [("bob", "no-role")]);
}

/// U4: of an entry that is out the reason is told, and none of its values.
#[test]
fn of_somebody_deleted_no_single_value_is_told() {
    let mut world = world(&["ada", "bob"]);
    world.policy.disabled_delay = Delay::After(Duration::ZERO);
    let entry = world.entry("ada");
    (entry.enabled, entry.aliases) = (false, vec!["no address".into()]);
    quiet(&mut world);
    let rows: Vec<_> = world.store.skips.iter().map(|row| &*row.reason).collect();
    assert_eq!(rows, ["disabled"]);
}

/// I7: what was said of an id that two entries bore is not said any more when only one bears it.
#[test]
fn an_id_that_is_borne_once_again_is_not_told() {
    let mut world = world(&["ada", "bob"]);
    world.entry("ada").twin = true;
    quiet(&mut world);
    assert_eq!(world.store.skips.len(), 2);
    world.entry("ada").twin = false;
    assert_eq!(quiet(&mut world), ["conflict resolved"]);
    assert!(world.store.skips.is_empty(), "{:?}", world.store.skips);
}

/// B1, G1: somebody whose departure is held is in the groups that list the entry where looking up found it.
#[test]
fn somebody_held_is_in_groups_under_the_new_dn() {
    let mut world = World::with(&["ada", "bob"]);
    (world.policy.brake.at_least, world.policy.brake.percent) = (0, 0.0);
    let entry = world.entry("ada");
    (entry.in_filter, entry.dn) = (false, "uid=ada,ou=left,dc=example".into());
    world.groups.insert("crew".into(), ("crew".into(), vec!["uid=ada,ou=left,dc=example".into()]));
    let said = quiet(&mut world);
    assert!(said.contains(&"ada: held filtered-out".to_owned()), "{said:?}");
    assert_eq!(world.members("crew"), ["ada"]);
}

/// E1, E5: from a read that is not complete what is told of entries without a unique id is not dropped.
#[test]
fn a_partial_read_keeps_what_is_told_of_entries_it_may_not_have_seen() {
    let mut world = world(&["ada"]);
    let (dn, detail) = ("cn=nobody,dc=example".to_owned(), String::new());
    let row = Skip { dn, unique_id: None, reason: "no-unique-id".into(), rule: "E5".into(), detail };
    world.store.skips = vec![row.clone()];
    world.broken = Some("connection-lost");
    quiet(&mut world);
    assert_eq!(world.store.skips, [row]);
    world.broken = None;
    quiet(&mut world);
    assert!(world.store.skips.is_empty());
}

/// D2, U4: who is removed with the domain and disabled as well is left out as disabled, as the next run says.
#[test]
fn who_is_removed_is_left_out_for_the_first_reason() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").enabled = false;
    world.policy.managed = Some([crate::roster::Domain::parse("theirs.example").unwrap()].into());
    world.hire("cy").mail = vec!["cy@theirs.example".into()];
    assert!(world.run().contains(&"ada: remove".to_owned()));
    let rows = world.store.skips.clone();
    assert_eq!(world.run(), Vec::<String>::new());
    assert_eq!(world.store.skips, rows);
}
