//! What people read, whole, as snapshots.

mod conflicts;
mod explain;
mod plan;
mod report;
mod rows;
mod status;

use std::time::Duration;

pub(crate) use rows::{change_row, user_row};

use super::*;
use crate::cli::json;
use crate::plan::{BrakeKind, Held, Loss};
use crate::roster::{Address, PendingReason, State};
use crate::store::rows::{ConflictRow, RunRow};

/// What a render function wrote, without styles.
fn plain(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    anstream::adapter::strip_str(&styled(write)).to_string()
}

fn styled(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn as_json(value: &impl serde::Serialize) -> String {
    styled(|out| json::write(out, value))
}

fn now() -> Timestamp {
    Timestamp::parse("2026-01-15T12:00:00Z").unwrap()
}

fn in_days(days: u64) -> Timestamp {
    now() + Duration::from_secs(86_400 * days)
}

fn command(words: &str) -> String {
    format!("rosterd {words}")
}

/// A run of source `corp`, action `all`, one second long.
pub(crate) fn run_row(id: i64, outcome: &str, started_at: &str) -> RunRow {
    let finished = Timestamp::parse(started_at).map(|at| at + Duration::from_secs(1));
    RunRow {
        changed: false,
        proof: None,
        dormant: None,
        id,
        source: "corp".to_owned(),
        trigger: "schedule".to_owned(),
        action: "all".to_owned(),
        mode: "full".to_owned(),
        outcome: outcome.to_owned(),
        started_at: started_at.to_owned(),
        finished_at: finished.filter(|_| outcome != "running").map(|at| at.to_string()),
        entries: 312,
        added: 0,
        updated: 0,
        moved: 0,
        flagged: 0,
        restored: 0,
        deleted: 0,
        conflicts: 0,
        skipped: 0,
        error: None,
        server: None,
        cause: None,
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn conflict_row() -> ConflictRow {
    ConflictRow {
        id: 1,
        kind: "address-taken".into(),
        subject: "sales@example.com".into(),
        user_id: Some("u1".into()),
        detail: "claimed by `mallory` (uid=mallory,dc=example) as alias, but it belongs to `ada`; it is settled when one of \
                 them gives it up in the directory, or when the owner is deleted"
            .into(),
        opened_at: "2026-01-14T12:00:00.000Z".into(),
        due_at: None,
        status: "open".into(),
        closed_at: None,
        source: "corp".into(),
        user: Some("ada".into()),
        user_state: Some("active".into()),
        user_origin: Some("directory".into()),
        other: None,
        waits_since: None,
    }
}

#[test]
fn lengths_of_time_are_rounded_to_the_nearest_unit() {
    let told = |seconds| span(Duration::from_secs(seconds));
    for (seconds, says) in [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_169, "119 min"),
        (7_170, "2 h"),
        (5 * 3_600 + 59 * 60, "6 h"),
        (5 * 3_600 + 29 * 60, "5 h"),
        (170_999, "47 h"),
        (171_000, "2 days"),
        (13 * 86_400 + 86_399, "14 days"),
    ] {
        assert_eq!(told(seconds), says, "{seconds}");
    }
}

#[test]
fn times_in_sentences_are_written_for_people() {
    assert_eq!(
        told(
            "`ada`, until 2026-01-28T12:00:00.000Z; TLS since 2026-01-15T12:00:59.999Z, not 2026-99-15T12:00:00.000Z\u{1b}"
        ),
        "`ada`, until 2026-01-28 12:00 UTC; TLS since 2026-01-15 12:00 UTC, not 2026-99-15T12:00:00.000Z\\u{1b}"
    );
    assert_eq!(told("ÄT2026"), "ÄT2026");
}

#[test]
fn long_lines_are_folded_to_the_terminal_and_nowhere_else() {
    let line =
        "  \u{1b}[31m-\u{1b}[0m user.flagged       ada  detail=no entry with this unique id is left, state=pending";
    assert_eq!(folded(line, 8, None), line);
    let folded = folded(line, 8, Some(40));
    assert_eq!(
        anstream::adapter::strip_str(&folded).to_string(),
        "  - user.flagged       ada  detail=no\n        entry with this unique id is\n        left, state=pending"
    );
}
