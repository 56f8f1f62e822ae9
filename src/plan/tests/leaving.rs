//! Leaving and coming back: every reason, every date, the brake.

use std::time::Duration;

use super::world::{DAY, World};
use crate::plan::policy::Delay;
use crate::plan::{Act, BrakeKind};
use crate::roster::{Account, PendingReason, Skipped, State, UserId};

const NOTHING: [&str; 0] = [];

/// VIPRE-5, VIPRE-31, VIPRE-34, VIPRE-36, UNBLU-22, UNBLU-40, OKV-24, OKV-26, OKV-27, L1, L2, L6: flagged, locked out,
/// deleted after the delay and not before.
#[test]
fn somebody_gone_is_flagged_and_deleted_after_the_delay() {
    let mut world = World::with(&["ada", "bob"]);
    world.people.remove("ada");
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-16"]);
    assert!(!world.state("ada").access());
    world.later(13 * DAY);
    assert_eq!(world.run(), NOTHING, "staying away does not renew the date");
    world.later(DAY);
    assert_eq!(world.run(), ["ada: delete"]);
    world.later(DAY);
    assert_eq!(world.run(), NOTHING);
}

/// VIPRE-4, VIPRE-32, COVATA-7, L3: disabled has a delay of its own.
#[test]
fn somebody_disabled_is_flagged_with_the_disabled_delay() {
    let mut world = World::with(&["ada"]);
    world.policy.disabled_delay = Delay::After(30 * DAY);
    world.entry("ada").enabled = false;
    assert_eq!(world.run(), ["ada: flag disabled until 2026-04-01"]);
    world.later(15 * DAY);
    assert_eq!(world.run(), NOTHING);
    world.later(15 * DAY);
    assert_eq!(world.run(), ["ada: delete"], "an unchanged entry that still says disabled is enough");
}

/// VIPRE-33, VIPRE-43, L3
#[test]
fn never_locks_out_and_never_deletes() {
    let mut world = World::with(&["ada"]);
    world.policy.delay = Delay::Never;
    world.people.remove("ada");
    assert_eq!(world.run(), ["ada: flag gone until never"]);
    world.later(4000 * DAY);
    assert_eq!(world.run(), NOTHING);
    assert_eq!(world.state("ada"), State::Pending);
}

/// L3: "0d" is at once.
#[test]
fn no_delay_deletes_in_the_run_that_flags() {
    let mut world = World::with(&["ada"]);
    world.policy.delay = Delay::After(Duration::ZERO);
    world.people.remove("ada");
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-02", "ada: delete"]);
}

/// COVATA-8, L3: disabled people can be removed at once, and that touches nobody who is gone.
#[test]
fn without_a_delay_for_the_disabled_they_are_deleted_at_once() {
    let mut world = World::with(&["ada", "bob"]);
    world.policy.disabled_delay = Delay::After(Duration::ZERO);
    world.entry("ada").enabled = false;
    world.people.remove("bob");
    assert_eq!(world.run(), ["bob: flag gone until 2026-03-16", "ada: flag disabled until 2026-03-02", "ada: delete"]);
    assert!(world.account("ada").addresses.is_empty());
}

/// VIPRE-35, COVATA-7, L4, L5: back and enabled, everything is as before.
#[test]
fn somebody_back_during_the_delay_is_active_again() {
    let mut world = World::with(&["ada", "bob"]);
    let before = world.account("ada").clone();
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.people.insert("ada".into(), entry);
    world.later(DAY);
    assert_eq!(world.run(), ["ada: restore"]);
    let after = world.account("ada");
    assert_eq!((after.uuid, &after.addresses, after.delete_after), (before.uuid, &before.addresses, None));
    world.entry("bob").enabled = false;
    world.run();
    world.entry("bob").enabled = true;
    assert_eq!(world.run(), ["bob: restore"]);
}

/// L4: addresses and name are frozen while pending; plain fields follow the entry that is still there.
#[test]
fn while_pending_addresses_are_frozen_and_stay_taken() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").enabled = false;
    world.run();
    let entry = world.entry("ada");
    (entry.mail, entry.notes) = (vec!["other@ours.example".into()], vec!["n".into()]);
    world.entry("bob").aliases = vec!["ada@ours.example".into()];
    assert_eq!(world.run(), ["ada: update notes - -> n", "conflict address-taken ada@ours.example"]);
    assert_eq!(world.account("ada").primary().unwrap().as_str(), "ada@ours.example");
    assert!(world.store.conflicts.values().next().unwrap().detail.contains("2026-03-16"), "names the date");
    world.later(14 * DAY);
    assert_eq!(
        world.run(),
        ["ada: delete", "bob: gain ada@ours.example", "conflict resolved"],
        "L9: the run that deletes the owner gives it to the one who waits"
    );
}

/// L5, U7: somebody pending yields the name; the returner waits and the date stands still.
#[test]
fn a_name_given_away_makes_the_returner_wait() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.hire("zoe").uid = Some("ada".into());
    assert_eq!(world.run(), ["ada: add", "conflict maybe-same-person ada"]);
    world.people.insert("ada".into(), entry);
    world.later(20 * DAY);
    assert_eq!(world.run(), ["conflict username-taken ada", "conflict resolved"], "two people, that is clear now (I5)");
    assert_eq!(world.state("ada"), State::Pending);
    world.entry("zoe").uid = Some("zoe".into());
    assert_eq!(world.run(), ["ada: restore", "ada: update username ada -> zoe", "conflict resolved"]);
}

/// L5, L6, L9, S1: while a returner waits for the name the date stands still, and what is left of the delay counts from the
/// day she leaves again.
#[test]
fn the_date_of_a_returner_who_waits_stands_still() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    let flagged = world.now;
    world.hire("zoe").uid = Some("ada".into());
    world.run();
    world.later(3 * DAY).people.insert("ada".into(), entry);
    world.run();
    assert_eq!(world.account("ada").waits_since, Some(world.now));
    world.later(30 * DAY);
    assert_eq!(world.run(), Vec::<String>::new());
    assert!(world.cleanup(true).users.is_empty() && world.cleanup(false).users.is_empty(), "nor by the date alone");
    assert_eq!(world.account("ada").waits_since, Some(flagged + 3 * DAY));
    // In a source that is given up nothing ends the wait (S6).
    let accounts: Vec<Account> = world.store.accounts.values().cloned().collect();
    let (people, _) = crate::plan::retire(&accounts, &[], &world.policy, world.now);
    let hers = people.iter().find(|change| &*change.label == "ada" && change.acts.len() == 1).unwrap();
    let mark = hers.mark.as_ref().unwrap();
    assert!(
        matches!(hers.acts[0], Act::Flagged { reason: PendingReason::SourceRemoved, delete_after: Some(at), .. }
        if at == flagged + 44 * DAY && mark.waits_since.is_none()),
        "{hers:?}"
    );
    world.people.remove("ada");
    let day = &(flagged + 44 * DAY).to_string()[..10];
    assert_eq!(world.run(), [&format!("ada: flag gone until {day}"), "conflict resolved"]);
    let account = world.account("ada");
    assert_eq!((account.delete_after, account.waits_since), (Some(flagged + 44 * DAY), None));
    assert_eq!(world.later(10 * DAY).run(), Vec::<String>::new());
    assert_eq!(world.later(DAY).run(), ["ada: delete"]);
}

/// U3, U4: who is deleted in spite of an entry is skipped from that run on, not from the next.
#[test]
fn somebody_deleted_while_the_entry_is_there_is_skipped_at_once() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").enabled = false;
    world.run();
    world.later(14 * DAY);
    assert_eq!(world.run(), ["ada: delete"]);
    assert_eq!(world.store.skips.iter().map(|skip| &*skip.reason).collect::<Vec<_>>(), ["disabled"]);
    let before = world.store.skips.clone();
    assert_eq!(world.run(), Vec::<String>::new());
    assert_eq!(world.store.skips, before);
}

/// I4, L2: the reason is a cause, and says where the entry is.
#[test]
fn out_of_scope_is_told_from_gone() {
    let mut world = World::with(&["ada", "bob"]);
    world.entry("ada").in_base = false;
    world.entry("ada").dn = "uid=ada,ou=alumni,dc=example".into();
    world.entry("bob").in_filter = false;
    assert_eq!(
        world.run(),
        [
            "ada: move to uid=ada,ou=alumni,dc=example",
            "ada: flag moved-out until 2026-03-16",
            "bob: flag filtered-out until 2026-03-16"
        ]
    );
    world.entry("ada").in_base = true;
    assert_eq!(world.run(), ["ada: restore"]);
}

/// I3, L4: where somebody's entry is now is known in the run that flags, and while pending.
#[test]
fn whoever_moves_and_is_disabled_at_once_is_known_at_the_new_place() {
    let mut world = World::with(&["ada"]);
    let entry = world.entry("ada");
    (entry.enabled, entry.dn) = (false, "uid=ada,ou=left,dc=example".into());
    let told = world.run();
    assert_eq!(told, ["ada: move to uid=ada,ou=left,dc=example", "ada: flag disabled until 2026-03-16"]);
    world.entry("ada").dn = "uid=ada,ou=long ago,dc=example".into();
    assert_eq!(world.run(), ["ada: move to uid=ada,ou=long ago,dc=example"]);
    assert_eq!(world.run(), NOTHING, "U3");
}

/// L2: a reason not seen before moves the date, one seen before does not, and never to nearer than the minimum.
#[test]
fn a_new_reason_recomputes_the_date_from_the_first_flag() {
    let mut world = World::with(&["ada"]);
    world.policy.disabled_delay = Delay::After(90 * DAY);
    world.entry("ada").enabled = false;
    assert_eq!(world.run(), ["ada: flag disabled until 2026-05-31"]);
    let entry = world.people.remove("ada").unwrap();
    world.later(20 * DAY);
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-29"], "14 days from the first flag are over: the minimum");
    world.people.insert("ada".into(), entry);
    world.later(DAY);
    assert_eq!(world.run(), ["ada: flag disabled until 2026-03-29"], "seen before: the date stays");
    world.policy.delay = Delay::After(365 * DAY);
    assert_eq!(world.run(), NOTHING, "a changed configuration moves no date already set");
}

/// L2: of several reasons the first in the order of the rule.
#[test]
fn of_several_reasons_the_first_counts() {
    let mut world = World::with(&["ada"]);
    let entry = world.entry("ada");
    (entry.enabled, entry.mail) = (false, Vec::new());
    assert_eq!(world.run(), ["ada: flag disabled until 2026-03-16"]);
    world.entry("ada").enabled = true;
    assert_eq!(world.run(), ["ada: flag no-address until 2026-03-16"]);
}

/// D3: a primary that moves to an unmanaged domain flags, and the stored address stays.
#[test]
fn a_primary_in_an_unmanaged_domain_flags() {
    let mut world = World::new(&["ours.example"]);
    world.hire("ada");
    world.run();
    world.entry("ada").mail = vec!["ada@elsewhere.example".into()];
    assert_eq!(world.run(), ["ada: flag unmanaged-domain until 2026-03-16"]);
    assert_eq!(world.account("ada").primary().unwrap().as_str(), "ada@ours.example");
}

/// OKV-24, E1, RSA-10: whoever a partial read did not see is not missed, and no due deletion is carried out.
#[test]
fn a_partial_read_misses_nobody() {
    let mut world = World::with(&["ada", "bob", "cy"]);
    world.people.remove("ada");
    world.entry("bob").enabled = false;
    world.entry("cy").notes = vec!["n".into()];
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["bob: flag disabled until 2026-03-16", "cy: update notes - -> n"]);
    world.later(30 * DAY);
    assert_eq!(world.run(), NOTHING);
    world.broken = None;
    assert_eq!(world.run(), ["ada: flag gone until 2026-04-15", "bob: delete"]);
}

/// E1: a return that was read counts even in a partial read.
#[test]
fn a_partial_read_restores() {
    let mut world = World::with(&["ada", "bob"]);
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.people.insert("ada".into(), entry);
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), ["ada: restore"]);
}

/// L2: who is in scope after all is left unjudged; too many of them make the run incomplete.
#[test]
fn whoever_looking_up_finds_in_scope_is_left_alone() {
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.hidden = ["u00".to_owned()].into();
    world.people.remove("u01");
    let said = world.look();
    assert_eq!(said.text, ["u01: flag gone until 2026-03-16"]);
    assert_eq!(said.plan.unjudged.len(), 1);
    let skip = &said.plan.skips[0];
    assert_eq!((&*skip.reason, &*skip.rule), ("unjudged", "L2"), "written down, so that status and runs tell it");
    assert!(skip.dn.contains("u00") && skip.detail.contains("found it in scope"), "{skip:?}");
    assert_eq!(said.plan.skipped[&Skipped::AsBefore].total, 1);
    world.hidden = names.iter().take(7).filter(|name| *name != "u01").cloned().collect();
    assert_eq!(world.look().text, NOTHING, "six of twenty: nothing is concluded from absence");
}

/// L2: more than five, but less than one in a hundred, prove no trouble of the server.
#[test]
fn a_few_of_many_who_cannot_be_judged_doubt_nothing() {
    let names: Vec<String> = (0..700).map(|n| format!("u{n:03}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.hidden = names[..7].iter().cloned().collect();
    world.people.remove("u010");
    let said = world.look();
    assert_eq!((said.plan.unjudged.len(), &said.text[..]), (7, &["u010: flag gone until 2026-03-16".to_owned()][..]));
    world.hidden.insert("u007".into());
    assert_eq!(world.look().text, NOTHING, "eight of 700");
}

/// VIPRE-39, L7: the tombstone's internal id is used again.
#[test]
fn somebody_back_after_deletion_has_the_same_internal_id() {
    let mut world = World::with(&["ada", "bob"]);
    let before = world.account("ada").uuid;
    let entry = world.people.remove("ada").unwrap();
    world.run();
    world.later(14 * DAY).run();
    assert_eq!(world.state("ada"), State::Deleted);
    world.people.insert("ada".into(), entry);
    world.entry("ada").enabled = false;
    assert_eq!(world.run(), NOTHING, "a disabled one stays away (U4)");
    world.entry("ada").enabled = true;
    assert_eq!(world.run(), ["ada: revive"]);
    assert_eq!((world.account("ada").uuid, world.state("ada")), (before, State::Active));
}

/// UNBLU-40, B1: six of twenty are held, adds and updates go on, approval is for those people who still leave.
#[test]
fn the_brake_holds_a_mass_departure_until_a_person_approves() {
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..6] {
        world.people.remove(name);
    }
    world.hire("zoe");
    let said = world.look();
    assert_eq!(said.text[0], "zoe: add");
    assert_eq!(said.text.iter().filter(|line| line.ends_with("held gone")).count(), 6);
    assert!(said.plan.holds[0].says.starts_with("6 of 20 people"), "{}", said.plan.holds[0].says);
    world.run();
    assert!(names.iter().all(|name| world.state(name) == State::Active));
    world.hire("u00");
    world.people.remove("u10");
    world.approval.people = said.plan.held.iter().map(|held| held.user).collect();
    let text = world.run();
    assert_eq!(
        text.iter().filter(|line| line.contains("flag gone")).count(),
        6,
        "five approved, one counted anew: {text:?}"
    );
    assert_eq!(world.state("u00"), State::Active, "who came back is not touched");
}

/// B1: disabled people are a kind of their own, and the window sums up.
#[test]
fn kinds_are_held_apart_and_the_window_sums_up() {
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..6] {
        world.entry(name).enabled = false;
    }
    world.people.remove("u10");
    let text = world.run();
    assert_eq!(text.iter().filter(|line| line.ends_with("held disabled")).count(), 6);
    assert_eq!(world.state("u10"), State::Pending, "the kind below its limit is applied");
    world.people.remove("u11");
    world.recent.departed = (900..905).map(|id| (BrakeKind::Missing, UserId(id))).collect();
    world.recent.lost = (900..905).map(UserId).collect();
    assert!(world.run().contains(&"u11: held gone".to_owned()));
    world.recent.departed.retain(|(_, user)| user.0 < 903);
    world.recent.departed.insert((BrakeKind::Missing, world.account("u11").id));
    assert!(world.run().contains(&"u11: flag gone until 2026-03-16".to_owned()), "who went before counts once");
}

/// B1: measured against those who had access before the window, not against who came within it.
#[test]
fn people_who_came_within_the_window_do_not_loosen_the_brake() {
    let names: Vec<String> = (0..100).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..8] {
        world.people.remove(name);
    }
    world.recent.gained = (900..940).map(UserId).collect();
    assert_eq!(world.run().iter().filter(|line| line.ends_with("held gone")).count(), 8, "8 of 60");
    world.recent.gained.clear();
    assert!(world.run().contains(&"u00: flag gone until 2026-03-16".to_owned()), "8 of 100");
}

/// L9: one that was counted when it was flagged is not counted again when it is deleted.
#[test]
fn due_deletions_are_not_counted_again() {
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..8] {
        world.people.remove(name);
    }
    world.approval.people = world.look().plan.held.iter().map(|held| held.user).collect();
    world.run();
    world.approval.people.clear();
    world.later(14 * DAY);
    assert_eq!(world.run().iter().filter(|line| line.ends_with("delete")).count(), 8);
}

/// L8: somebody kept stays while the reason lasts, and is active again when it is over.
#[test]
fn somebody_kept_stays_until_the_reason_is_over() {
    let mut world = World::with(&["ada"]);
    world.entry("ada").enabled = false;
    world.run();
    let id = world.account("ada").id;
    let account = world.store.accounts.get_mut(&id).unwrap();
    (account.state, account.reason, account.delete_after, account.fingerprint) = (State::Kept, None, None, None);
    world.later(100 * DAY);
    assert_eq!(world.run(), NOTHING);
    assert_eq!(world.state("ada"), State::Kept);
    world.entry("ada").enabled = true;
    assert_eq!(world.run(), ["ada: restore"]);
    assert_eq!((world.state("ada"), world.account("ada").reason), (State::Active, None::<PendingReason>));
}

/// L10, L6: a clock that is far behind flags nobody with a date that is over as soon as the clock is right.
#[test]
fn who_is_flagged_by_a_clock_that_is_behind_has_the_whole_delay() {
    let mut world = World::with(&["ada", "bob"]);
    let right = world.now;
    world.now = right - 400 * DAY;
    world.least_now = Some(right);
    world.people.remove("ada");
    assert_eq!(world.run(), ["ada: flag gone until 2026-03-16"]);
    (world.now, world.least_now) = (right + DAY, None);
    assert_eq!(world.run(), NOTHING);
    world.later(13 * DAY);
    assert_eq!(world.run(), ["ada: delete"]);
}

/// L10: while the clock is not believed nobody is deleted, with or without a delay; everything else goes on.
#[test]
fn nobody_is_deleted_by_a_clock_that_is_not_believed() {
    let mut world = World::with(&["ada", "bob", "cy"]);
    world.people.remove("ada");
    world.run();
    world.later(15 * DAY);
    world.least_now = Some(world.now);
    world.people.remove("bob");
    world.policy.delay = crate::plan::policy::Delay::After(Duration::ZERO);
    let said = world.look();
    assert_eq!(said.text, ["bob: flag gone until 2026-03-17"]);
    assert_eq!(said.plan.due_after(&world.store.index(), world.now), 2);
    world.run();
    assert_eq!(world.look().text, NOTHING, "and again nothing");
    assert!([true, false].iter().all(|by_date| world.cleanup(*by_date).users.is_empty()), "nor does a clean-up");
    world.least_now = None;
    assert_eq!(world.run(), ["ada: delete", "bob: delete"]);
    assert_eq!(world.look().plan.due_after(&world.store.index(), world.now), 0);
}

/// E7, E1: a server that knows less than before may show who was enabled, or there, before: nobody comes back by it, whatever
/// the reason was; who is unknown comes in, and what it shows of the others is applied.
#[test]
fn a_server_that_is_behind_gives_nobody_access_back() {
    let mut world = World::with(&["ada", "bob", "cy", "dan", "eve", "fay"]);
    world.policy.disabled_delay = Delay::After(DAY);
    world.run();
    world.entry("ada").enabled = false;
    let (bob, cy) = (world.people.remove("bob").unwrap(), world.people.remove("cy").unwrap());
    world.run();
    world.now = world.now + 2 * DAY;
    world.run();
    world.entry("dan").enabled = false;
    world.people.remove("eve");
    world.run();
    assert_eq!((world.state("ada"), world.state("dan")), (State::Deleted, State::Pending));
    // The backup is from before all this, and has somebody whom no run saw.
    world.entry("ada").enabled = true;
    world.entry("dan").enabled = true;
    world.people.extend([("bob".to_owned(), bob), ("cy".to_owned(), cy)]);
    world.hire("eve");
    world.hire("zoe");
    world.entry("fay").notes = vec!["on leave".into()];
    (world.broken, world.behind) = (Some("server-behind"), true);
    assert_eq!(world.run(), ["fay: update notes - -> on leave", "zoe: add"]);
    assert_eq!(world.look().plan.barred.len(), 5, "all five are told, the deleted too");
    assert_eq!(world.run(), Vec::<String>::new());
    (world.broken, world.behind) = (None, false);
    let back = world.run();
    for name in ["ada", "bob", "cy", "dan", "eve"] {
        assert_eq!(world.state(name), State::Active, "{back:?}");
    }
}
