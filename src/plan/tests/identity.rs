//! The primary address as the identity (I6).

use super::world::{DAY, World};
use crate::plan::BrakeKind;
use crate::plan::policy::Delay;
use crate::roster::{State, UserId};

const NOTHING: [&str; 0] = [];

fn with(people: &[&str]) -> World {
    let mut world = World::new(&[]);
    world.policy.by_address = true;
    for name in people {
        world.hire(name);
    }
    world.run();
    world
}

fn mail(world: &mut World, name: &str, mail: &str) {
    world.entry(name).mail = vec![format!("{mail}@ours.example")];
}

/// The user with an address, now or remembered.
fn user(world: &World, address: &str) -> (UserId, State) {
    let address = format!("{address}@ours.example");
    let has = |one: &&crate::roster::Account| {
        let former = one.former.as_ref().and_then(|former| former.address.clone());
        one.primary().map(|it| it.key()).or(former).is_some_and(|it| it.as_str() == address)
    };
    let mut found = world.store.accounts.values().filter(has);
    let one = found.next().unwrap_or_else(|| panic!("nobody is {address}"));
    assert!(found.next().is_none(), "two are {address}");
    (one.id, one.state)
}

/// COVATA-31, COVATA-37, COVATA-38, I6: another address is another user, the one of before is parked; when the address
/// comes back, so does its user, and the interim one is parked.
#[test]
fn another_address_is_another_user_until_it_comes_back() {
    let mut world = with(&["ada", "bob"]);
    let dns: Vec<String> = world.people.values().map(|entry| entry.dn.clone()).collect();
    world.groups.insert("staff".into(), ("staff".into(), dns));
    world.run();
    let first = user(&world, "ada").0;
    mail(&mut world, "ada", "countess");
    world.entry("ada").aliases = vec!["ada@ours.example".into()];
    assert_eq!(world.run(), ["ada: dormant for countess@ours.example", "ada: add", "group staff:  +1 -0"]);
    let (second, _) = user(&world, "countess");
    assert_eq!((user(&world, "ada"), world.account("ada").id), ((first, State::Dormant), second));
    let aliases: Vec<_> = world.account("ada").aliases().map(ToString::to_string).collect();
    assert_eq!((aliases, world.members("staff").len()), (vec!["ada@ours.example".to_owned()], 2));
    assert_eq!(world.run(), NOTHING);
    world.later(400 * DAY);
    assert_eq!(world.run(), NOTHING, "never deleted");
    mail(&mut world, "ada", "ada");
    world.entry("ada").aliases.clear();
    let said = world.run();
    assert_eq!(said[..2], ["ada: dormant for ada@ours.example", "ada: wake"]);
    assert_eq!((user(&world, "ada"), user(&world, "countess")), ((first, State::Active), (second, State::Dormant)));
    assert_eq!((world.account("ada").id, world.members("staff").len()), (first, 2));
    assert_eq!(world.run(), NOTHING);
}

/// I6: with the default identity the same person has another address, and that is all.
/// Faults: C15.
#[test]
fn by_unique_id_another_address_is_a_change() {
    let mut world = World::with(&["ada", "bob"]);
    mail(&mut world, "ada", "countess");
    assert_eq!(world.run(), ["ada: update primary_address ada@ours.example -> countess@ours.example"]);
}

/// I6: an address that another entry takes over is somebody new while the former bearer's entry is there, disabled or
/// not; and the former one once that entry is gone.
#[test]
fn who_takes_an_address_over_is_the_former_bearer_only_when_that_entry_is_gone() {
    for (gone, disabled) in [(false, false), (false, true), (true, false)] {
        let mut world = with(&["ada", "bob", "cy"]);
        let first = user(&world, "ada").0;
        mail(&mut world, "ada", "countess");
        world.run();
        world.entry("ada").enabled = !disabled;
        if gone {
            world.people.remove("ada");
        }
        world.run();
        mail(&mut world, "bob", "ada");
        let said = world.run();
        let taken = if gone { "bob: wake" } else { "bob: add" };
        assert!(said.contains(&"bob: dormant for ada@ours.example".to_owned()), "{said:?}");
        assert_eq!(said.iter().any(|line| line.ends_with(": wake")), gone, "{taken} {said:?}");
        assert_eq!(world.account("bob").id == first, gone);
        assert_eq!(world.run(), NOTHING);
    }
}

/// I6, A5: two people who swap their addresses are two new users; back again they are who they were.
#[test]
fn of_several_who_remember_an_address_the_one_with_the_unique_id_wakes() {
    let mut world = with(&["ada", "bob", "cy"]);
    let before = [user(&world, "ada").0, user(&world, "bob").0];
    mail(&mut world, "ada", "bob");
    mail(&mut world, "bob", "ada");
    world.run();
    let interim = [world.account("ada").id, world.account("bob").id];
    assert!(interim.iter().all(|id| !before.contains(id)));
    assert_eq!(world.run(), NOTHING);
    mail(&mut world, "ada", "ada");
    mail(&mut world, "bob", "bob");
    world.run();
    assert_eq!([world.account("ada").id, world.account("bob").id], before);
    mail(&mut world, "ada", "bob");
    mail(&mut world, "bob", "ada");
    world.run();
    assert_eq!([world.account("ada").id, world.account("bob").id], interim);
    assert_eq!(world.run(), NOTHING);
}

/// I6, A4, U7: who does not get the address, or the name, stays who it is, with access.
#[test]
fn a_contested_address_parks_nobody() {
    let mut world = with(&["ada", "bob", "cy"]);
    let first = user(&world, "ada");
    mail(&mut world, "ada", "bob");
    assert_eq!(world.run(), ["conflict address-taken bob@ours.example"]);
    assert_eq!(user(&world, "ada"), first);
    assert_eq!(world.run(), NOTHING);
    mail(&mut world, "ada", "countess");
    world.entry("ada").uid = Some("bob".into());
    let said = world.run();
    assert!(said.contains(&"conflict username-taken bob".to_owned()), "{said:?}");
    assert_eq!(user(&world, "ada"), first);
    assert_eq!(world.run(), NOTHING);
    world.entry("ada").uid = Some("ada".into());
    assert_eq!(world.run(), ["ada: dormant for countess@ours.example", "ada: add", "conflict resolved"]);
}

/// I6, E1: a partial read parks nobody, and does not say whether a former user's entry is gone.
#[test]
fn a_partial_read_changes_no_identity() {
    let mut world = with(&["ada", "bob", "cy"]);
    let first = user(&world, "ada");
    mail(&mut world, "ada", "countess");
    world.entry("ada").notes = vec!["n".into()];
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: update notes - -> n"]);
    assert_eq!(world.run(), NOTHING);
    world.broken = None;
    assert_eq!(world.run(), ["ada: dormant for countess@ours.example", "ada: add"]);
    world.people.remove("ada");
    let entry = world.hire("new");
    (entry.mail, entry.uid) = (vec!["ada@ours.example".into()], Some("new".into()));
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), NOTHING);
    assert_eq!(world.store.skips[0].reason, "incomplete");
    world.broken = None;
    assert!(world.run().contains(&"ada@ours.example: wake".to_owned()) || world.account("new").id == first.0);
    assert_eq!(world.account("new").id, first.0);
}

/// I6, I5, L7: whoever has the address of somebody deleted, or gone, is that user, whatever the unique id and the name.
#[test]
fn the_address_finds_the_deleted_and_the_gone() {
    let mut world = with(&["ada", "bob", "cy"]);
    let first = user(&world, "ada").0;
    let mut entry = world.people.remove("ada").unwrap();
    entry.uid = Some("lovelace".into());
    let mut gone = world.clone();
    gone.people.insert("ada2".into(), entry.clone());
    assert_eq!(gone.run(), ["ada: relink ada -> ada2", "ada: update username ada -> lovelace"]);
    world.run();
    world.later(200 * DAY).run();
    world.people.insert("ada2".into(), entry);
    assert_eq!(world.run(), ["lovelace: relink ada -> ada2", "lovelace: revive"]);
    assert_eq!((world.account("ada2").id, world.run()), (first, vec![]));
    // Deleted, and back with another address: somebody else, and the old one keeps the address only.
    let entry = world.people.remove("ada2").unwrap();
    world.run();
    world.later(20 * DAY).run();
    world.people.insert("ada2".into(), entry.clone());
    mail(&mut world, "ada2", "other");
    let said = world.run();
    assert_eq!(said[1], "lovelace: add", "{said:?}");
    assert_eq!((user(&world, "ada"), world.account("ada2").state), ((first, State::Deleted), State::Active));
    assert_eq!(world.run(), NOTHING);
    mail(&mut world, "ada2", "ada");
    let said = world.run();
    assert!(said.contains(&"lovelace: revive".to_owned()), "{said:?}");
    assert_eq!((world.account("ada2").id, world.run()), (first, vec![]));
}

/// I6, A4: an entry that had another user waits for the address of somebody gone, under a conflict, also for ever.
#[test]
fn somebody_elses_entry_waits_for_the_address_of_somebody_gone() {
    let mut world = with(&["ada", "bob"]);
    world.policy.delay = Delay::Never;
    let users = [user(&world, "ada").0, user(&world, "bob").0];
    world.people.remove("ada");
    world.run();
    mail(&mut world, "bob", "ada");
    assert_eq!(world.run(), ["conflict address-taken ada@ours.example"]);
    assert_eq!([user(&world, "ada"), user(&world, "bob")], [(users[0], State::Pending), (users[1], State::Active)]);
}

/// I6, L2, L5: a flag ends when the entry is enabled under another address; while it is disabled nothing is parked.
#[test]
fn somebody_pending_is_parked_by_another_address() {
    let mut world = with(&["ada", "bob", "cy"]);
    world.entry("ada").enabled = false;
    world.run();
    mail(&mut world, "ada", "countess");
    assert_eq!(world.run(), NOTHING);
    world.entry("ada").enabled = true;
    assert_eq!(world.run(), ["ada: dormant for countess@ours.example", "ada: add"]);
    assert_eq!((user(&world, "ada").1, world.look().plan.pending), (State::Dormant, 0));
    assert_eq!(world.run(), NOTHING);
}

/// I6, B1: who would be parked counts as missing; held, everybody keeps the address and access.
#[test]
fn too_many_other_addresses_are_held() {
    let names: Vec<String> = (0..7).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = with(&names);
    for name in &names[..6] {
        mail(&mut world, name, &format!("new-{name}"));
    }
    let before = world.store.accounts.clone();
    let plan = world.look().plan;
    assert_eq!((plan.holds[0].kind, plan.held.len()), (BrakeKind::Missing, 6));
    assert!(plan.users.iter().all(|change| change.acts.is_empty()), "{:?}", plan.users);
    world.run();
    assert_eq!(world.store.accounts.values().filter(|one| one.state == State::Active).count(), before.len());
    assert!(world.look().plan.users.is_empty(), "U3");
    world.approval.people = plan.held.iter().map(|held| held.user).collect();
    let said = world.run();
    assert_eq!(said.iter().filter(|line| line.contains("dormant")).count(), 6, "{said:?}");
    world.approval.people.clear();
    assert_eq!(world.run(), NOTHING);
}
