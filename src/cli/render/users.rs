//! The people of the roster.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::provenance::Provenance;
use crate::cli::render::change::{Names, other_subject, shown, user_label};
use crate::cli::render::conflicts::{self, Invocation};
use crate::cli::render::explain::Usual;
use crate::cli::render::{distance, folded, moment_text, plan, runs, told};
use crate::cli::table::{Cell, Table};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::plan::Loss;
use crate::plan::explain::Waits;
use crate::roster::{PendingReason, Skipped};
use crate::store::rows::{ChangeRow, ConflictRow, GrantRow, MembershipRow, SkipRow, UserRow};

/// The widest description of a conflict or of somebody left out, in columns.
const DETAIL: usize = 600;
/// How many changes of a user's history are printed, the newest.
const HISTORY: usize = 50;

/// Prints everybody, with the aliases beneath each user.
pub fn list(out: &mut dyn Write, users: &[UserRow], columns: Option<usize>) -> io::Result<()> {
    let mut table = Table::new(["USER", "NAME", "ADDRESS", "STATE", "ORIGIN", "DELETED AFTER"]);
    for user in users {
        let state = match &user.pending_reason {
            Some(reason) => format!("{} ({reason})", user.state),
            None => user.state.clone(),
        };
        let due = match (&user.delete_after, user.state.as_str()) {
            (Some(at), _) => Some(moment_text(at)),
            (None, "pending") => Some("never".to_owned()),
            (None, _) => None,
        };
        table.row([
            Cell::new(user_label(user)),
            Cell::optional(user.display_name.as_ref()),
            Cell::optional(user.primary_address.as_ref()),
            Cell::new(state).styled(style::of_state(&user.state)),
            Cell::new(&user.origin),
            Cell::optional(due),
        ]);
        for alias in &user.aliases {
            table.beneath(Cell::new(alias).styled(style::FAINT));
        }
    }
    table.print(out, columns)
}

/// One user with everything that belongs to it.
pub struct View<'a> {
    /// The user.
    pub user: &'a UserRow,
    /// Its groups.
    pub groups: &'a [MembershipRow],
    /// Its grants.
    pub grants: &'a [GrantRow],
    /// Where each value comes from.
    pub values: &'a [Provenance],
    /// Its changes, oldest first.
    pub history: &'a [ChangeRow],
    /// Conflicts in which it is the present owner, or wants what somebody else has.
    pub conflicts: &'a [ConflictRow],
    /// What the last run left out of its entry.
    pub left_out: &'a [SkipRow],
    /// The run that holds something of it.
    pub waits: Option<&'a Waits>,
    /// What the changes speak of.
    pub names: &'a Names,
    /// The present.
    pub now: Timestamp,
    /// From words to what a person types.
    pub command: Invocation<'a>,
    /// Columns of the terminal, if it is one.
    pub columns: Option<usize>,
}

/// Prints one user.
pub fn show(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let user = view.user;
    writeln!(out, "{}{}{:#}", style::HEADING, escape::value(&user_label(user)), style::HEADING)?;
    state(out, view)?;
    heading(out, &format!("Addresses{}", Usual::of(view.values).says(view.now)))?;
    match &user.primary_address {
        Some(primary) => {
            writeln!(out, "  {}  (primary){}", escape::value(primary), from(view, "primary_address", primary))?
        }
        None => writeln!(out, "  none")?,
    }
    for alias in &user.aliases {
        writeln!(out, "  {}  (alias){}", escape::value(alias), from(view, "alias", alias))?;
    }
    heading(out, &format!("Fields{}", Usual::of(view.values).says(view.now)))?;
    for (name, value) in fields(user) {
        let from = from(view, name, &value);
        writeln!(out, "  {:<20} {}{from}", escape::value(name), escape::value(&value))?;
    }
    heading(out, "Groups")?;
    for group in view.groups {
        writeln!(out, "  {}  ({})", escape::value(&group.name), escape::value(&group.via))?;
    }
    if view.groups.is_empty() {
        let says = match (user.access, user.state.as_str()) {
            (false, "pending") => "none counts without access; memberships stay as they are until the deletion (L4)",
            _ => "none",
        };
        writeln!(out, "  {says}")?;
    }
    if !view.grants.is_empty() {
        heading(out, "Grants")?;
    }
    for grant in view.grants {
        let by = grant.group_dn.as_ref().unwrap_or(&grant.via);
        writeln!(out, "  {}  (by {})", escape::value(&grant.privilege), escape::value(by))?;
    }
    conflicts(out, view)?;
    history(out, view)
}

/// Where a value comes from, for the end of its line.
fn from(view: &View<'_>, field: &str, value: &str) -> String {
    let one = view.values.iter().find(|one| one.field == field && one.value == value);
    let usual = Usual::of(view.values);
    let text = one.map(|one| format!("  {}{}{:#}", style::FAINT, usual.origin(one, view.now), style::FAINT));
    text.unwrap_or_default()
}

fn heading(out: &mut dyn Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{}{title}{:#}", style::HEADING, style::HEADING)
}

/// The state with its dates, and what settles it.
fn state(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let user = view.user;
    let colour = style::of_state(&user.state);
    let access = if user.access { "has access" } else { "no access" };
    writeln!(out, "  state: {colour}{}{colour:#}, {access}", escape::value(&user.state))?;
    let back = user.state == "pending" && view.left_out.iter().any(|skip| skip.reason == "username-taken");
    if back {
        writeln!(out, "  because: there and enabled again, but waits for a username that somebody else has (L5)")?;
    } else if let Some(reason) = &user.pending_reason {
        let words = PendingReason::parse(reason)
            .map_or_else(|| escape::value(reason).into_owned(), |reason| plan::reason(reason).to_owned());
        let test = view.history.iter().rev().find(|change| change.kind == "user.flagged");
        let test = test.and_then(|change| change.after.as_ref()?.get("detail")?.as_str());
        let test = test.filter(|_| reason == PendingReason::Disabled.as_str());
        let test = test.map(|test| format!(": {}", escape::value(test))).unwrap_or_default();
        writeln!(out, "  because: {words}{test}")?;
    }
    if let Some(at) = &user.flagged_at {
        writeln!(out, "  since: {}", dated(at, view.now))?;
    }
    if let Some(change) = view.history.iter().rev().find(|one| user.state == "dormant" && one.kind == "user.dormant") {
        let why = change.after.as_ref().and_then(|after| after.get("detail")?.as_str());
        writeln!(
            out,
            "  because: {}, which is another user (I6)",
            told(why.unwrap_or("the entry has another address now"))
        )?;
        writeln!(out, "  since: {}", dated(&change.at, view.now))?;
    }
    if user.state == "pending" {
        let due = user.delete_after.as_ref().map_or_else(|| "never".to_owned(), |at| dated(at, view.now));
        let stands = if back { "; the date stands still until the name is settled" } else { "" };
        writeln!(out, "  deleted after: {due}{stands}")?;
    }
    let another = "another username for one of the two in the directory";
    if let Some(settles) = if back { Some(another) } else { settles(user) } {
        writeln!(out, "  settled by: {settles}")?;
    }
    for (waits, held) in view.waits.iter().flat_map(|waits| waits.held.iter().map(move |held| (waits, held))) {
        let what = match &held.loses {
            Loss::Access(_) | Loss::Dormant => "would lose access".to_owned(),
            Loss::Removed(_) => plan::would(&held.loses),
            Loss::Relink => "would be re-linked to a new entry".to_owned(),
            Loss::Things(what) => format!("would lose {}", escape::value(what)),
        };
        writeln!(out, "  {what}, but the brake holds it: see run {}", waits.run)?;
    }
    for skip in view.left_out {
        let what = match Skipped::of((&skip.reason, &skip.rule), true) {
            Skipped::AsBefore => "as before, because the last run did not apply the entry",
            Skipped::MaybeDisabled => "maybe disabled",
            _ => "came in without, in the last run",
        };
        writeln!(out, "  {what}: {}", left_out(skip))?;
    }
    if let Some(who) = &user.transferred_to {
        writeln!(out, "  handed over to: {}", escape::value(who))?;
    }
    Ok(())
}

fn dated(at: &str, now: Timestamp) -> String {
    let text = moment_text(at);
    Timestamp::parse(at).map_or_else(|| text.clone(), |at| format!("{text} ({})", distance(at, now)))
}

/// What ends a state that is not the usual one.
fn settles(user: &UserRow) -> Option<&'static str> {
    match (user.state.as_str(), user.pending_reason.as_deref()) {
        ("pending", Some("disabled")) => Some("enabling the entry in the directory, or the date"),
        ("pending", Some("gone")) => Some("the entry's return to the directory, or the date"),
        ("pending", Some("moved-out")) => Some("moving the entry back under a configured base, or the date"),
        ("pending", Some("filtered-out")) => Some("an entry that matches users.filter again, or the date"),
        ("pending", Some("no-address")) => Some("an address in the entry, or the date"),
        ("pending", Some("unmanaged-domain")) => Some("an address in a managed domain, or the date"),
        ("pending", Some("no-role")) => Some("a group that gives a role or a grant, or the date"),
        ("pending", _) => Some("the date"),
        ("kept", _) if user.origin != "directory" => Some("nothing: it is made by hand, and stays until it is deleted"),
        ("kept", _) => Some("the run that finds the entry enabled and in scope; then it is active again"),
        ("dormant", _) => Some("the return of the address"),
        ("deleted", _) if user.origin != "directory" => Some("`rosterd users restore`; it was made by hand"),
        ("deleted", _) => Some("the same entry, enabled and in scope again; then the internal id is used again"),
        _ => None,
    }
}

/// Every column that has a value, and every extra field.
fn fields(user: &UserRow) -> Vec<(&str, String)> {
    let columns = [
        ("id", Some(&user.id)),
        ("unique_id", user.unique_id.as_ref()),
        ("source", Some(&user.source)),
        ("origin", Some(&user.origin)),
        ("dn", user.dn.as_ref()),
        ("username", user.username.as_ref()),
        ("user_principal_name", user.user_principal_name.as_ref()),
        ("display_name", user.display_name.as_ref()),
        ("given_name", user.given_name.as_ref()),
        ("surname", user.surname.as_ref()),
        ("home_phone", user.home_phone.as_ref()),
        ("mobile", user.mobile.as_ref()),
        ("company", user.company.as_ref()),
        ("department", user.department.as_ref()),
        ("notes", user.notes.as_ref()),
        ("role", user.role.as_ref()),
    ];
    let mut all: Vec<_> = columns.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))).collect();
    all.push(("created_at", moment_text(&user.created_at)));
    all.push(("updated_at", moment_text(&user.updated_at)));
    if let Some(extra) = user.extra.as_object() {
        all.extend(extra.iter().map(|(name, value)| (name.as_str(), shown(value))));
    }
    all
}

fn conflicts(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    if view.conflicts.is_empty() {
        return Ok(());
    }
    heading(out, "Open conflicts")?;
    let mut text = Vec::new();
    for conflict in view.conflicts {
        conflicts::show(&mut text, conflict, view.now, view.command)?;
    }
    String::from_utf8_lossy(&text).lines().try_for_each(|line| writeln!(out, "  {line}"))
}

/// One conflict as one line.
pub fn conflict_line(conflict: &ConflictRow) -> String {
    let due = conflict.due_at.as_ref().map(|at| format!(", due {}", moment_text(at))).unwrap_or_default();
    let (kind, subject) = (escape::value(&conflict.kind), escape::value(&conflict.subject));
    // What settles it is told by `conflicts`.
    let cause = conflict.detail.split("; it is settled ").next().unwrap_or(&conflict.detail);
    let detail = told(cause);
    let detail = escape::cut(&detail, DETAIL);
    format!("{}!{:#} {kind} {subject}{due}: {detail}", style::ALARM, style::ALARM)
}

fn history(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    heading(out, "History")?;
    let earlier = view.history.len().saturating_sub(HISTORY);
    if earlier > 0 {
        writeln!(out, "  … {earlier} earlier changes; --json shows them all")?;
    }
    for change in view.history.iter().skip(earlier) {
        let run = change.run_id.map_or_else(|| "by hand".to_owned(), |run| format!("run {run}"));
        let what = runs::line(change, &other_subject(change, view.names));
        let line = format!("  {}  {run:<8}  {what}", moment_text(&change.at));
        writeln!(out, "{}", folded(&line, 8, view.columns))?;
    }
    if view.history.is_empty() {
        writeln!(out, "  none kept")?;
    }
    Ok(())
}

/// One user as one object: the row's columns, `groups`, `conflicts`, `history`.
pub fn value(view: &View<'_>) -> Value {
    let mut user = json!(view.user);
    if let Some(object) = user.as_object_mut() {
        object.insert("groups".into(), json!(view.groups));
        object.insert("grants".into(), json!(view.grants));
        let all = view.conflicts.iter().map(|conflict| conflicts::value(conflict, view.command));
        object.insert("conflicts".into(), all.collect());
        object.insert("values".into(), json!(view.values));
        object.insert("history".into(), json!(view.history));
    }
    user
}

/// One row of `roster_skipped`, without whose it is.
fn left_out(skip: &SkipRow) -> String {
    let detail = if skip.detail.is_empty() { String::new() } else { format!(": {}", escape::value(&skip.detail)) };
    format!("{} ({}){detail}", escape::value(&skip.reason), escape::value(&skip.rule))
}

/// Why somebody who is no user may be missing: what the last run skipped or contested under that name.
pub fn absent(who: &str, skips: &[&SkipRow], conflicts: &[&ConflictRow]) -> Vec<String> {
    let skipped = skips.iter().map(|skip| {
        let (source, dn) = (escape::value(&skip.source), escape::value(&skip.dn));
        let what = match Skipped::of((&skip.reason, &skip.rule), skip.is_user) {
            Skipped::LeftOut => format!("left out {dn}"),
            Skipped::Without => format!("took {dn} in without a value"),
            Skipped::AsBefore => format!("left {dn} as before"),
            Skipped::MaybeDisabled => format!("left the state of {dn} as before"),
        };
        format!("the last run of `{source}` {what}: {}", left_out(skip))
            + &format!("; `rosterd explain {}` reads the directory now and says what to do", escape::value(who))
    });
    let contested = conflicts.iter().map(|conflict| {
        let (kind, subject) = (escape::value(&conflict.kind), escape::value(&conflict.subject));
        format!("{subject} is contested ({kind}): {}", escape::cut(&conflict.detail, DETAIL))
    });
    let mut lines: Vec<String> = skipped.chain(contested).collect();
    if lines.is_empty() {
        lines.push(format!(
            "nor did the last run leave out anybody with this DN, unique id, name or primary address; \
             `rosterd explain {}` looks in the directory and says what to do",
            escape::value(who)
        ));
    }
    lines
}
