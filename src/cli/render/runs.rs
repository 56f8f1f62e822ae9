//! The history of runs, and one run line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::Style;
use serde_json::{Value, json};

use crate::cli::render::change::{Names, details, sign, subject};
use crate::cli::render::left_out::Item;
use crate::cli::render::plan as plan_words;
use crate::cli::render::{counted, folded, moment_text, number, plan_json, report, span, status, to_the_second, told};
use crate::cli::table::{Cell, Table};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::plan::{self, Held, Loss, Proof};
use crate::roster::words::plural;
use crate::store::rows::{ChangeRow, RunRow, SkipRow};

/// How many changes of a run are printed; what is beyond is counted.
const LINES: usize = 1_000;

/// How many of those whom a run left out are printed.
const SKIPPED: usize = 200;

/// What an outcome looks like.
pub fn of_outcome(outcome: &str) -> Style {
    match outcome {
        "ok" => style::GAIN,
        "running" => style::CHANGE,
        "held" | "incomplete" | "failed" => style::ALARM,
        _ => style::LOSS,
    }
}

/// Prints the runs, newest first.
pub fn list(out: &mut dyn Write, runs: &[RunRow], columns: Option<usize>) -> io::Result<()> {
    let mut table = Table::new(["RUN", "STARTED", "TOOK", "SOURCE", "TRIGGER", "ACTION", "OUTCOME", "CHANGES"]);
    // Runs of one minute are told apart by the second.
    let minutes: BTreeSet<String> = runs.iter().map(|run| moment_text(&run.started_at)).collect();
    let started = |run: &RunRow| match Timestamp::parse(&run.started_at) {
        Some(at) if minutes.len() < runs.len() => to_the_second(at),
        _ => moment_text(&run.started_at),
    };
    for run in runs {
        table.row([
            Cell::new(run.id.to_string()),
            Cell::new(started(run)),
            Cell::optional(took(run)),
            Cell::new(&run.source),
            Cell::new(&run.trigger),
            Cell::new(&run.action),
            Cell::new(&run.outcome).styled(of_outcome(&run.outcome)),
            Cell::new(changes(run)),
        ]);
        if let Some(error) = &run.error {
            table.beneath(Cell::new(told(report::without_commands(error))).styled(style::FAINT));
        }
    }
    table.print(out, columns)
}

/// How long a run took; `None` while it goes on.
fn took(run: &RunRow) -> Option<String> {
    let finished = Timestamp::parse(run.finished_at.as_deref()?)?;
    Some(span(finished.since(Timestamp::parse(&run.started_at)?)))
}

/// The numbers of a run that are not zero, in one line.
pub fn changes(run: &RunRow) -> String {
    let all = [
        (run.added, "added"),
        (run.updated, "updated"),
        (run.moved, "moved"),
        (run.flagged, "flagged"),
        (run.restored, "restored"),
        (run.deleted, "deleted"),
        (run.dormant.unwrap_or_default(), "made dormant"),
    ];
    let said: Vec<String> =
        all.iter().filter(|(n, _)| *n != 0).map(|(n, word)| format!("{} {word}", shown(*n))).collect();
    match (said.is_empty(), run.changed) {
        (true, false) => "none".to_owned(),
        (true, true) => "groups or conflicts".to_owned(),
        (false, _) => said.join(", "),
    }
}

fn shown(n: i64) -> String {
    number(u64::try_from(n).unwrap_or(0))
}

/// The run that was allowed to do what an earlier one held.
#[derive(Clone, Copy)]
pub struct Approved<'a> {
    /// The run.
    pub run: &'a RunRow,
    /// Whether any of it was still to be done: whatever else the run did.
    pub did_it: bool,
}

impl Approved<'_> {
    /// What it made of what was approved.
    pub fn carried_out(self) -> String {
        match self.did_it {
            true => format!("run {} did it", self.run.id),
            false => format!("run {} looked again, and there was nothing left to do", self.run.id),
        }
    }
}

/// One run with everything it did and held.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The run.
    pub run: &'a RunRow,
    /// Its changes in order.
    pub changes: &'a [ChangeRow],
    /// What it left out, if it is the last one that looked; `None` of earlier ones, of which only the number is kept.
    pub left_out: Option<&'a [SkipRow]>,
    /// Departures it held.
    pub held: &'a [Held],
    /// What the changes speak of.
    pub names: &'a Names,
    /// The run that accepted what it held.
    pub approved_by: Option<Approved<'a>>,
    /// The run of the source that waits for a person now.
    pub waits: Option<i64>,
    /// From words to what a person types.
    pub command: &'a dyn Fn(&str) -> String,
    /// Columns of the terminal, if it is one.
    pub columns: Option<usize>,
}

/// Prints one run.
pub fn show(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    head(out, view)?;
    if !view.changes.is_empty() {
        writeln!(out, "\n{}Changes{:#}", style::HEADING, style::HEADING)?;
    }
    for change in view.changes.iter().take(LINES) {
        let line = format!("  {}", line(change, &format!("{:<20}", subject(change, view.names))));
        writeln!(out, "{}", folded(&line, 8, view.columns))?;
    }
    let rest = view.changes.len().saturating_sub(LINES);
    if rest > 0 {
        writeln!(out, "  … and {} more; --json shows them all", number(rest as u64))?;
    }
    left_out(out, view)?;
    waiting(out, view)
}

/// Whom the run left out, and why.
fn left_out(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let items = Item::of_rows(view.left_out.unwrap_or_default());
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}Left out{:#}", style::HEADING, style::HEADING)?;
    for item in items.iter().take(SKIPPED) {
        writeln!(out, "{}", folded(&item.line(), 8, view.columns))?;
    }
    let rest = items.len().saturating_sub(SKIPPED);
    if rest > 0 { writeln!(out, "  … and {} more; --json shows them all", number(rest as u64)) } else { Ok(()) }
}

fn head(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let run = view.run;
    let colour = of_outcome(&run.outcome);
    let outcome = escape::value(&run.outcome);
    writeln!(out, "{}Run {}{:#}: {colour}{outcome}{colour:#}", style::HEADING, run.id, style::HEADING)?;
    let what = format!("{} ({}, {})", run.action, run.mode, run.trigger);
    let finished = run.finished_at.as_deref().map_or_else(|| "still going on".to_owned(), moment_text);
    for (name, value) in [("source", &run.source), ("action", &what)] {
        writeln!(out, "  {name:<9} {}", escape::value(value))?;
    }
    writeln!(out, "  started   {}", moment_text(&run.started_at))?;
    writeln!(out, "  finished  {finished}")?;
    if let Some(server) = &run.server {
        writeln!(out, "  server    {}", escape::value(server))?;
    }
    writeln!(out, "  read      {}", counted(u64::try_from(run.entries).unwrap_or(0), "entry", "entries"))?;
    writeln!(out, "  people    {}", changes(run))?;
    match view.left_out {
        None => {
            let skipped =
                plural(run.skipped.cast_unsigned(), "person left out, or value", "people left out, or values");
            writeln!(out, "  skipped   {} {skipped} that somebody came in without", shown(run.skipped))?;
        }
        Some([]) => writeln!(out, "  skipped   nobody and nothing")?,
        Some(rows) => {
            let mut name = "skipped";
            for line in report::left_out(&status::skipped_by(rows)) {
                writeln!(out, "  {name:<9} {line}")?;
                name = "";
            }
        }
    }
    writeln!(out, "  conflicts {} open", shown(run.conflicts))?;
    for (name, says) in proof(run) {
        writeln!(out, "  {name:<9} {}", escape::value(&says))?;
    }
    if let Some(approved) = run.cause.as_deref().and_then(plan::approved_run) {
        writeln!(out, "  approved  what run {approved} held")?;
    }
    if let Some(error) = &run.error {
        let says = report::without_commands(error);
        writeln!(out, "  {}because{:#}   {}", style::ALARM, style::ALARM, told(says))?;
    }
    Ok(())
}

/// The proof that a run was complete, a line each; only the first has a name.
pub fn proof(run: &RunRow) -> impl Iterator<Item = (&'static str, String)> {
    let names = std::iter::once("proof").chain(std::iter::repeat(""));
    names.zip(run.proof.iter().flat_map(Proof::says))
}

/// One change as one line: sign, event, who, what, rule.
pub fn line(change: &ChangeRow, who: &str) -> String {
    let (sign, colour) = sign(&change.kind);
    let (event, rule) = (escape::value(&change.kind), escape::value(&change.rule));
    let what = details(change);
    let said: Vec<&str> = [who, &what].into_iter().filter(|part| !part.is_empty()).collect();
    let said = said.join("  ");
    format!("{colour}{sign}{colour:#} {event:<18} {said}  {}({rule}){:#}", style::FAINT, style::FAINT)
}

fn waiting(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let mut kinds: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for held in view.held {
        kinds.entry(held.kind.as_str()).or_default().push(held);
    }
    for (kind, people) in &kinds {
        let n = counted(people.len() as u64, "person", "people");
        let access = people.iter().all(|held| !matches!(held.loses, Loss::Things(_)));
        let kept = if access { "access" } else { "what they have" };
        writeln!(out, "\n{}Held{:#}: {n} ({kind}); they kept {kept}", style::ALARM, style::ALARM)?;
        for held in people.iter().take(LINES) {
            let alarm = style::ALARM;
            writeln!(
                out,
                "  {alarm}!{alarm:#} {:<20}  {}",
                escape::value(&held.label),
                match &held.loses {
                    removed @ Loss::Removed(_) => plan_words::would(removed),
                    other => escape::value(other.as_str()).into_owned(),
                }
            )?;
        }
        if people.len() > LINES {
            writeln!(out, "  … and {} more; --json shows them all", number((people.len() - LINES) as u64))?;
        }
    }
    let acceptable = view.run.cause.as_deref().is_some_and(report::acceptable);
    let person = view.run.action == "person";
    if person || (view.held.is_empty() && !acceptable) {
        return Ok(());
    }
    writeln!(out)?;
    if let Some(approved) = view.approved_by {
        return writeln!(out, "  It was approved: {}.", approved.carried_out());
    }
    match view.waits {
        Some(run) if run == view.run.id => report::settle(out, run, view.command),
        Some(run) => {
            let show = (view.command)(&format!("runs show {run}"));
            writeln!(out, "  A later run looked again; run {run} is the one that waits now: {show}")
        }
        None => writeln!(out, "  A later run looked again and ended well: nothing of this waits any more."),
    }
}

/// One run as one object: the row's columns, `changes`, `held`.
pub fn value(view: &View<'_>) -> Value {
    let mut run = json!(view.run);
    let held = view.held.iter().map(plan_json::loss);
    if let Some(object) = run.as_object_mut() {
        object.insert("changes".into(), json!(view.changes));
        object.insert("held".into(), held.collect());
        object.insert("left_out".into(), json!(view.left_out));
        object.insert("skipped_by".into(), view.left_out.map(status::skipped_json).into());
        object.insert("approved_by".into(), json!(view.approved_by.map(|approved| approved.run.id)));
        object.insert("approves".into(), json!(view.run.cause.as_deref().and_then(plan::approved_run)));
    }
    run
}
