//! R1-R4: roles, grants, who needs one, and mapped groups that are gone or replaced.

use super::world::{DAY, World};
use crate::plan::policy::{Mapped, Place, Rights};
use crate::plan::{BrakeKind, MappedAct, UserRef};
use crate::roster::State;

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,dc=example")
}

fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,dc=example")
}

/// Roles (highest first) and grants, each with the names of its groups.
pub fn rights(roles: &[(&str, &[&str])], grants: &[(&str, &[&str])]) -> Rights {
    let mut rights = Rights::default();
    let place = |rights: &mut Rights, name: &str| {
        let place = Place::Dn(group_dn(name));
        rights.places.iter().position(|one| *one == place).unwrap_or_else(|| {
            rights.places.push(place);
            rights.places.len() - 1
        })
    };
    for (name, groups) in roles {
        let places = groups.iter().map(|group| place(&mut rights, group)).collect();
        rights.roles.push(Mapped { name: (*name).to_owned(), places });
    }
    for (name, groups) in grants {
        let places = groups.iter().map(|group| place(&mut rights, group)).collect();
        rights.grants.push(Mapped { name: (*name).to_owned(), places });
    }
    rights
}

fn set(world: &mut World, id: &str, name: &str, members: &[&str]) {
    let members = members.iter().map(|name| name.strip_prefix('@').map_or_else(|| dn(name), group_dn)).collect();
    world.groups.insert(id.to_owned(), (name.to_owned(), members));
}

/// People, and groups that are no teams: their name is their unique id.
fn world(people: &[&str], rights: Rights, groups: &[(&str, &[&str])]) -> World {
    let mut world = World::new(&[]);
    world.passes.groups = false;
    world.policy.rights = rights;
    people.iter().for_each(|name| _ = world.hire(name));
    groups.iter().for_each(|(name, members)| set(&mut world, name, name, members));
    world
}

/// Runs, and looks that a second run changes nothing (U3).
#[track_caller]
fn run(world: &mut World) -> Vec<String> {
    let told = world.run();
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "U3: {:?} after {told:?}", again.text);
    told
}

fn roles(world: &World) -> Vec<String> {
    let name = |id| world.store.accounts[id].key.as_ref().unwrap().to_string();
    world.store.roles.iter().map(|(id, role)| format!("{} {role}", name(id))).collect()
}

fn grants(world: &World) -> Vec<String> {
    let name = |id| world.store.accounts[id].key.as_ref().unwrap().to_string();
    world.store.grants.iter().map(|((id, what), grant)| format!("{} {what} {}", name(id), grant.key)).collect()
}

const RANKS: &[(&str, &[&str])] = &[("admin", &["admins"]), ("supervisor", &["leads"]), ("user", &["staff"])];

// R1

/// UNBLU-15, UNBLU-28, UNBLU-29, R1
#[test]
fn of_several_roles_the_highest_wins_and_groups_decide_about_unchanged_people() {
    let groups: [(&str, &[&str]); 3] = [("admins", &["ada"]), ("leads", &["bob"]), ("staff", &["ada", "bob", "cy"])];
    let mut world = world(&["ada", "bob", "cy", "dan"], rights(RANKS, &[]), &groups);
    assert_eq!(run(&mut world), ["ada: add as admin", "bob: add as supervisor", "cy: add as user", "dan: add"]);
    set(&mut world, "admins", "admins", &["cy"]);
    set(&mut world, "leads", "leads", &["ada", "dan"]);
    assert_eq!(
        run(&mut world),
        [
            "ada: role admin -> supervisor",
            "bob: role supervisor -> user",
            "cy: role user -> admin",
            "dan: role none -> supervisor"
        ]
    );
    // U2: what somebody writes into the store is undone.
    let bob = world.account("bob").id;
    world.store.roles.insert(bob, "emperor".into());
    assert_eq!(run(&mut world), ["bob: role emperor -> user"]);
    // A run that reads no user has nothing to do with roles.
    world.groups.clear();
    world.passes.users = false;
    assert_eq!(world.run(), Vec::<String>::new());
}

/// UNBLU-43, R1
#[test]
fn whom_no_group_gives_a_role_has_the_default_one() {
    let mut rights = rights(RANKS, &[]);
    rights.default_role = Some("guest".into());
    let mut world = world(&["ada", "bob"], rights, &[("admins", &["ada"]), ("leads", &[]), ("staff", &[])]);
    assert_eq!(run(&mut world), ["ada: add as admin", "bob: add as guest"]);
    set(&mut world, "admins", "admins", &["bob"]);
    assert_eq!(run(&mut world), ["ada: role admin -> guest", "bob: role guest -> admin"]);
    // One that stands in the list is as high as it stands there.
    world.policy.rights.default_role = Some("supervisor".into());
    set(&mut world, "staff", "staff", &["ada"]);
    assert_eq!(run(&mut world), ["ada: role guest -> supervisor"]);
}

/// COVATA-14, COVATA-20, UNBLU-19, R1: without mapped roles the role belongs to the store.
#[test]
fn without_roles_the_default_is_given_on_creation_only() {
    let mut world = world(&["ada"], Rights { default_role: Some("originator".into()), ..Rights::default() }, &[]);
    assert_eq!(run(&mut world), ["ada: add as originator"]);
    let ada = world.account("ada").id;
    world.store.roles.insert(ada, "administrator".into());
    world.entry("ada").notes = vec!["x".into()];
    run(&mut world);
    assert_eq!(roles(&world), ["ada administrator"]);
    world.store.roles.remove(&ada);
    assert_eq!(run(&mut world), Vec::<String>::new());
    // Whoever comes back after deletion starts again.
    world.people.remove("ada");
    run(&mut world);
    world.later(15 * DAY).run();
    world.hire("ada");
    run(&mut world);
    assert_eq!(roles(&world), ["ada originator"]);
}

/// E1: from an incomplete run, and from a group that was not read whole, roles and grants only grow.
#[test]
fn what_is_not_proven_is_not_taken() {
    let groups: [(&str, &[&str]); 3] = [("admins", &["ada"]), ("leads", &["ada", "bob"]), ("staff", &["ada", "bob"])];
    let wallet: &[(&str, &[&str])] = &[("wallet", &["leads"])];
    for trouble in ["partial", "cut off", "garbled", "unread person"] {
        let mut world = world(&["ada", "bob"], rights(RANKS, wallet), &groups);
        run(&mut world);
        match trouble {
            "partial" => world.broken = Some("connection-lost"),
            "cut off" => world.cut_off = ["admins".into(), "leads".into()].into(),
            "garbled" => world.garbled = ["admins".into(), "leads".into()].into(),
            _ => world.people.values_mut().for_each(|entry| entry.readable = false),
        }
        set(&mut world, "admins", "admins", &["bob"]);
        set(&mut world, "leads", "leads", &[]);
        run(&mut world);
        let gains = if trouble.starts_with(['g', 'u']) { "bob supervisor" } else { "bob admin" };
        assert_eq!(roles(&world), ["ada admin", gains], "{trouble}");
        assert_eq!(grants(&world).len(), 2, "{trouble}");
        world.broken = None;
        world.cut_off.clear();
        world.garbled.clear();
        world.people.values_mut().for_each(|entry| entry.readable = true);
        run(&mut world);
        assert_eq!(
            (roles(&world), grants(&world).len()),
            (vec!["ada user".into(), "bob admin".into()], 0),
            "{trouble}"
        );
    }
}

/// L4, L5: frozen while pending, and set again on return.
#[test]
fn roles_and_grants_are_frozen_while_somebody_is_pending() {
    let groups: [(&str, &[&str]); 3] = [("admins", &["ada"]), ("leads", &[]), ("staff", &["ada"])];
    let mut world = world(&["ada"], rights(RANKS, &[("wallet", &["admins"])]), &groups);
    run(&mut world);
    world.entry("ada").enabled = false;
    set(&mut world, "admins", "admins", &[]);
    run(&mut world);
    assert_eq!((roles(&world), grants(&world)), (vec!["ada admin".into()], vec!["ada wallet admins".into()]));
    world.entry("ada").enabled = true;
    assert_eq!(run(&mut world), ["ada: restore", "ada: role admin -> user", "ada: no grant wallet"]);
}

/// G4: groups in groups count for roles as they do for teams.
#[test]
fn members_of_groups_in_mapped_groups_count_when_teams_are_flattened() {
    let groups: [(&str, &[&str]); 4] =
        [("admins", &["@inner"]), ("inner", &["ada", "@admins"]), ("leads", &[]), ("staff", &[])];
    let mut world = world(&["ada"], rights(RANKS, &[]), &groups);
    assert_eq!(run(&mut world), ["ada: add"]);
    world.policy.groups.flatten = true;
    assert_eq!(run(&mut world), ["ada: role none -> admin"]);
    world.cut_off.insert("inner".into());
    set(&mut world, "inner", "inner", &[]);
    assert_eq!(run(&mut world), Vec::<String>::new());
    world.cut_off.clear();
    assert_eq!(run(&mut world), ["ada: role admin -> none"]);
}

// R2

/// OKV-6, OKV-8, OKV-9, OKV-15, R2
#[test]
fn grants_are_the_union_over_groups_each_shown_with_the_oldest() {
    let grants_of: &[(&str, &[&str])] = &[("read", &["a", "b"]), ("write", &["b"])];
    let mut world = world(&["ada", "bob"], rights(&[], grants_of), &[("a", &["ada"]), ("b", &["ada", "bob"])]);
    run(&mut world);
    assert_eq!(grants(&world), ["ada read a", "ada write b", "bob read b", "bob write b"]);
    set(&mut world, "a", "a", &["bob"]);
    let told = run(&mut world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(grants(&world), ["ada read b", "ada write b", "bob read a", "bob write b"]);
    assert!(told[0].contains("instead of"), "{told:?}");
    // A privilege that leaves the configuration is taken.
    world.policy.rights = rights(&[], &[("write", &["b"])]);
    run(&mut world);
    assert_eq!(grants(&world), ["ada write b", "bob write b"]);
    world.policy.rights = Rights::default();
    run(&mut world);
    assert_eq!((grants(&world), world.store.mapped.len()), (vec![], 0));
}

// R3

/// UNBLU-44, OKV-7, R3
#[test]
fn without_a_mapped_role_or_grant_nobody_is_in_where_one_is_required() {
    let mut rights = rights(&[("admin", &["admins"])], &[("wallet", &["wallets"])]);
    rights.required = true;
    rights.default_role = Some("user".into());
    let mut world = world(&["ada", "bob", "cy"], rights, &[("admins", &["ada"]), ("wallets", &["bob"])]);
    assert_eq!(run(&mut world), ["ada: add as admin", "bob: add as user", "bob: grant wallet"]);
    let skip = world.store.skips.iter().find(|skip| skip.reason == "no-role").unwrap();
    assert_eq!((skip.unique_id.as_deref(), &*skip.rule), (Some("cy"), "R3"));
    // Bob's entry is as it was; only the group differs.
    set(&mut world, "wallets", "wallets", &["cy"]);
    let told = run(&mut world);
    assert_eq!(told, ["bob: flag no-role until 2026-03-16", "cy: add as user", "cy: grant wallet"]);
    assert_eq!(grants(&world), ["bob wallet wallets", "cy wallet wallets"], "L4");
    // Of several reasons the first in order.
    world.entry("bob").mail.clear();
    assert_eq!(run(&mut world), ["bob: flag no-address until 2026-03-16"]);
    world.entry("bob").mail = vec!["bob@ours.example".into()];
    set(&mut world, "admins", "admins", &["ada", "bob"]);
    assert_eq!(run(&mut world), ["bob: restore", "bob: role user -> admin", "bob: no grant wallet"]);
}

/// M3, R3: a manual account that is linked needs no role, to stay or to take over what the entry says.
#[test]
fn a_manual_account_needs_no_role() {
    let mut rights = rights(&[("admin", &["admins"])], &[]);
    rights.required = true;
    let mut world = world(&["ada"], rights, &[("admins", &["ada", "guest"])]);
    world.run();
    assert!(world.add_by_hand("guest"));
    world.hire("guest");
    let told = run(&mut world);
    assert!(told.contains(&"guest: link as manual".to_owned()), "{told:?}");
    // Once while nothing else is new of the entry, once while something is.
    set(&mut world, "admins", "admins", &["ada"]);
    run(&mut world);
    world.entry("guest").notes = vec!["seen".into()];
    assert_eq!(run(&mut world), ["guest: update notes by hand -> seen"]);
    let guest = world.store.accounts.values().find(|account| account.label() == "guest").unwrap();
    assert_eq!(guest.state, State::Active);
}

/// R3, L5: nobody who is out comes in without a role that was read, for whatever reason the access went; nobody is
/// deleted for it either before every mapped group was read.
#[test]
fn whoever_is_back_waits_for_a_role_that_was_read() {
    let mut rights = rights(&[("admin", &["admins"]), ("user", &["staff"])], &[]);
    rights.required = true;
    let mut world = world(&["ada", "bob"], rights, &[("admins", &[]), ("staff", &["ada", "bob"])]);
    run(&mut world);
    let entry = world.people.remove("ada").unwrap();
    run(&mut world);
    assert_eq!(world.account("ada").reason, Some(crate::roster::PendingReason::Gone));
    world.people.insert("ada".into(), entry);
    let with_role = {
        let mut world = world.clone();
        world.broken = Some("connection-lost");
        run(&mut world)
    };
    assert_eq!(with_role, ["ada: restore"], "the role was read");
    set(&mut world, "staff", "staff", &["bob"]);
    world.later(30 * super::world::DAY);
    for partial in [true, false] {
        world.broken = partial.then_some("connection-lost");
        world.cut_off = if partial { [].into() } else { ["admins".to_owned()].into() };
        assert_eq!(run(&mut world), Vec::<String>::new(), "she may be an administrator");
        assert_eq!(world.account("ada").reason, Some(crate::roster::PendingReason::Gone));
    }
    world.cut_off.clear();
    assert_eq!(run(&mut world), ["ada: flag no-role until 2026-04-08"], "a reason not seen before");
    assert_eq!(run(&mut world), Vec::<String>::new());
}

#[test]
fn nobody_is_flagged_by_a_group_that_was_not_read_whole() {
    let mut rights = rights(&[("admin", &["admins"]), ("user", &["staff"])], &[]);
    rights.required = true;
    let mut world = world(&["ada"], rights, &[("admins", &[]), ("staff", &["ada"])]);
    run(&mut world);
    set(&mut world, "staff", "staff", &[]);
    world.cut_off.insert("admins".into());
    assert_eq!(run(&mut world), ["ada: role user -> none"], "she may be an administrator");
    world.cut_off.clear();
    world.broken = Some("connection-lost");
    assert_eq!(run(&mut world), Vec::<String>::new());
    world.broken = None;
    assert_eq!(run(&mut world), ["ada: flag no-role until 2026-03-16"]);
    // Pending stays pending while it is not proven either way, and newcomers wait.
    world.cut_off.insert("admins".into());
    world.hire("bob");
    assert_eq!(run(&mut world), Vec::<String>::new());
}

// R4, B1

/// OKV-21, R4: what the disappearance of a mapped group would strip is held, however little, until it is approved or back.
#[test]
fn a_mapped_group_that_is_gone_takes_nothing_until_a_person_approves_it() {
    let groups: [(&str, &[&str]); 3] = [("admins", &["ada"]), ("leads", &["bob"]), ("staff", &["ada", "bob"])];
    let mut world = world(&["ada", "bob"], rights(RANKS, &[("wallet", &["admins"])]), &groups);
    run(&mut world);
    let admins = world.groups.remove("admins").unwrap();
    set(&mut world, "leads", "leads", &[]);
    let said = world.look();
    assert_eq!(said.plan.mapped.broken.len(), 1);
    assert_eq!(said.plan.holds.len(), 1, "{:?}", said.plan.holds);
    assert_eq!(run(&mut world), ["bob: role supervisor -> user", "ada: held role admin -> user, grant wallet"]);
    assert_eq!(roles(&world), ["ada admin", "bob user"]);
    // Back: nothing is held.
    world.groups.insert("admins".into(), admins.clone());
    assert_eq!(run(&mut world), Vec::<String>::new());
    // Approved.
    world.groups.remove("admins");
    world.approval.causes = world.look().plan.mapped.causes.into_iter().collect();
    world.approval.rights = [world.account("ada").id].into();
    let said = world.look();
    assert_eq!(said.plan.mapped.acts, [MappedAct::Settle { dn: group_dn("admins") }]);
    assert_eq!(world.run(), ["ada: role admin -> user", "ada: no grant wallet"]);
    world.approval.causes.clear();
    world.approval.rights.clear();
    assert!(world.look().plan.is_empty());
    assert_eq!(world.look().plan.mapped.broken.len(), 1, "it is still said");
    world.groups.insert("admins".into(), admins);
    assert_eq!(run(&mut world), ["ada: role user -> admin", "ada: grant wallet"]);
    assert!(!world.store.mapped[&group_dn("admins")].settled);
}

/// G2, R4
#[test]
fn a_mapped_group_that_was_renamed_still_gives() {
    let groups: [(&str, &[&str]); 1] = [("admins", &["ada"])];
    let mut world = world(&["ada"], rights(&[("admin", &["admins"])], &[]), &groups);
    run(&mut world);
    set(&mut world, "admins", "chiefs", &["ada"]);
    assert_eq!(run(&mut world), Vec::<String>::new());
    assert!(world.look().plan.mapped.broken.is_empty());
}

/// R4: another group under the DN gives nothing and holds the run, whoever would lose anything.
#[test]
fn another_group_under_a_mapped_dn_gives_nothing_until_it_is_approved() {
    for renamed in [false, true] {
        let groups: [(&str, &[&str]); 1] = [("admins", &["ada"])];
        let mut world = world(&["ada", "eve"], rights(&[("admin", &["admins"])], &[]), &groups);
        run(&mut world);
        world.groups.clear();
        set(&mut world, "evil", "admins", &["eve", "ada"]);
        if renamed {
            set(&mut world, "admins", "old-admins", &["ada"]);
        }
        let said = world.look();
        assert!(said.plan.holds.iter().any(|hold| hold.kind == BrakeKind::Rights), "{renamed}");
        run(&mut world);
        assert_eq!(roles(&world), ["ada admin"], "{renamed}");
        world.approval.causes = said.plan.mapped.causes.into_iter().collect();
        assert_eq!(world.run(), ["eve: role none -> admin"], "{renamed}");
        world.approval.causes.clear();
        assert!(world.look().plan.is_empty() && world.look().plan.holds.is_empty(), "{renamed}");
        assert_eq!(world.store.mapped[&group_dn("admins")].key.as_str(), "evil");
        // The memory ends when the DN leaves the configuration.
        world.policy.rights = rights(&[("admin", &["others"])], &[]);
        world.policy.brake.at_least = 100;
        set(&mut world, "others", "others", &["ada", "eve"]);
        run(&mut world);
        assert_eq!(world.store.mapped.keys().cloned().collect::<Vec<_>>(), [group_dn("others")]);
    }
}

/// R3 with R4: who has no role because the group is gone keeps access.
#[test]
fn nobody_is_flagged_because_a_mapped_group_is_gone() {
    let mut rights = rights(&[("admin", &["admins"])], &[]);
    rights.required = true;
    let mut world = world(&["ada"], rights, &[("admins", &["ada"])]);
    run(&mut world);
    world.groups.clear();
    assert_eq!(world.run(), ["ada: held no-role"]);
    assert_eq!(run(&mut world), ["ada: held no-role"]);
    assert_eq!((world.state("ada"), roles(&world)), (State::Active, vec!["ada admin".into()]));
    world.approval.people = [world.account("ada").id].into();
    world.approval.causes = world.look().plan.mapped.causes.into_iter().collect();
    assert_eq!(world.run(), ["ada: flag no-role until 2026-03-16"]);
}

/// B1: roles and grants that would go are counted by person, against those who have any.
#[test]
fn too_many_losses_at_once_are_held_and_gains_are_not() {
    let people: Vec<String> = (0..20).map(|n| format!("p{n:02}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mapped = rights(&[("admin", &["admins"])], &[("wallet", &["admins"])]);
    let mut world = world(&people, mapped, &[("admins", &people[..12])]);
    run(&mut world);
    set(&mut world, "admins", "admins", &people[5..13]);
    assert_eq!(run(&mut world).len(), 12, "five are below brake.at_least");
    set(&mut world, "admins", "admins", &people[12..14]);
    let said = world.look();
    assert!(
        said.plan.holds[0].says.starts_with("7 of 8 people who had a mapped role or grant"),
        "{:?}",
        said.plan.holds
    );
    let told = run(&mut world);
    assert_eq!(told.iter().filter(|line| line.contains("held")).count(), 7);
    assert_eq!(told[..2], ["p13: role none -> admin", "p13: grant wallet"]);
    // Those of the window count, too, each once.
    world.recent.departed = people[..5].iter().map(|name| (BrakeKind::Rights, world.account(name).id)).collect();
    set(&mut world, "admins", "admins", &people[6..14]);
    assert!(world.look().plan.holds[0].says.contains("5 of them already"), "{:?}", world.look().plan.holds);
    // Approved, person by person.
    world.approval.rights = [world.account("p05").id].into();
    assert_eq!(world.run(), ["p05: role admin -> none", "p05: no grant wallet"]);
}

/// B1, R1: who has only the role of everybody is none of those who can lose one.
#[test]
fn the_default_role_is_nothing_to_measure_by() {
    let people: Vec<String> = (0..90).map(|n| format!("p{n:02}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mapped = Rights { default_role: Some("member".into()), ..rights(&[("admin", &["admins"])], &[]) };
    let mut world = world(&people, mapped, &[("admins", &people[..10])]);
    run(&mut world);
    set(&mut world, "admins", "admins", &people[6..10]);
    let said = world.look();
    assert!(said.plan.holds[0].says.starts_with("6 of 10 people who had a mapped role"), "{:?}", said.plan.holds);
}

/// B1: whose own departure is held keeps everything.
#[test]
fn whose_departure_is_held_keeps_role_and_grants() {
    let people: Vec<String> = (0..8).map(|n| format!("p{n}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mut world = world(&people, rights(&[("admin", &["admins"])], &[]), &[("admins", &people)]);
    run(&mut world);
    people[..7].iter().for_each(|name| _ = world.people.remove(*name));
    set(&mut world, "admins", "admins", &people[7..]);
    let said = world.look();
    assert_eq!(said.plan.holds.len(), 1, "{:?}", said.plan.holds);
    run(&mut world);
    assert_eq!(roles(&world).len(), 8);
    let known = |name: &str| UserRef::Known(world.account(name).id);
    assert!(said.plan.users.iter().all(|change| change.subject != known("p0") || change.acts.is_empty()));
}
