//! Why somebody is in, or is not.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::provenance::{From, Provenance};
use crate::cli::render::change::user_label;
use crate::cli::render::{distance, folded, moment_text, told};
use crate::cli::{escape, style};
use crate::clock::Timestamp;
use crate::plan::explain::{Bearing, Finding};
use crate::store::rows::UserRow;
use crate::sync::explain::Examined;

/// The widest sentence, in columns.
const SAYS: usize = 600;

/// One person, explained.
pub struct View<'a> {
    /// As it was asked.
    pub who: &'a str,
    /// The user of the store.
    pub user: Option<&'a UserRow>,
    /// What was found out.
    pub examined: &'a Examined,
    /// Where each value comes from.
    pub values: &'a [Provenance],
    /// The present.
    pub now: Timestamp,
    /// Columns of the terminal, if it is one.
    pub columns: Option<usize>,
}

/// Prints it: a line a rule, then the values, and what to do last.
pub fn print(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let heading = style::HEADING;
    let label = view.user.map_or_else(|| view.who.to_owned(), user_label);
    writeln!(out, "{heading}{}{heading:#}", escape::value(&label))?;
    if let Some(server) = &view.examined.server {
        writeln!(out, "  read now from {}", escape::value(server))?;
    }
    writeln!(out)?;
    for finding in &view.examined.explanation.findings {
        writeln!(out, "{}", folded(&line(finding), 22, view.columns))?;
    }
    let usual = Usual::of(view.values);
    if !view.values.is_empty() {
        writeln!(out, "\n{heading}Values{heading:#}{}", usual.says(view.now))?;
    }
    for one in view.values {
        let (field, text) = (escape::value(&one.field), escape::cut(&one.value, 60));
        writeln!(out, "  {field:<20} {text}  {}{}{:#}", style::FAINT, usual.origin(one, view.now), style::FAINT)?;
    }
    writeln!(out, "\n{}", folded(&escape::text(&view.examined.explanation.advice), 0, view.columns))
}

fn line(finding: &Finding) -> String {
    let (word, colour) = match finding.bearing {
        Bearing::Fine => ("ok   ", style::GAIN),
        Bearing::Stops => ("stops", style::ALARM),
        Bearing::Note => ("note ", style::CHANGE),
    };
    let says = told(&finding.says);
    let says = escape::cut(&says, SAYS);
    let (about, rule) = (finding.about, finding.rule);
    format!("{colour}{word}{colour:#}  {about:<14} {says}  {}({rule}){:#}", style::FAINT, style::FAINT)
}

/// What changed most of the values last: told once, and beside the others.
#[derive(Clone, Copy)]
pub struct Usual<'a>(Option<(Option<i64>, Option<&'a str>)>);

impl<'a> Usual<'a> {
    /// Of these values, where several have it in common.
    pub fn of(values: &'a [Provenance]) -> Self {
        let mut all: BTreeMap<(Option<i64>, Option<&str>), usize> = BTreeMap::new();
        for one in values.iter().filter(|one| one.at.is_some()) {
            *all.entry(last(one)).or_default() += 1;
        }
        let most = all.into_iter().filter(|(_, n)| *n > 1).max_by_key(|(_, n)| *n);
        Self(most.map(|(last, _)| last))
    }

    /// For the end of a heading; empty when there is nothing in common.
    pub fn says(self, now: Timestamp) -> String {
        let Some((run, at)) = self.0 else { return String::new() };
        format!(" ({}, where nothing else is said)", changed(run, at, now))
    }

    /// Where a value comes from and what changed it last, as far as the history knows.
    pub fn origin(self, one: &Provenance, now: Timestamp) -> String {
        let attributes = one.attributes.join(", ");
        let from = match one.from {
            From::Directory if attributes.is_empty() => "the entry in the directory".to_owned(),
            From::Directory => escape::value(&attributes).into_owned(),
            From::Role => "[[role]], or users.default_role".to_owned(),
            From::Default => "users.defaults".to_owned(),
            From::Hand => "by hand".to_owned(),
            From::Application => "not by rosterd: an application, or SQL".to_owned(),
            From::Unknown => "older than the history that is kept".to_owned(),
        };
        let (run, at) = last(one);
        match self.0 == Some((run, at)) || (run, at) == (None, None) {
            true => format!("({from})"),
            false => format!("({from}, {})", changed(run, at, now)),
        }
    }
}

fn last(one: &Provenance) -> (Option<i64>, Option<&str>) {
    (one.run_id, one.at.as_deref())
}

/// Which run changed a value last, and when.
fn changed(run: Option<i64>, at: Option<&str>, now: Timestamp) -> String {
    let at = at.map(|at| {
        let far = Timestamp::parse(at).map(|at| format!(" ({})", distance(at, now))).unwrap_or_default();
        format!("{}{far}", moment_text(at))
    });
    let run = run.map(|run| format!("run {run}"));
    run.into_iter().chain(at).collect::<Vec<_>>().join(", ")
}

/// The same as one object.
pub fn value(view: &View<'_>) -> Value {
    let finding = |one: &Finding| {
        let bearing = one.bearing.as_str();
        json!({ "rule": one.rule, "about": one.about, "bearing": bearing, "says": one.says })
    };
    json!({
        "who": view.who,
        "user": view.user,
        "server": view.examined.server,
        "error": view.examined.error.as_ref().map(ToString::to_string),
        "findings": view.examined.explanation.findings.iter().map(finding).collect::<Vec<_>>(),
        "values": view.values,
        "advice": view.examined.explanation.advice,
    })
}
