//! Who comes in, what changes, who gets which address.

use super::world::{DAY, World, person};
use crate::plan::findings::Findings;
use crate::plan::policy::AttributeUse;
use crate::plan::tests::policy;
use crate::plan::{View, departures, wishes};
use crate::roster::{Account, Enabled, FieldId, PendingReason, Skip, Skipped, State};

/// U8: a test that cannot be judged disables nobody, and restores nobody.
#[test]
fn what_cannot_be_judged_leaves_everybody_as_they_are() {
    let mut world = World::with(&["ada"]);
    world.run();
    let mut read = person("ada", &world.people["ada"]);
    read.enabled = Enabled::Unknown("`locked` is missing".into());
    let wish = wishes::addresses(read.claims.to_vec(), None, None, &world.policy);
    let view = View::default();
    let reason = |account: &Account| departures::reason(&read, &wish, (Some(account), false), &world.policy, &view);
    let mut ada = world.account("ada").clone();
    assert_eq!(reason(&ada), None);
    (ada.state, ada.reason) = (State::Pending, Some(PendingReason::Gone));
    assert_eq!(reason(&ada), None);
    ada.reason = Some(PendingReason::Disabled);
    assert_eq!(reason(&ada), Some(PendingReason::Disabled));
    (ada.state, ada.reason) = (State::Kept, None);
    assert_eq!(reason(&ada), Some(PendingReason::Disabled), "nobody stops being kept by it");
    let mut findings = Findings::default();
    assert!(
        !findings.admit((&read, &wish), None, (&world.policy, &View::default())),
        "nobody comes in who may be disabled"
    );
    let skips: Vec<_> = findings.into_skips().into_iter().map(|skip| (skip.reason, skip.rule)).collect();
    assert_eq!(skips, [("unreadable".into(), "U8".into())]);
}

/// U8, U3: who is in, and may be disabled for all that can be told, is told in every run until it can be told.
#[test]
fn who_may_be_disabled_is_told_in_every_run() {
    let mut world = World::with(&["ada", "bob"]);
    let rows = |world: &World| -> Vec<(String, String, String)> {
        let row = |skip: &Skip| (skip.unique_id.clone().unwrap(), skip.reason.to_string(), skip.rule.to_string());
        world.store.skips.iter().map(row).collect()
    };
    let ada = [("ada".to_owned(), "unreadable".to_owned(), "U8".to_owned())];
    (world.entry("ada").doubtful, world.entry("ada").notes) = (true, vec!["on leave".into()]);
    assert_eq!(world.run(), ["ada: update notes - -> on leave"], "everything else is applied");
    assert_eq!(rows(&world), ada);
    assert!(world.store.skips[0].detail.contains("`locked` is `odd`"), "{:?}", world.store.skips);
    let skipped = world.look().plan.skipped;
    assert_eq!(skipped[&Skipped::MaybeDisabled].total, 1, "{skipped:?}");
    assert_eq!((world.run(), rows(&world)), (Vec::new(), ada.to_vec()), "unchanged, and told again");
    world.broken = Some("connection-lost");
    assert_eq!((world.run(), rows(&world)), (Vec::new(), ada.to_vec()), "also by a partial read");
    world.broken = None;
    world.entry("ada").doubtful = false;
    assert_eq!((world.run(), rows(&world)), (Vec::new(), Vec::new()));
    // Whoever waits because the entry was disabled waits on.
    world.entry("bob").enabled = false;
    world.run();
    (world.entry("bob").enabled, world.entry("bob").doubtful) = (true, true);
    world.run();
    assert_eq!((world.account("bob").state, rows(&world).len()), (State::Pending, 1));
}

/// VIPRE-1, VIPRE-3, UNBLU-14, U1, U3: a second run changes nothing.
#[test]
fn somebody_new_is_added_and_a_second_run_changes_nothing() {
    let mut world = World::new(&[]);
    world.hire("ada").aliases.push("a.l@ours.example".into());
    assert_eq!(world.run(), ["ada: add"]);
    assert_eq!(world.account("ada").aliases().map(|a| a.as_str()).collect::<Vec<_>>(), ["a.l@ours.example"]);
    assert!(world.look().plan.is_empty() && world.look().plan.users.is_empty());
}

/// VIPRE-10, COVATA-10, UNBLU-13, U2: exactly the field that differs, and a change made in the store is undone.
#[test]
fn a_changed_field_is_updated_and_a_change_in_the_store_is_overwritten() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").notes = vec!["on leave".into()];
    assert_eq!(world.run(), ["ada: update notes - -> on leave"]);
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    account.fields.insert(FieldId::NOTES, "edited by hand".into());
    account.fingerprint = None;
    assert_eq!(world.run(), ["ada: update notes edited by hand -> on leave"]);
}

/// E5: of several values the stored one stays if it is among them, else the smallest.
#[test]
fn of_several_values_the_stored_one_stays() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").notes = vec!["b".into(), "c".into()];
    assert_eq!(world.run(), ["ada: update notes - -> b"]);
    world.entry("ada").notes = vec!["a".into(), "b".into()];
    assert_eq!(world.run(), Vec::<String>::new());
}

/// UNBLU-12, RSA-2, I3: a rename and a move keep the user.
#[test]
fn a_move_keeps_the_internal_id() {
    let mut world = World::with(&["ada"]);
    let before = world.account("ada").uuid;
    world.entry("ada").dn = "uid=ada,ou=sales,ou=people,dc=example".into();
    assert_eq!(world.run(), ["ada: move to uid=ada,ou=sales,ou=people,dc=example"]);
    assert_eq!(world.account("ada").uuid, before);
    world.entry("ada").dn = "UID=Ada, OU=Sales,ou=people,dc=example".into();
    assert_eq!(world.run(), Vec::<String>::new(), "the same DN in another spelling is no move (E6)");
}

/// VIPRE-24, VIPRE-25, VIPRE-26, UNBLU-22, UNBLU-40, U1, U2, L2: a store that has people already is brought in step:
/// who is unknown is added, who is known is completed, and whom the directory does not know is flagged.
#[test]
fn a_store_that_has_people_already_is_brought_in_step() {
    let mut world = World::with(&["ada", "bob", "cy"]);
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    account.fields.clear();
    account.fingerprint = None;
    let entry = world.entry("ada");
    (entry.notes, entry.aliases) = (vec!["n".into()], vec!["a.l@ours.example".into()]);
    world.people.remove("cy");
    world.hire("dan");
    assert_eq!(
        world.run(),
        [
            "cy: flag gone until 2026-03-16",
            "ada@ours.example: update username - -> ada, notes - -> n",
            "ada@ours.example: gain a.l@ours.example",
            "dan: add"
        ]
    );
    assert_eq!(world.state("bob"), State::Active);
    assert_eq!(world.run(), Vec::<String>::new());
}

/// VIPRE-42, U5: only the directory's word is permanent.
#[test]
fn somebody_deleted_in_the_store_by_hand_is_back_with_the_next_run() {
    let mut world = World::with(&["ada", "bob"]);
    let before = world.account("ada").uuid;
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    account.state = State::Deleted;
    account.addresses.clear();
    assert_eq!(world.run(), ["ada: revive"]);
    assert_eq!((world.account("ada").uuid, world.state("ada")), (before, State::Active));
    world.people.remove("ada");
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-16"]);
}

/// UNBLU-20, UNBLU-27, A1: whatever stands in a field, it never costs access.
#[test]
fn a_malformed_address_costs_a_user_nothing() {
    let mut world = World::with(&["ada"]);
    let entry = world.entry("ada");
    (entry.mail, entry.notes) = (vec!["no address".into()], vec!["n".into()]);
    entry.uid = Some("Ada \\ 'Löwe'".into());
    assert_eq!(world.run(), ["ada: update username ada -> Ada \\ 'Löwe', notes - -> n"]);
    assert_eq!(world.state("ada"), State::Active);
    assert_eq!(world.account("ada").primary().unwrap().as_str(), "ada@ours.example");
    assert_eq!(world.store.skips.iter().map(|skip| &*skip.reason).collect::<Vec<_>>(), ["malformed-address"]);
}

/// VIPRE-15, U4
#[test]
fn somebody_disabled_and_unknown_is_skipped_with_the_reason() {
    let mut world = World::new(&[]);
    world.hire("ada").enabled = false;
    assert_eq!(world.run(), Vec::<String>::new());
    assert_eq!((&*world.store.skips[0].reason, &*world.store.skips[0].rule), ("disabled", "U4"));
}

/// A1, A6, U10, VIPRE-15
#[test]
fn somebody_without_a_usable_address_is_skipped_unless_addresses_are_optional() {
    let mut world = World::new(&[]);
    world.hire("ada").mail.clear();
    world.hire("bob").mail = vec!["bob at home".into()];
    world.hire("cy").mail = vec![String::new()];
    assert_eq!(world.run(), Vec::<String>::new());
    let reasons: Vec<_> =
        world.store.skips.iter().map(|skip| (skip.unique_id.clone().unwrap(), &*skip.reason)).collect();
    assert!(reasons.contains(&("ada".into(), "no-address")) && reasons.contains(&("bob".into(), "malformed-address")));
    assert!(reasons.contains(&("cy".into(), "malformed-address")), "an empty mail is malformed, not absent");
    world.policy.address_required = false;
    assert_eq!(world.run(), ["ada: add", "bob: add", "cy: add"]);
}

/// VIPRE-16, VIPRE-17, VIPRE-52, D1
#[test]
fn only_managed_domains_bring_people_and_aliases_in() {
    let mut world = World::new(&["ours.example"]);
    world.hire("ada").aliases = vec!["ada@ours.example".into(), "ada@private.example".into()];
    world.hire("bob").mail = vec!["bob@private.example".into()];
    world.entry("bob").aliases = vec!["bob@ours.example".into()];
    assert_eq!(world.run(), ["ada: add"]);
    assert_eq!(world.account("ada").aliases().count(), 0);
    let reasons: Vec<_> =
        world.store.skips.iter().map(|skip| (skip.unique_id.clone().unwrap(), &*skip.reason)).collect();
    assert_eq!(reasons, [("ada".into(), "unmanaged-domain"), ("bob".into(), "unmanaged-domain")]);
    let (before, _) = (world.store.skips.clone(), world.run());
    assert_eq!(world.store.skips, before, "rows of somebody unchanged stay");
}

/// VIPRE-6, A2: aliases follow the directory.
#[test]
fn aliases_come_and_go() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").aliases = vec!["al@ours.example".into(), "AL@ours.example".into()];
    assert_eq!(world.run(), ["ada: gain AL@ours.example"]);
    world.entry("ada").aliases.clear();
    assert_eq!(world.run(), ["ada: lose AL@ours.example"]);
}

/// A1, A2: the old primary goes unless the entry still lists it; an alias may become the primary.
#[test]
fn primary_and_alias_may_change_places() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").aliases = vec!["al@ours.example".into()];
    world.run();
    let entry = world.entry("ada");
    (entry.mail, entry.aliases) = (vec!["al@ours.example".into()], vec!["ada@ours.example".into()]);
    assert_eq!(
        world.run(),
        [
            "ada: lose al@ours.example",
            "ada: update primary_address ada@ours.example -> al@ours.example",
            "ada: gain ada@ours.example"
        ]
    );
}

/// A5: two people swap, a third takes what the first gave up; one unit, no conflict.
/// Faults: D11.
#[test]
fn addresses_change_hands_within_one_run() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").mail = vec!["bob@ours.example".into()];
    world.entry("bob").mail = vec!["ada@ours.example".into()];
    let said = world.look();
    assert_eq!(said.plan.users.len(), 2);
    assert_eq!(said.plan.users[0].unit, said.plan.users[1].unit, "an exchange is never split");
    world.run();
    assert!(world.store.conflicts.is_empty() && world.look().plan.is_empty());
    world.entry("ada").mail = vec!["new@ours.example".into()];
    world.hire("cy").mail = vec!["bob@ours.example".into()];
    assert_eq!(world.run(), ["ada: update primary_address bob@ours.example -> new@ours.example", "cy: add"]);
}

/// COVATA-21, COVATA-36, A3, A4, A1: the owner keeps it, the newcomer waits, the loser of a new primary keeps the
/// present one.
#[test]
fn a_contested_address_stays_with_its_owner_and_the_conflict_closes_by_itself() {
    let mut world = World::with(&["ada", "bob"]);
    world.hire("cy").mail = vec!["ADA@ours.example".into()];
    world.entry("bob").mail = vec!["ada@ours.example".into()];
    world.entry("bob").notes = vec!["still updated".into()];
    assert_eq!(world.run(), ["bob: update notes - -> still updated", "conflict address-taken ada@ours.example"]);
    assert_eq!(world.account("bob").primary().unwrap().as_str(), "bob@ours.example");
    let conflict = world.store.conflicts.values().next().unwrap().clone();
    for name in ["`ada`", "`bob`", "`cy`"] {
        assert!(conflict.detail.contains(name), "names every party: {}", conflict.detail);
    }
    assert!(world.store.skips.iter().any(|skip| skip.reason == "address-taken"));
    assert_eq!(world.run(), Vec::<String>::new(), "it does not flip between runs");
    world.entry("ada").mail = vec!["ada2@ours.example".into()];
    assert_eq!(
        world.run(),
        [
            "ada: update primary_address ada@ours.example -> ada2@ours.example",
            "bob: update primary_address bob@ours.example -> ada@ours.example",
            "conflict address-taken ada@ours.example reworded",
        ]
    );
    let detail = &world.store.conflicts.values().next().unwrap().detail;
    assert!(detail.contains("belongs to `bob`") && !detail.contains("claimed by `bob`"), "A4: {detail}");
    assert_eq!(world.store.conflicts.len(), 1, "cy still waits, for bob now");
    world.people.remove("cy");
    assert_eq!(world.run(), ["conflict resolved"]);
}

/// UNBLU-50, U7
#[test]
fn a_taken_username_holds_the_newcomer_and_nobody_else() {
    let mut world = World::with(&["ada"]);
    world.hire("cy").uid = Some("ADA".into());
    world.hire("dan");
    assert_eq!(world.run(), ["dan: add", "conflict username-taken ada"]);
    assert_eq!(world.run(), Vec::<String>::new());
    world.entry("ada").uid = Some("ada.l".into());
    assert_eq!(world.run(), ["ada: update username ada -> ada.l", "ADA: add", "conflict resolved"]);
}

/// U9, E5: somebody who cannot be understood waits, everybody else goes on.
#[test]
fn an_unreadable_entry_costs_nobody_anything() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").readable = false;
    world.entry("ada").notes = vec!["x".into()];
    world.entry("bob").notes = vec!["y".into()];
    assert_eq!(world.run(), ["bob: update notes - -> y"]);
    assert_eq!(world.state("ada"), State::Active);
    assert_eq!(world.store.skips[0].reason, "unreadable");
    // Repaired to exactly what it was: nothing changes, and nothing is said of it any more.
    (world.entry("ada").readable, world.entry("ada").notes) = (true, Vec::new());
    assert_eq!((world.run(), world.store.skips.len()), (Vec::new(), 0));
}

/// E2: while an attribute is missing from everybody its values stay, and a vanished disabled attribute restores nobody.
#[test]
fn a_vanished_attribute_takes_nothing_away() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").notes = vec!["x".into()];
    world.entry("bob").enabled = false;
    world.run();
    assert_eq!(world.account("bob").reason, Some(PendingReason::Disabled));
    world.entry("ada").notes.clear();
    world.entry("ada").mail.clear();
    world.entry("bob").enabled = true;
    world.broken = Some("attribute-vanished");
    world.vanished = ["description", "locked", "mail"].map(str::to_owned).into();
    assert_eq!(world.run(), Vec::<String>::new());
    assert_eq!((world.state("ada"), world.state("bob")), (State::Active, State::Pending));
    (world.broken, world.vanished) = (None, [].into());
    world.entry("ada").mail = vec!["ada@ours.example".into()];
    assert_eq!(world.run(), ["ada: update notes x -> -", "bob: restore"], "nothing was forgotten");
    assert!(policy(&[]).uses["mail"].contains(&AttributeUse::Addresses));
}

/// E2, U8: few are locked, so that more than five of many are enough: nobody comes back because no lock is shown any more.
#[test]
fn locks_of_a_few_that_nobody_shows_restore_nobody() {
    for (locked, back) in [(5, true), (6, false)] {
        let names: Vec<String> = (0..100).map(|n| format!("p{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::with(&names);
        names.iter().take(locked).for_each(|name| world.entry(name).enabled = false);
        world.run();
        assert_eq!(world.state("p00"), State::Pending);
        world.before.coverage = [("", 100), ("locked", locked as u64)].map(|(name, had)| (name.to_owned(), had)).into();
        world.before.tests = ["locked".to_owned()].into();
        names.iter().for_each(|name| world.entry(name).enabled = true);
        world.hire("zoe");
        let said = world.look();
        assert_eq!((said.proven, world.run().len()), (back, if back { locked + 1 } else { 0 }));
        assert_eq!(world.state("p00") == State::Active, back);
        assert_eq!(
            world.store.skips.iter().any(|skip| skip.detail.contains("`locked` vanished from everybody")),
            !back
        );
        // A person who knows that it is right says so.
        world.before.accepted = vec!["attribute-vanished:locked".to_owned()];
        world.run();
        assert_eq!((world.state("p00"), world.state("zoe")), (State::Active, State::Active));
    }
}

/// E2: whoever has no access for want of an address does not come back because nobody's address is shown any more.
#[test]
fn addresses_that_nobody_shows_give_nobody_back() {
    let mut world = World::new(&["ours.example"]);
    for name in ["ada", "bob", "eve", "kim"] {
        world.hire(name);
    }
    world.run();
    for nobody in ["bob", "kim"] {
        world.entry(nobody).mail.clear();
    }
    world.entry("eve").mail = vec!["eve@elsewhere.example".into()];
    world.run();
    let kim = world.account("kim").id;
    world.store.accounts.get_mut(&kim).unwrap().state = State::Kept;
    let states = |world: &World| ["bob", "eve", "kim"].map(|who| world.state(who));
    let before = [State::Pending, State::Pending, State::Kept];
    assert_eq!(states(&world), before);
    for who in ["ada", "eve"] {
        world.entry(who).mail.clear();
    }
    world.broken = Some("attribute-vanished");
    world.vanished = ["mail".to_owned()].into();
    assert_eq!((world.run(), states(&world)), (Vec::new(), before));
    (world.broken, world.vanished) = (None, [].into());
    world.entry("ada").mail = vec!["ada@ours.example".into()];
    for who in ["bob", "eve"] {
        world.entry(who).mail = vec![format!("{who}@ours.example")];
    }
    world.run();
    assert_eq!(states(&world), [State::Active, State::Active, State::Kept]);
}

/// E1: from a partial read aliases only grow and an old primary stays as an alias; the next complete run takes it.
#[test]
fn a_partial_read_takes_no_address_away() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").aliases = vec!["a1@ours.example".into()];
    world.run();
    let entry = world.entry("ada");
    (entry.mail, entry.aliases) = (vec!["new@ours.example".into()], vec!["a2@ours.example".into()]);
    world.broken = Some("size-limit");
    assert_eq!(
        world.run(),
        [
            "ada: update primary_address ada@ours.example -> new@ours.example",
            "ada: gain a2@ours.example",
            "ada: gain ada@ours.example"
        ]
    );
    world.broken = None;
    world.later(DAY);
    assert_eq!(world.run(), ["ada: lose a1@ours.example", "ada: lose ada@ours.example"]);
}

/// A5: an alias that one person gives up and another claims changes hands in one run.
#[test]
fn an_alias_changes_hands_within_one_run() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").aliases = vec!["info@ours.example".into()];
    world.run();
    world.entry("ada").aliases.clear();
    world.entry("bob").aliases = vec!["info@ours.example".into()];
    assert_eq!(world.run(), ["ada: lose info@ours.example", "bob: gain info@ours.example"]);
    assert!(world.look().plan.is_empty() && world.store.conflicts.is_empty());
}

/// E1: a partial read takes no access for a missing address or an unmanaged domain.
#[test]
fn a_partial_read_flags_nobody_for_an_address() {
    let mut world = World::new(&["ours.example"]);
    for name in ["ada", "bob"] {
        world.hire(name);
    }
    world.run();
    world.entry("ada").mail.clear();
    world.entry("bob").mail = vec!["bob@tenant.example".into()];
    world.broken = Some("attribute-vanished");
    assert_eq!(world.run(), Vec::<String>::new());
    world.broken = None;
    assert_eq!(world.run().len(), 2, "a complete one does");
}

/// A4, U10: where addresses are optional, one that is given up is free for others.
#[test]
fn an_address_given_up_is_free() {
    let mut world = World::with(&["ada", "bob"]);
    world.policy.address_required = false;
    world.entry("ada").mail.clear();
    world.entry("bob").aliases = vec!["ada@ours.example".into()];
    assert_eq!(world.run(), ["ada: update primary_address ada@ours.example -> -", "bob: gain ada@ours.example"]);
}

/// U7: whoever was beaten by somebody who then stays outside gets the name after all.
#[test]
fn a_name_lost_to_somebody_outside_is_won_back() {
    let mut world = World::with(&["k", "x"]);
    world.entry("k").mail = vec!["x@ours.example".into()];
    let first = world.hire("n1");
    (first.mail, first.uid) = (vec!["k@ours.example".into()], Some("name".into()));
    world.hire("n2").uid = Some("NAME".into());
    world.run();
    assert_eq!(world.state("n2"), State::Active);
    assert_eq!(world.run(), Vec::<String>::new());
}

/// A6: whoever is left out for a malformed address is told so, whatever else is left out of the entry.
#[test]
fn a_malformed_address_is_the_reason_beside_other_values() {
    let mut world = World::new(&["ours.example"]);
    let entry = world.hire("ada");
    (entry.mail, entry.aliases) = (vec!["no address".into()], vec!["ada@other.example".into()]);
    world.run();
    let rows: Vec<_> = world.store.skips.iter().map(|row| &*row.reason).collect();
    assert_eq!(rows, ["malformed-address"]);
    assert!(world.store.accounts.is_empty());
}
