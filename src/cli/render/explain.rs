//! Why somebody is in, or is not.

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
    if !view.values.is_empty() {
        writeln!(out, "\n{heading}Values{heading:#}")?;
    }
    for one in view.values {
        let (field, text) = (escape::value(&one.field), escape::cut(&one.value, 60));
        writeln!(out, "  {field:<20} {text}  {}{}{:#}", style::FAINT, origin(one, view.now), style::FAINT)?;
    }
    writeln!(out, "\n{}", escape::text(&view.examined.explanation.advice))
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

/// Where a value comes from and what changed it last, as far as the history knows.
pub fn origin(one: &Provenance, now: Timestamp) -> String {
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
    let run = one.run_id.map(|run| format!(", run {run}")).unwrap_or_default();
    let at = one.at.as_ref().map(|at| {
        let far = Timestamp::parse(at).map(|at| format!(" ({})", distance(at, now))).unwrap_or_default();
        format!(", {}{far}", moment_text(at))
    });
    format!("({from}{run}{})", at.unwrap_or_default())
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
