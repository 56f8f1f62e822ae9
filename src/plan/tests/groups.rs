//! Groups and memberships.

use super::world::{DAY, World};
use crate::roster::{Passes, State};

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,dc=example")
}

fn world() -> World {
    let mut world = World::new(&[]);
    for name in ["ada", "bob"] {
        world.hire(name);
    }
    world.groups.insert(
        "g1".into(),
        ("staff".into(), vec![dn("ada"), dn("bob"), dn("nobody"), "cn=printer,dc=example".into()]),
    );
    world
}

/// UNBLU-1, UNBLU-7, UNBLU-23, RSA-13, G1, G3: members are resolved by DN in the run that adds them; strangers are
/// counted.
#[test]
fn members_join_in_the_run_that_adds_them() {
    let mut world = world();
    let said = world.look();
    assert_eq!(said.plan.strangers["staff"], 2);
    assert_eq!(world.run(), ["ada: add", "bob: add", "group staff: added +2 -0"]);
    assert_eq!(world.members("g1"), ["ada", "bob"]);
    assert!(world.look().plan.is_empty());
}

/// UNBLU-9, G2: a renamed group is the same group.
#[test]
fn a_renamed_group_keeps_its_members() {
    let mut world = world();
    world.run();
    world.groups.get_mut("g1").unwrap().0 = "crew".into();
    assert_eq!(world.run(), ["group crew: updated +0 -0"]);
    assert_eq!(world.members("g1"), ["ada", "bob"]);
}

/// RSA-15, G8, G1: a membership ends with the complete run that no longer sees it, and with no other.
#[test]
fn a_membership_ends_with_the_complete_run_that_misses_it() {
    let mut world = world();
    world.run();
    world.groups.get_mut("g1").unwrap().1 = vec![dn("ada")];
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), Vec::<String>::new());
    world.broken = None;
    assert_eq!(world.run(), ["group staff:  +0 -1"]);
    assert_eq!(world.members("g1"), ["ada"]);
}

/// L4, L5: memberships of somebody pending are frozen; back again, the directory's word counts.
#[test]
fn memberships_of_somebody_pending_are_frozen() {
    let mut world = world();
    world.run();
    let entry = world.people.remove("bob").unwrap();
    world.groups.get_mut("g1").unwrap().1 = vec![dn("ada")];
    assert_eq!(world.run(), ["bob: flag gone until 2026-03-16"]);
    assert_eq!(world.members("g1"), ["ada", "bob"]);
    world.people.insert("bob".into(), entry);
    assert_eq!(world.run(), ["bob: restore", "group staff:  +0 -1"]);
}

/// UNBLU-7, G6: a missing group loses its members at once and is deleted after the delay; it comes back with its id.
#[test]
fn a_missing_group_is_emptied_at_once_and_deleted_later() {
    let mut world = world();
    world.run();
    let id = world.store.groups.values().next().unwrap().id;
    let group = world.groups.remove("g1").unwrap();
    assert_eq!(world.run(), ["group staff: flagged +0 -2"]);
    world.later(14 * DAY);
    assert_eq!(world.run(), ["group staff: deleted +0 -0"]);
    world.groups.insert("g1".into(), group);
    assert_eq!(world.run(), ["group staff: restored +2 -0"]);
    let back = world.store.groups.values().next().unwrap();
    assert_eq!((back.id, back.state), (id, State::Active));
}

/// UNBLU-18, G7: users alone leave groups as they are, groups alone leave users as they are.
#[test]
fn users_and_groups_can_be_synchronised_apart() {
    let mut world = world();
    world.passes = Passes { users: true, groups: false };
    assert_eq!(world.run(), ["ada: add", "bob: add"]);
    world.passes = Passes { users: false, groups: true };
    world.people.remove("ada");
    assert_eq!(world.run(), ["group staff: added +2 -0"]);
    assert_eq!(world.state("ada"), State::Active);
}

/// UNBLU-5, G7: a run of users alone leaves every group and membership as it is.
#[test]
fn a_run_of_users_alone_leaves_groups_alone() {
    let mut world = world();
    world.run();
    world.passes = Passes { users: true, groups: false };
    world.groups.clear();
    world.hire("cy");
    assert_eq!(world.run(), ["cy: add"]);
    assert_eq!(world.members("g1"), ["ada", "bob"]);
}

/// UNBLU-6, G4: a group in a group makes nobody a member.
#[test]
fn memberships_are_direct() {
    let mut world = world();
    world.groups.insert("g2".into(), ("all".into(), vec!["cn=staff,ou=groups,dc=example".into()]));
    let said = world.look();
    assert_eq!(said.plan.strangers["all"], 1);
    world.run();
    assert!(world.members("g2").is_empty());
}

/// G1: a DN that is used again belongs to the one who stands there now, also when her entry is unchanged.
#[test]
fn a_dn_used_again_is_the_new_persons() {
    let mut world = world();
    world.run();
    world.people.remove("bob");
    world.hire("zoe").dn = dn("bob");
    assert_eq!(world.run(), ["bob: flag gone until 2026-03-16", "zoe: add", "group staff:  +1 -0"]);
    assert_eq!(world.run(), Vec::<String>::new(), "and stays hers");
    assert!(world.members("g1").contains(&"zoe".to_owned()));
}

/// G6: without a delay a missing group is deleted at once.
#[test]
fn a_missing_group_without_delay_is_deleted_at_once() {
    let mut world = world();
    world.policy.delay = crate::plan::policy::Delay::After(std::time::Duration::ZERO);
    world.run();
    world.groups.clear();
    assert_eq!(world.run(), ["group staff: deleted +0 -2"]);
    assert_eq!(world.run(), Vec::<String>::new());
}
