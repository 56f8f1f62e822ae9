//! What waits for a person: pending deletions and contested names.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::render::{distance, moment_text};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::plan::ConflictKind;
use crate::store::rows::ConflictRow;

/// How commands are shown: from the words to what a person types.
pub type Invocation<'a> = &'a dyn Fn(&str) -> String;

/// Prints conflicts, each with both parties, cause, since when, until when, and what settles it.
pub fn list(out: &mut dyn Write, rows: &[ConflictRow], now: Timestamp, command: Invocation<'_>) -> io::Result<()> {
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        show(out, row, now, command)?;
    }
    Ok(())
}

/// Prints one conflict.
pub fn show(out: &mut dyn Write, row: &ConflictRow, now: Timestamp, command: Invocation<'_>) -> io::Result<()> {
    let (heading, kind) = (style::HEADING, escape::value(&row.kind));
    writeln!(out, "{heading}{}{heading:#}  {kind}  {heading}{}{heading:#}", row.id, escape::value(&row.subject))?;
    if row.status != "open" {
        writeln!(out, "  status: {}", escape::value(&row.status))?;
    }
    if let Some(user) = &row.user {
        let what = if row.kind == ConflictKind::PendingDeletion.as_str() { "user" } else { "present owner" };
        let state = row.user_state.as_deref().unwrap_or("unknown");
        writeln!(out, "  {what}: {} ({})", escape::value(user), escape::value(state))?;
    }
    writeln!(out, "  cause: {}", escape::text(&row.detail))?;
    writeln!(out, "  since: {}", dated(&row.opened_at, now))?;
    if let Some(due) = &row.due_at {
        writeln!(out, "  due: {}", dated(due, now))?;
    }
    for (words, does) in settled_by(row) {
        writeln!(out, "  {}  ({does})", escape::text(&command(&words)))?;
    }
    Ok(())
}

fn dated(at: &str, now: Timestamp) -> String {
    let text = moment_text(at);
    Timestamp::parse(at).map_or_else(|| text.clone(), |at| format!("{text}, {}", distance(at, now)))
}

/// The words of each command that settles an open conflict, or shows who could, with what it does.
pub fn settled_by(row: &ConflictRow) -> Vec<(String, &'static str)> {
    let owner = row.user_id.as_deref();
    let pending = row.user_state.as_deref() == Some("pending");
    match (ConflictKind::parse(&row.kind), row.status.as_str()) {
        (Some(ConflictKind::PendingDeletion), "open") => vec![
            (format!("conflicts delete {}", row.id), "delete now"),
            (format!("conflicts ignore {}", row.id), "keep, with access, until the reason ends"),
        ],
        (Some(ConflictKind::PendingDeletion), "ignored") => {
            vec![(format!("conflicts delete {}", row.id), "delete after all")]
        }
        (Some(ConflictKind::MaybeSamePerson), "open") => vec![
            (format!("conflicts relink {}", row.id), "one person: the old id goes on, with all that the newcomer has"),
            (format!("conflicts delete {}", row.id), "two people; never asked again"),
        ],
        (Some(ConflictKind::AddressTaken), "open") if pending => owner
            .map(|owner| (format!("users delete {owner}"), "delete the present owner now; the next run gives it away"))
            .into_iter()
            .collect(),
        (_, "open") => owner
            .map(|owner| (format!("users show {owner}"), "the present owner; it is settled in the directory"))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// One conflict as one object: the view's columns, the source, the owner's name and state, and `settled_by`.
pub fn value(row: &ConflictRow, command: Invocation<'_>) -> Value {
    let mut one = json!(row);
    if let Some(object) = one.as_object_mut() {
        let commands: Vec<String> = settled_by(row).iter().map(|(words, _)| command(words)).collect();
        object.insert("settled_by".into(), json!(commands));
    }
    one
}
