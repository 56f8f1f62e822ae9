//! Deleted and re-added in the directory: a new unique id, and perhaps the same person (I5).

use super::world::{DAY, World};
use crate::plan::{BrakeKind, ConflictKind, UserRef};
use crate::roster::{State, UserId};

const NOTHING: [&str; 0] = [];

/// The entry goes, and another one with the same content comes.
fn readd(world: &mut World, old: &str, new: &str) {
    let entry = world.people.remove(old).unwrap();
    world.people.insert(new.into(), entry);
}

/// `ada` is deleted in the store, and her entry is gone.
fn deleted(names: &[&str]) -> World {
    let mut world = World::with(names);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.later(14 * DAY).run();
    assert_eq!(world.state("ada"), State::Deleted);
    world.people.insert("ada".into(), entry);
    world
}

fn maybe(world: &World) -> Vec<(String, UserId)> {
    let open = world.store.conflicts.values().filter(|one| one.kind == ConflictKind::MaybeSamePerson);
    open.map(|one| match one.owner {
        Some(UserRef::Known(user)) => (one.subject.clone(), user),
        _ => panic!("{one:?}"),
    })
    .collect()
}

/// RSA-3, I5: the same address and username: the user goes on under the new id, without a flag, in the very run.
#[test]
fn somebody_deleted_and_re_added_keeps_the_internal_id() {
    let mut world = World::with(&["ada", "bob"]);
    let before = world.account("ada").clone();
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").dn = "uid=ada,ou=sales,ou=people,dc=example".into();
    let said = world.look();
    assert_eq!(said.text, ["ada: relink ada -> ada2", "ada: move to uid=ada,ou=sales,ou=people,dc=example"]);
    assert_eq!((said.plan.counts.updated, said.plan.counts.added, said.plan.counts.flagged), (1, 0, 0));
    world.run();
    let after = world.account("ada2");
    assert_eq!((after.id, after.uuid, after.state), (before.id, before.uuid, State::Active));
    assert_eq!(world.run(), NOTHING);
    assert!(world.store.conflicts.is_empty());
}

/// I5: the comparison is without case, and the old primary is the primary among several `mail` values.
#[test]
fn the_same_address_among_several_is_found() {
    let mut world = World::with(&["ada", "zoe"]);
    readd(&mut world, "zoe", "zoe2");
    let entry = world.entry("zoe2");
    (entry.uid, entry.mail) = (Some("ZOE".into()), vec!["a.z@ours.example".into(), "Zoe@ours.example".into()]);
    assert_eq!(world.run()[0], "zoe: relink zoe -> zoe2");
    assert_eq!(world.account("zoe2").primary().unwrap().as_str(), "Zoe@ours.example");
    assert_eq!(world.run(), NOTHING);
}

/// I5, L5: somebody pending returns; also when the deletion is due in the same run; rules and memberships stay.
#[test]
fn the_return_wins_over_a_deletion_that_is_due() {
    for days in [1, 14, 100] {
        let mut world = World::with(&["ada", "bob"]);
        let (id, entry) = (world.account("ada").id, world.people.remove("ada").unwrap());
        world.run();
        world.people.insert("ada2".into(), entry);
        world.later(days * DAY);
        assert_eq!(world.run(), ["ada: relink ada -> ada2", "ada: restore"]);
        assert_eq!((world.account("ada2").id, world.state("ada2")), (id, State::Active));
        assert_eq!(world.run(), NOTHING);
    }
}

/// I5, L8: somebody kept whose entry comes again is active.
#[test]
fn somebody_kept_is_re_linked() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    (account.state, account.reason, account.delete_after) = (State::Kept, None, None);
    world.people.insert("ada2".into(), entry);
    assert_eq!(world.run(), ["ada: relink ada -> ada2", "ada: restore"]);
}

/// I5, L7: a tombstone is re-linked within `relink_within` of the deletion; later a person is asked.
#[test]
fn a_tombstone_is_re_linked_for_a_while() {
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    let uuid = world.account("ada").uuid;
    let mut late = world.clone();
    world.later(90 * DAY);
    assert_eq!(world.run(), ["ada: relink ada -> ada2", "ada: revive"]);
    assert_eq!((world.account("ada2").uuid, world.run()), (uuid, Vec::new()));
    late.later(91 * DAY);
    assert_eq!(late.run(), ["ada: add", "conflict maybe-same-person ada@ours.example"]);
    let old = late.account("ada").id;
    assert_eq!(maybe(&late), [("ada@ours.example".into(), old)]);
    assert_eq!(late.run(), NOTHING, "it stays open, though she is no newcomer any more");
    // It closes by itself when the old one is back, or the new one deleted.
    let mut back = late.clone();
    back.hire("ada").uid = Some("old".into());
    back.entry("ada").mail = vec!["old@ours.example".into()];
    assert_eq!(back.run(), ["old: revive", "conflict resolved"]);
    late.people.remove("ada2");
    late.run();
    late.later(14 * DAY);
    assert_eq!(late.run(), ["ada: delete", "conflict resolved"]);
}

/// I5: with `relink = "never"` the same is left to a person.
#[test]
fn never_asks_instead() {
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.policy.relink_within = None;
    assert_eq!(world.run(), ["ada: add", "conflict maybe-same-person ada@ours.example"]);
    readd(&mut world, "bob", "bob2");
    let text = world.run();
    assert!(text.contains(&"bob: flag gone until 2026-03-30".to_owned()), "{text:?}");
    assert_eq!(world.store.conflicts.len(), 3, "the old bob keeps the address (A4), and a person is asked: {text:?}");
}

/// I5: only one of the two the same is never guessed: the newcomer is somebody new, and a person is asked.
#[test]
fn the_same_username_alone_asks() {
    let mut world = World::with(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").mail = vec!["ada.doe@ours.example".into()];
    assert_eq!(
        world.run(),
        ["ada: flag gone until 2026-03-16", "ada: add", "conflict maybe-same-person ada"],
        "the one who is gone yields the name (U7)"
    );
    let detail = world.store.conflicts.values().next().unwrap().detail.clone();
    for part in ["unique id ada2", "`ada`", "conflicts relink", "conflicts delete"] {
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(world.run(), NOTHING);
    world.later(14 * DAY);
    assert_eq!(world.run(), ["ada: delete"], "it stays open after the deletion");
    assert_eq!(world.run(), NOTHING);
}

/// I5, A4: the same address alone: whoever is pending keeps it, the newcomer waits outside, and a person is asked.
#[test]
fn the_same_address_alone_asks_and_waits() {
    let mut world = World::with(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").uid = Some("ada.doe".into());
    assert_eq!(
        world.run(),
        [
            "ada: flag gone until 2026-03-16",
            "conflict address-taken ada@ours.example",
            "conflict maybe-same-person ada@ours.example"
        ]
    );
    assert_eq!(world.run(), NOTHING);
    let mut apart = world.clone();
    let old = world.account("ada").id;
    world.later(14 * DAY);
    assert_eq!(world.run(), ["ada: delete", "ada.doe: add", "conflict resolved"], "L9; the question stays");
    assert_eq!((maybe(&world).len(), world.run()), (1, Vec::new()));
    // Two people: never asked again.
    apart.two_people.insert((old, crate::roster::UniqueId::new("ada2").unwrap()));
    assert_eq!(apart.run(), ["conflict resolved"]);
    apart.later(14 * DAY);
    assert_eq!(apart.run(), ["ada: delete", "ada.doe: add", "conflict resolved"]);
    assert_eq!(apart.run(), NOTHING);
}

/// I5: a tombstone matched by the username alone opens none; without a username on both sides nothing is "both".
#[test]
fn a_tombstone_with_the_same_username_alone_is_somebody_else() {
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").mail = vec!["other@ours.example".into()];
    assert_eq!(world.run(), ["ada: add"]);
    let mut world = World::with(&["bob"]);
    world.hire("ada").uid = None;
    world.run();
    readd(&mut world, "ada", "ada2");
    assert!(!world.run().iter().any(|line| line.contains("relink")));
    assert_eq!(maybe(&world).len(), 1);
}

/// I5: the old one has to be gone: who is disabled, out of scope, in scope, or unreadable is still there.
#[test]
fn whose_entry_is_still_there_is_not_re_linked() {
    for trouble in ["enabled", "disabled", "out of base", "filtered out", "hidden", "unreadable"] {
        let mut world = World::with(&["ada", "bob"]);
        let entry = world.entry("ada").clone();
        world.people.insert("ada2".into(), entry);
        match trouble {
            "disabled" => world.entry("ada").enabled = false,
            "out of base" => world.entry("ada").in_base = false,
            "filtered out" => world.entry("ada").in_filter = false,
            "hidden" => _ = world.hidden.insert("ada".into()),
            "unreadable" => world.entry("ada").readable = false,
            _ => {}
        }
        let text = world.run();
        assert!(!text.iter().any(|line| line.contains("relink") || line.contains("maybe")), "{trouble}: {text:?}");
        assert!(text.contains(&"conflict address-taken ada@ours.example".to_owned()), "{trouble}: {text:?}");
    }
    // A tombstone whose own entry is there is still that entry's.
    let mut world = deleted(&["ada", "bob"]);
    let entry = world.entry("ada").clone();
    world.people.insert("ada0".into(), entry);
    world.entry("ada").enabled = false;
    assert_eq!(world.run(), ["ada: add"]);
}

/// I5, U4: a disabled newcomer is nobody yet; the old one leaves as usual, and is re-linked when it is enabled.
#[test]
fn a_disabled_newcomer_is_re_linked_once_enabled() {
    let mut world = World::with(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").enabled = false;
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-16"]);
    world.entry("ada2").enabled = true;
    assert_eq!(world.run(), ["ada: relink ada -> ada2", "ada: restore"]);
}

/// I5: of several the living one, else the last deleted; two newcomers do not get one user.
#[test]
fn of_several_the_living_one_then_the_last_deleted() {
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.policy.relink_within = None;
    world.run();
    let (first, second) = (world.account("ada").id, world.account("ada2").id);
    world.policy.relink_within = Some(90 * DAY);
    readd(&mut world, "ada2", "ada3");
    let entry = world.entry("ada3").clone();
    let mut later = world.clone();
    world.people.insert("ada4".into(), entry.clone());
    assert!(world.run().contains(&"ada: relink ada2 -> ada3".to_owned()));
    assert_eq!((world.account("ada3").id, world.state("ada")), (second, State::Deleted));
    assert!(world.store.conflicts.values().any(|one| one.kind == ConflictKind::AddressTaken));
    later.people.clear();
    later.hire("bob");
    later.run();
    later.later(14 * DAY).run();
    later.people.insert("ada3".into(), entry);
    assert_eq!(later.run()[..2], ["ada: relink ada2 -> ada3", "ada: revive"]);
    assert_ne!(later.account("ada3").id, first);
}

/// I5, E1: a partial read does not prove that anybody is gone; a tombstone is one anyway.
#[test]
fn a_partial_read_re_links_only_tombstones() {
    let mut world = World::with(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["conflict address-taken ada@ours.example", "conflict username-taken ada"]);
    world.broken = None;
    assert_eq!(world.run(), ["ada: relink ada -> ada2", "conflict resolved", "conflict resolved"]);
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: relink ada -> ada2", "ada: revive"]);
}

/// I5, B1: more than five are held: nobody is flagged, deleted or added, memberships stay, until a person approves.
#[test]
fn a_re_imported_directory_is_held_until_a_person_approves() {
    let names: Vec<String> = (0..7).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::with(&names);
    let dns = names.iter().map(|name| world.people[*name].dn.clone()).collect();
    world.groups.insert("staff".into(), ("staff".into(), dns));
    world.run();
    let six = &names[..6];
    // One of them is due for deletion, and the directory's groups know nobody any more.
    let entry = world.people.remove("u0").unwrap();
    world.run();
    world.people.insert("u0".into(), entry);
    world.later(14 * DAY);
    for name in six {
        readd(&mut world, name, &format!("{name}-new"));
    }
    world.groups.get_mut("staff").unwrap().1.truncate(0);
    let before = world.store.accounts.clone();
    let said = world.look();
    assert!(said.plan.users.is_empty(), "{:?}", said.text);
    assert_eq!(said.plan.group_counts.leaves, 1, "only the seventh, who is nobody's rival");
    assert_eq!((said.plan.holds[0].kind, said.plan.held.len()), (BrakeKind::Relinks, 6));
    assert!(said.plan.holds[0].says.contains("6 new entries"), "{}", said.plan.holds[0].says);
    world.run();
    assert_eq!((&world.store.accounts, world.members("staff").len()), (&before, 6));
    assert_eq!(world.store.skips.iter().filter(|skip| skip.reason == "held").count(), 6);
    assert!(world.look().plan.is_empty(), "U3");
    // Five of them go by themselves.
    let mut five = world.clone();
    five.people.remove("u5-new");
    assert_eq!(five.run().iter().filter(|line| line.contains("relink")).count(), 5);
    // Approval is for those people; whoever joined since is counted anew, and is below the limit.
    world.approval.relinks = said.plan.held.iter().map(|held| held.user).collect();
    readd(&mut world, "u6", "u6-new");
    assert_eq!(world.run().iter().filter(|line| line.contains("relink")).count(), 7);
    world.approval.relinks.clear();
    assert!(world.look().plan.is_empty());
    assert!(world.store.accounts.values().all(|one| one.state == State::Active && before[&one.id].uuid == one.uuid));
}

/// I7: two entries with one configured id: neither is applied, the user stays, and it closes by itself.
#[test]
fn an_id_that_two_entries_bear_is_a_conflict() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.entry("ada");
    (entry.twin, entry.notes) = (true, vec!["n".into()]);
    world.hire("new").twin = true;
    assert_eq!(world.run(), ["conflict duplicate-id ada", "conflict duplicate-id new"]);
    let open: Vec<_> = world.store.conflicts.values().map(|one| (one.owner, one.detail.clone())).collect();
    assert_eq!((open[0].0, open[1].0), (Some(UserRef::Known(world.account("ada").id)), None));
    for part in ["`ada`", "and `uid=ada,ou=people,dc=example`", "`cn=twin,uid=ada,", "`ada` stays as it is"] {
        assert!(open[0].1.contains(part), "{}", open[0].1);
    }
    world.later(30 * DAY);
    assert_eq!((world.run(), world.state("ada")), (Vec::new(), State::Active), "seen, not missed");
    world.broken = Some("connection-lost");
    world.entry("new").twin = false;
    world.entry("ada").twin = false;
    assert_eq!(world.run(), NOTHING, "a partial read may have missed the other one");
    world.broken = None;
    assert_eq!(world.run(), ["ada: update notes - -> n", "new: add", "conflict resolved", "conflict resolved"]);
    assert_eq!(world.run(), NOTHING);
}

/// I5, E1: who came in while nobody could be proven gone is asked about by the next run that can tell, and once only.
#[test]
fn a_newcomer_of_a_partial_read_is_asked_about_later() {
    let mut world = World::with(&["ada", "bob"]);
    let mut entry = world.people.remove("ada").unwrap();
    world.run();
    entry.mail = vec!["ada.doe@ours.example".into()];
    world.people.insert("ada2".into(), entry);
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: add"], "the one who is pending yields the name (U7)");
    assert_eq!(world.run(), NOTHING);
    world.broken = None;
    let (old, mut apart, mut gone) = (world.account("ada").id, world.clone(), world.clone());
    assert_eq!(world.run(), ["conflict maybe-same-person ada"]);
    assert_eq!((maybe(&world), world.run()), (vec![("ada".into(), old)], Vec::new()));
    let detail = world.store.conflicts.values().next().unwrap().detail.clone();
    assert!(detail.contains("`ada` (uid=ada,ou=people,dc=example, unique id ada2) has the same username"), "{detail}");
    // What a person has answered stays answered.
    apart.two_people.insert((old, crate::roster::UniqueId::new("ada2").unwrap()));
    assert_eq!(apart.run(), NOTHING);
    // Nobody is asked about somebody who goes in the same run.
    gone.policy.delay = crate::plan::policy::Delay::After(std::time::Duration::ZERO);
    gone.policy.minimum = std::time::Duration::ZERO;
    gone.people.remove("ada2");
    assert!(gone.run().iter().all(|line| !line.contains("maybe")));
    assert_eq!(gone.run(), NOTHING);
}

/// I5, B3: a question is not lost with a run that is cut off after the newcomer is in.
#[test]
fn a_run_that_is_cut_off_asks_later() {
    let mut world = deleted(&["ada", "bob"]);
    readd(&mut world, "ada", "ada2");
    world.policy.relink_within = None;
    let mut cut = world.look().plan;
    cut.opened.clear();
    world.store.apply(&cut, &world.policy.names, world.now);
    assert_eq!(
        (world.state("ada2"), world.run()),
        (State::Active, vec!["conflict maybe-same-person ada@ours.example".into()])
    );
    assert_eq!(world.run(), NOTHING);
}

/// I5: a username with an `@` is one all the same.
#[test]
fn what_is_shared_is_called_what_it_is() {
    let mut world = World::new(&[]);
    for name in ["ada", "bob"] {
        world.hire(name).uid = Some(format!("{name}@corp"));
    }
    world.run();
    readd(&mut world, "ada", "ada2");
    world.entry("ada2").mail = vec!["other@ours.example".into()];
    world.run();
    let detail = world.store.conflicts.values().next().unwrap().detail.clone();
    assert!(detail.contains("has the same username as `ada@corp`"), "{detail}");
}

/// I7, I3: a partial read does not tell a move from a second entry with a configured id, so both wait; ids that servers
/// give are never borne twice.
#[test]
fn a_second_entry_that_a_partial_read_shows_first_is_no_move() {
    let mut world = World::with(&["ada", "bob"]);
    world.policy.configured_id = true;
    let second = world.entry("ada");
    (second.dn, second.notes) = ("uid=ada,ou=sales,dc=example".into(), vec!["second".into()]);
    second.enabled = false;
    world.entry("bob").notes = vec!["n".into()];
    world.broken = Some("connection-lost");
    let mut given = world.clone();
    assert_eq!(world.run(), ["bob: update notes - -> n"], "what stands where it stood is applied");
    let skip = &world.store.skips[0];
    assert_eq!((&*skip.reason, &*skip.rule, skip.unique_id.as_deref()), ("incomplete", "I7", Some("ada")));
    assert!(skip.detail.contains("`uid=ada,ou=people,dc=example`"), "{skip:?}");
    assert_eq!((world.run(), world.state("ada")), (Vec::new(), State::Active));
    world.broken = None;
    let mut moved = world.clone();
    world.entry("ada").twin = true;
    assert_eq!(world.run(), ["conflict duplicate-id ada"]);
    moved.entry("ada").enabled = true;
    assert_eq!(moved.run(), ["ada: move to uid=ada,ou=sales,dc=example", "ada: update notes - -> second"]);
    assert_eq!((moved.run(), moved.store.skips.len()), (Vec::new(), 0));
    given.policy.configured_id = false;
    given.entry("ada").enabled = true;
    assert!(given.run().contains(&"ada: move to uid=ada,ou=sales,dc=example".to_owned()));
}

/// I5, U3: the question whether two are one ends when the newcomer is deleted and re-added, in the very run.
#[test]
fn a_question_ends_when_its_newcomer_is_re_linked() {
    let mut world = World::new(&[]);
    world.hire("ada").uid = Some("dan".into());
    world.run();
    world.people.remove("ada");
    world.hire("dan");
    world.run();
    assert_eq!(maybe(&world).len(), 1);
    readd(&mut world, "dan", "dan2");
    world.run();
    assert_eq!(world.run(), NOTHING);
    assert_eq!(maybe(&world), []);
}
