//! One glance: healthy or not and since when, what ran, what runs next, what waits for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cli::render::{counted, distance, first_names, moment, number, report, runs, span, told, users};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::config::{Schedule, When};
use crate::plan::{ConflictKind, Frozen, Held};
use crate::roster::skipped::tally;
use crate::roster::{Skipped, State, Tally, UserId};
use crate::store::rows::{ConflictRow, RunRow, SkipRow};
use crate::store::{Freeze, Outcome, Trigger};
use crate::sync::SyncError;

/// How many open conflicts are told one by one.
const CONFLICTS: usize = 5;
/// How late a scheduled run may be before it is called overdue, at most.
const LATE: Duration = Duration::from_secs(3_600);

/// What the store and the configuration say.
pub struct Facts<'a> {
    /// `source.name`.
    pub source: &'a str,
    /// `source.enabled`.
    pub enabled: bool,
    /// When the source was given up, if it was (S6).
    pub retired: Option<Timestamp>,
    /// Runs of this source, newest first.
    pub runs: &'a [RunRow],
    /// When to run.
    pub schedules: &'a [Schedule],
    /// Users by state.
    pub people: &'a [(State, u64)],
    /// Open conflicts.
    pub conflicts: &'a [ConflictRow],
    /// Rows of `roster_skipped`.
    pub skipped: &'a [SkipRow],
    /// What the run that waits for a person held.
    pub held: &'a [Held],
    /// The freeze that goes on.
    pub freeze: Option<&'a Freeze>,
    /// What messages call the store.
    pub store: &'a str,
    /// The present.
    pub now: Timestamp,
}

/// Whether the source is kept in step, and since when that is so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// Whether it is.
    pub healthy: bool,
    /// Since when; `None` when there was no run yet.
    pub since: Option<Timestamp>,
    /// Why not, or what is worth knowing.
    pub says: String,
}

/// The run whose held departures, or whose suspicious read, wait for a person.
pub fn waiting(runs: &[RunRow]) -> Option<&RunRow> {
    let mut groups_are_fine = false;
    for run in runs {
        let acceptable = run.cause.as_deref().is_some_and(report::acceptable);
        match (run.outcome.as_str(), run.action.as_str()) {
            // What one person waits for is not approved (S4).
            (_, "person") => {}
            ("held", _) => return Some(run),
            ("incomplete", "groups") if acceptable && !groups_are_fine => return Some(run),
            ("incomplete", "users" | "all") if acceptable => return Some(run),
            ("ok", "users" | "all") => return None,
            ("ok", "groups") => groups_are_fine = true,
            _ => {}
        }
    }
    None
}

/// Whether a run waits for the end of a freeze only, which nobody approves (B5).
pub fn is_frozen(run: &RunRow) -> bool {
    run.outcome == "held"
        && run.cause.as_deref().is_some_and(|causes| causes.split(',').any(|one| one == Frozen::CAUSE))
}

/// What becomes of what a run found that waits for the end of a freeze; `over` when it has ended.
pub fn frozen_way_out(over: bool, command: &dyn Fn(&str) -> String) -> String {
    let sync = command("sync");
    if over {
        return format!("there is nothing to approve: the freeze is over, and the next run decides (now: {sync})");
    }
    let off = command("freeze --off");
    format!("there is nothing to approve: the freeze ends by itself, or with {off}; then the next run decides ({sync})")
}

/// Judges the runs: the latest that read users and the latest that read groups have to be fine, and on time.
pub fn health(facts: &Facts<'_>) -> Health {
    if let Some(at) = facts.retired {
        let says = format!(
            "source `{}` was retired on {at}: nothing of it is read any more, and its users are deleted by their dates; give \
             the directory another source.name",
            facts.source
        );
        return Health { healthy: true, since: None, says };
    }
    if !facts.enabled {
        let says = "source.enabled = false: nothing is read, only due deletions are carried out".to_owned();
        return Health { healthy: true, since: None, says };
    }
    let streaks: Vec<Health> = ["users", "groups"].iter().filter_map(|what| streak(facts, what)).collect();
    let bad = streaks.iter().filter(|streak| !streak.healthy).min_by_key(|streak| streak.since);
    let Some(good) = streaks.iter().max_by_key(|streak| streak.since) else {
        return Health { healthy: false, since: None, says: "no run has finished yet".to_owned() };
    };
    if let Some(bad) = bad {
        return bad.clone();
    }
    let late = facts.schedules.iter().filter_map(|schedule| overdue(schedule, facts)).min_by_key(|(due, _)| *due);
    match late {
        Some((due, says)) => Health { healthy: false, since: Some(due), says },
        None => good.clone(),
    }
}

/// Whether a run that is over read users, or groups.
fn reads(run: &RunRow, what: &str) -> bool {
    (run.action == what || run.action == "all") && run.outcome != "running"
}

/// Whether a run says nothing of the source. Somebody stopped it (whoever does leaves a word; one that was cut off has
/// none); or it failed for what somebody typed: a saved plan that is another one now, or a command with whatever
/// configuration, where a daemon keeps the source in step and says itself when it cannot.
fn says_nothing(run: &RunRow, runs: &[RunRow]) -> bool {
    let stopped = run.outcome == Outcome::Interrupted.as_str() && run.error.is_some();
    let stale = run.cause.as_deref() == Some(SyncError::OTHER_PLAN);
    let by_command = |run: &RunRow| run.trigger == Trigger::Command.as_str();
    let slips = |run: &RunRow| run.outcome == "failed" && by_command(run);
    // Whoever made the last run that was none.
    let daemon = || runs.iter().find(|run| !slips(run)).is_some_and(|run| !by_command(run));
    stopped || (run.outcome == "failed" && stale) || (slips(run) && daemon())
}

/// Whether a run is as it should be: one that only a freeze holds is as ordered, as long as the freeze goes on (B5).
fn is_fine(run: &RunRow, facts: &Facts<'_>) -> bool {
    run.outcome == "ok" || (facts.freeze.is_some() && is_frozen(run))
}

/// The runs since the last change between fine and not, of those that read `what`.
fn streak(facts: &Facts<'_>, what: &str) -> Option<Health> {
    let runs = facts.runs;
    let mut relevant = runs.iter().filter(|run| reads(run, what) && !says_nothing(run, runs)).peekable();
    let last = *relevant.peek()?;
    let healthy = is_fine(last, facts);
    let first = relevant.take_while(|run| is_fine(run, facts) == healthy).last().unwrap_or(last);
    let since = if healthy { first.finished_at.as_deref() } else { Some(first.started_at.as_str()) };
    let because = last.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    let says = if healthy { String::new() } else { format!("run {} ({}){because}", last.id, last.outcome) };
    Some(Health { healthy, since: since.and_then(Timestamp::parse), says })
}

/// The run that the source is not healthy for.
fn bad_run(facts: &Facts<'_>) -> Option<i64> {
    let runs = facts.runs;
    let last = |what: &str| {
        let judges = |run: &&RunRow| reads(run, what) && !says_nothing(run, runs);
        runs.iter().find(judges).filter(|run| !is_fine(run, facts)).map(|run| run.id)
    };
    last("users").or(last("groups"))
}

/// When the last run began that did what a schedule asks for, however it ended.
fn last_start(schedule: &Schedule, runs: &[RunRow]) -> Option<Timestamp> {
    last(schedule, runs, |_| true)
}

/// The same of runs that count: after one that failed the daemon tries again by itself, and its schedule stands.
fn last_done(schedule: &Schedule, runs: &[RunRow]) -> Option<Timestamp> {
    last(schedule, runs, |run| Outcome::parse(&run.outcome).is_some_and(|how| Outcome::DONE.contains(&how)))
}

fn last(schedule: &Schedule, runs: &[RunRow], counts: impl Fn(&RunRow) -> bool) -> Option<Timestamp> {
    let did = |run: &&RunRow| (run.action == schedule.action.as_str() || run.action == "all") && counts(run);
    runs.iter().find(did).and_then(|run| Timestamp::parse(&run.started_at))
}

fn overdue(schedule: &Schedule, facts: &Facts<'_>) -> Option<(Timestamp, String)> {
    let last = last_start(schedule, facts.runs)?;
    let (due, interval) = match &schedule.when {
        When::Every(every) => (last + *every, *every),
        When::Cron(_) => {
            let due = schedule.next_after(last)?;
            (due, schedule.next_after(due)?.since(due))
        }
        When::Reboot => return None,
    };
    let says = format!("no run since the schedule `{}` was due; is `rosterd run` running?", schedule.text);
    (due + interval.min(LATE) < facts.now).then_some((due, says))
}

/// When a schedule fires next: a moment, or words where there is none.
fn next(schedule: &Schedule, facts: &Facts<'_>) -> (Option<Timestamp>, &'static str) {
    match &schedule.when {
        When::Cron(_) => (schedule.next_after(facts.now), "never again"),
        When::Every(every) => (last_done(schedule, facts.runs).map(|last| last + *every), "at once"),
        When::Reboot => (None, "when the daemon starts"),
    }
}

/// When to run; never, of a source that was given up (S6).
fn scheduled<'a>(facts: &Facts<'a>) -> &'a [Schedule] {
    if facts.retired.is_some() { &[] } else { facts.schedules }
}

/// Prints the status; `command` turns `approve 17` into what a person types.
pub fn print(out: &mut dyn Write, facts: &Facts<'_>, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    let health = health(facts);
    let (colour, word) = match (facts.retired, health.healthy) {
        (Some(_), _) => (style::CHANGE, "retired"),
        (None, true) => (style::GAIN, "healthy"),
        (None, false) => (style::ALARM, "NOT HEALTHY"),
    };
    let since =
        health.since.map(|at| format!(" since {} ({})", moment(at), distance(at, facts.now))).unwrap_or_default();
    let (source, store) = (escape::value(facts.source), escape::value(facts.store));
    writeln!(out, "{colour}{word}{colour:#}{since}: source {source}, store {store}")?;
    // What a held run says is told where it waits.
    let told_below = waiting(facts.runs).filter(|run| run.outcome == "held" && bad_run(facts) == Some(run.id));
    match told_below {
        Some(run) => writeln!(out, "  run {} (held): see what waits for you", run.id)?,
        None if health.says.is_empty() => {}
        None => writeln!(out, "  {}", told(&health.says))?,
    }
    writeln!(out)?;
    running(out, facts)?;
    for (name, run) in lasts(facts.runs) {
        let said = run.map_or_else(|| "none".to_owned(), |run| run_in_brief(run, facts.now));
        writeln!(out, "{name:<14} {said}")?;
    }
    let [(_, attempt), _, (_, complete)] = lasts(facts.runs);
    // What the first line says is not said again.
    let failed = attempt.filter(|run| run.outcome == "failed" && !health.says.contains(&format!("run {} ", run.id)));
    if let Some(error) = failed.and_then(|run| run.error.as_deref()) {
        writeln!(out, "  {}", told(&format!("last attempt failed: {error}")))?;
    }
    let says: Vec<String> = complete.iter().flat_map(|run| runs::proof(run)).map(|(_, says)| says).collect();
    if !says.is_empty() {
        writeln!(out, "  {}", told(&format!("proof: {}", says.join("; "))))?;
    }
    // What begins with the daemon says nothing about when, unless there is nothing else.
    let schedules = scheduled(facts);
    let only_reboot = schedules.iter().all(|schedule| schedule.when == When::Reboot);
    for schedule in schedules.iter().filter(|schedule| only_reboot || schedule.when != When::Reboot) {
        let (at, otherwise) = next(schedule, facts);
        let said = match at {
            Some(at) if at <= facts.now => "due now".to_owned(),
            Some(at) => format!("{} ({})", moment(at), distance(at, facts.now)),
            None => otherwise.to_owned(),
        };
        writeln!(out, "{:<14} {said}: {}, schedule `{}`", "Next", schedule.action, escape::value(&schedule.text))?;
    }
    let failed = |run: &RunRow| run.outcome == "failed" && run.trigger != "command";
    if facts.retired.is_none() && facts.runs.first().is_some_and(failed) {
        writeln!(out, "{:<14} the daemon tries the run that failed again, within 15 minutes", "Retry")?;
    }
    deletions(out, facts)?;
    if let Some(freeze) = facts.freeze {
        let until = format!("until {} ({})", moment(freeze.until), distance(freeze.until, facts.now));
        let why = if freeze.reason.is_empty() { String::new() } else { format!(": {}", escape::value(&freeze.reason)) };
        writeln!(out, "{:<14} {until}{why}; `{}` ends it", "Frozen", command("freeze --off"))?;
    }
    let people: Vec<String> = facts.people.iter().map(|(state, n)| format!("{} {state}", number(*n))).collect();
    let people = if people.is_empty() { "none".to_owned() } else { people.join(", ") };
    writeln!(out, "{:<14} {people}", "People")?;
    skipped(out, facts.skipped)?;
    conflicts(out, facts)?;
    waits(out, facts, command)
}

/// Deletions that are due, or become so.
struct Due {
    /// When the first of them is.
    first: Timestamp,
    /// How many at that moment, or until now.
    now: u64,
    /// How many after it.
    later: u64,
}

/// When the next deletions become due: the first run after that carries them out.
fn due(facts: &Facts<'_>) -> Option<Due> {
    let pending = facts.conflicts.iter().filter(|one| one.kind == ConflictKind::PendingDeletion.as_str());
    let pending = pending.filter(|one| one.waits_since.is_none());
    let mut due: Vec<Timestamp> = pending.filter_map(|row| Timestamp::parse(row.due_at.as_deref()?)).collect();
    due.sort_unstable();
    let first = *due.first()?;
    let now = due.iter().filter(|at| **at <= first.max(facts.now)).count() as u64;
    Some(Due { first, now, later: due.len() as u64 - now })
}

fn deletions(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let Some(Due { first, now, later }) = due(facts) else { return Ok(()) };
    let what = counted(now, "deletion", "deletions");
    let said = if first <= facts.now {
        format!("due now: {what}")
    } else {
        format!("{} ({}): {what} due", moment(first), distance(first, facts.now))
    };
    let later = if later > 0 { format!("; {} later", number(later)) } else { String::new() };
    writeln!(out, "{:<14} {said}{later}", "Next")
}

/// The run that goes on.
fn running(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let Some(run) = facts.runs.first().filter(|run| run.outcome == "running") else { return Ok(()) };
    let Some(at) = Timestamp::parse(&run.started_at) else { return Ok(()) };
    let (since, far) = (moment(at), span(facts.now.since(at)));
    writeln!(out, "{:<14} run {}, since {since} ({far}): {}", "Running now", run.id, escape::value(&run.action))
}

/// Last attempt, last success, last complete read of users: three different things.
pub fn lasts(runs: &[RunRow]) -> [(&'static str, Option<&RunRow>); 3] {
    let complete =
        |run: &&RunRow| matches!(run.outcome.as_str(), "ok" | "held") && matches!(run.action.as_str(), "users" | "all");
    [
        ("Last attempt", runs.iter().find(|run| run.outcome != "running")),
        ("Last success", runs.iter().find(|run| run.outcome == "ok")),
        ("Last complete", runs.iter().find(complete)),
    ]
}

fn run_in_brief(run: &RunRow, now: Timestamp) -> String {
    let at = Timestamp::parse(&run.started_at);
    let at = at.map_or_else(
        || escape::value(&run.started_at).into_owned(),
        |at| format!("{} ({})", moment(at), distance(at, now)),
    );
    let colour = runs::of_outcome(&run.outcome);
    let outcome = escape::value(&run.outcome);
    format!(
        "run {}, {at}: {} {colour}{outcome}{colour:#}; changes: {}",
        run.id,
        escape::value(&run.action),
        runs::changes(run)
    )
}

/// Who is left out, who came in without something.
fn skipped(out: &mut dyn Write, rows: &[SkipRow]) -> io::Result<()> {
    let tally = skipped_by(rows);
    if tally.is_empty() {
        return writeln!(out, "{:<14} nobody", "Left out");
    }
    for line in report::left_out(&tally) {
        let (word, what) = line.split_once(": ").unwrap_or((&line, ""));
        writeln!(out, "{word:<14} {what}")?;
    }
    Ok(())
}

/// How many people and values are left out, and why.
pub fn skipped_by(rows: &[SkipRow]) -> BTreeMap<Skipped, Tally> {
    tally(rows.iter().map(|row| (row.dn.as_str(), (row.reason.as_str(), row.rule.as_str()), row.is_user)))
}

/// The same as one object, each number under what became of them.
pub fn skipped_json(rows: &[SkipRow]) -> Value {
    let by = skipped_by(rows);
    let all = [Skipped::LeftOut, Skipped::Without, Skipped::AsBefore, Skipped::MaybeDisabled];
    let number = |what: &Skipped| (what.as_str().replace('-', "_"), json!(by.get(what).map_or(0, |tally| tally.total)));
    Value::Object(all.iter().map(number).collect())
}

fn conflicts(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let kinds = kinds(facts.conflicts);
    let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{} {}", number(*n), escape::value(kind))).collect();
    let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
    writeln!(out, "{:<14} {kinds} open", "Conflicts")?;
    let contested = contested(facts.conflicts);
    for conflict in contested.iter().take(CONFLICTS) {
        writeln!(out, "  {}", users::conflict_line(conflict))?;
    }
    let rest = contested.len().saturating_sub(CONFLICTS);
    if rest > 0 { writeln!(out, "  … and {} more", number(rest as u64)) } else { Ok(()) }
}

/// Who is pending is told by the state; what nobody has settled is told one by one.
fn contested(conflicts: &[ConflictRow]) -> Vec<&ConflictRow> {
    let pending = ConflictKind::PendingDeletion.as_str();
    conflicts.iter().filter(|conflict| conflict.kind != pending).collect()
}

fn kinds(conflicts: &[ConflictRow]) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for conflict in conflicts {
        *kinds.entry(conflict.kind.as_str()).or_default() += 1;
    }
    kinds
}

fn waits(out: &mut dyn Write, facts: &Facts<'_>, command: &dyn Fn(&str) -> String) -> io::Result<()> {
    let (name, alarm) = ("Waits for you", style::ALARM);
    let contested = contested(facts.conflicts).len() as u64;
    let conflicts = format!(
        "{}: {} says what settles {}",
        counted(contested, "conflict", "conflicts"),
        command("conflicts"),
        if contested == 1 { "it" } else { "each" }
    );
    let Some(run) = waiting(facts.runs) else {
        let what = if contested == 0 { "nothing" } else { &conflicts };
        return writeln!(out, "{name:<14} {what}");
    };
    let what = if is_frozen(run) {
        format!("the end of a freeze, in which run {} took nothing away", run.id)
    } else if facts.held.is_empty() {
        format!("run {} ended {}", run.id, escape::value(&run.outcome))
    } else {
        let people: BTreeSet<UserId> = facts.held.iter().map(|held| held.user).collect();
        let people = counted(people.len() as u64, "person", "people");
        let names = first_names(facts.held.iter().map(|held| &*held.label), 10);
        format!("run {} held {people}: {names}", run.id)
    };
    writeln!(out, "{alarm}{name:<14}{alarm:#} {what}")?;
    if let Some(why) = run.error.as_deref().filter(|_| run.outcome == "held") {
        let over = is_frozen(run) && facts.freeze.is_none();
        let why = if over { Frozen::in_the_past(why) } else { report::without_commands(why).into() };
        writeln!(out, "  Why:            {}", told(&why))?;
    }
    if is_frozen(run) {
        writeln!(out, "  What to do:     {}", frozen_way_out(facts.freeze.is_none(), command))?;
    } else {
        report::ways_out(out, run.id, command)?;
    }
    if contested == 0 { Ok(()) } else { writeln!(out, "{:<14} {conflicts}", "") }
}

/// A freeze as one object.
pub fn freeze_json(freeze: &Freeze) -> Value {
    json!({ "since": freeze.since.to_string(), "until": freeze.until.to_string(), "reason": freeze.reason })
}

/// The status as one object.
pub fn value(facts: &Facts<'_>) -> Value {
    let health = health(facts);
    let [attempt, success, complete] = lasts(facts.runs).map(|(_, run)| json!(run));
    let people: Map<String, Value> =
        facts.people.iter().map(|(state, n)| (state.as_str().to_owned(), (*n).into())).collect();
    let contested = contested(facts.conflicts).len();
    let run = waiting(facts.runs);
    let waits = (run.is_some() || contested > 0).then(|| {
        json!({
            "run": run.map(|run| run.id),
            "outcome": run.map(|run| &run.outcome),
            "approvable": run.is_some_and(|run| !is_frozen(run)),
            "held": facts.held.iter().map(|held| &*held.label).collect::<Vec<_>>(),
            "conflicts": contested,
        })
    });
    let deletions = due(facts).map(|Due { first, now, later }| {
        json!({ "schedule": null, "action": "deletion", "next": first.to_string(), "deletions": now, "later": later })
    });
    let schedules = scheduled(facts).iter().map(|schedule| {
        json!({
            "schedule": schedule.text,
            "action": schedule.action.as_str(),
            "next": next(schedule, facts).0.map(|at| at.to_string()),
        })
    });
    json!({
        "healthy": health.healthy,
        "since": health.since.map(|at| at.to_string()),
        "says": health.says,
        "source": facts.source,
        "enabled": facts.enabled,
        "retired_at": facts.retired.map(|at| at.to_string()),
        "store": facts.store,
        "frozen": facts.freeze.map(freeze_json),
        "running": facts.runs.first().filter(|run| run.outcome == "running"),
        "last_attempt": attempt,
        "last_success": success,
        "last_complete": complete,
        "next": schedules.chain(deletions).collect::<Vec<_>>(),
        "users": people,
        "conflicts": kinds(facts.conflicts),
        "skipped": facts.skipped.len(),
        "skipped_by": skipped_json(facts.skipped),
        "waiting": waits,
    })
}
