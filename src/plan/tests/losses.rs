//! What people lose who stay: aliases, memberships, and the window for roles and grants (B1).

use std::collections::{BTreeMap, BTreeSet};

use super::rights::rights;
use super::world::{DAY, Said, World};
use crate::plan::policy::OneGroup;
use crate::plan::{BrakeKind, RightsBefore};
use crate::roster::{Address, PendingReason, State, UserId};

fn names(many: usize) -> Vec<String> {
    (0..many).map(|n| format!("u{n:03}")).collect()
}

/// So many people, each with one alias, in the groups.
pub fn world(many: usize, groups: &[(&str, std::ops::Range<usize>)]) -> World {
    let mut world = World::new(&[]);
    for name in names(many) {
        world.hire(&name).aliases = vec![format!("{name}.alias@ours.example")];
    }
    for (group, members) in groups {
        set(&mut world, group, members.clone());
    }
    world.run();
    world
}

fn set(world: &mut World, group: &str, members: impl IntoIterator<Item = usize>) {
    let members = members.into_iter().map(|n| format!("uid=u{n:03},ou=people,dc=example")).collect();
    world.groups.insert(group.into(), (group.into(), members));
}

fn lose(world: &mut World, people: std::ops::Range<usize>) {
    people.for_each(|n| world.entry(&format!("u{n:03}")).aliases.clear());
}

fn held(said: &Said, kind: BrakeKind) -> BTreeSet<UserId> {
    said.plan.held.iter().filter(|held| held.kind == kind).map(|held| held.user).collect()
}

/// Runs, and checks that a second run has nothing to do (U3).
#[track_caller]
fn run(world: &mut World) -> Said {
    let said = world.look();
    world.run();
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "U3: {:?}", again.text);
    said
}

/// B1: six of twenty aliases are held, whatever else the same people get is applied; approval is for these people, who
/// joined them since is counted anew.
#[test]
fn many_lost_aliases_are_held_and_the_rest_goes_on() {
    let mut world = world(20, &[]);
    lose(&mut world, 0..6);
    world.entry("u000").aliases.push("new@ours.example".into());
    world.entry("u001").notes = vec!["hello".into()];
    let said = run(&mut world);
    assert_eq!(held(&said, BrakeKind::Aliases).len(), 6);
    assert!(
        said.plan.holds[0].says.starts_with("6 of 20 aliases that people with access had"),
        "{:?}",
        said.plan.holds
    );
    assert_eq!(said.text[..2], ["u000: gain new@ours.example", "u001: update notes - -> hello"]);
    assert!(said.text.contains(&"u000: held alias u000.alias@ours.example".to_owned()), "{:?}", said.text);
    world.entry("u005").aliases.push("u005.alias@ours.example".into());
    lose(&mut world, 10..11);
    world.approval.aliases = held(&said, BrakeKind::Aliases);
    let said = run(&mut world);
    let lost = |said: &Said| said.text.iter().filter(|line| line.contains(": lose ")).count();
    assert_eq!((lost(&said), held(&said, BrakeKind::Aliases).len()), (6, 0), "five approved, one below the limit");
    assert_eq!(world.account("u005").aliases().count(), 1, "who has the alias again keeps it");
    world.approval.aliases.clear();
    world.recent.aliases.lost =
        ["u010", "u900", "u901", "u902", "u903"].map(|name| (world_id(&world, name), alias(name))).into();
    world.recent.aliases.had = 20;
    lose(&mut world, 11..12);
    assert_eq!(held(&run(&mut world), BrakeKind::Aliases).len(), 1, "five within the window, and one more");
}

/// B1, D2: aliases whose domain is not managed any more are measured by all there are, like any others.
#[test]
fn aliases_in_a_domain_that_is_taken_away_are_losses_like_others() {
    let mut world = world(70, &[]);
    world.policy.managed = None;
    for name in names(7) {
        world.entry(&name).aliases.push(format!("{name}@left.example"));
    }
    world.run();
    world.policy = super::policy(&["ours.example"]);
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "7 of 77 are less than a tenth: {:?}", said.plan.holds);
    assert_eq!(said.text.iter().filter(|line| line.contains("@left.example")).count(), 7, "{:?}", said.text);
}

fn alias(name: &str) -> crate::roster::AddressKey {
    Address::parse(&format!("{name}.alias@ours.example")).unwrap().key()
}

fn world_id(world: &World, name: &str) -> UserId {
    if name < "u900" { world.account(name).id } else { UserId(name[1..].parse().unwrap()) }
}

/// B1: an alias that becomes the primary is no loss, one that somebody else gets is; it stays where it is while held.
/// Faults: D12.
#[test]
fn an_alias_that_changes_its_owner_is_a_loss_and_one_that_becomes_primary_is_not() {
    let mut world = world(20, &[]);
    for name in names(8) {
        let entry = world.entry(&name);
        std::mem::swap(&mut entry.mail, &mut entry.aliases);
    }
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "{:?}", said.plan.holds);
    for n in 10..16 {
        lose(&mut world, n..n + 1);
        let taken = format!("u{n:03}.alias@ours.example");
        world.entry(&format!("u{:03}", n - 10)).aliases.push(taken);
    }
    let said = run(&mut world);
    assert_eq!(held(&said, BrakeKind::Aliases).len(), 6);
    assert_eq!(world.account("u010").aliases().count(), 1);
    assert_eq!(said.plan.opened.len(), 6, "who wants them waits: {:?}", said.text);
    world.approval.aliases = held(&said, BrakeKind::Aliases);
    let said = run(&mut world);
    assert_eq!((said.plan.resolved.len(), world.account("u010").aliases().count()), (6, 0));
}

/// B1, A1: what people without access lose, and another primary, count for nothing.
#[test]
fn people_without_access_and_other_primaries_are_not_counted() {
    let mut world = world(20, &[]);
    for name in names(5) {
        world.entry(&name).enabled = false;
    }
    run(&mut world);
    for name in names(5) {
        world.entry(&name).enabled = true;
    }
    lose(&mut world, 0..10);
    for n in 10..20 {
        world.entry(&format!("u{n:03}")).mail = vec![format!("other{n}@ours.example")];
    }
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "5 of 15 aliases: {:?}", said.plan.holds);
    assert_eq!(world.account("u000").aliases().count(), 0);
}

/// B1: more than twenty and more than 20 % of one group are held, others of the run are not.
/// Faults: G13.
#[test]
fn one_group_that_loses_too_many_is_held() {
    let mut world = world(900, &[("big", 0..100), ("other", 100..900)]);
    world.policy.brake.at_most = 10_000;
    set(&mut world, "big", 20..100);
    set(&mut world, "other", 110..900);
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "20 of 100 is not more than twenty: {:?}", said.plan.holds);
    set(&mut world, "big", (41..100).chain(200..202));
    set(&mut world, "other", 120..900);
    world.memberships.had.clear();
    let said = run(&mut world);
    assert_eq!(said.plan.holds.len(), 1);
    assert!(said.plan.holds[0].says.starts_with("21 of 80 members of the group `big`"), "{:?}", said.plan.holds);
    assert_eq!(held(&said, BrakeKind::Memberships).len(), 21);
    assert!(said.text.contains(&"group big:  +2 -0".to_owned()), "gains are applied: {:?}", said.text);
    assert!(said.text.contains(&"group other:  +0 -10".to_owned()), "{:?}", said.text);
    world.approval.memberships = held(&said, BrakeKind::Memberships);
    set(&mut world, "big", (40..41).chain(42..100).chain(200..202));
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty());
    assert_eq!(world.members("big").len(), 61, "u040 is named again, u041 is one of few");
}

/// B1: what went of a group within the window counts, also when nobody was in it before.
#[test]
fn what_went_of_a_new_group_counts() {
    let mut world = world(900, &[("big", 0..100)]);
    world.policy.brake.at_most = 10_000;
    world.policy.brake.at_least = 1_000;
    let group = world.store.groups.values().next().unwrap().id;
    world.memberships.now = [(group, 100)].into();
    world.memberships.lost = (900..905).map(|id| (group, UserId(id))).collect();
    set(&mut world, "big", 16..100);
    assert!(world.look().plan.holds.is_empty(), "5 and 16 are 20 % of 105");
    set(&mut world, "big", 17..100);
    let said = world.look();
    assert!(said.plan.holds[0].says.starts_with("22 of 105 members of the group `big`"), "{:?}", said.plan.holds);
}

/// B1: all memberships of the source are measured together.
#[test]
fn memberships_of_all_groups_are_summed_up() {
    let groups: Vec<(String, std::ops::Range<usize>)> = (0..10).map(|n| (format!("g{n}"), n * 2..n * 2 + 4)).collect();
    let named: Vec<(&str, std::ops::Range<usize>)> = groups.iter().map(|(name, of)| (&**name, of.clone())).collect();
    let mut world = world(30, &named);
    for (name, members) in &named[..5] {
        set(&mut world, name, members.start + 1..members.end);
    }
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "five are few");
    for (name, members) in &named[5..] {
        set(&mut world, name, members.start + 1..members.end);
    }
    let gone = named[..1].iter().map(|_| (world.store.groups.values().next().unwrap().id, UserId(900)));
    world.memberships.lost = gone.collect();
    let said = run(&mut world);
    assert_eq!(held(&said, BrakeKind::Memberships).len(), 5, "one within the window: {:?}", said.plan.holds);
    assert!(said.plan.holds[0].says.starts_with("6 of 36 memberships"), "{:?}", said.plan.holds);
}

/// B1, G8, L4: what people lose because they depart is not counted; while that is held they keep their groups.
#[test]
fn memberships_of_those_who_depart_go_with_them() {
    let mut world = world(100, &[("staff", 0..30)]);
    let leave = |world: &mut World, gone: std::ops::Range<usize>| {
        gone.for_each(|n| _ = world.people.remove(&format!("u{n:03}")));
    };
    leave(&mut world, 0..11);
    set(&mut world, "staff", 11..30);
    let said = run(&mut world);
    let kinds: Vec<BrakeKind> = said.plan.holds.iter().map(|hold| hold.kind).collect();
    assert_eq!(kinds, [BrakeKind::Missing]);
    assert_eq!(world.members("staff").len(), 30, "their departure is held, and so is what hangs on it");
    world.approval.people = held(&said, BrakeKind::Missing);
    let said = run(&mut world);
    assert!(said.plan.holds.is_empty(), "{:?}", said.plan.holds);
    assert_eq!((world.members("staff").len(), world.state("u000")), (30, State::Pending), "frozen (L4)");
}

/// B1, G6: a group that vanishes with many in it keeps them until a person decides, and is not deleted before.
#[test]
fn a_group_that_vanishes_keeps_its_members_while_they_are_held() {
    let mut world = world(100, &[("staff", 0..30), ("other", 30..100)]);
    world.groups.remove("staff");
    let said = run(&mut world);
    assert_eq!(said.text[0], "group staff: flagged +0 -0");
    assert_eq!(world.members("staff").len(), 30);
    world.later(20 * DAY);
    run(&mut world);
    assert_eq!(world.members("staff").len(), 30);
    world.approval.memberships = held(&said, BrakeKind::Memberships);
    let said = run(&mut world);
    assert_eq!(said.text, ["group staff: deleted +0 -30"]);
}

/// B1, G5: where everybody is in one group, who may not leave it joins no other.
#[test]
fn nobody_is_in_two_groups_because_a_loss_is_held() {
    let mut world = world(60, &[]);
    world.policy.groups.one = Some(OneGroup { priority: vec!["a".into(), "b".into()], default: None });
    set(&mut world, "a", 0..0);
    set(&mut world, "b", 0..60);
    run(&mut world);
    set(&mut world, "a", 0..30);
    let said = run(&mut world);
    assert_eq!(held(&said, BrakeKind::Memberships).len(), 30);
    assert_eq!((world.members("a").len(), world.members("b").len()), (0, 60));
    world.approval.memberships = held(&said, BrakeKind::Memberships);
    run(&mut world);
    assert_eq!((world.members("a").len(), world.members("b").len()), (30, 30));
}

/// B1: losses of roles and grants are measured against those who had any before the window.
/// Faults: G11.
#[test]
fn rights_are_measured_against_the_beginning_of_the_window() {
    let mut world = world(100, &[("admins", 0..100)]);
    world.policy.rights = rights(&[("admin", &["admins"])], &[]);
    run(&mut world);
    set(&mut world, "admins", 0..92);
    world.policy.brake.at_most = 1_000;
    assert!(world.look().plan.holds.is_empty(), "8 of 100");
    let nobody = RightsBefore { role: Some(None), grants: BTreeMap::new() };
    world.recent.rights = (0..40).map(|n| (world.account(&format!("u{n:03}")).id, nobody.clone())).collect();
    let said = world.look();
    let rights: Vec<_> = said.plan.holds.iter().filter(|hold| hold.kind == BrakeKind::Rights).collect();
    assert_eq!((rights[0].would_go, rights[0].of), (8, 60));
    world.recent.rights.clear();
    world.recent.gained = (0..40).map(|n| world.account(&format!("u{n:03}")).id).collect();
    assert_eq!(world.look().plan.holds[0].of, 60);
    assert!(said.plan.held.iter().all(|held| held.loses.as_str() != PendingReason::Gone.as_str()));
}
