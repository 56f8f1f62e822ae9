//! What `check` found, a line a step.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::render::{folded, told};
use crate::cli::{escape, style};

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Warn,
    /// Does not work.
    Fail,
}

impl Verdict {
    /// The word at the beginning of the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// How it ended.
    pub verdict: Verdict,
    /// What was looked at.
    pub name: String,
    /// What was found, and what to do about it.
    pub says: String,
}

impl Step {
    /// A step.
    pub fn new(verdict: Verdict, name: impl Into<String>, says: impl Into<String>) -> Self {
        Self { verdict, name: name.into(), says: says.into() }
    }
}

/// Prints one step.
pub fn line(out: &mut dyn Write, step: &Step, columns: Option<usize>) -> io::Result<()> {
    let colour = match step.verdict {
        Verdict::Ok => style::GAIN,
        Verdict::Warn => style::CHANGE,
        Verdict::Fail => style::ALARM,
    };
    let (name, says) = (escape::value(&step.name), told(&step.says));
    let line = format!("{colour}{:<4}{colour:#}  {name:<14}  {says}", step.verdict.as_str());
    writeln!(out, "{}", folded(&line, 22, columns))
}

/// The last line: how many of each.
pub fn closing(out: &mut dyn Write, steps: &[Step]) -> io::Result<()> {
    let count = |verdict| steps.iter().filter(|step| step.verdict == verdict).count();
    let (ok, warn, fail) = (count(Verdict::Ok), count(Verdict::Warn), count(Verdict::Fail));
    writeln!(out, "{}{ok} ok, {warn} warn, {fail} fail{:#}", style::HEADING, style::HEADING)
}

/// All steps as one array.
pub fn value(steps: &[Step]) -> Value {
    let one = |step: &Step| json!({ "verdict": step.verdict.as_str(), "step": step.name, "says": step.says });
    steps.iter().map(one).collect()
}
