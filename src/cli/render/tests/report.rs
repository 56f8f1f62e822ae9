//! What a run did.

use super::plan::everything;
use super::*;
use crate::cli::render::report;
use crate::roster::{FieldNames, Incomplete};
use crate::store::{Outcome, RunId};
use crate::sync::Report;

fn report(plan: Plan, outcome: Outcome, incomplete: Option<Incomplete>) -> Report {
    Report {
        run: Some(RunId(17)),
        outcome,
        counts: plan.counts,
        plan,
        incomplete,
        server: Some("ldaps://dc1.example.com".into()),
        seconds: 1.25,
        note: None,
        person: None,
    }
}

fn cut_off() -> Incomplete {
    Incomplete {
        cause: "size-limit",
        says: "the server stopped at 500 entries; raise its limit".into(),
        attribute: None,
    }
}

/// B1
#[test]
fn a_held_run_says_what_how_many_of_how_many_who_and_the_two_commands() {
    let mut plan = everything(&FieldNames::new(["cost_center"]));
    plan.users.clear();
    let report = report(plan, Outcome::Held, None);
    insta::assert_snapshot!("report_held", plain(|out| report::print(out, &report, &command)));
    insta::assert_snapshot!("report_held_json", as_json(&report::value(&report)));
}

/// E1, E2
#[test]
fn an_incomplete_run_says_why_and_that_nobody_lost_anything() {
    let cut_off = report(Plan::default(), Outcome::Incomplete, Some(cut_off()));
    insta::assert_snapshot!("report_incomplete", plain(|out| report::print(out, &cut_off, &command)));
    let empty = Incomplete { cause: "no-users", says: "the search found no user at all".into(), attribute: None };
    let empty = plain(|out| report::print(out, &report(Plan::default(), Outcome::Incomplete, Some(empty)), &command));
    assert!(empty.contains("rosterd approve 17"), "{empty}");
}

/// S1
#[test]
fn a_source_that_is_switched_off_is_said_and_nothing_else() {
    let mut report = report(Plan::default(), Outcome::Ok, None);
    report.run = None;
    report.note = Some("source.enabled = false: nothing was read".into());
    assert_eq!(plain(|out| report::print(out, &report, &command)), "source.enabled = false: nothing was read\n");
}

#[test]
fn totals_use_the_same_nouns_before_and_after() {
    let counts = Counts { added: 1_234, updated: 1, deleted: 2, ..Counts::default() };
    let plan = |groups, held| Plan { group_counts: groups, held, ..Plan::default() };
    let groups = GroupCounts { joins: 4, leaves: 1, flagged: 2, ..GroupCounts::default() };
    fn said(counts: &Counts, plan: &Plan, tense: Tense) -> String {
        let (people, groups) = totals(counts, plan, tense);
        format!("{people} / {}", groups.unwrap_or_default())
    }
    assert_eq!(
        said(&counts, &plan(groups, vec![]), Tense::Future),
        "1,234 to add, 1 to update, 2 to delete / Groups: 2 to flag; memberships: 4 to add, 1 to remove."
    );
    assert_eq!(
        said(&counts, &plan(groups, vec![]), Tense::Past),
        "1,234 added, 1 updated, 2 deleted / Groups: 2 flagged; memberships: 4 added, 1 removed."
    );
    assert_eq!(said(&Counts::default(), &Plan::default(), Tense::Past), "nothing to do / ");
    let ivan = Held {
        user: UserId(9),
        label: "ivan".into(),
        kind: BrakeKind::Missing,
        loses: Loss::Access(PendingReason::Gone),
    };
    let only_groups = plan(GroupCounts { added: 1, ..GroupCounts::default() }, vec![ivan]);
    assert_eq!(
        said(&Counts::default(), &only_groups, Tense::Past),
        "no change to people; 1 person held / Groups: 1 added."
    );
}

#[test]
fn times_are_told_in_their_largest_unit() {
    let at = |seconds| span(Duration::from_secs(seconds));
    assert_eq!([at(0), at(119), at(120), at(7_200), at(172_800)], ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    assert_eq!(distance(in_days(14), now()), "in 14 days");
    assert_eq!(distance(now() - Duration::from_secs(90), now()), "90 s ago");
    assert_eq!(moment_text("2026-01-15T12:00:00.000Z"), "2026-01-15 12:00 UTC");
    assert_eq!(moment_text("soon\u{1b}"), "soon\\u{1b}");
}
