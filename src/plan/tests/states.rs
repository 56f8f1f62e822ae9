//! Rule L as a table: every state with everything that may happen next.

use super::rights::rights;
use super::world::{DAY, Entry, World};
use crate::plan::policy::Delay;
use crate::plan::{Plan, retire};
use crate::roster::{Account, State, UserId};

/// Cells are the state afterwards; `gone 14` is pending because gone, and deleted 14 days after the first flag. A day
/// passes before each thing happens, and 40 before `later`. Somebody gone stays 14 days, somebody disabled 30.
const TABLE: &str = "
                            | active          | gone            | disabled        | moved-out       | filtered-out    | no-address      | unmanaged       | no-role         | kept            | dormant         | deleted
seen in scope               | active          | active          | active          | active          | active          | active          | active          | active          | active          | dormant         | active
disabled                    | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | kept            | dormant         | deleted
gone                        | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | kept            | dormant         | deleted
moved out of the bases      | moved-out 14    | moved-out 14    | moved-out 14    | moved-out 14    | moved-out 14    | moved-out 14    | moved-out 14    | moved-out 14    | kept            | dormant         | deleted
out of the filter           | filtered-out 14 | filtered-out 14 | filtered-out 14 | filtered-out 14 | filtered-out 14 | filtered-out 14 | filtered-out 14 | filtered-out 14 | kept            | dormant         | deleted
without an address          | no-address 14   | no-address 14   | no-address 14   | no-address 14   | no-address 14   | no-address 14   | no-address 14   | no-address 14   | kept            | dormant         | deleted
in an unmanaged domain      | unmanaged 14    | unmanaged 14    | unmanaged 14    | unmanaged 14    | unmanaged 14    | unmanaged 14    | unmanaged 14    | unmanaged 14    | kept            | dormant         | deleted
without a role              | no-role 14      | no-role 14      | no-role 14      | no-role 14      | no-role 14      | no-role 14      | no-role 14      | no-role 14      | kept            | dormant         | deleted
not shown, look-up in scope | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
gone, no answer to look-up  | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
cannot be understood        | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
id borne twice              | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
partial read, not seen      | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
partial read, in scope      | active          | active          | active          | active          | active          | active          | active          | active          | active          | dormant         | active
partial read, disabled      | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | disabled 30     | kept            | dormant         | deleted
partial read, no address    | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
domain taken away           | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | dormant         | deleted
later                       | active          | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | kept            | dormant         | deleted
later, partial read         | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
later, cleanup              | active          | deleted         | deleted         | deleted         | deleted         | no-address 14   | unmanaged 14    | no-role 14      | kept            | dormant         | deleted
later, by the date alone    | active          | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | kept            | dormant         | deleted
ignored by hand             | active          | kept            | kept            | kept            | kept            | kept            | kept            | kept            | kept            | dormant         | deleted
restored by hand            | active          | kept            | kept            | kept            | kept            | kept            | kept            | kept            | kept            | dormant         | kept
deleted by hand             | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted         | deleted
re-added, new unique id     | active          | active          | active          | active          | active          | active          | active          | active          | active          | dormant         | active
re-added, disabled          | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | gone 14         | kept            | dormant         | deleted
back, name taken meanwhile  | active          | gone 14         | disabled 30     | moved-out 14    | filtered-out 14 | no-address 14   | unmanaged 14    | no-role 14      | active          | dormant         | deleted
";

const STATES: [&str; 11] = [
    "active",
    "gone",
    "disabled",
    "moved-out",
    "filtered-out",
    "no-address",
    "unmanaged",
    "no-role",
    "kept",
    "dormant",
    "deleted",
];

/// One thing that happens to Ada.
type Event = fn(&mut World, UserId);

/// What happens, and how.
const EVENTS: [(&str, Event); 27] = [
    ("seen in scope", |world, _| read(world, |_| ())),
    ("disabled", |world, _| read(world, |entry| entry.enabled = false)),
    ("gone", |world, _| {
        world.people.remove("ada");
        world.run();
    }),
    ("moved out of the bases", |world, _| read(world, |entry| entry.in_base = false)),
    ("out of the filter", |world, _| read(world, |entry| entry.in_filter = false)),
    ("without an address", |world, _| read(world, |entry| entry.mail.clear())),
    ("in an unmanaged domain", |world, _| read(world, |entry| entry.mail = vec!["ada@far.example".into()])),
    ("without a role", |world, _| {
        healthy(world);
        roleless(world);
        world.run();
    }),
    ("not shown, look-up in scope", |world, _| {
        world.hidden.insert("ada".into());
        read(world, |_| ());
    }),
    ("gone, no answer to look-up", |world, _| {
        world.unjudged.insert("ada".into());
        world.people.remove("ada");
        world.run();
    }),
    ("cannot be understood", |world, _| read(world, |entry| entry.readable = false)),
    ("id borne twice", |world, _| read(world, |entry| entry.twin = true)),
    ("partial read, not seen", |world, _| partly(world, |world| _ = world.people.remove("ada"))),
    ("partial read, in scope", |world, _| partly(world, healthy)),
    ("partial read, disabled", |world, _| {
        partly(world, |world| {
            healthy(world);
            world.entry("ada").enabled = false;
        });
    }),
    ("partial read, no address", |world, _| {
        partly(world, |world| {
            healthy(world);
            world.entry("ada").mail.clear();
        });
    }),
    ("domain taken away", |world, _| {
        world.policy.managed = super::policy(&["keep.example"]).managed;
        world.run();
    }),
    ("later", |world, _| {
        world.later(39 * DAY);
        world.run();
    }),
    ("later, partial read", |world, _| {
        world.later(39 * DAY);
        partly(world, |_| ());
    }),
    ("later, cleanup", |world, _| clean_up(world, false)),
    ("later, by the date alone", |world, _| clean_up(world, true)),
    ("ignored by hand", |world, id| _ = world.ignore(id)),
    ("restored by hand", |world, id| _ = world.restore(id)),
    ("deleted by hand", |world, id| _ = world.delete(id)),
    ("re-added, new unique id", |world, _| readd(world, true)),
    ("re-added, disabled", |world, _| readd(world, false)),
    ("back, name taken meanwhile", |world, _| {
        world.hire("zoe").uid = Some("ADA".into());
        world.groups.get_mut("staff").unwrap().1.push("uid=zoe,ou=people,dc=example".into());
        world.run();
        read(world, |_| ());
    }),
];

/// Ada and Bob, both with a role, which everybody needs.
fn world() -> World {
    let mut world = World::new(&["ours.example", "keep.example"]);
    world.policy.disabled_delay = Delay::After(30 * DAY);
    world.policy.rights = rights(&[("user", &["staff"])], &[]);
    world.policy.rights.required = true;
    world.hire("bob").mail = vec!["bob@keep.example".into()];
    let dns = ["ada", "bob"].map(|name| format!("uid={name},ou=people,dc=example"));
    world.groups.insert("staff".into(), ("staff".into(), dns.to_vec()));
    healthy(&mut world);
    world.run();
    world
}

/// Ada as she was hired.
fn healthy(world: &mut World) {
    let members = &mut world.groups.get_mut("staff").unwrap().1;
    if !members.iter().any(|dn| dn.contains("uid=ada,")) {
        members.push("uid=ada,ou=people,dc=example".into());
    }
    world.hire("ada");
}

fn roleless(world: &mut World) {
    world.groups.get_mut("staff").unwrap().1.retain(|dn| !dn.contains("uid=ada,"));
}

/// A complete read of Ada as she was hired, but for this.
fn read(world: &mut World, change: fn(&mut Entry)) {
    healthy(world);
    change(world.entry("ada"));
    world.run();
}

fn partly(world: &mut World, change: fn(&mut World)) {
    change(world);
    world.broken = Some("connection-lost");
    world.run();
}

fn clean_up(world: &mut World, by_date: bool) {
    world.later(39 * DAY);
    let plan = world.cleanup(by_date);
    world.store.apply(&plan, &world.policy.names.clone(), world.now);
}

fn readd(world: &mut World, enabled: bool) {
    healthy(world);
    let mut entry = world.people.remove("ada").unwrap();
    entry.enabled = enabled;
    world.people.insert("ada2".into(), entry);
    world.run();
}

/// Ada in this state.
fn ada(state: &str) -> (World, UserId) {
    let mut world = world();
    let id = world.account("ada").id;
    let entry = world.entry("ada");
    match state {
        "gone" | "deleted" => _ = world.people.remove("ada"),
        "disabled" | "kept" => entry.enabled = false,
        "moved-out" => entry.in_base = false,
        "filtered-out" => entry.in_filter = false,
        "no-address" => entry.mail.clear(),
        "unmanaged" => entry.mail = vec!["ada@far.example".into()],
        "no-role" => roleless(&mut world),
        _ => {}
    }
    world.run();
    match state {
        "kept" => assert!(world.ignore(id)),
        "deleted" => {
            world.later(14 * DAY);
            world.run();
        }
        "dormant" => {
            let account = world.store.accounts.get_mut(&id).unwrap();
            (account.state, account.fingerprint, account.addresses) = (State::Dormant, None, Vec::new());
            world.people.remove("ada");
        }
        _ => {}
    }
    world.later(DAY);
    (world, id)
}

fn cell(world: &World, id: UserId) -> String {
    let account = &world.store.accounts[&id];
    match (account.reason, account.delete_after, account.flagged_at) {
        (Some(reason), Some(due), Some(flagged)) => {
            let reason = reason.as_str().trim_end_matches("-domain");
            format!("{reason} {}", due.since(flagged).as_secs() / 86_400)
        }
        _ => account.state.to_string(),
    }
}

/// L1, L2, L4, L5, L6, L7, L8, L9, E1, E5, D2, I5: every state with every event.
#[test]
fn every_state_with_every_event() {
    let mut table = format!("\n{:27}", "");
    STATES.iter().for_each(|state| table += &format!(" | {state:15}"));
    for (name, event) in EVENTS {
        table += &format!("\n{name:27}");
        for state in STATES {
            let (mut world, id) = ada(state);
            event(&mut world, id);
            table += &format!(" | {:15}", cell(&world, id));
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = TABLE.trim_end().lines().map(str::trim_end).collect();
    assert!(table == expected, "{}", table.join("\n"));
}

/// S6: of a source that was given up nobody is read any more; dates and administrators decide.
#[test]
fn somebody_of_a_source_that_was_given_up() {
    let table: [(&str, Event, &str); 6] = [
        ("nothing", |_, _| (), "source-removed 14"),
        ("ignored by hand", |world, id| assert!(world.ignore(id)), "kept"),
        ("restored by hand", |world, id| assert!(world.restore(id)), "kept"),
        ("deleted by hand", |world, id| assert!(world.delete(id)), "deleted"),
        ("before the date", |world, _| assert!(world.cleanup(true).users.is_empty()), "source-removed 14"),
        ("by the date alone", |world, _| clean_up(world, true), "deleted"),
    ];
    for (name, event, expected) in table {
        let (mut world, id) = ada("active");
        let accounts: Vec<Account> = world.store.accounts.values().cloned().collect();
        let (users, _) = retire(&accounts, &[], &world.policy, world.now);
        world.store.apply(&Plan { users, ..Plan::default() }, &world.policy.names.clone(), world.now);
        event(&mut world, id);
        assert_eq!(cell(&world, id), expected, "{name}");
    }
}
