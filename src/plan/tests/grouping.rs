//! Groups in groups, one group a user, and groups that nobody is in (G4, G5, G6).

use super::world::{DAY, World};
use crate::plan::policy::OneGroup;
use crate::plan::{GroupAct, Via};
use crate::roster::{Passes, State};

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,dc=example")
}

fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,dc=example")
}

/// People, and groups by name: people by name, groups by `@name`. A group's name is its unique id as well.
fn world(people: &[&str], groups: &[(&str, &[&str])]) -> World {
    let mut world = World::new(&[]);
    for name in people {
        world.hire(name);
    }
    for (name, members) in groups {
        set(&mut world, name, members);
    }
    world
}

fn set(world: &mut World, name: &str, members: &[&str]) {
    let member = |member: &&str| member.strip_prefix('@').map_or_else(|| dn(member), group_dn);
    world.groups.insert(name.into(), (name.into(), members.iter().map(member).collect()));
}

fn flatten(mut world: World) -> World {
    world.policy.groups.flatten = true;
    world
}

fn one(mut world: World, priority: &[&str], default: &str) -> World {
    let default = (!default.is_empty()).then(|| default.to_owned());
    world.policy.groups.one = Some(OneGroup { priority: priority.iter().map(ToString::to_string).collect(), default });
    world
}

fn drop_empty(mut world: World) -> World {
    world.policy.groups.drop_empty = true;
    world
}

/// Who is in which group in the store: `staff: ada, bob (nested)`.
fn memberships(world: &World) -> Vec<String> {
    let told = |(user, via): (String, Via)| match via {
        Via::Direct => user,
        other => format!("{user} ({other})"),
    };
    let mut all: Vec<String> = world
        .store
        .groups
        .values()
        .map(|group| (&group.key, world.memberships(group.key.as_str())))
        .filter(|(_, members)| !members.is_empty())
        .map(|(key, members)| format!("{key}: {}", members.into_iter().map(told).collect::<Vec<_>>().join(", ")))
        .collect();
    all.sort();
    all
}

/// Runs, and checks that the next run has nothing to do.
fn run(world: &mut World) -> Vec<String> {
    let told = world.run();
    let again = world.look();
    assert!(again.plan.is_empty(), "U3: {:?} after {told:?}", again.text);
    told
}

// G4

#[test]
fn members_of_groups_in_groups_count_only_when_asked_for() {
    let people = ["ada", "bob", "cy"];
    let groups: [(&str, &[&str]); 3] =
        [("all", &["@staff", "ada"]), ("staff", &["@devs", "bob"]), ("devs", &["cy", "ada"])];
    let mut direct = world(&people, &groups);
    run(&mut direct);
    assert_eq!(memberships(&direct), ["all: ada", "devs: ada, cy", "staff: bob"]);
    assert_eq!(direct.look().plan.strangers["all"], 1, "a group is no user");
    let mut flat = flatten(world(&people, &groups));
    run(&mut flat);
    assert_eq!(
        memberships(&flat),
        ["all: ada, bob (nested), cy (nested)", "devs: ada, cy", "staff: ada (nested), bob, cy (nested)"]
    );
    assert!(flat.look().plan.strangers.is_empty());
}

#[test]
fn groups_in_a_circle_have_the_same_members() {
    let mut world = flatten(world(
        &["ada", "bob", "cy"],
        &[("a", &["@b", "ada"]), ("b", &["@c", "bob"]), ("c", &["@a", "@c", "cy"])],
    ));
    run(&mut world);
    assert_eq!(
        memberships(&world),
        ["a: ada, bob (nested), cy (nested)", "b: ada (nested), bob, cy (nested)", "c: ada (nested), bob (nested), cy"]
    );
}

#[test]
fn a_new_reason_is_neither_a_join_nor_a_loss() {
    let mut world = flatten(world(&["ada"], &[("all", &["@staff"]), ("staff", &["ada"])]));
    run(&mut world);
    set(&mut world, "all", &["@staff", "ada"]);
    assert_eq!(run(&mut world), ["group all:  +0 -0 ~1"]);
    assert_eq!(memberships(&world), ["all: ada", "staff: ada"], "direct wins");
    set(&mut world, "all", &["@staff"]);
    world.broken = Some("connection-lost");
    assert_eq!(run(&mut world), Vec::<String>::new(), "what is not named is not proven to be gone");
    world.broken = None;
    assert_eq!(run(&mut world), ["group all:  +0 -0 ~1"]);
    assert_eq!(memberships(&world), ["all: ada (nested)", "staff: ada"]);
}

#[test]
fn a_group_that_was_not_read_whole_keeps_the_members_of_all_above_it() {
    let groups: [(&str, &[&str]); 3] = [("all", &["@staff"]), ("staff", &["@devs"]), ("devs", &["ada", "bob"])];
    for trouble in ["cut off", "garbled"] {
        let mut world = flatten(world(&["ada", "bob", "cy"], &groups));
        run(&mut world);
        set(&mut world, "devs", &["ada", "cy"]);
        match trouble {
            "cut off" => _ = world.cut_off.insert("devs".into()),
            _ => _ = world.garbled.insert("devs".into()),
        }
        run(&mut world);
        for group in ["all", "staff", "devs"] {
            assert!(world.members(group).contains(&"bob".to_owned()), "{trouble}: {group}");
        }
        world.cut_off.clear();
        world.garbled.clear();
        run(&mut world);
        assert_eq!(memberships(&world)[0], "all: ada (nested), cy (nested)");
    }
}

#[test]
fn a_nested_group_that_was_not_read_is_an_unknown_member() {
    let mut world = flatten(world(&["ada"], &[("all", &["@elsewhere", "ada"])]));
    run(&mut world);
    assert_eq!(world.look().plan.strangers["all"], 1);
    // G1: without users, one whom nobody knows may be somebody who was renamed, further down as well.
    set(&mut world, "top", &["@all"]);
    run(&mut world);
    set(&mut world, "all", &["@elsewhere"]);
    world.passes = Passes { users: false, groups: true };
    assert_eq!(run(&mut world), Vec::<String>::new());
    world.passes.users = true;
    assert_eq!(run(&mut world), ["group all:  +0 -1", "group top:  +0 -1"]);
}

#[test]
fn a_nested_group_that_is_gone_takes_its_members_along() {
    let mut world = flatten(world(&["ada", "bob"], &[("all", &["@staff", "bob"]), ("staff", &["ada"])]));
    run(&mut world);
    world.groups.remove("staff");
    assert_eq!(run(&mut world), ["group all:  +0 -1", "group staff: flagged +0 -1"]);
    assert_eq!(memberships(&world), ["all: bob"]);
}

/// Chains and meshes of groups stay fast.
#[test]
fn a_deep_mesh_of_groups_is_walked_once_a_group() {
    let name = |n: usize| format!("g{n:04}");
    let mut world = flatten(world(&["ada"], &[]));
    for n in 0..1_000 {
        let inside: Vec<String> = (1..10).map(|step| format!("@{}", name((n + step * step) % 1_000))).collect();
        let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
        set(&mut world, &name(n), &inside);
    }
    world.groups.get_mut("g0500").unwrap().1.push(dn("ada"));
    world.run();
    assert_eq!(world.store.memberships.len(), 1_000);
    assert_eq!(world.memberships("g0500"), [("ada".to_owned(), Via::Direct)]);
}

// G5

/// UNBLU-30, G5
#[test]
fn everybody_is_in_the_best_group_only() {
    let groups: [(&str, &[&str]); 3] =
        [("alpha", &["ada", "bob", "cy"]), ("beta", &["ada", "bob"]), ("gamma", &["ada"])];
    let mut lowest = one(world(&["ada", "bob", "cy", "dan"], &groups), &[], "");
    run(&mut lowest);
    assert_eq!(memberships(&lowest), ["alpha: ada, bob, cy"]);
    let mut ranked = one(world(&["ada", "bob", "cy", "dan"], &groups), &["nobody", "gamma", "beta"], "");
    run(&mut ranked);
    assert_eq!(memberships(&ranked), ["alpha: cy", "beta: bob", "gamma: ada"]);
    assert_eq!(ranked.look().plan.without, None, "there is no default group to miss");
    set(&mut ranked, "gamma", &[]);
    assert_eq!(run(&mut ranked), ["group beta:  +1 -0", "group gamma:  +0 -1"]);
    ranked.policy.groups.one = None;
    assert_eq!(run(&mut ranked), ["group alpha:  +2 -0"]);
}

/// UNBLU-31, G5
#[test]
fn people_without_a_group_are_in_the_default_one() {
    let mut world = one(world(&["ada", "bob"], &[("guests", &[]), ("staff", &["ada"])]), &[], "guests");
    run(&mut world);
    assert_eq!(memberships(&world), ["guests: bob", "staff: ada"]);
    set(&mut world, "staff", &["bob"]);
    assert_eq!(run(&mut world), ["group guests:  +1 -1", "group staff:  +1 -1"]);
    // Whoever is named by it and by another follows the order like everybody.
    set(&mut world, "guests", &["bob"]);
    assert_eq!(run(&mut world), ["group guests:  +1 -0", "group staff:  +0 -1"]);
    // A missing group leaves nobody without one.
    world.groups.remove("staff");
    assert_eq!(run(&mut world), ["group staff: flagged +0 -0"]);
    world.hire("cy");
    assert_eq!(run(&mut world), ["cy: add", "group guests:  +1 -0"]);
}

#[test]
fn of_two_groups_with_one_name_the_lower_unique_id_wins() {
    let mut world = one(world(&["ada"], &[]), &["staff"], "");
    for id in ["id2", "id1"] {
        world.groups.insert(id.into(), ("Staff".into(), vec![dn("ada")]));
    }
    run(&mut world);
    assert_eq!(memberships(&world), ["id1: ada"]);
}

#[test]
fn nested_members_can_be_assigned() {
    let groups: [(&str, &[&str]); 3] = [("all", &["@staff"]), ("guests", &["@all"]), ("staff", &["ada"])];
    let mut world = flatten(one(world(&["ada", "bob"], &groups), &["all"], "guests"));
    run(&mut world);
    assert_eq!(memberships(&world), ["all: ada (nested)", "guests: bob"]);
}

/// A partial read gives nobody a second group, takes nobody's only one, and sends nobody to the default group.
#[test]
fn a_partial_read_leaves_everybody_who_has_a_group_there() {
    let groups: [(&str, &[&str]); 3] = [("a", &[]), ("b", &["ada"]), ("guests", &[])];
    let mut world = one(world(&["ada", "bob"], &groups), &[], "guests");
    run(&mut world);
    assert_eq!(memberships(&world), ["b: ada", "guests: bob"]);
    world.hire("cy");
    world.hire("dan");
    set(&mut world, "a", &["ada", "bob", "cy"]);
    set(&mut world, "b", &[]);
    world.broken = Some("connection-lost");
    assert_eq!(run(&mut world), ["cy: add", "dan: add", "group a:  +1 -0"]);
    assert_eq!(memberships(&world), ["a: cy", "b: ada", "guests: bob"]);
    world.broken = None;
    assert_eq!(run(&mut world), ["group a:  +2 -0", "group b:  +0 -1", "group guests:  +1 -1"]);
    assert_eq!(memberships(&world), ["a: ada, bob, cy", "guests: dan"]);
}

/// The same for a single group: who is in it stays, and nobody new is known to be in none.
#[test]
fn a_group_that_was_not_read_whole_keeps_its_people_and_the_default_group_waits() {
    let mut world = one(world(&["ada", "bob"], &[("b", &["ada"]), ("guests", &[])]), &[], "guests");
    run(&mut world);
    world.hire("cy");
    set(&mut world, "b", &[]);
    set(&mut world, "a", &["ada"]);
    world.cut_off.insert("b".into());
    assert_eq!(run(&mut world), ["cy: add", "group a: added +0 -0"]);
    assert_eq!(memberships(&world), ["b: ada", "guests: bob"], "who is in the default group stays there");
    let without = world.look().plan.without.unwrap();
    assert_eq!((without.found, without.people), (true, 1));
    // A group that cannot be understood keeps its people, too, but does not keep others waiting.
    world.cut_off.clear();
    world.garbled.insert("b".into());
    assert_eq!(run(&mut world), ["group guests:  +1 -0"]);
    assert_eq!(memberships(&world), ["b: ada", "guests: bob, cy"]);
    world.garbled.clear();
    assert_eq!(run(&mut world), ["group a:  +1 -0", "group b:  +0 -1"]);
}

#[test]
fn groups_without_users_assign_the_users_of_the_store() {
    let mut world = one(world(&["ada", "bob"], &[("guests", &[]), ("staff", &["ada"])]), &[], "guests");
    world.passes = Passes { users: true, groups: false };
    assert_eq!(run(&mut world), ["ada: add", "bob: add"], "a run that reads no group assigns none");
    world.passes = Passes { users: false, groups: true };
    run(&mut world);
    assert_eq!(memberships(&world), ["guests: bob", "staff: ada"]);
    // Somebody renamed whom the users pass did not see yet stays where she is.
    world.entry("ada").dn = dn("ada.l");
    set(&mut world, "staff", &["ada.l"]);
    assert_eq!(run(&mut world), Vec::<String>::new());
}

#[test]
fn a_default_group_that_was_not_read_is_said_and_stops_nobody() {
    let mut world = one(world(&["ada", "bob", "cy"], &[("staff", &["ada"])]), &[], "guests");
    let without = world.look().plan.without.unwrap();
    assert_eq!((without.group.as_str(), without.found, without.people), ("guests", false, 2));
    run(&mut world);
    assert_eq!(memberships(&world), ["staff: ada"]);
    world.broken = Some("connection-lost");
    assert_eq!(world.look().plan.without, None, "a partial read does not know");
    world.broken = None;
    set(&mut world, "staff", &["ada", "bob", "cy"]);
    assert_eq!(world.look().plan.without, None);
}

/// L4: whoever waits for deletion keeps the group and takes no part.
#[test]
fn people_without_access_are_not_assigned() {
    let mut world = one(world(&["ada", "bob"], &[("guests", &[]), ("staff", &["ada"])]), &[], "guests");
    run(&mut world);
    world.entry("ada").enabled = false;
    set(&mut world, "staff", &[]);
    assert_eq!(run(&mut world), ["ada: flag disabled until 2026-03-16"]);
    assert_eq!(memberships(&world), ["guests: bob", "staff: ada"]);
    world.entry("ada").enabled = true;
    assert_eq!(run(&mut world), ["ada: restore", "group guests:  +1 -0", "group staff:  +0 -1"]);
}

// G6

/// UNBLU-8, G6
#[test]
fn a_group_without_users_is_left_out_and_comes_back_with_its_id() {
    let mut world = drop_empty(world(&["ada"], &[("none", &["stranger"]), ("staff", &["ada"])]));
    assert_eq!(run(&mut world), ["ada: add", "group staff: added +1 -0"]);
    let id = world.store.groups.values().next().unwrap().id;
    set(&mut world, "staff", &[]);
    world.broken = Some("connection-lost");
    assert_eq!(run(&mut world), Vec::<String>::new());
    world.broken = None;
    assert_eq!(run(&mut world), ["group staff: deleted +0 -1"]);
    let dropped = world.store.groups[&id].clone();
    assert_eq!((dropped.state, dropped.delete_after), (State::Deleted, None));
    world.later(20 * DAY);
    assert_eq!(run(&mut world), Vec::<String>::new());
    // What is left out is not looked after; a new name comes with the return.
    world.groups.get_mut("staff").unwrap().0 = "crew".into();
    assert_eq!(run(&mut world), Vec::<String>::new());
    world.groups.get_mut("staff").unwrap().1.push(dn("ada"));
    assert_eq!(run(&mut world), ["group crew: restored updated +1 -0"]);
    assert_eq!(world.store.groups[&id].state, State::Active);
    // Kept again, the other one comes in, too.
    world.policy.groups.drop_empty = false;
    assert_eq!(run(&mut world), ["group none: added +0 -0"]);
    world.policy.groups.drop_empty = true;
    world.broken = Some("connection-lost");
    world.groups.get_mut("none").unwrap().0 = "nobody".into();
    assert_eq!(run(&mut world), ["group nobody: updated +0 -0"], "a partial read leaves out none");
    world.broken = None;
    assert_eq!(run(&mut world), ["group nobody: deleted +0 -0"]);
}

/// L4: whoever waits for deletion is still in the group; it goes with the last one's deletion, in the same run.
#[test]
fn a_group_goes_with_its_last_user() {
    let mut world = drop_empty(world(&["ada"], &[("staff", &["ada"])]));
    run(&mut world);
    world.people.remove("ada");
    set(&mut world, "staff", &[]);
    assert_eq!(run(&mut world), ["ada: flag gone until 2026-03-16"]);
    world.later(14 * DAY);
    assert_eq!(run(&mut world), ["ada: delete", "group staff: deleted +0 -0"]);
}

#[test]
fn a_group_that_is_gone_or_was_not_read_whole() {
    let mut world = drop_empty(world(&["ada"], &[("staff", &["ada"]), ("team", &["ada"])]));
    run(&mut world);
    set(&mut world, "team", &[]);
    world.cut_off.insert("team".into());
    world.groups.remove("staff");
    assert_eq!(run(&mut world), ["group staff: deleted +0 -1"], "G6: at once, because nobody is in it");
    assert_eq!(world.members("team"), ["ada"]);
}

#[test]
fn a_group_flagged_before_is_left_out_or_comes_back() {
    let mut world = world(&["ada"], &[("staff", &["ada"])]);
    run(&mut world);
    world.groups.clear();
    assert_eq!(run(&mut world), ["group staff: flagged +0 -1"]);
    let mut world = drop_empty(world);
    let said = world.look();
    assert_eq!(said.plan.groups[0].acts, [GroupAct::Dropped { from: State::Pending }]);
    set(&mut world, "staff", &["ada"]);
    assert_eq!(run(&mut world), ["group staff: restored +1 -0"]);
}

/// L6: whoever is deleted in the run that misses the group takes the membership along, once.
#[test]
fn a_group_and_its_last_user_go_at_once() {
    let mut world = world(&["ada", "bob"], &[("staff", &["ada", "bob"])]);
    run(&mut world);
    world.people.remove("ada");
    run(&mut world);
    world.groups.clear();
    world.later(14 * DAY);
    assert_eq!(run(&mut world), ["ada: delete", "group staff: flagged +0 -1"]);
}

/// The default group stays while somebody needs it.
#[test]
fn assigned_and_left_out() {
    let groups: [(&str, &[&str]); 2] = [("guests", &[]), ("staff", &["ada"])];
    let mut world = drop_empty(one(world(&["ada"], &groups), &[], "guests"));
    assert_eq!(run(&mut world), ["ada: add", "group staff: added +1 -0"]);
    set(&mut world, "staff", &[]);
    assert_eq!(run(&mut world), ["group guests: added +1 -0", "group staff: deleted +0 -1"]);
}

/// G1, G3: a membership that only the person's entry names comes and goes with that.
#[test]
fn people_may_name_their_groups() {
    let mut world = world(&["ada", "bob"], &[("staff", &["bob"])]);
    world.member_of.insert((group_dn("staff").to_uppercase(), "ada".into()));
    world.run();
    assert_eq!(memberships(&world), ["staff: ada, bob"]);
    world.member_of.clear();
    world.run();
    assert_eq!(memberships(&world), ["staff: bob"]);
}
