//! When to run: cron expressions in a time zone, right across clock changes, and plain intervals (S2).
//!
//! Croner only says which local times an expression means; how a local time becomes a moment is decided here, so that
//! every zone and every expression follows the same two sentences. A local time that a clock change skips is the first
//! moment after the gap. A local time that comes twice is the first of the two.

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::forms::quoted;
use super::problem::Fault;
use crate::clock::Timestamp;
use crate::roster::words::counted;
use crate::store::Action;

/// What starts a run.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// A cron expression with seconds.
    Cron(Box<Cron>),
    /// This long after the last run, remembered over restarts.
    Every(Duration),
    /// Once when the daemon starts.
    Reboot,
}

/// One `[[schedule]]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// When.
    pub when: When,
    /// What is run.
    pub action: Action,
    /// Zone of a cron expression.
    pub timezone: Tz,
    /// As an operator reads it: `0 */15 * * * ? (Europe/Zurich)`, `every 6h`, `@reboot`.
    pub text: String,
}

impl Schedule {
    /// The first moment after `after` at which a cron expression fires; `None` for other schedules, and when it never
    /// fires again.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Cron(cron) => next_fire(cron, self.timezone, after),
            When::Every(_) | When::Reboot => None,
        }
    }
}

/// The next moment an expression fires.
fn next_fire(cron: &Cron, zone: Tz, after: Timestamp) -> Option<Timestamp> {
    let every_hour = cron.pattern.to_string().split_whitespace().nth(2) == Some("*");
    if every_hour { next_running(cron, zone, after) } else { next_after(cron, zone, after) }
}

/// The clock as it runs: between two changes every local time is one moment, and after a change the look begins anew
/// at the moment of the change.
fn next_running(cron: &Cron, zone: Tz, after: Timestamp) -> Option<Timestamp> {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    // Whole seconds: croner carries fractions along.
    let whole = DateTime::from_timestamp(after.to_datetime().timestamp(), 0)?;
    let (mut from, mut inclusive) = (whole, false);
    loop {
        let held = offset(from);
        let local = from.checked_add_signed(held)?;
        let moment = cron.find_next_occurrence(&local, inclusive).ok()?.checked_sub_signed(held)?;
        if offset(moment) == held {
            return Some(Timestamp::from_millis(moment.timestamp_millis()));
        }
        let (mut before, mut behind) = (from.timestamp(), moment.timestamp());
        while behind - before > 1 {
            let middle = before + (behind - before) / 2;
            if offset(DateTime::from_timestamp(middle, 0)?) == held { before = middle } else { behind = middle }
        }
        (from, inclusive) = (DateTime::from_timestamp(behind, 0)?, true);
    }
}

/// Local times and their moments ascend together, so the first matching local time after `after`'s own whose moment
/// lies after `after` is the next one. Only a repeated hour makes the loop go round more than once.
fn next_after(cron: &Cron, zone: Tz, after: Timestamp) -> Option<Timestamp> {
    let after = after.to_datetime();
    // Croner carries fractions of a second along; expressions mean whole ones.
    let mut local = after.with_timezone(&zone).naive_local().with_nanosecond(0)?;
    loop {
        local = cron.find_next_occurrence(&local.and_utc(), false).ok()?.naive_utc();
        let moment = moment(zone, local)?;
        if moment > after {
            return Some(Timestamp::from_millis(moment.timestamp_millis()));
        }
    }
}

/// The moment of a local time.
fn moment(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        LocalResult::None => after_gap(zone, local),
    }
}

/// The first moment whose local time lies after one that does not exist. No gap is longer than a day, and no zone is
/// further than 15 hours from UTC.
fn after_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let mut before = local.and_utc().checked_sub_signed(TimeDelta::hours(48))?.timestamp();
    let mut behind = local.and_utc().checked_add_signed(TimeDelta::hours(48))?.timestamp();
    while behind - before > 1 {
        let middle = before + (behind - before) / 2;
        if DateTime::from_timestamp(middle, 0)?.with_timezone(&zone).naive_local() > local {
            behind = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(behind, 0)
}

/// One field of a cron expression, and what may stand in it.
struct Field {
    name: &'static str,
    takes: &'static str,
}

const FIELDS: [Field; 7] = [
    Field { name: "second", takes: "0 to 59" },
    Field { name: "minute", takes: "0 to 59" },
    Field { name: "hour", takes: "0 to 23" },
    Field { name: "day", takes: "1 to 31, or ?" },
    Field { name: "month", takes: "1 to 12, or JAN to DEC" },
    Field { name: "weekday", takes: "0 to 7, or SUN to SAT, or ?" },
    Field { name: "year", takes: "1970 to 9999" },
];

/// Reads a cron expression: second minute hour day month weekday, and perhaps a year.
pub fn parse(text: &str) -> Result<Cron, Fault> {
    const SHAPE: &str = "write it as second minute hour day month weekday, like \"0 */15 * * * ?\"";
    let fault = |says: &str| Fault::new(format!("{} is not a cron expression: {says}", quoted(text)), SHAPE);
    if text.trim().eq_ignore_ascii_case("@reboot") {
        return Err(Fault::new("\"@reboot\" is not a cron expression", "write at = \"@reboot\""));
    }
    if !text.is_ascii() {
        return Err(fault("it has letters in it that no cron expression has"));
    }
    let nickname = text.trim().starts_with('@');
    match text.split_whitespace().count() {
        5 => {
            let says = format!("{} has five fields, and seconds come first", quoted(text));
            return Err(Fault::new(says, format!("write \"0 {}\"", text.trim())));
        }
        1 if nickname => {}
        6 | 7 => {}
        fields => return Err(fault(&format!("it has {}", counted(fields as u64, "field", "fields")))),
    }
    let known = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
    if nickname && !known.contains(&text.trim().to_ascii_lowercase().as_str()) {
        return Err(Fault::new(
            format!("{} is not known here", quoted(text)),
            format!("known are {}", known.join(", ")),
        ));
    }
    let mut fields = FIELDS.iter().zip(text.split_whitespace());
    if let Some((field, value, says)) = fields.find_map(|(field, value)| Some((field, value, misread(field, value)?))) {
        let Field { name, takes } = field;
        return Err(fault(&format!("the field for the {name}, {}: {says}; it takes {takes}, or *", quoted(value))));
    }
    let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Optional).build();
    parser.parse(text).map_err(|error| {
        let says = error.to_string();
        let says = says.split_once(": ").map_or(says.as_str(), |(_, says)| says).trim_end_matches('.');
        match wrong_field(&parser, text) {
            Some((field, value)) => {
                let Field { name, takes } = field;
                let why = if says == "Number out of bounds" { String::new() } else { format!("{says}; ") };
                fault(&format!("the field for the {name}, {}: {why}it takes {takes}", quoted(value)))
            }
            None => fault(says),
        }
    })
}

/// What is wrong with a field that the library takes for something else: a `?` for a character it does not know, an empty
/// part of a list or the last second for no time at all, which it then looks for without an end.
fn misread(field: &Field, value: &str) -> Option<&'static str> {
    let mut parts = value.split(',');
    match field.takes.contains('?') {
        _ if value.starts_with('@') => None,
        _ if parts.clone().any(str::is_empty) => Some("something is missing before or after a comma"),
        false if value.contains('?') => Some("? stands for a day only"),
        false if parts.any(|part| part.eq_ignore_ascii_case("L")) => Some("L stands for the last day only"),
        _ => None,
    }
}

/// The first field that is wrong by itself, with all others left open.
fn wrong_field<'t>(parser: &CronParser, text: &'t str) -> Option<(&'static Field, &'t str)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let wrong = |at: &usize| {
        let alone = |(there, field): (usize, &&'t str)| if there == *at { *field } else { "*" };
        let alone: Vec<&str> = fields.iter().enumerate().map(alone).collect();
        parser.parse(&alone.join(" ")).is_err()
    };
    let at = (0..fields.len()).find(wrong)?;
    Some((FIELDS.get(at)?, fields.get(at)?))
}

/// Whether an expression ever fires after a moment.
pub fn fires(cron: &Cron, zone: Tz, after: Timestamp) -> bool {
    next_fire(cron, zone, after).is_some()
}

/// Reads an IANA time zone, in any case.
pub fn zone(text: &str) -> Result<Tz, Fault> {
    if let Some(zone) = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)) {
        return Ok(*zone);
    }
    let lower = text.to_ascii_lowercase();
    let near = TZ_VARIANTS
        .iter()
        .map(|zone| {
            let name = zone.name().to_ascii_lowercase();
            let city = name.rsplit('/').next().unwrap_or(&name);
            let distance = strsim::damerau_levenshtein(&lower, &name);
            (distance.min(strsim::damerau_levenshtein(&lower, city)), zone.name())
        })
        .min()
        .filter(|(distance, _)| distance * 3 <= lower.len());
    let remedy = near.map_or_else(
        || "give a name like \"Europe/Zurich\" or \"UTC\"".to_owned(),
        |(_, near)| format!("did you mean {near:?}?"),
    );
    Err(Fault::new(format!("{} is not a time zone", quoted(text)), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    const ZONES: [&str; 7] = [
        "Europe/Zurich",
        "Europe/Dublin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Africa/Cairo",
        "Asia/Beirut",
    ];

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn next(cron: &str, zone_name: &str, after: &str) -> String {
        let cron = parse(cron).unwrap();
        next_fire(&cron, zone(zone_name).unwrap(), at(after)).map_or("never".to_owned(), |at| at.to_string())
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (text, field) in [
            ("0 61 * * * ?", "the field for the minute, \"61\""),
            ("x 0 * * * ?", "the field for the second, \"x\""),
            ("0 0 3 * * mo-fry", "the field for the weekday, \"mo-fry\""),
            ("0 0 25 13 * ?", "the field for the hour, \"25\""),
            ("? ? ? * * ?", "the field for the second, \"?\": ? stands for a day only; it takes 0 to 59, or *"),
            (", */15 * * * ?", "the field for the second, \",\": something is missing before or after a comma"),
            ("0 5,,7 * * * ?", "the field for the minute, \"5,,7\": something is missing before or after a comma"),
            ("0 0 l * * ?", "the field for the hour, \"l\": L stands for the last day only; it takes 0 to 23, or *"),
            ("0 0 0 1 5,L ?", "the field for the month, \"5,L\": L stands for the last day only"),
        ] {
            let fault = parse(text).unwrap_err().says;
            assert!(fault.contains(field), "{fault}");
        }
    }

    fn offset(zone: Tz, second: i64) -> i64 {
        let at = DateTime::from_timestamp(second, 0).unwrap();
        (at.with_timezone(&zone).naive_local() - at.naive_utc()).num_seconds()
    }

    /// Every clock change of a zone in 2026-2030: the minute from which the new offset holds.
    fn changes(zone: Tz) -> Vec<i64> {
        let from = at("2026-01-01T00:00:00Z").millis() / 1000;
        let to = at("2031-01-01T00:00:00Z").millis() / 1000;
        let hours: Vec<i64> = (from..to).step_by(3600).collect();
        let differ = |pair: &&[i64]| offset(zone, pair[0]) != offset(zone, pair[1]);
        let minute = |pair: &[i64]| {
            let new = offset(zone, pair[1]);
            (pair[0]..=pair[1]).step_by(60).find(|second| offset(zone, *second) == new).unwrap()
        };
        hours.windows(2).filter(differ).map(minute).collect()
    }

    /// The local time of every second from `from` to `to`; clocks change at whole minutes.
    fn locals(zone: Tz, from: i64, to: i64) -> Vec<(i64, i64)> {
        let minutes = (from.div_euclid(60)..=to.div_euclid(60)).map(|minute| (minute * 60, offset(zone, minute * 60)));
        let seconds =
            minutes.flat_map(|(start, offset)| (start..start + 60).map(move |second| (second, second + offset)));
        seconds.filter(|(second, _)| (from..to).contains(second)).collect()
    }

    /// Every firing, found by walking through each second: a second fires when its local time is asked for and was
    /// not there before, or when it ends a gap that held such a time.
    fn brute_force(locals: &[(i64, i64)], wanted: impl Fn(i64) -> bool) -> BTreeSet<i64> {
        let mut fired = BTreeSet::new();
        let mut latest = locals[0].1 - 1;
        for (second, local) in locals {
            if *local > latest {
                if (latest + 1..=*local).any(&wanted) {
                    fired.insert(*second);
                }
                latest = *local;
            }
        }
        fired
    }

    /// The same for an expression that fires in every hour: every second whose local time is asked for.
    fn running(locals: &[(i64, i64)], wanted: impl Fn(i64) -> bool) -> BTreeSet<i64> {
        locals.iter().filter(|(_, local)| wanted(*local)).map(|(second, _)| *second).collect()
    }

    fn of_day(local: i64) -> (i64, i64, i64) {
        let second = local.rem_euclid(86_400);
        (second / 3600, second / 60 % 60, second % 60)
    }

    type Wanted = fn((i64, i64, i64)) -> bool;

    /// UNBLU-34, S2
    #[test]
    fn every_clock_change_from_2026_to_2030_fires_as_seconds_counted_one_by_one() {
        let patterns: [(&str, Wanted); 8] = [
            ("0 30 2 * * ?", |(h, m, s)| (h, m, s) == (2, 30, 0)),
            ("0 15 1 * * ?", |(h, m, s)| (h, m, s) == (1, 15, 0)),
            ("0 0 0 * * ?", |(h, m, s)| (h, m, s) == (0, 0, 0)),
            ("59 59 23 * * ?", |(h, m, s)| (h, m, s) == (23, 59, 59)),
            ("0 0 3 * * ?", |(h, m, s)| (h, m, s) == (3, 0, 0)),
            ("0 */15 * * * ?", |(_, m, s)| m % 15 == 0 && s == 0),
            ("30 7 */2 * * ?", |(h, m, s)| h % 2 == 0 && (m, s) == (7, 30)),
            ("0 0,45 0-3 * * ?", |(h, m, s)| h <= 3 && (m == 0 || m == 45) && s == 0),
        ];
        let mut seen = 0;
        for name in ZONES {
            let zone = zone(name).unwrap();
            for change in changes(zone) {
                seen += 1;
                let (from, to) = (change - 26 * 3600, change + 26 * 3600);
                let locals = locals(zone, from + 1, to);
                for (text, wanted) in patterns {
                    let cron = parse(text).unwrap();
                    let wanted = |local| wanted(of_day(local));
                    let every_hour = text.split(' ').nth(2) == Some("*");
                    let expected = if every_hour { running(&locals, wanted) } else { brute_force(&locals, wanted) };
                    let mut found = BTreeSet::new();
                    let mut after = Timestamp::from_millis(from * 1000);
                    while let Some(at) = next_fire(&cron, zone, after).filter(|at| at.millis() < to * 1000) {
                        assert!(at > after, "{name} {text} stands still at {at}");
                        found.insert(at.millis() / 1000);
                        after = at;
                    }
                    assert_eq!(found, expected, "{name} {text} around {}", Timestamp::from_millis(change * 1000));
                }
            }
        }
        assert!(seen >= 60, "only {seen} clock changes were found");
    }

    #[test]
    fn from_any_moment_near_a_clock_change_the_next_firing_is_the_same() {
        for name in ZONES {
            let zone = zone(name).unwrap();
            let cron = parse("0 */20 * * * ?").unwrap();
            for change in changes(zone) {
                let (from, to) = (change - 4 * 3600, change + 4 * 3600);
                let fired = running(&locals(zone, from - 7200, to + 7200), |local| local.rem_euclid(1200) == 0);
                for second in (from..to).step_by(97) {
                    let expected = fired.range(second + 1..).next().copied();
                    let after = Timestamp::from_millis(second * 1000 + 999);
                    assert_eq!(next_fire(&cron, zone, after).map(|at| at.millis() / 1000), expected, "{name} {after}");
                }
            }
        }
    }

    #[test]
    fn known_dates_fire_at_known_moments() {
        assert_eq!(next("0 30 2 * * ?", "Europe/Zurich", "2026-03-29T00:00:00Z"), "2026-03-29T01:00:00.000Z");
        assert_eq!(next("0 30 2 * * ?", "Europe/Zurich", "2026-10-25T00:00:00Z"), "2026-10-25T00:30:00.000Z");
        assert_eq!(next("0 30 2 * * ?", "Europe/Zurich", "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00.000Z");
        assert_eq!(next("0 0 12 * * ?", "America/New_York", "2026-03-08T05:00:00Z"), "2026-03-08T16:00:00.000Z");
        assert_eq!(next("0 15 2 * * ?", "Australia/Lord_Howe", "2026-10-03T15:00:00Z"), "2026-10-03T15:30:00.000Z");
        assert_eq!(next("0 0 0 6 9 ?", "America/Santiago", "2026-01-01T00:00:00Z"), "2026-09-06T04:00:00.000Z");
        assert_eq!(next("0 0 12 30 12 ? 2011", "Pacific/Apia", "2011-12-01T00:00:00Z"), "2011-12-30T10:00:00.000Z");
        assert_eq!(next("0 0 0 29 2 ?", "UTC", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00.000Z");
        assert_eq!(next("0 0 9 ? * MON-FRI", "UTC", "2026-08-01T00:00:00Z"), "2026-08-03T09:00:00.000Z");
        assert_eq!(next("0 0 0 L * ?", "UTC", "2026-02-01T00:00:00Z"), "2026-02-28T00:00:00.000Z");
        assert_eq!(next("0 * * * * ?", "UTC", "2026-02-01T00:00:00.141Z"), "2026-02-01T00:01:00.000Z");
        assert_eq!(next("* * * * * ?", "UTC", "2026-02-01T00:00:59.999Z"), "2026-02-01T00:01:00.000Z");
        assert_eq!(next("@daily", "UTC", "2026-02-01T00:00:00Z"), "2026-02-02T00:00:00.000Z");
    }

    #[test]
    fn what_never_fires_is_told() {
        let never = |text: &str| !fires(&parse(text).unwrap(), Tz::UTC, at("2026-01-01T00:00:00Z"));
        assert!(never("0 0 0 31 2 ?"));
        assert!(never("0 0 0 30 2 ?"));
        assert!(never("0 0 0 1 1 ? 2019"));
        assert!(!never("0 0 0 29 2 ?"));
        assert!(!never("0 0 0 1 1 ? 2031"));
    }

    #[test]
    fn five_fields_and_other_mistakes_are_explained() {
        assert!(parse("*/15 * * * *").unwrap_err().remedy.contains("\"0 */15 * * * *\""));
        assert!(parse("@reboot").unwrap_err().remedy.contains("at = \"@reboot\""));
        assert!(parse("0").unwrap_err().says.ends_with("it has 1 field"));
        let hour = "\"0 0 25 * * ?\" is not a cron expression: the field for the hour, \"25\": it takes 0 to 23";
        assert_eq!(parse("0 0 25 * * ?").unwrap_err().says, hour);
        for text in [
            "",
            "0",
            "61 * * * * ?",
            "0 0 25 * * ?",
            "0 0 0 32 * ?",
            "x * * * * ?",
            "@never",
            "0 0 0 0 0 0 0 0",
            "0 * * * * ü",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_are_found_in_any_case_and_the_nearest_is_named() {
        assert_eq!(zone("europe/zurich").unwrap(), Tz::Europe__Zurich);
        assert!(zone("Europe/Zuerich").unwrap_err().remedy.contains("Europe/Zurich"));
        assert!(zone("Zurich").unwrap_err().remedy.contains("Europe/Zurich"));
        assert!(zone("Middle/Earth-of-nowhere").unwrap_err().remedy.contains("UTC"));
    }

    proptest! {
        #[test]
        fn no_text_and_no_moment_makes_it_panic(text in "[-0-9*/,?LW#@+A-Z ]{0,24}", millis in any::<i64>(), zone in 0..ZONES.len()) {
            if let Ok(cron) = parse(&text) {
                let _ = next_fire(&cron, super::zone(ZONES[zone]).unwrap(), Timestamp::from_millis(millis));
            }
        }
    }
}
