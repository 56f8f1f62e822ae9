//! People whom another source of the same directory has, or sees (I8).

use super::world::{DAY, World};
use crate::plan::{ConflictKind, Neighbour, Neighbours, StoredGrant, UserRef};
use crate::roster::{Dn, Origin, PendingReason, State, UniqueId};

const NOTHING: [&str; 0] = [];

/// Another source that reads `ou=there`, an hour ago for the last time.
fn neighbour(world: &World) -> Neighbour {
    Neighbour {
        name: "other".into(),
        bases: vec![Dn::parse("ou=there,dc=example").unwrap()],
        retired: false,
        gives_roles: false,
        last_complete: Some(world.now),
    }
}

/// `corp` has bob, and sees ada, who is the other source's.
fn abroad() -> World {
    let mut world = World::with(&["ada", "bob"]);
    world.neighbours.sources = vec![neighbour(&world)];
    let ada = world.account("ada").id;
    let account = world.store.accounts.get_mut(&ada).unwrap();
    (account.source, account.dn) = ("other".into(), Some("uid=ada,ou=there,dc=example".into()));
    account.fingerprint = None;
    world.neighbours.users = vec![(UniqueId::new("ada").unwrap().digest(), ada)];
    world.later(DAY / 24);
    world
}

fn of(world: &World, name: &str) -> (String, State) {
    (world.account(name).source.clone(), world.state(name))
}

/// I8: whose entry lies outside the other one's bases comes over, with id and rights, and everything the entry says.
#[test]
fn who_is_outside_the_other_source_comes_over() {
    let mut world = abroad();
    world.entry("ada").notes = vec!["n".into()];
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: update notes - -> n"]);
    world.neighbours.users.clear();
    assert_eq!(world.run(), NOTHING);
    assert_eq!(of(&world, "ada"), ("corp".into(), State::Active));
    // On the word of a partial read as well: she was seen.
    let mut world = abroad();
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: cross from other to corp"]);
}

/// I8: seen by both, she stays with the first; the conflict says so, once, and ends when she comes over.
#[test]
fn who_is_under_both_stays_with_the_first_until_that_one_misses_her() {
    let mut world = abroad();
    world.entry("ada").dn = "uid=ada,ou=deep,ou=there,dc=example".into();
    assert_eq!(world.run(), ["conflict overlap ada"]);
    let open = world.store.conflicts.values().next().unwrap();
    assert_eq!((open.kind, open.owner), (ConflictKind::Overlap, Some(UserRef::Known(world.account("ada").id))));
    assert_eq!(world.store.skips[0].reason, "overlap");
    assert_eq!(world.run(), NOTHING);
    let mut each = [world.clone(), world.clone(), world.clone(), world.clone()];
    each[0].neighbours.left.insert(("other".into(), UniqueId::new("ada").unwrap()));
    each[1].neighbours.sources[0].retired = true;
    each[2].entry("ada").dn = "uid=ada,ou=here,dc=example".into();
    let ada = world.account("ada").id;
    let account = each[3].store.accounts.get_mut(&ada).unwrap();
    (account.state, account.reason) = (State::Pending, Some(PendingReason::FilteredOut));
    for (at, world) in each.iter_mut().enumerate() {
        let said = world.run();
        assert_eq!(
            (&*said[0], &**said.last().unwrap()),
            ("ada: cross from other to corp", "conflict resolved"),
            "{at}"
        );
        assert_eq!(of(world, "ada"), ("corp".into(), State::Active));
        world.neighbours.users.clear();
        assert_eq!(world.run(), NOTHING);
    }
    // What the first one says of the entry it sees, it says for both.
    let account = world.store.accounts.get_mut(&ada).unwrap();
    (account.state, account.reason) = (State::Pending, Some(PendingReason::Disabled));
    assert_eq!(world.run(), NOTHING);
    // A disabled entry is nobody's newcomer.
    world.entry("ada").enabled = false;
    assert_eq!(world.run(), ["conflict resolved"]);
    assert_eq!(world.store.skips[0].reason, "disabled");
}

/// I8, L5, L7, L8: in whichever state the other source has her.
#[test]
fn flagged_kept_manual_and_deleted_people_come_over() {
    let state = |world: &mut World, state, reason| {
        let id = world.account("ada").id;
        let account = world.store.accounts.get_mut(&id).unwrap();
        (account.state, account.reason) = (state, reason);
        (account.flagged_at, account.delete_after) = (Some(world.now), Some(world.now));
        id
    };
    let mut world = abroad();
    state(&mut world, State::Pending, Some(PendingReason::MovedOut));
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: restore"]);
    assert_eq!((world.account("ada").delete_after, world.look().plan.pending), (None, 0));
    let mut world = abroad();
    state(&mut world, State::Kept, None);
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: restore"]);
    let mut world = abroad();
    let id = state(&mut world, State::Active, None);
    super::model::bury(world.store.accounts.get_mut(&id).unwrap(), world.now);
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: revive"]);
    assert_eq!((world.account("ada").id, of(&world, "ada").0), (id, "corp".into()));
    // A name that somebody else bears meanwhile: over here she waits for it, and the date stands still.
    let mut world = abroad();
    state(&mut world, State::Pending, Some(PendingReason::Gone));
    world.entry("bob").uid = Some("ada".into());
    world.hidden.insert("ada".into());
    world.run();
    world.hidden.clear();
    assert_eq!(world.run(), ["ada: cross from other to corp", "conflict username-taken ada"]);
    let plan = world.look().plan;
    assert_eq!((of(&world, "ada"), plan.pending), (("corp".into(), State::Pending), 1));
    // A manual account that an entry of the other source supplemented stays manual.
    let mut world = abroad();
    let id = world.account("ada").id;
    world.store.accounts.get_mut(&id).unwrap().origin = Origin::Manual;
    world.entry("ada").uid = Some("countess".into());
    assert_eq!(world.run(), ["ada: cross from other to corp"]);
    assert_eq!(world.account("ada").origin, Origin::Manual);
}

/// I8, R1: what the other source's groups gave is left behind and counts as no loss; what is the store's stays.
#[test]
fn rights_come_from_the_new_source() {
    let ready = |gives_roles| {
        let mut world = abroad();
        let id = world.account("ada").id;
        world.neighbours.sources[0].gives_roles = gives_roles;
        world.store.set_role(id, Some("admin".into()));
        let grant =
            crate::plan::Grant { privilege: "read".into(), key: UniqueId::new("g").unwrap(), dn: "cn=g".into() };
        world.store.grants.insert((id, "read".into()), grant.clone());
        world.neighbours.holdings.grants.push(StoredGrant { user: id, grant });
        world
    };
    let mut world = ready(true);
    let plan = world.look().plan;
    assert_eq!((plan.holds.len(), plan.held.len()), (0, 0));
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: role admin -> none", "ada: no grant read"]);
    let mut world = ready(false);
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: no grant read"]);
    assert_eq!(world.store.roles.values().map(|role| &**role).collect::<Vec<_>>(), ["admin"]);
    let mut world = ready(true);
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: cross from other to corp", "ada: role admin -> none"], "E1");
}

/// I8, L2: nobody is flagged who is where a living source reads, before that one had a complete run.
#[test]
fn who_moved_to_where_another_source_reads_waits_for_it() {
    let missed = |change: fn(&mut World)| {
        let mut world = World::with(&["ada", "bob"]);
        world.neighbours.sources = vec![neighbour(&world)];
        let entry = world.entry("ada");
        (entry.in_base, entry.dn) = (false, "uid=ada,ou=there,dc=example".into());
        change(&mut world);
        world.later(DAY / 24);
        let mut said = world.run();
        said.retain(|line| !line.contains("move to"));
        (said, world)
    };
    let (said, mut world) = missed(|_| ());
    assert_eq!((said, world.state("ada")), (vec![], State::Active));
    assert_eq!((&*world.store.skips[0].reason, &*world.store.skips[0].rule), ("moved-out", "I8"));
    let since = world.now;
    world.neighbours = Neighbours { leaving: [(UniqueId::new("ada").unwrap(), since)].into(), ..world.neighbours };
    world.later(DAY);
    assert_eq!(world.run(), NOTHING);
    world.neighbours.sources[0].last_complete = Some(since);
    assert_eq!(world.run()[1], "ada: flag moved-out until 2026-03-17");
    let flagged = ["ada: flag moved-out until 2026-03-16"];
    assert_eq!(missed(|world| world.entry("ada").dn = "uid=ada,ou=nowhere,dc=example".into()).0, flagged);
    assert_eq!(missed(|world| world.neighbours.sources[0].retired = true).0, flagged);
    assert_eq!(missed(|world| world.neighbours.sources[0].last_complete = None).0, flagged);
    assert_eq!(missed(|world| _ = world.later(8 * DAY)).0, ["ada: flag moved-out until 2026-03-24"], "too long ago");
    let filtered = |world: &mut World| (world.entry("ada").in_base, world.entry("ada").in_filter) = (true, false);
    assert_eq!(missed(filtered).0, ["ada: flag filtered-out until 2026-03-16"]);
    assert_eq!(missed(|world| world.entry("ada").enabled = false).0, ["ada: flag disabled until 2026-03-16"]);
    let seen_there = |world: &mut World| {
        (world.entry("ada").in_base, world.entry("ada").in_filter) = (true, false);
        world.neighbours.seen.insert(("other".into(), UniqueId::new("ada").unwrap()));
    };
    assert_eq!(missed(seen_there).0, NOTHING);
}
