//! Who was left out, and what people came in without: one by one, the most important first.

use crate::cli::escape;
use crate::cli::render::told;
use crate::cli::style;
use crate::plan::Plan;
use crate::roster::{Skip, Skipped};
use crate::store::rows::SkipRow;

/// One entry, or one value of it, that was left out.
pub struct Item<'a> {
    what: Skipped,
    dn: &'a str,
    reason: &'a str,
    rule: &'a str,
    detail: &'a str,
}

/// Why somebody is out as the configuration wants it; everything else is a fault that somebody can mend.
const WANTED: [&str; 3] = ["disabled", "unmanaged-domain", "no-role"];

impl<'a> Item<'a> {
    /// Of a plan.
    pub fn of_plan(plan: &'a Plan) -> Vec<Self> {
        let of = |(skip, what): (&'a Skip, &Skipped)| {
            let (dn, reason, rule, detail) = (&skip.dn, &skip.reason, &skip.rule, &skip.detail);
            Self { what: *what, dn, reason, rule, detail }
        };
        in_order(plan.skips.iter().zip(&plan.fates).map(of).collect())
    }

    /// Of the store.
    pub fn of_rows(rows: &'a [SkipRow]) -> Vec<Self> {
        let of = |row: &'a SkipRow| {
            let what = Skipped::of((&row.reason, &row.rule), row.is_user);
            Self { what, dn: &row.dn, reason: &row.reason, rule: &row.rule, detail: &row.detail }
        };
        in_order(rows.iter().map(of).collect())
    }

    /// One line: name, what became of it, code, rule, reason, DN.
    pub fn line(&self) -> String {
        let alarm = style::ALARM;
        let what = match self.what {
            Skipped::LeftOut => "left out",
            Skipped::Without => "came in without",
            Skipped::AsBefore => "as before",
            Skipped::MaybeDisabled => "maybe disabled",
        };
        let (name, dn) = (escape::value(name(self.dn)), escape::value(self.dn));
        let (reason, rule) = (escape::value(self.reason), escape::value(self.rule));
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", told(self.detail)) };
        format!("  {alarm}!{alarm:#} {name}: {what}, {reason} ({rule}){detail}; {dn}")
    }

    /// First who is in and cannot be judged, then faults that keep people out, then what is as it is meant to be.
    fn rank(&self) -> (u8, &str, &str) {
        let first = match self.what {
            Skipped::MaybeDisabled => 0,
            Skipped::AsBefore => 1,
            Skipped::LeftOut if !WANTED.contains(&self.reason) => 2,
            Skipped::Without => 3,
            Skipped::LeftOut => 4,
        };
        (first, self.reason, self.dn)
    }
}

fn in_order(mut items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    items.sort_by(|a, b| a.rank().cmp(&b.rank()));
    items
}

/// The name in a DN.
fn name(dn: &str) -> &str {
    let value = dn.split_once('=').and_then(|(_, rest)| rest.split([',', '+']).next());
    value.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(dn)
}
