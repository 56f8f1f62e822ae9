//! One glance.

use super::*;
use crate::cli::render::status::{self, Facts, health, waiting};
use crate::config::{Schedule, When};
use crate::store::Action;
use crate::store::rows::SkipRow;

fn every(hours: u64, action: Action) -> Schedule {
    let when = When::Every(Duration::from_secs(hours * 3_600));
    Schedule { when, action, timezone: chrono_tz::UTC, text: format!("every {hours}h") }
}

fn facts<'a>(runs: &'a [RunRow], schedules: &'a [Schedule], held: &'a [Held]) -> Facts<'a> {
    Facts {
        retired: None,
        source: "corp",
        enabled: true,
        runs,
        schedules,
        people: &[(State::Active, 1_300), (State::Pending, 2)],
        conflicts: &[],
        skipped: &[],
        held,
        freeze: None,
        store: "/var/lib/rosterd/roster.db",
        now: now(),
    }
}

fn skipped(dn: &str, reason: &str, is_user: bool) -> SkipRow {
    let (source, rule) = ("corp".to_owned(), "U4".to_owned());
    let (dn, reason, seen_at) = (dn.to_owned(), reason.to_owned(), String::new());
    SkipRow { source, dn, unique_id: None, reason, rule, detail: String::new(), seen_at, is_user }
}

/// U9: people who are out, and values without which somebody is in, are different things.
#[test]
fn status_tells_people_from_values() {
    let rows = [skipped("uid=a", "disabled", false), skipped("uid=b", "malformed-address", true)];
    let text = plain(|out| status::print(out, &Facts { skipped: &rows, ..facts(&[], &[], &[]) }, &command));
    assert!(text.contains("Left out       1 person (1 disabled)\n"), "{text}");
    assert!(text.contains("Came in without 1 value (1 malformed-address)\n"), "{text}");
}

/// While a run goes on, it is told, and the last attempt is the one before.
#[test]
fn status_says_what_runs_now() {
    let runs = [run_row(18, "running", "2026-01-15T11:57:00.000Z"), run_row(17, "ok", "2026-01-15T11:00:00.000Z")];
    let text = plain(|out| status::print(out, &facts(&runs, &[], &[]), &command));
    assert!(text.contains("Running now    run 18, since 2026-01-15 11:57 UTC (3 min): all\n"), "{text}");
    assert!(text.contains("Last attempt   run 17,"), "{text}");
}

#[test]
fn status_is_one_glance() {
    let runs = [
        run_row(17, "ok", "2026-01-15T11:00:00.000Z"),
        run_row(16, "ok", "2026-01-15T05:00:00.000Z"),
        run_row(15, "failed", "2026-01-14T23:00:00.000Z"),
    ];
    let schedules = [every(6, Action::All)];
    let facts = facts(&runs, &schedules, &[]);
    insta::assert_snapshot!("status_healthy", plain(|out| status::print(out, &facts, &command)));
    insta::assert_snapshot!("status_healthy_json", as_json(&status::value(&facts)));
}

/// Next is what comes next: no moment that is none, and deletions, too.
#[test]
fn status_says_when_deletions_become_due() {
    let runs = [run_row(17, "ok", "2026-01-15T11:00:00.000Z")];
    let reboot = Schedule { when: When::Reboot, text: "@reboot".to_owned(), ..every(6, Action::All) };
    let due =
        |at: &str| ConflictRow { kind: "pending-deletion".to_owned(), due_at: Some(at.to_owned()), ..conflict_row() };
    // The date of somebody who is back, and waits for a name, stands still (L5).
    let back = ConflictRow { waits_since: Some("2026-01-14T00:00:00.000Z".into()), ..due("2026-01-16T00:00:00.000Z") };
    let conflicts = [due("2026-01-20T00:00:00.000Z"), due("2026-01-18T00:00:00.000Z"), conflict_row(), back];
    let both = [reboot.clone(), every(6, Action::All)];
    let shown = |schedules: &[Schedule], conflicts: &[ConflictRow]| {
        plain(|out| status::print(out, &Facts { conflicts, ..facts(&runs, schedules, &[]) }, &command))
    };
    let text = shown(&both, &conflicts);
    assert!(!text.contains("@reboot") && text.contains("every 6h"), "{text}");
    assert!(text.contains("1 deletion due; 1 later") && text.contains("2026-01-18 00:00 UTC"), "{text}");
    let text = shown(&[reboot], &[due("2026-01-01T00:00:00.000Z"), due("2026-01-02T00:00:00.000Z")]);
    assert!(text.contains("when the daemon starts") && text.contains("due now: 2 deletions"), "{text}");
}

/// B1
#[test]
fn status_shows_what_waits_for_a_person() {
    let mut held_run = run_row(17, "held", "2026-01-15T11:00:00.000Z");
    held_run.error = Some("the brake holds 12 of 40 people".to_owned());
    let runs = [held_run, run_row(16, "ok", "2026-01-15T05:00:00.000Z")];
    let held: Vec<Held> = (0..12)
        .map(|n| Held {
            user: UserId(n),
            label: format!("user{n}").into(),
            kind: BrakeKind::Missing,
            loses: Loss::Access(PendingReason::Gone),
        })
        .collect();
    let (schedules, conflicts) = ([every(6, Action::All)], [conflict_row()]);
    let facts = Facts { conflicts: &conflicts, ..facts(&runs, &schedules, &held) };
    insta::assert_snapshot!("status_held", plain(|out| status::print(out, &facts, &command)));
}

#[test]
fn health_is_judged_by_the_last_read_of_users_and_of_groups_and_by_the_clock() {
    let at = |time: &str| format!("2026-01-{time}:00:00.000Z");
    let action = |action: &str, mut run: RunRow| {
        run.action = action.to_owned();
        run
    };
    let judged = |runs: &[RunRow], schedules: &[Schedule]| {
        let health = health(&facts(runs, schedules, &[]));
        (health.healthy, health.since.map(moment))
    };
    let since = |text: &str| Some(text.to_owned());
    assert_eq!(judged(&[], &[]), (false, None));
    // A clean-up that works does not make up for a read that does not.
    let failing = [
        action("cleanup", run_row(4, "ok", &at("15T11"))),
        run_row(3, "failed", &at("15T10")),
        run_row(2, "incomplete", &at("15T09")),
        run_row(1, "ok", &at("15T08")),
    ];
    assert_eq!(judged(&failing, &[]), (false, since("2026-01-15 09:00 UTC")));
    let halves = [
        action("groups", run_row(3, "ok", &at("15T11"))),
        action("users", run_row(2, "held", &at("15T10"))),
        run_row(1, "ok", &at("15T08")),
    ];
    assert_eq!(judged(&halves, &[]), (false, since("2026-01-15 10:00 UTC")));
    // A run that goes on judges nothing yet.
    let going_on = [run_row(2, "running", &at("15T11")), run_row(1, "ok", &at("15T08"))];
    assert_eq!(judged(&going_on, &[]), (true, since("2026-01-15 08:00 UTC")));
    // Nothing ran for a day although every six hours was asked for.
    let asleep = [run_row(1, "ok", &at("14T11"))];
    assert_eq!(judged(&asleep, &[every(6, Action::All)]), (false, since("2026-01-14 17:00 UTC")));
    assert_eq!(judged(&asleep, &[every(72, Action::All)]), (true, since("2026-01-14 11:00 UTC")));
}

/// A command that failed is its own trouble where a daemon keeps the source in step; so is a saved plan that is another one now.
#[test]
fn a_slip_does_not_make_a_source_unhealthy() {
    let at = "2026-01-15T11:00:00.000Z";
    let by_command = |run: RunRow| RunRow { trigger: "command".to_owned(), ..run };
    let healthy = |runs: &[RunRow]| health(&facts(runs, &[], &[])).healthy;
    let failed = by_command(run_row(3, "failed", at));
    assert!(healthy(&[failed.clone(), run_row(2, "ok", at)]));
    assert!(!healthy(&[failed.clone(), by_command(run_row(2, "ok", at))]), "nobody else would say so");
    let before = [failed.clone(), by_command(run_row(2, "ok", at)), run_row(1, "ok", at)];
    assert!(!healthy(&before), "a daemon that was there once says nothing now");
    assert!(!healthy(&[run_row(3, "failed", at), run_row(2, "ok", at)]), "a scheduled one");
    assert!(!healthy(&[by_command(run_row(3, "incomplete", at)), run_row(2, "ok", at)]));
    let stale = RunRow { cause: Some("other-plan".to_owned()), ..failed };
    assert!(healthy(&[stale, by_command(run_row(2, "ok", at))]));
}

/// S5: a daemon that is restarted during a run is not ill; one whose runs are cut off is.
#[test]
fn a_run_that_somebody_stopped_says_nothing_of_the_source() {
    let at = "2026-01-15T11:00:00.000Z";
    let healthy = |runs: &[RunRow]| health(&facts(runs, &[], &[])).healthy;
    let cut_off = run_row(3, "interrupted", at);
    let stopped = RunRow { error: Some("stopped before it was done".to_owned()), ..cut_off.clone() };
    assert!(healthy(&[stopped.clone(), run_row(2, "ok", at)]));
    assert!(!healthy(&[stopped.clone(), run_row(2, "failed", at)]), "what was ill stays so");
    assert!(!healthy(&[stopped]), "nothing was read yet");
    assert!(!healthy(&[RunRow { error: None, ..cut_off }, run_row(2, "ok", at)]));
}

/// B1
#[test]
fn a_held_run_waits_until_a_later_read_of_users_is_fine() {
    let at = "2026-01-15T11:00:00.000Z";
    let held = run_row(1, "held", at);
    let mut groups = run_row(2, "ok", at);
    groups.action = "groups".to_owned();
    let number = |runs: &[RunRow]| waiting(runs).map(|run| run.id);
    assert_eq!(number(&[groups.clone(), held.clone()]), Some(1));
    assert_eq!(number(&[run_row(3, "failed", at), groups.clone(), held.clone()]), Some(1));
    assert_eq!(number(&[run_row(3, "ok", at), groups, held]), None);
    let mut empty = run_row(4, "incomplete", at);
    empty.cause = Some("no-users".to_owned());
    assert_eq!(number(&[empty.clone()]), Some(4));
    empty.cause = Some("size-limit".to_owned());
    assert_eq!(number(&[empty]), None);
}
