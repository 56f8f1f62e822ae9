//! What waits for a person: pending deletions and contested names.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::args::quoted;
use crate::cli::render::{distance, moment_text, told};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::plan::{Claimant, ConflictKind};
use crate::store::rows::ConflictRow;

/// For how many of those who claim one thing a command is shown.
const CLAIMANTS: usize = 5;

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
    let open = row.status == "open";
    if !open {
        let at = row.closed_at.as_deref().map(|at| format!(" on {}", dated(at, now))).unwrap_or_default();
        writeln!(out, "  status: {}{at}", escape::value(&row.status))?;
    }
    if let Some(user) = &row.user {
        let what = match row.kind == ConflictKind::PendingDeletion.as_str() {
            true => "user",
            false if open => "present owner",
            false => "owner then",
        };
        let state = row.user_state.as_deref().unwrap_or("unknown");
        writeln!(out, "  {what}: {} ({})", escape::value(user), escape::value(state))?;
    }
    // What would settle it is no news of what is settled.
    let cause = row.detail.split("; it is settled ").next().filter(|_| row.status == "resolved").unwrap_or(&row.detail);
    writeln!(out, "  {}: {}", if open { "cause" } else { "cause then" }, told(cause))?;
    if let Some(says) = meanwhile(row).filter(|_| open) {
        writeln!(out, "  meanwhile: {says}")?;
    }
    writeln!(out, "  {}: {}", if open { "since" } else { "opened" }, dated(&row.opened_at, now))?;
    if let Some(due) = row.due_at.as_ref().filter(|_| row.status != "resolved" && row.waits_since.is_none()) {
        writeln!(out, "  due: {}", dated(due, now))?;
    }
    for (words, does) in settled_by(row) {
        writeln!(out, "  {}  ({})", escape::text(&command(&words)), escape::text(&does))?;
    }
    Ok(())
}

fn dated(at: &str, now: Timestamp) -> String {
    let text = moment_text(at);
    Timestamp::parse(at).map_or_else(|| text.clone(), |at| format!("{text}, {}", distance(at, now)))
}

/// What a contest means for those who lose it, while it lasts.
fn meanwhile(row: &ConflictRow) -> Option<&'static str> {
    match ConflictKind::parse(&row.kind) {
        Some(ConflictKind::AddressTaken) => Some(
            "whoever claims it keeps everything else, the present address too; a newcomer who needs it waits outside",
        ),
        Some(ConflictKind::UsernameTaken) => Some(
            "whoever claims it keeps the present name and everything else; a newcomer waits outside, and who is back \
                 after being flagged waits in pending, where the date stands still",
        ),
        _ => None,
    }
}

/// The words of each command that settles an open conflict, or shows who could, with what it does.
pub fn settled_by(row: &ConflictRow) -> Vec<(String, String)> {
    let does = |words: String, does: &str| (words, does.to_owned());
    match (ConflictKind::parse(&row.kind), row.status.as_str()) {
        // Refused while the name is somebody else's (L8).
        (Some(ConflictKind::PendingDeletion), "open") if row.waits_since.is_some() => {
            vec![does(format!("conflicts delete {}", row.id), "delete now")]
        }
        (Some(ConflictKind::PendingDeletion), "open") => vec![
            does(format!("conflicts delete {}", row.id), "delete now"),
            does(format!("conflicts ignore {}", row.id), "keep, with access, until the reason ends"),
        ],
        (Some(ConflictKind::PendingDeletion), "ignored") => {
            vec![does(format!("conflicts delete {}", row.id), "delete after all")]
        }
        (Some(ConflictKind::MaybeSamePerson), "open") => vec![
            does(
                format!("conflicts relink {}", row.id),
                "one person: the old id goes on, with all that the newcomer has",
            ),
            does(format!("conflicts delete {}", row.id), "two people; never asked again"),
        ],
        (Some(ConflictKind::AddressTaken | ConflictKind::UsernameTaken), "open") => contested(row),
        (_, "open") => {
            let show = |owner| does(format!("users show {owner}"), "the present owner; it is settled in the directory");
            row.user_id.iter().map(show).collect()
        }
        _ => Vec::new(),
    }
}

/// The commands for an address or a username that several claim: for the owner, for those who claim it, and the run
/// that gives it away.
fn contested(row: &ConflictRow) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let by_hand = row.user_origin.as_deref().is_some_and(|origin| origin != "directory");
    if let Some(owner) = &row.user_id {
        let label = row.user.as_deref().unwrap_or(owner);
        if matches!(row.user_state.as_deref(), Some("pending" | "kept")) || by_hand {
            let says = format!("delete `{label}`, the present owner, now; the next run gives it away");
            all.push((format!("users delete {owner}"), says));
        } else {
            let says = format!("`{label}`, the present owner: to give it away, take it from this entry");
            all.push((format!("explain {owner}"), says));
        }
    }
    all.extend(Claimant::named_in(&row.detail).into_iter().take(CLAIMANTS).map(|claimant| {
        let says = format!("`{}`, who claims it: to leave it where it is, take it from this entry", claimant.label);
        (format!("explain {}", quoted(&claimant.dn)), says)
    }));
    all.push(("sync".to_owned(), "at once, when the directory was put right; else the next run does it".to_owned()));
    all
}

/// One conflict as one object: the view's columns, the source, the owner's name, state and origin, `claimed_by`, and
/// `settled_by`.
pub fn value(row: &ConflictRow, command: Invocation<'_>) -> Value {
    let mut one = json!(row);
    if let Some(object) = one.as_object_mut() {
        let commands: Vec<String> = settled_by(row).iter().map(|(words, _)| command(words)).collect();
        object.insert("settled_by".into(), json!(commands));
        let claimants = Claimant::named_in(&row.detail).into_iter();
        let claimants = claimants.map(|one| json!({ "user": one.label, "dn": one.dn, "as": one.wants }));
        object.insert("claimed_by".into(), claimants.collect());
    }
    one
}
