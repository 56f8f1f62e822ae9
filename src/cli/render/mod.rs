//! How things read: plain functions from values to text or JSON.
//!
//! Every function writes styles; the screen takes them out where nobody wants them. All text that came from a
//! directory goes through [`crate::cli::escape`].

pub mod change;
pub mod check;
pub mod conflicts;
pub mod explain;
pub mod groups;
pub mod left_out;
pub mod plan;
pub mod plan_json;
pub mod report;
pub mod runs;
pub mod status;
pub mod users;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use crate::cli::escape;
use crate::clock::Timestamp;
use crate::plan::{Counts, GroupCounts, Plan, RightsCounts, UserRef};
use crate::roster::UserId;
use crate::roster::words::natural;
pub use crate::roster::words::{counted, number};

/// What people call the users that a plan speaks of.
#[derive(Clone, Default, Debug)]
pub struct Labels {
    known: HashMap<UserId, Known>,
}

/// One user of the store.
#[derive(Clone, Debug)]
struct Known {
    label: String,
    uuid: String,
}

impl Labels {
    /// Remembers one user of the store.
    pub fn insert(&mut self, id: UserId, label: String, uuid: String) {
        self.known.insert(id, Known { label, uuid });
    }

    /// The internal id that applications see.
    pub fn uuid(&self, id: UserId) -> Option<&str> {
        self.known.get(&id).map(|known| known.uuid.as_str())
    }

    /// The name of a user: from the plan where it has one, else from the store.
    pub fn name<'a>(&'a self, plan: &'a PlanLabels<'a>, user: UserRef) -> &'a str {
        let stored = || match user {
            UserRef::Known(id) => self.known.get(&id).map(|known| known.label.as_str()),
            UserRef::New(_) => None,
        };
        plan.0.get(&user).copied().or_else(stored).unwrap_or("?")
    }
}

/// The names that a plan itself gives.
pub struct PlanLabels<'a>(HashMap<UserRef, &'a str>);

impl<'a> PlanLabels<'a> {
    /// Collects the names of everybody the plan changes.
    pub fn of(plan: &'a Plan) -> Self {
        Self(plan.users.iter().map(|change| (change.subject, &*change.label)).collect())
    }
}

/// Users that a plan names by number only: those who join or leave a group without changing otherwise.
pub fn unnamed(plan: &Plan) -> Vec<UserId> {
    let named = PlanLabels::of(plan);
    let joins = plan.groups.iter().flat_map(|group| group.joins.iter().map(|(user, _)| *user));
    let leaves = plan.groups.iter().flat_map(|group| group.leaves.iter().map(|(id, _)| UserRef::Known(*id)));
    let changed = plan.groups.iter().flat_map(|group| group.changed.iter().map(|(id, ..)| UserRef::Known(*id)));
    let mut ids: Vec<UserId> = joins
        .chain(leaves)
        .chain(changed)
        .filter(|user| !named.0.contains_key(user))
        .filter_map(|user| match user {
            UserRef::Known(id) => Some(id),
            UserRef::New(_) => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A moment for people: to the minute, in UTC.
pub fn moment(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The same to the second.
pub fn to_the_second(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The same for a time as a row has it; text that is no time is shown as it is.
pub fn moment_text(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|| escape::value(text).into_owned(), moment)
}

/// A sentence that is safe to print, with the times in it as people read them.
pub fn told(sentence: &str) -> String {
    let mut said = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, at, after)) = first_time(rest) {
        said.push_str(before);
        said.push_str(&moment(at));
        rest = after;
    }
    said.push_str(rest);
    escape::text(&said).into_owned()
}

/// The first time that is written as [`Timestamp`] writes it, with what is before it and after it.
fn first_time(text: &str) -> Option<(&str, Timestamp, &str)> {
    const DATE: usize = "2026-01-15".len();
    const TIME: usize = "T12:00:00.000Z".len();
    text.match_indices('T').find_map(|(at, _)| {
        let begin = at.checked_sub(DATE)?;
        let written = text.get(begin..at + TIME).filter(|written| written.ends_with('Z'))?;
        Some((text.get(..begin)?, Timestamp::parse(written)?, text.get(at + TIME..)?))
    })
}

/// A line of text folded at spaces to fit a terminal, what follows `indent` columns further in; as it is where there is
/// none. Styles take no room.
pub fn folded(line: &str, indent: usize, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|columns| *columns > indent + NARROW) else { return line.to_owned() };
    let (mut text, mut used) = (String::with_capacity(line.len() + indent), 0);
    for (n, word) in line.split(' ').enumerate() {
        let width = anstream::adapter::strip_str(word).to_string().width();
        if n > 0 && used + 1 + width > columns && used > indent {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            used = indent;
        } else if n > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += width;
    }
    text
}

/// Where so few columns are left, folding makes nothing better.
const NARROW: usize = 20;

/// A length of time in its largest unit, to the nearest: `45 s`, `12 min`, `6 h` for 5 h 59 min, `3 days`.
pub fn span(length: Duration) -> String {
    let rounded = |unit: u64| (length.as_secs() + unit / 2) / unit;
    match length.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        120..7_170 => format!("{} min", rounded(60)),
        7_170..171_000 => format!("{} h", rounded(3_600)),
        _ => format!("{} days", rounded(86_400)),
    }
}

/// How far away a moment is: `3 days ago`, `in 5 h`.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) }
}

/// The first few names of a list, escaped, and how many more there are.
pub fn first_names<'a>(names: impl IntoIterator<Item = &'a str>, shown: usize) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_cached_key(|name| natural(name));
    let rest = names.len().saturating_sub(shown);
    let first: Vec<_> = names.into_iter().take(shown).map(|name| escape::cut(name, 40).into_owned()).collect();
    let first = first.join(", ");
    if rest == 0 { first } else { format!("{first} and {} more", number(rest as u64)) }
}

/// Whether a plan is spoken of before or after it was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tense {
    /// `3 to add`.
    Future,
    /// `3 added`.
    Past,
}

/// The totals of a plan or a run, in the same words before and after: `3 to add, 1 to update; 12 held`; then groups,
/// rights and conflicts.
///
/// `counts` are those of the run, or of the plan; the rest is the plan's.
pub fn totals(counts: &Counts, plan: &Plan, tense: Tense) -> (String, Option<String>) {
    let mut said = people(counts, tense);
    let others = [
        groups_sentence(&plan.group_counts, tense),
        rights_sentence(&plan.rights, tense),
        conflicts_sentence(plan, tense),
    ];
    let others = others.into_iter().flatten().reduce(|all, one| format!("{all} {one}"));
    if said == NOTHING && others.is_some() {
        "no change to people".clone_into(&mut said);
    }
    // Somebody who would lose several things is one person.
    let held: BTreeSet<UserId> = plan.held.iter().map(|held| held.user).collect();
    if !held.is_empty() {
        said.push_str(&format!("; {} held", counted(held.len() as u64, "person", "people")));
    }
    (said, others)
}

/// One sentence; `None` when no conflict comes or goes. Those who wait for deletion are counted as people.
fn conflicts_sentence(plan: &Plan, tense: Tense) -> Option<String> {
    let (opened, resolved) = (plan.opened.len() as u64, plan.resolved.len() as u64);
    let said = listed(&[(opened, "to open", "opened"), (resolved, "to resolve", "resolved")], tense);
    (said != NOTHING).then(|| format!("Conflicts: {said}."))
}

fn people(counts: &Counts, tense: Tense) -> String {
    let all = [
        (counts.added, "to add", "added"),
        (counts.updated, "to update", "updated"),
        (counts.moved, "to move", "moved"),
        (counts.flagged, "to flag", "flagged"),
        (counts.restored, "to restore", "restored"),
        (counts.deleted, "to delete", "deleted"),
        (counts.dormant, "to make dormant", "made dormant"),
    ];
    listed(&all, tense)
}

/// One sentence; `None` when nothing happens to any group.
fn groups_sentence(counts: &GroupCounts, tense: Tense) -> Option<String> {
    let groups = listed(
        &[
            (counts.added, "to add", "added"),
            (counts.updated, "to update", "updated"),
            (counts.flagged, "to flag", "flagged"),
            (counts.restored, "to restore", "restored"),
            (counts.deleted, "to delete", "deleted"),
        ],
        tense,
    );
    let members = listed(
        &[
            (counts.joins, "to add", "added"),
            (counts.leaves, "to remove", "removed"),
            (counts.changed, "to change", "changed"),
        ],
        tense,
    );
    match (groups.as_str(), members.as_str()) {
        (NOTHING, NOTHING) => None,
        (groups, NOTHING) => Some(format!("Groups: {groups}.")),
        (NOTHING, members) => Some(format!("Memberships: {members}.")),
        (groups, members) => Some(format!("Groups: {groups}; memberships: {members}.")),
    }
}

/// One sentence; `None` when nobody's role or grants change. Roles of new people are not counted.
fn rights_sentence(counts: &RightsCounts, tense: Tense) -> Option<String> {
    let roles = listed(&[(counts.roles, "to change", "changed")], tense);
    let grants = listed(&[(counts.granted, "to add", "added"), (counts.revoked, "to remove", "removed")], tense);
    match (roles.as_str(), grants.as_str()) {
        (NOTHING, NOTHING) => None,
        (roles, NOTHING) => Some(format!("Roles: {roles}.")),
        (NOTHING, grants) => Some(format!("Grants: {grants}.")),
        (roles, grants) => Some(format!("Roles: {roles}; grants: {grants}.")),
    }
}

/// What totals say when there is nothing to count.
const NOTHING: &str = "nothing to do";

fn listed(all: &[(u64, &str, &str)], tense: Tense) -> String {
    let said: Vec<String> = all
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, future, past)| format!("{} {}", number(*n), if tense == Tense::Future { future } else { past }))
        .collect();
    if said.is_empty() { NOTHING.to_owned() } else { said.join(", ") }
}

#[cfg(test)]
pub(crate) mod tests;
