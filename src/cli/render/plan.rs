//! A plan, person by person and field by field.

use std::io::{self, Write};

use anstyle::Style;

use crate::cli::render::left_out::Item;
use crate::cli::render::{Labels, PlanLabels, Tense, counted, moment, number, report, told, totals};
use crate::cli::{escape, style};
use crate::plan::{
    Act, BrakeKind, Conflict, FieldChange, Grant, GroupAct, GroupChange, Loss, NewUser, Plan, RightsAct, UserChange,
    UserRef, Via,
};
use crate::roster::{FieldNames, Incomplete, Origin, PendingReason, State};

/// How many lines a chapter has at most; what is beyond is counted.
const LINES: usize = 200;
/// The widest reason, in columns.
const WHY: usize = 600;
/// How many members of one group are named.
const MEMBERS: usize = 40;

/// A plan with all that is needed to read it.
pub struct View<'a> {
    /// What a run would do.
    pub plan: &'a Plan,
    /// Why the read is no proof of absence.
    pub incomplete: Option<&'a Incomplete>,
    /// Which server was read.
    pub server: Option<&'a str>,
    /// Names of the extra fields.
    pub names: &'a FieldNames,
    /// Names of people the plan knows by number.
    pub labels: &'a Labels,
    /// Every line, however many there are.
    pub all: bool,
}

/// Where somebody stands in the printed plan: by the weightiest thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chapter {
    Adds,
    Changes,
    Moves,
    Dormant,
    Departures,
    Deletions,
    Returns,
}

impl Chapter {
    /// What takes something away comes first.
    const LOSSES: [(Self, &'static str, char, Style); 3] = [
        (Self::Deletions, "Deletions", '-', style::LOSS),
        (Self::Departures, "Departures: access ends now, deletion is scheduled", '-', style::LOSS),
        (Self::Dormant, "Dormant: access ends now, nothing is deleted", '-', style::LOSS),
    ];
    const OTHERS: [(Self, &'static str, char, Style); 4] = [
        (Self::Returns, "Returns", '+', style::GAIN),
        (Self::Adds, "New people", '+', style::GAIN),
        (Self::Changes, "Changes", '~', style::CHANGE),
        (Self::Moves, "Moves", '~', style::CHANGE),
    ];

    fn of(change: &UserChange) -> Option<Self> {
        let of_act = |act: &Act| match act {
            Act::Added(_) | Act::Revived(_) => Self::Adds,
            Act::Updated(_)
            | Act::AliasAdded(_)
            | Act::AliasRemoved { .. }
            | Act::Rights(_)
            | Act::Linked { .. }
            | Act::Relinked { .. }
            | Act::ByHand(_) => Self::Changes,
            Act::Moved { .. } | Act::Crossed { .. } => Self::Moves,
            Act::Flagged { from: State::Pending, .. } => Self::Changes,
            Act::Flagged { .. } => Self::Departures,
            Act::Parted { from: State::Deleted, .. } => Self::Changes,
            Act::Parted { .. } => Self::Dormant,
            Act::Restored { .. } | Act::Woken { .. } => Self::Returns,
            Act::Deleted { .. } | Act::Removed { .. } => Self::Deletions,
        };
        change.acts.iter().map(of_act).max_by_key(|chapter| match chapter {
            Self::Changes => 0,
            Self::Moves => 1,
            other => *other as u8 + 2,
        })
    }
}

/// Prints the plan, the most important first and the totals last; a long chapter is cut, and the rest of it counted.
pub fn print(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let (plan, lines) = (view.plan, if view.all { usize::MAX } else { LINES });
    held(out, view, lines)?;
    people(out, view, Chapter::LOSSES, lines)?;
    let mut chapter = |title: &str, items: &mut dyn Iterator<Item = Vec<String>>, nouns: &str| {
        print_chapter(out, title, items, nouns, lines)
    };
    chapter("Conflicts to open", &mut plan.opened.iter().map(conflict), "conflicts")?;
    chapter("Conflicts with other parties", &mut plan.reworded.iter().map(conflict), "conflicts")?;
    let unjudged = plan.unjudged.iter();
    let mut unjudged =
        unjudged.map(|(who, why)| vec![alarm(&format!("{}: {}", escape::value(who), escape::cut(&told(why), WHY)))]);
    chapter("Not judged: they stay as they are", &mut unjudged, "people")?;
    people(out, view, Chapter::OTHERS, lines)?;
    let named = PlanLabels::of(plan);
    let members = if view.all { usize::MAX } else { MEMBERS };
    let mut groups = plan.groups.iter().map(|change| group(change, view.labels, &named, members));
    print_chapter(out, "Groups", &mut groups, "groups", lines)?;
    let mut left_out = Item::of_plan(plan).into_iter().filter(|_| view.all).map(|item| vec![item.line()]);
    print_chapter(out, "Left out", &mut left_out, "entries and values", lines)?;
    closing(out, view)
}

fn people<const N: usize>(
    out: &mut dyn Write,
    view: &View<'_>,
    chapters: [(Chapter, &str, char, Style); N],
    lines: usize,
) -> io::Result<()> {
    for (chapter, title, sign, colour) in chapters {
        let people = view.plan.users.iter().filter(|change| Chapter::of(change) == Some(chapter));
        let mut items = people.map(|change| person(change, sign, colour, view.names));
        print_chapter(out, title, &mut items, "people", lines)?;
    }
    Ok(())
}

fn conflict(conflict: &Conflict) -> Vec<String> {
    let subject = escape::value(&conflict.subject);
    // Whole: what settles it stands at the end.
    vec![alarm(&format!("{} {subject}: {}", conflict.kind, told(&conflict.detail)))]
}

fn closing(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    report::skipped(out, view.plan)?;
    if !view.all && !view.plan.skipped.is_empty() {
        writeln!(out, "  --all says who, and why.")?;
    }
    report::incomplete(out, view.incomplete)?;
    report::frozen(out, view.plan)?;
    let server = view.server.map(|server| format!(" from {}", escape::value(server))).unwrap_or_default();
    let counts = &view.plan.counts;
    let heading = style::HEADING;
    let (people, groups) = totals(counts, view.plan, Tense::Future);
    writeln!(out, "{heading}Plan: {people}.{heading:#}")?;
    if let Some(groups) = groups {
        writeln!(out, "{groups}")?;
    }
    writeln!(out, "{} read{server}; nothing was changed.", counted(counts.entries, "entry", "entries"))
}

/// Prints one chapter, whole people at a time, until its lines are used up.
fn print_chapter(
    out: &mut dyn Write,
    title: &str,
    items: &mut dyn Iterator<Item = Vec<String>>,
    nouns: &str,
    most: usize,
) -> io::Result<()> {
    let (mut lines, mut rest) = (0, 0_u64);
    for item in items {
        if lines == 0 {
            writeln!(out, "{}{title}{:#}", style::HEADING, style::HEADING)?;
        } else if rest > 0 || lines + item.len() > most {
            rest += 1;
            continue;
        }
        lines += item.len();
        for line in item {
            writeln!(out, "{line}")?;
        }
    }
    if rest > 0 {
        writeln!(out, "  … and {} more {nouns}; --all shows every line, --json everything", number(rest))?;
    }
    if lines > 0 { writeln!(out) } else { Ok(()) }
}

fn held(out: &mut dyn Write, view: &View<'_>, lines: usize) -> io::Result<()> {
    for hold in &view.plan.holds {
        writeln!(out, "{}", report::hold_sentence(hold))?;
        report::went(out, hold)?;
        let title = match hold.kind {
            BrakeKind::Rights | BrakeKind::Aliases | BrakeKind::Memberships => {
                "Held: they keep what they have until a person decides"
            }
            BrakeKind::Relinks => {
                "Held: they stay as they are, with access, and the new entries wait until a person decides"
            }
            _ => "Held: they keep access until a person decides",
        };
        let mut people = report::held_people(view.plan, hold.kind)
            .into_iter()
            .map(|held| vec![alarm(&format!("{} {}", escape::value(&held.label), would(&held.loses)))]);
        print_chapter(out, title, &mut people, "people", lines)?;
        if report::held_people(view.plan, hold.kind).is_empty() {
            writeln!(out, "  {}", report::NOBODY_ASKED)?;
        }
    }
    report::since(out, view.plan)?;
    report::late(out, view.plan)
}

/// What somebody would lose who is held.
pub fn would(loses: &Loss) -> String {
    match loses {
        Loss::Access(why) => format!("would lose access: {}", reason(*why)),
        Loss::Dormant => "would lose access: dormant, because the entry has another address".to_owned(),
        Loss::Removed(_) => format!("would be deleted at once, rules too: {}", escape::value(&loses.why())),
        Loss::Relink => "would go on under the new entry, which has the same address and username".to_owned(),
        Loss::Things(what) => format!("would lose: {}", escape::value(what)),
    }
}

fn alarm(text: &str) -> String {
    format!("  {}!{:#} {text}", style::ALARM, style::ALARM)
}

/// One person: a line with the name and what happens to access, then a line a field.
fn person(change: &UserChange, sign: char, colour: Style, names: &FieldNames) -> Vec<String> {
    let label = escape::value(&change.label);
    let said: Vec<String> = change.acts.iter().filter_map(headline).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
    let mut lines = vec![format!("  {colour}{sign}{colour:#} {label}{said}")];
    for act in &change.acts {
        match act {
            Act::Added(new) | Act::Revived(new) => new_user(&mut lines, new, names),
            Act::Updated(fields) => lines.extend(fields.iter().map(|change| field(change, names))),
            Act::Moved { before, after } => lines.push(detail('~', "dn", Some(before), Some(after))),
            Act::Crossed { source, dn, leaves, .. } => {
                lines.push(detail('~', "source", Some(&source.0), Some(&source.1)));
                lines.push(detail('~', "dn", dn.0.as_deref(), Some(&dn.1)));
                if !leaves.is_empty() {
                    let groups = counted(leaves.len() as u64, "group", "groups");
                    lines.push(detail('-', "leaves", Some(&format!("{groups} of `{}`", source.0)), None));
                }
            }
            Act::Relinked { before, after, .. } => {
                lines.push(detail('~', "unique_id", Some(before.as_str()), Some(after.as_str())));
            }
            Act::AliasAdded(address) => lines.push(detail('+', "alias", None, Some(address.as_str()))),
            Act::AliasRemoved { address, .. } => lines.push(detail('-', "alias", Some(address.as_str()), None)),
            Act::Flagged { detail, .. } if !detail.is_empty() => {
                lines.push(format!("      {}", escape::cut(&told(detail), WHY)));
            }
            Act::Rights(act) => lines.push(right(act)),
            Act::Parted { key, .. } => lines.push(detail('-', "unique_id", Some(key.as_str()), None)),
            Act::Woken { key, dn } => {
                lines.push(detail('+', "unique_id", None, Some(key.as_str())));
                lines.push(detail('+', "dn", None, Some(dn)));
            }
            Act::Linked { dn, .. } => lines.push(detail('+', "dn", None, Some(dn))),
            Act::Flagged { .. } | Act::Restored { .. } | Act::Deleted { .. } | Act::Removed { .. } | Act::ByHand(_) => {
            }
        }
    }
    lines
}

/// A role or a grant.
fn right(act: &RightsAct) -> String {
    match act {
        RightsAct::Role { before, after, .. } => {
            detail(sign_of(before, after), "role", before.as_deref(), after.as_deref())
        }
        RightsAct::Granted(grant) => grant_line('+', grant),
        RightsAct::Revoked { grant, .. } => grant_line('-', grant),
        RightsAct::Shown { after, .. } => grant_line('~', after),
        RightsAct::GivenByHand(privilege) => detail('+', "grant", None, Some(privilege)),
        RightsAct::TakenByHand(privilege) => detail('-', "grant", None, Some(privilege)),
    }
}

fn grant_line(sign: char, grant: &Grant) -> String {
    format!("{} (by {})", detail(sign, "grant", None, Some(&grant.privilege)), escape::value(&grant.dn))
}

/// What happens to a person's state, in words.
fn headline(act: &Act) -> Option<String> {
    let rule = act.rule();
    let date =
        |at: &Option<_>| at.map_or_else(|| "never deleted".to_owned(), |at| format!("deleted after {}", moment(at)));
    Some(match act {
        Act::Linked { from, to: Origin::Directory, .. } => {
            format!("was {from}, from now on the directory's: the entry has the same address ({rule})")
        }
        Act::Linked { from, .. } => {
            format!("stays {from}, supplemented by the entry with the same address from now on ({rule})")
        }
        Act::Relinked { .. } => format!("deleted and re-added in the directory, keeps the id ({rule})"),
        Act::Parted { from: State::Deleted, .. } => format!("deleted, and no longer known by the unique id ({rule})"),
        Act::Parted { address, .. } => {
            format!("dormant: the entry is `{}` now, another user; never deleted ({rule})", escape::value(address))
        }
        Act::Woken { .. } => format!("has access again: the address is back, and so is its user ({rule})"),
        Act::Crossed { source, .. } => {
            format!("comes over from source `{}`, keeps the id ({rule})", escape::value(&source.0))
        }
        Act::Revived(_) => format!("comes back after deletion, with the same id ({rule})"),
        Act::Flagged { from: State::Pending, reason: now, delete_after, .. } => {
            format!("stays pending, now because {}; {} ({rule})", reason(*now), date(delete_after))
        }
        Act::Flagged { reason: why, delete_after, .. } => format!("{}; {} ({rule})", reason(*why), date(delete_after)),
        Act::Restored { from, reason: why } => {
            let was = why.map(|why| format!(", {}", reason(why))).unwrap_or_default();
            format!("has access again (was {from}{was}) ({rule})")
        }
        Act::Removed { from, domain, .. } => {
            format!("was {from}, gone at once: `{domain}` is no longer a managed domain ({rule})")
        }
        Act::Deleted { reason: why } => {
            let was = why.map(|why| format!(" ({})", reason(why))).unwrap_or_default();
            format!("the delay is over{was} ({rule})")
        }
        _ => return None,
    })
}

/// A reason in the written word and in plain ones.
pub fn reason(reason: PendingReason) -> &'static str {
    match reason {
        PendingReason::Gone => "gone: no longer in the directory",
        PendingReason::Disabled => "disabled in the directory",
        PendingReason::MovedOut => "moved-out: still there, outside every configured base",
        PendingReason::FilteredOut => "filtered-out: still there, the filter no longer matches",
        PendingReason::NoAddress => "no-address: the entry has no address any more",
        PendingReason::UnmanagedDomain => "unmanaged-domain: the address moved to a domain that is not managed",
        PendingReason::NoRole => "no-role: no mapped role or grant",
        PendingReason::SourceRemoved => "source-removed: the source was retired",
    }
}

fn new_user(lines: &mut Vec<String>, new: &NewUser, names: &FieldNames) {
    lines.push(detail('+', "dn", None, Some(&new.dn)));
    lines.push(detail('+', "unique_id", None, Some(new.key.as_str())));
    if let Some(primary) = &new.primary {
        lines.push(detail('+', "primary_address", None, Some(primary.as_str())));
    }
    lines.extend(new.aliases.iter().map(|alias| detail('+', "alias", None, Some(alias.as_str()))));
    lines.extend(new.fields.iter().map(|(id, value)| detail('+', names.name(id), None, Some(value))));
    lines.extend(new.role.as_ref().map(|role| detail('+', "role", None, Some(role))));
}

fn field(change: &FieldChange, names: &FieldNames) -> String {
    let sign = sign_of(&change.before, &change.after);
    detail(sign, change.name(names), change.before.as_deref(), change.after.as_deref())
}

fn sign_of<T>(before: &Option<T>, after: &Option<T>) -> char {
    match (before, after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

/// One field's line; values keep their escapes visible and are cut when over-long.
fn detail(sign: char, name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let colour = match sign {
        '+' => style::GAIN,
        '-' => style::LOSS,
        _ => style::CHANGE,
    };
    let value = |text: &str| escape::value(text).into_owned();
    let said = match (before, after) {
        (Some(before), Some(after)) => format!("{} -> {}", value(before), value(after)),
        (Some(one), None) | (None, Some(one)) => value(one),
        (None, None) => String::new(),
    };
    format!("      {colour}{sign}{colour:#} {:<16} {said}", escape::value(name))
}

fn group(change: &GroupChange, labels: &Labels, named: &PlanLabels<'_>, most: usize) -> Vec<String> {
    let name = escape::value(&change.name);
    let (sign, colour) = match change.acts.first() {
        Some(GroupAct::Added { .. } | GroupAct::Made { .. } | GroupAct::Restored { .. }) => ('+', style::GAIN),
        Some(GroupAct::Flagged { .. } | GroupAct::Deleted | GroupAct::Dropped { .. } | GroupAct::Unmade) => {
            ('-', style::LOSS)
        }
        Some(GroupAct::Updated { .. }) | None => ('~', style::CHANGE),
    };
    let said: Vec<String> = change.acts.iter().filter_map(group_headline).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
    let mut lines = vec![format!("  {colour}{sign}{colour:#} {name}{said}")];
    for act in &change.acts {
        match act {
            GroupAct::Added { key, dn, .. } => {
                lines.push(detail('+', "dn", None, Some(dn)));
                lines.push(detail('+', "unique_id", None, Some(key.as_str())));
            }
            GroupAct::Updated { name, dn } => {
                for (key, (before, after)) in [("name", name), ("dn", dn)] {
                    if before != after {
                        lines.push(detail('~', key, Some(before), Some(after)));
                    }
                }
            }
            _ => {}
        }
    }
    let joins = change.joins.iter().map(|(user, via)| match via {
        Via::Direct => detail('+', "joins", None, Some(labels.name(named, *user))),
        other => format!("{} ({other})", detail('+', "joins", None, Some(labels.name(named, *user)))),
    });
    let leaves =
        change.leaves.iter().map(|(id, _)| detail('-', "leaves", Some(labels.name(named, UserRef::Known(*id))), None));
    let changed = change.changed.iter().map(|(id, before, after)| {
        format!("{} ({before} -> {after})", detail('~', "stays", None, Some(labels.name(named, UserRef::Known(*id)))))
    });
    members(&mut lines, '+', joins, most);
    members(&mut lines, '-', leaves, most);
    members(&mut lines, '~', changed, most);
    lines
}

fn group_headline(act: &GroupAct) -> Option<String> {
    let rule = act.rule();
    Some(match act {
        GroupAct::Flagged { delete_after, .. } => {
            let date =
                delete_after.map_or_else(|| "never deleted".to_owned(), |at| format!("deleted after {}", moment(at)));
            format!("gone from the directory; {date} ({rule})")
        }
        GroupAct::Restored { from } => format!("back (was {from}) ({rule})"),
        GroupAct::Dropped { .. } => format!("nobody is in it; left out ({rule})"),
        GroupAct::Deleted => format!("the delay is over ({rule})"),
        GroupAct::Added { .. } | GroupAct::Updated { .. } | GroupAct::Made { .. } | GroupAct::Unmade => return None,
    })
}

/// The first of those who join, leave or stay.
fn members(lines: &mut Vec<String>, sign: char, said: impl ExactSizeIterator<Item = String>, most: usize) {
    let rest = said.len().saturating_sub(most);
    lines.extend(said.take(most));
    if rest > 0 {
        lines.push(format!("      {sign} … and {} more", number(rest as u64)));
    }
}
