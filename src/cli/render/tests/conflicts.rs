//! What waits for a person.

use super::*;
use crate::cli::render::conflicts;
use crate::store::rows::ConflictRow;

fn flag() -> ConflictRow {
    ConflictRow {
        id: 7,
        kind: "pending-deletion".into(),
        subject: "bob".into(),
        user_id: Some("u2".into()),
        detail: "bob has no access: gone; comes back when\u{1b} the directory shows the person again".into(),
        due_at: Some("2026-01-28T12:00:00.000Z".into()),
        user: Some("bob".into()),
        user_state: Some("pending".into()),
        ..conflict_row()
    }
}

/// VIPRE-26, VIPRE-40, L8: both parties, cause, since when, due date, and the commands that settle it.
#[test]
fn conflicts_are_listed_with_both_parties_dates_and_what_settles_them() {
    let waits = ConflictRow { user_state: Some("pending".into()), user_id: Some("u2".into()), ..conflict_row() };
    let ignored = ConflictRow { status: "ignored".into(), user_state: Some("kept".into()), ..flag() };
    let rows = [flag(), conflict_row(), waits, ignored];
    insta::assert_snapshot!("conflicts", plain(|out| conflicts::list(out, &rows, now(), &command)));
    insta::assert_snapshot!("conflict_json", as_json(&conflicts::value(&flag(), &command)));
}
