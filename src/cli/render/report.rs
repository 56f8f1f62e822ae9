//! What a run did, in the words in which `plan` announced it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::render::{NOTHING, Tense, counted, first_names, number, plan_json, told, totals};
use crate::cli::{escape, style};
use crate::plan::{self, BrakeKind, Held, Hold, LateClock, Plan};
use crate::roster::skipped::DISABLED_UNREADABLE;
use crate::roster::{Incomplete, Skipped, Tally};
use crate::store::Outcome;
use crate::sync::Report;

/// How many names of held people are told.
const NAMES: usize = 10;

/// Of a run that was stopped, and has nobody to name.
pub const NOBODY_ASKED: &str = "Nothing and nobody is taken away; of the people that are known, this run missed none, or it was not to read people.";

/// Prints the summary; `command` turns `approve 17` into what a person types.
pub fn print(out: &mut dyn Write, report: &Report, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    if let Some(note) = &report.note {
        writeln!(out, "{}", escape::text(note))?;
    }
    if let Some(person) = &report.person {
        writeln!(out, "{}: {}.", escape::value(&person.label), escape::text(&person.found))?;
    }
    if report.run.is_none() && report.note.is_some() && report.counts.deleted == 0 {
        frozen(out, &report.plan)?;
        return late(out, &report.plan);
    }
    let heading = style::HEADING;
    let (mut people, groups) = totals(&report.counts, &report.plan, Tense::Past);
    if report.incomplete.is_some() && people == NOTHING {
        "nothing was changed".clone_into(&mut people);
    }
    let opening = if report.incomplete.is_some() { "Not complete" } else { "Done" };
    writeln!(out, "{heading}{opening}: {people}.{heading:#}")?;
    if let Some(groups) = groups {
        writeln!(out, "{groups}")?;
    }
    let server = report.server.as_ref().map(|server| format!(" from {}", escape::value(server))).unwrap_or_default();
    let run = report.run.map(|run| format!("Run {}: ", run.0)).unwrap_or_default();
    let entries = counted(report.counts.entries, "entry", "entries");
    writeln!(out, "{run}{entries} read{server} in {:.1} s.", report.seconds)?;
    if let Some(person) = report.person.as_ref().filter(|_| report.counts.flagged > 0) {
        let again = match &person.unique_id {
            Some(key) => command(&format!("sync --user '{key}'")),
            None => command("sync"),
        };
        writeln!(out, "If it was not meant: put the directory or the configuration right; access comes back with the")?;
        writeln!(out, "next run, or now with {}", escape::text(&again))?;
    }
    if report.counts.conflicts > 0 {
        let pending = report.plan.pending.min(report.counts.conflicts);
        let waiting = match pending {
            0 => String::new(),
            _ if pending == report.counts.conflicts => ": nothing but people pending deletion".to_owned(),
            _ => format!(", {} of them nothing but people pending deletion", number(pending)),
        };
        writeln!(out, "{} open{waiting}.", counted(report.counts.conflicts, "conflict is", "conflicts are"))?;
    }
    if report.counts.entries > 0 {
        skipped(out, &report.plan)?;
    }
    incomplete(out, report.incomplete.as_ref())?;
    frozen(out, &report.plan)?;
    held(out, report, command)?;
    if report.outcome == Outcome::Failed {
        let alarm = style::ALARM;
        writeln!(out, "{alarm}The run failed{alarm:#}; what was applied stands, the next run goes on from there.")?;
    }
    Ok(())
}

/// The report as one object.
pub fn value(report: &Report) -> Value {
    let groups = report.plan.group_counts;
    let mut all = plan_json::counts(&report.counts);
    all.insert("id".into(), json!(report.run.map(|run| run.0)));
    all.insert("outcome".into(), json!(report.outcome.as_str()));
    all.insert("server".into(), json!(report.server));
    all.insert("seconds".into(), json!(report.seconds));
    all.insert("note".into(), json!(report.note));
    if let Some(person) = &report.person {
        let (label, found) = (&person.label, &person.found);
        all.insert("person".into(), json!({ "label": label, "unique_id": person.unique_id, "found": found }));
    }
    all.insert("incomplete".into(), report.incomplete.as_ref().map(plan_json::incomplete).into());
    all.insert("frozen".into(), report.plan.frozen.as_ref().map(plan_json::frozen).into());
    all.insert("since".into(), report.plan.since.as_ref().map(plan_json::since).into());
    all.insert("clock".into(), report.plan.late.as_ref().map(plan_json::late).into());
    all.insert("holds".into(), report.plan.holds.iter().map(plan_json::hold).collect());
    all.insert("held".into(), report.plan.held.iter().map(plan_json::loss).collect());
    all.insert(
        "groups".into(),
        json!({
            "added": groups.added,
            "updated": groups.updated,
            "flagged": groups.flagged,
            "restored": groups.restored,
            "deleted": groups.deleted,
        }),
    );
    let rights = report.plan.rights;
    all.insert(
        "rights".into(),
        json!({ "roles_changed": rights.roles, "grants_added": rights.granted, "grants_removed": rights.revoked }),
    );
    all.insert(
        "memberships".into(),
        json!({ "added": groups.joins, "removed": groups.leaves, "changed": groups.changed }),
    );
    Value::Object(all)
}

/// Why the state of people stays although their entries may be, or are, disabled.
fn maybe_disabled(tally: &Tally) -> String {
    let garbled = tally.reasons.get(DISABLED_UNREADABLE).copied().unwrap_or_default();
    let all: u64 = tally.reasons.values().sum();
    let why = match (all > garbled, garbled > 0) {
        (_, false) => "a disabled test cannot be judged, the state stays as it was (U8)",
        (false, true) => "the entry is disabled, but cannot be understood, the state stays as it was (E5)",
        (true, true) => {
            "a disabled test cannot be judged (U8), or the entry is disabled, but cannot be understood (E5); the state stays \
             as it was"
        }
    };
    format!("; {why}")
}

/// Who is left out and who comes in without something, a line each.
pub fn left_out(skipped: &BTreeMap<Skipped, Tally>) -> Vec<String> {
    let line = |(what, tally): (&Skipped, &Tally)| {
        let (word, total) = match what {
            Skipped::LeftOut => ("Left out", counted(tally.total, "person", "people")),
            Skipped::Without => ("Came in without", counted(tally.total, "value", "values")),
            Skipped::AsBefore => ("Stay as they were", counted(tally.total, "person", "people")),
            Skipped::MaybeDisabled => ("Maybe disabled", counted(tally.total, "person", "people")),
        };
        let why: Vec<String> = tally.reasons.iter().map(|(reason, n)| format!("{} {reason}", number(*n))).collect();
        let why = match what {
            Skipped::MaybeDisabled => maybe_disabled(tally),
            _ => format!(" ({})", escape::text(&why.join(", "))),
        };
        format!("{word}: {total}{why}")
    };
    skipped.iter().map(line).collect()
}

/// How many people and values are left out, by reason; and members who are no users.
pub fn skipped(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    for line in left_out(&plan.skipped) {
        writeln!(out, "{line}.")?;
    }
    let strangers: u64 = plan.strangers.values().sum();
    if strangers > 0 {
        let groups = counted(plan.strangers.len() as u64, "group", "groups");
        let members = counted(strangers, "member", "members");
        writeln!(out, "Not counted: {members} of {groups} who are no users of this roster.")?;
    }
    for broken in &plan.mapped.broken {
        writeln!(out, "{}Mapped group:{:#} {}.", style::ALARM, style::ALARM, escape::text(&broken.says))?;
    }
    if let Some(without) = &plan.without {
        writeln!(out, "Without a group: {}.", escape::text(&without.says()))?;
    }
    Ok(())
}

/// Why nobody was missed and nothing taken away.
pub fn incomplete(out: &mut dyn Write, incomplete: Option<&Incomplete>) -> io::Result<()> {
    let Some(why) = incomplete else { return Ok(()) };
    let alarm = style::ALARM;
    writeln!(out, "{alarm}Incomplete{alarm:#} ({}): {}", escape::value(why.cause), told(&why.says))?;
    writeln!(out, "  Nobody is taken for missing and nothing is taken away until a complete run.")
}

/// What waits because the source is frozen.
pub fn frozen(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let Some(frozen) = &plan.frozen else { return Ok(()) };
    let says = frozen.says();
    let (alarm, rest) = (style::ALARM, says.strip_prefix("frozen").unwrap_or(&says));
    writeln!(out, "{alarm}Frozen{alarm:#}{}.", told(rest))
}

/// One sentence on one kind of departure: what, how many of how many, which limit.
pub fn hold_sentence(hold: &Hold) -> String {
    let alarm = style::ALARM;
    format!("{alarm}Held by the brake:{alarm:#} {}", escape::text(&hold.says))
}

/// The people of a hold, in order of name.
pub fn held_people(plan: &Plan, kind: BrakeKind) -> Vec<&Held> {
    let mut people: Vec<&Held> = plan.held.iter().filter(|held| held.kind == kind).collect();
    people.sort_by(|a, b| a.label.cmp(&b.label));
    people
}

fn held(out: &mut dyn Write, report: &Report, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    let plan = &report.plan;
    for hold in &plan.holds {
        writeln!(out, "{}", hold_sentence(hold))?;
        let people = held_people(plan, hold.kind);
        let names = first_names(people.iter().map(|held| &*held.label), NAMES);
        let keep = match hold.kind {
            BrakeKind::Aliases | BrakeKind::Memberships | BrakeKind::Rights => "what they have",
            BrakeKind::Relinks => "what they have, access included, and the new entries wait,",
            _ => "access",
        };
        if people.is_empty() {
            writeln!(out, "  {NOBODY_ASKED}")?;
        } else {
            writeln!(out, "  They keep {keep} until a person decides: {names}")?;
        }
        went(out, hold)?;
    }
    since(out, plan)?;
    late(out, plan)?;
    let replaced = !plan.holds.is_empty() && !plan.mapped.causes.is_empty();
    let late = plan.late.as_ref().is_some_and(LateClock::withholds);
    let accepted = replaced || late || report.incomplete.as_ref().is_some_and(|why| acceptable(why.cause));
    let Some(run) = report.run.filter(|_| !plan.held.is_empty() || accepted) else { return Ok(()) };
    if report.person.is_some() {
        // What is asked for one person is not approved (S4).
        let sync = command("sync");
        writeln!(
            out,
            "  To settle it:   put the configuration or the directory right; or, if it is as it should be, {sync}"
        )?;
        return writeln!(out, "                  reads everybody, and says how to approve what it stops at");
    }
    ways_out(out, run.0, command)
}

/// What a held run says, without the commands that are told beside it.
pub fn without_commands(says: &str) -> &str {
    let says = says.strip_prefix("held by the brake: ").unwrap_or(says);
    says.split_once("; look with `rosterd runs show ").map_or(says, |(says, _)| says)
}

/// Who went within the window already, beside those who are held.
pub fn went(out: &mut dyn Write, hold: &Hold) -> io::Result<()> {
    let Some(went) = hold.went_in_words() else { return Ok(()) };
    let went = went.strip_prefix("already").unwrap_or(&went);
    writeln!(out, "  Already{}", escape::text(went))
}

/// What to type when a run waits for a person: to look, and when it is right, and when it is not.
pub fn ways_out(out: &mut dyn Write, run: i64, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    writeln!(out, "  To see it:      {}", command(&format!("runs show {run}")))?;
    settle(out, run, command)
}

/// The same for whoever sees it already.
pub fn settle(out: &mut dyn Write, run: i64, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    writeln!(out, "  If it is right: {}", command(&format!("approve {run}")))?;
    writeln!(out, "  If it is not:   put the configuration or the directory right, then {}", command("sync"))?;
    writeln!(out, "                  (nothing has to be approved; who went meanwhile, approved or not, comes back)")
}

/// What changed since nothing was held.
pub fn since(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let Some(since) = &plan.since else { return Ok(()) };
    if since.changes.is_empty() {
        return writeln!(out, "  Probable cause: {}.", escape::text(&since.says()));
    }
    writeln!(out, "  Changed since run {}, the last that ended well:", since.run)?;
    since.changes.iter().try_for_each(|change| writeln!(out, "    {}", told(change)))
}

/// Deletions that wait because the clock is not believed.
pub fn late(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let Some(late) = plan.late.as_ref().filter(|late| late.withholds()) else { return Ok(()) };
    let alarm = style::ALARM;
    writeln!(out, "{alarm}Held for the clock:{alarm:#} {}.", told(&late.sentence()))
}

/// Whether a person may accept what made a run incomplete: it read everything, and found what is hard to believe (B1).
pub fn acceptable(causes: &str) -> bool {
    plan::acceptable(causes).next().is_some()
}
