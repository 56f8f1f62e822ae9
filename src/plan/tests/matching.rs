//! Manual accounts beside the directory (M1-M3).

use super::world::*;
use crate::plan::by_hand::Rivals;
use crate::plan::manual::{NewAccount, add};
use crate::plan::policy::OnMatch;
use crate::roster::{Account, Address, FieldId, Fields, Origin, State, UserId};

impl World {
    /// `users add`, with `name@ours.example`; whether it was done.
    pub fn add_by_hand(&mut self, name: &str) -> bool {
        let primary = Address::parse(&format!("{name}@ours.example")).unwrap();
        let fields = Fields::new([(FieldId::USERNAME, name), (FieldId::NOTES, "by hand")]);
        let bears = |one: &&Account| {
            one.state.access() && one.fields.get(&FieldId::USERNAME).is_some_and(|own| own.to_lowercase() == name)
        };
        let has = |one: &&Account| one.addresses.iter().any(|one| one.address.key() == primary.key());
        let accounts = || self.store.accounts.values();
        let rivals = Rivals { name: accounts().find(bears), address: accounts().find(has) };
        let done = add(NewAccount { origin: Origin::Manual, fields, primary: primary.clone() }, rivals);
        done.map(|change| self.store.apply_by_hand(&[change], self.now)).is_ok()
    }

    fn guest(&self) -> &Account {
        let primary = |one: &&Account| one.primary().is_some_and(|primary| primary.as_str() == "guest@ours.example");
        self.store.accounts.values().find(primary).unwrap()
    }

    pub fn with_guest() -> (Self, UserId) {
        let mut world = Self::with(&["ada"]);
        assert!(world.add_by_hand("guest") && !world.add_by_hand("guest"));
        let id = world.guest().id;
        (world, id)
    }
}

fn aliases(account: &Account) -> Vec<&str> {
    account.aliases().map(Address::as_str).collect()
}

/// VIPRE-13, VIPRE-14, M2, M3: linked by unique id; fields and aliases come, name and primary stay; nothing that
/// becomes of the entry takes anything away.
#[test]
fn a_manual_account_is_supplemented() {
    let (mut world, guest) = World::with_guest();
    let entry = world.hire("e1");
    entry.mail = vec!["Guest@ours.example".into()];
    entry.aliases = vec!["visitor@ours.example".into()];
    entry.uid = Some("other".into());
    world.entry("e1").enabled = false;
    assert!(world.run().is_empty(), "a disabled entry links nobody");
    world.entry("e1").enabled = true;
    world.entry("e1").notes = vec!["from the directory".into()];
    let said = world.run();
    assert_eq!(
        said,
        [
            "guest: link as manual",
            "guest: update notes by hand -> from the directory",
            "guest: gain visitor@ours.example"
        ]
    );
    assert!(world.run().is_empty(), "U3");
    let account = &world.store.accounts[&guest];
    assert_eq!((account.origin, account.fields[&FieldId::USERNAME].as_str()), (Origin::Manual, "guest"));
    // Another mail becomes an alias; what the entry does not say any more stays.
    let entry = world.entry("e1");
    (entry.mail, entry.aliases, entry.notes) = (vec!["new@ours.example".into()], Vec::new(), Vec::new());
    assert_eq!(world.run(), ["guest: gain new@ours.example"]);
    let before = world.store.accounts[&guest].clone();
    assert_eq!(aliases(&before), ["visitor@ours.example", "new@ours.example"]);
    assert_eq!(before.primary().unwrap().as_str(), "guest@ours.example");
    for change in [
        (|entry: &mut Entry| entry.enabled = false) as fn(&mut Entry),
        |entry| entry.mail = Vec::new(),
        |entry| entry.in_base = false,
    ] {
        change(world.entry("e1"));
        assert!(world.run().is_empty(), "M3");
    }
    world.people.remove("e1");
    world.later(DAY * 100);
    assert!(world.run().is_empty());
    assert_eq!((world.store.accounts[&guest].state, aliases(&world.store.accounts[&guest]).len()), (State::Active, 2));
}

/// M2: `adopt`, `skip`, and of two entries with the address the lowest unique id.
#[test]
fn a_manual_account_is_adopted_or_its_entry_left_out() {
    let (mut world, guest) = World::with_guest();
    for key in ["e2", "e1"] {
        world.hire(key).mail = vec!["guest@ours.example".into()];
    }
    world.policy.on_match = OnMatch::Skip;
    assert!(world.run().is_empty());
    let skips = || world.store.skips.iter().map(|skip| (&*skip.reason, &*skip.rule)).collect::<Vec<_>>();
    assert_eq!(skips(), [("matched", "M2"), ("matched", "M2")]);
    world.policy.on_match = OnMatch::Adopt;
    let said = world.run();
    assert_eq!(
        said[..2],
        ["guest: link as directory", "guest: update username guest -> e1, notes by hand -> -"].map(str::to_owned),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line == "conflict address-taken guest@ours.example"), "{said:?}");
    assert!(world.run().is_empty(), "U3");
    let account = &world.store.accounts[&guest];
    assert_eq!((account.origin, account.key.as_ref().unwrap().as_str()), (Origin::Directory, "e1"));
    // The directory owns it now.
    world.people.remove("e1");
    assert!(world.run()[0].contains("flag gone"));
}

/// U5, M2: a linked account that is deleted by hand comes back as the directory's.
#[test]
fn a_linked_account_deleted_by_hand_comes_back_as_the_directorys() {
    let (mut world, guest) = World::with_guest();
    world.hire("guest");
    world.run();
    assert!(world.delete(guest));
    assert_eq!(world.run(), ["guest: revive"]);
    assert_eq!(world.store.accounts[&guest].origin, Origin::Directory);
    assert!(world.run().is_empty());
}

/// M2: roles and groups as for everybody.
#[test]
fn a_linked_account_is_in_the_groups_of_its_entry() {
    let (mut world, guest) = World::with_guest();
    let dn = world.hire("guest").dn.clone();
    world.groups.insert("g".into(), ("staff".into(), vec![dn]));
    world.run();
    assert!(world.store.memberships.keys().any(|(_, user)| *user == guest), "in the run that links");
    assert!(world.run().is_empty(), "U3");
    world.groups.get_mut("g").unwrap().1.clear();
    world.run();
    assert!(world.store.memberships.is_empty(), "G8");
}
