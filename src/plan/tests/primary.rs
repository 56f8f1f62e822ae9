//! Primary groups, as Active Directory has them: only the person's own entry says which (G3).

use super::rights::rights;
use super::world::{USUAL, World};
use crate::plan::Via;
use crate::plan::policy::OneGroup;
use crate::roster::{Passes, State};

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,dc=example")
}

/// People, and groups by name: people by name, groups by `@name`.
fn world(people: &[&str], groups: &[(&str, &[&str])]) -> World {
    let mut world = World::new(&[]);
    people.iter().for_each(|name| _ = world.hire(name));
    groups.iter().for_each(|(name, members)| set(&mut world, name, members));
    world
}

fn set(world: &mut World, name: &str, members: &[&str]) {
    let member = |member: &&str| match member.strip_prefix('@') {
        Some(group) => format!("cn={group},ou=groups,dc=example"),
        None => dn(member),
    };
    world.groups.insert(name.into(), (name.into(), members.iter().map(member).collect()));
}

/// Who has which primary group; `?` is one that the entry does not tell.
fn primary(world: &mut World, who: &str, group: &str) {
    world.primary.insert(who.into(), Some(group.to_owned()).filter(|group| group != "?"));
}

/// Runs, and checks that the next run has nothing to do.
#[track_caller]
fn run(world: &mut World) -> Vec<String> {
    let told = world.run();
    let again = world.look();
    assert!(again.plan.is_empty(), "U3: {:?} after {told:?}", again.text);
    told
}

/// Who is in a group: `ada, bob (nested)`.
fn of(world: &World, group: &str) -> String {
    let told = |(user, via): (String, Via)| if via == Via::Direct { user } else { format!("{user} ({via})") };
    world.memberships(group).into_iter().map(told).collect::<Vec<_>>().join(", ")
}

/// G3: whoever's primary group it is, is in it, and leaves it for another one.
#[test]
fn a_primary_group_is_followed() {
    let mut world = world(&["ada", "bob"], &[("crew", &[]), ("staff", &["bob"])]);
    primary(&mut world, "ada", "staff");
    run(&mut world);
    assert_eq!((of(&world, "crew"), of(&world, "staff")), (String::new(), "ada (primary), bob".to_owned()));
    assert!(world.look().plan.strangers.is_empty(), "a SID is no member that nobody knows");
    primary(&mut world, "ada", "crew");
    assert_eq!(run(&mut world), ["group crew:  +1 -0", "group staff:  +0 -1"]);
    // The directory lists whoever had it before as a member, and the other way round.
    set(&mut world, "crew", &["ada"]);
    primary(&mut world, "ada", "staff");
    assert_eq!(run(&mut world), ["group crew:  +0 -0 ~1", "group staff:  +1 -0"]);
    assert_eq!((of(&world, "crew"), of(&world, "staff")), ("ada".to_owned(), "ada (primary), bob".to_owned()));
    primary(&mut world, "ada", "one that is not read");
    assert_eq!(run(&mut world), ["group staff:  +0 -1"]);
}

/// G3, G4: it counts for the groups around it; and is told before a way through others.
#[test]
fn a_primary_group_may_be_in_a_group() {
    let mut world = world(&["ada", "bob"], &[("all", &["@staff"]), ("crew", &["@all"]), ("staff", &["bob"])]);
    world.policy.groups.flatten = true;
    primary(&mut world, "ada", "staff");
    primary(&mut world, "bob", "crew");
    run(&mut world);
    assert_eq!(of(&world, "staff"), "ada (primary), bob");
    assert_eq!(of(&world, "all"), "ada (nested), bob (nested)");
    assert_eq!(of(&world, "crew"), "ada (nested), bob (primary)");
    for trouble in ["garbled", "absent", "groups only", "unreadable", "connection lost"] {
        let mut world = world.clone();
        match trouble {
            "garbled" => primary(&mut world, "ada", "?"),
            "absent" => _ = world.primary.remove("ada"),
            "groups only" => {
                world.passes = Passes { users: false, groups: true };
                primary(&mut world, "ada", USUAL);
            }
            "unreadable" => {
                primary(&mut world, "ada", "?");
                world.entry("ada").readable = false;
            }
            _ => {
                world.primary.clear();
                world.broken = Some("connection-lost");
            }
        }
        run(&mut world);
        for (group, members) in [("staff", "ada (primary), bob"), ("all", "ada (nested), bob (nested)")] {
            assert_eq!(of(&world, group), members, "{trouble}");
        }
        // Told again, it is followed.
        (world.broken, world.passes.users) = (None, true);
        world.entry("ada").readable = true;
        primary(&mut world, "ada", "crew");
        run(&mut world);
        assert_eq!(
            (of(&world, "staff"), of(&world, "crew")),
            ("bob".to_owned(), "ada (primary), bob (primary)".to_owned())
        );
    }
}

/// G3, G7: a run that reads no users still sees who has an unusual primary group.
#[test]
fn a_run_of_groups_alone_follows_primary_groups() {
    let mut world = world(&["ada", "bob"], &[("crew", &[]), ("staff", &["ada", "bob"])]);
    primary(&mut world, "ada", USUAL);
    primary(&mut world, "bob", USUAL);
    run(&mut world);
    world.passes = Passes { users: false, groups: true };
    set(&mut world, "staff", &["bob"]);
    primary(&mut world, "ada", "staff");
    assert_eq!(run(&mut world), ["group staff:  +0 -0 ~1"], "no longer listed, but there");
    set(&mut world, "staff", &["ada", "bob"]);
    primary(&mut world, "ada", "crew");
    assert_eq!(run(&mut world), ["group crew:  +1 -0", "group staff:  +0 -0 ~1"]);
    set(&mut world, "staff", &["bob"]);
    primary(&mut world, "ada", USUAL);
    assert_eq!(run(&mut world), ["group staff:  +0 -1"]);
    world.passes.users = true;
    assert_eq!(run(&mut world), ["group crew:  +0 -1"]);
}

/// G3: no longer asked for, it is no reason to stay; nor when the group was read without its SID, nobody knows.
#[test]
fn a_primary_group_ends_with_the_group_and_with_the_person() {
    let mut world = world(&["ada", "bob"], &[("crew", &["bob"]), ("staff", &[])]);
    primary(&mut world, "ada", "staff");
    primary(&mut world, "bob", "staff");
    run(&mut world);
    world.people.remove("ada");
    assert_eq!(run(&mut world), ["ada: flag gone until 2026-03-16"], "L4");
    world.groups.remove("staff");
    assert_eq!(run(&mut world), ["group staff: flagged +0 -2"]);
    set(&mut world, "staff", &[]);
    assert_eq!(run(&mut world), ["group staff: restored +1 -0"]);
    assert_eq!(of(&world, "staff"), "bob (primary)");
}

/// M3, G3: the memberships of a manual account are those that the directory shows, whether its entry is there or not.
#[test]
fn a_manual_account_leaves_with_its_entry() {
    let (mut world, guest) = World::with_guest();
    world.hire("e1").mail = vec!["guest@ours.example".into()];
    set(&mut world, "staff", &[]);
    primary(&mut world, "e1", "staff");
    run(&mut world);
    assert_eq!(of(&world, "staff"), "e1 (primary)");
    primary(&mut world, "e1", "?");
    assert_eq!(run(&mut world), [""; 0]);
    world.people.remove("e1");
    assert_eq!(run(&mut world), ["group staff:  +0 -1"]);
    assert_eq!(world.store.accounts[&guest].state, State::Active);
}

/// G3, G5
#[test]
fn a_primary_group_can_be_the_one_group() {
    let mut world = world(&["ada", "bob"], &[("crew", &[]), ("guests", &[])]);
    world.policy.groups.one = Some(OneGroup { priority: vec![], default: Some("guests".into()) });
    primary(&mut world, "ada", "crew");
    run(&mut world);
    assert_eq!((of(&world, "crew"), of(&world, "guests")), ("ada (primary)".to_owned(), "bob".to_owned()));
    primary(&mut world, "ada", "?");
    assert_eq!(run(&mut world), [""; 0]);
    primary(&mut world, "ada", "none");
    assert_eq!(run(&mut world), ["group crew:  +0 -1", "group guests:  +1 -0"]);
}

/// G3, R1, R2, R3: it gives what being in it gives; who has no other reason keeps it while nobody can tell.
#[test]
fn a_primary_group_gives_roles_and_grants() {
    for required in [false, true] {
        let mut world = world(&["ada"], &[("crew", &[]), ("staff", &[])]);
        world.policy.rights = rights(&[("admin", &["crew"])], &[("read", &["crew"])]);
        world.policy.rights.required = required;
        primary(&mut world, "ada", "crew");
        run(&mut world);
        let ada = world.account("ada").id;
        let has = |world: &World| (world.store.roles.contains_key(&ada), world.store.grants.len());
        assert_eq!(has(&world), (true, 1));
        primary(&mut world, "ada", "?");
        assert_eq!(run(&mut world), [""; 0], "{required}");
        assert_eq!((has(&world), world.state("ada")), ((true, 1), State::Active));
        primary(&mut world, "ada", "staff");
        run(&mut world);
        let (left, state) = if required { ((true, 1), State::Pending) } else { ((false, 0), State::Active) };
        assert_eq!((has(&world), world.state("ada")), (left, state), "L4, R3");
    }
}
