//! Disabled tests (U8): is the person of this entry disabled now, and when does that change by itself?

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::entry::{AttributeName, RawEntry};
use crate::clock::Timestamp;
use crate::roster::Enabled;
use crate::roster::address::fold;
use crate::roster::digest::Digester;
use crate::roster::filter::Filter;

/// How much of a value is told, in characters.
const SHOWN: usize = 80;

/// A time that every user of a domain has, also who never expires: without it, nobody knows (U8).
const ALWAYS_THERE: &str = "accountexpires";

/// One test, its attributes resolved.
#[derive(Clone, Debug)]
pub enum Test {
    /// The attribute has one of these folded values.
    Values(AttributeName, Vec<String>),
    /// The attribute has all of these bits.
    Bits(AttributeName, u64),
    /// The attribute is a time in the past.
    Expired(AttributeName),
    /// The entry matches.
    Filter(Filter, Vec<AttributeName>),
}

/// What one test says.
enum Says {
    Holds,
    HoldsFrom(Timestamp),
    HoldsNot,
    Unknown,
}

/// Judges all tests: one that holds disables, else one that cannot be judged leaves it open. Also the moment at which
/// the answer changes because a time passes.
pub fn judge(tests: &[Test], entry: &RawEntry<'_>, now: Timestamp) -> (Enabled, Option<Timestamp>) {
    let (mut enabled, mut review) = (Enabled::Yes, None);
    for test in tests {
        match test.judge(entry, now) {
            Says::Holds => return (Enabled::No(test.says(entry, now).into()), None),
            Says::HoldsFrom(at) => review = review.map_or(Some(at), |earlier: Timestamp| Some(earlier.min(at))),
            Says::Unknown if enabled == Enabled::Yes => enabled = Enabled::Unknown(test.doubt(entry).into()),
            Says::Unknown => {}
            Says::HoldsNot => {}
        }
    }
    (enabled, review)
}

impl Test {
    /// In words why it holds: the attribute, and the value that says so (cut where it is long).
    fn says(&self, entry: &RawEntry<'_>, now: Timestamp) -> String {
        let found = |name: &AttributeName, holds: &dyn Fn(&[u8]) -> bool| {
            let value = entry.values(name).find(|value| holds(value)).unwrap_or_default();
            format!("`{}` is `{}`", name.as_str(), shown(value))
        };
        match self {
            Self::Values(name, values) => found(name, &|value| values.contains(&fold(&String::from_utf8_lossy(value)))),
            Self::Bits(name, bits) => {
                let holds = |value: &[u8]| number(value).is_some_and(|number| number & bits == *bits);
                format!("{}, which has bit {bits}", found(name, &holds))
            }
            Self::Expired(name) => {
                let past = |value: &[u8]| past(name, value).flatten().filter(|at| *at <= now);
                // Nobody reads days since 1970, or steps since 1601.
                let counts = ["shadowexpire", "accountexpires"].contains(&name.base());
                let at = entry.values(name).find_map(past).filter(|_| counts);
                let means = at.map(|at| format!(" ({at})")).unwrap_or_default();
                format!("{}{means}, which is past", found(name, &|value| past(value).is_some()))
            }
            Self::Filter(filter, _) => format!("the entry matches `{filter}`"),
        }
    }

    /// In words what of it cannot be judged, and what to do.
    fn doubt(&self, entry: &RawEntry<'_>) -> String {
        let (name, looks, needs) = match self {
            Self::Bits(name, bits) => (name, format!("bit {bits}"), "a whole number"),
            Self::Values(name, _) | Self::Expired(name) => (name, "its value".to_owned(), "a time"),
            Self::Filter(filter, _) => {
                return format!(
                    "the test `{filter}` needs what the entry lacks, or what the bind account may not read; correct the \
                     entry, the rights of the account, or [[users.disabled]]"
                );
            }
        };
        let odd = |value: &[u8]| match self {
            Self::Expired(name) => past(name, value).is_none(),
            _ => number(value).is_none(),
        };
        match entry.values(name).find(|value| odd(value)) {
            Some(value) => {
                format!("`{}` is `{}`, not {needs}; correct it in the directory", name.as_str(), shown(value))
            }
            None => format!(
                "`{}`, where {looks} would say so, is missing, or the bind account may not read it; give the account the \
                 right, or the entry the attribute",
                name.as_str()
            ),
        }
    }

    /// Whether it holds; `None` when it cannot be judged.
    pub fn holds(&self, entry: &RawEntry<'_>, now: Timestamp) -> Option<bool> {
        match self.judge(entry, now) {
            Says::Holds => Some(true),
            Says::HoldsFrom(_) | Says::HoldsNot => Some(false),
            Says::Unknown => None,
        }
    }

    /// Whether it holds wherever the other one does.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Values(name, values), Self::Values(its, wanted)) => {
                name == its && wanted.iter().all(|value| values.contains(value))
            }
            (Self::Bits(name, bits), Self::Bits(its, wanted)) => name == its && wanted & bits == *bits,
            (Self::Expired(name), Self::Expired(its)) => name == its,
            _ => false,
        }
    }

    /// The attributes it looks at.
    pub fn attributes(&self) -> Vec<&AttributeName> {
        match self {
            Self::Values(name, _) | Self::Bits(name, _) | Self::Expired(name) => vec![name],
            Self::Filter(_, names) => names.iter().collect(),
        }
    }

    /// Adds everything that makes the test what it is.
    pub fn digest_into(&self, digester: &mut Digester) {
        match self {
            Self::Values(name, values) => {
                digester.part("values").part(name.as_str());
                values.iter().for_each(|value| {
                    digester.part(value);
                });
            }
            Self::Bits(name, bits) => {
                digester.part("bits").part(name.as_str()).part(bits.to_be_bytes());
            }
            Self::Expired(name) => {
                digester.part("expired").part(name.as_str());
            }
            Self::Filter(filter, _) => {
                digester.part("filter").part(filter.to_string());
            }
        }
    }

    fn judge(&self, entry: &RawEntry<'_>, now: Timestamp) -> Says {
        match self {
            Self::Values(name, values) => {
                let listed = |value: &[u8]| values.contains(&fold(&String::from_utf8_lossy(value)));
                says(Some(entry.values(name).any(listed)))
            }
            Self::Bits(name, bits) => {
                let numbers: Option<Vec<u64>> = entry.values(name).map(number).collect();
                let numbers = numbers.filter(|numbers| !numbers.is_empty());
                says(numbers.map(|numbers| numbers.iter().any(|number| number & bits == *bits)))
            }
            Self::Expired(name) => {
                let (mut unknown, mut next) = (false, None);
                for value in entry.values(name) {
                    match past(name, value) {
                        Some(Some(at)) if at <= now => return Says::Holds,
                        None => unknown = true,
                        Some(Some(at)) => next = Some(next.map_or(at, |next: Timestamp| next.min(at))),
                        Some(None) => {}
                    }
                }
                let lacks = || name.base() == ALWAYS_THERE && entry.values(name).next().is_none();
                match next {
                    _ if unknown || lacks() => Says::Unknown,
                    Some(at) => Says::HoldsFrom(at),
                    None => Says::HoldsNot,
                }
            }
            Self::Filter(filter, names) => {
                let lookup = |wanted: &str| {
                    let name = names.iter().find(|name| name.as_str().eq_ignore_ascii_case(wanted));
                    name.map(|name| entry.values(name).collect()).unwrap_or_default()
                };
                says(filter.matches(&lookup))
            }
        }
    }
}

/// A value, cut where it is long.
fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let cut = if text.chars().count() > SHOWN { "…" } else { "" };
    format!("{}{cut}", text.chars().take(SHOWN).collect::<String>())
}

const fn says(holds: Option<bool>) -> Says {
    match holds {
        Some(true) => Says::Holds,
        Some(false) => Says::HoldsNot,
        None => Says::Unknown,
    }
}

/// The time that a value means, `Some(None)` for never, `None` when it means none.
fn past(name: &AttributeName, value: &[u8]) -> Option<Option<Timestamp>> {
    match name.base() {
        "shadowexpire" => shadow_day(value),
        "accountexpires" => file_time(value),
        _ => generalized_time(value).map(Some),
    }
}

/// A whole number; negative ones (AD writes 32-bit ones) by their bits.
fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    text.parse().ok().or_else(|| text.parse::<i64>().ok().map(i64::cast_unsigned))
}

/// `shadowExpire` (shadow(5)): the account ends with the beginning of that day since 1970; 0 and negative are never.
/// `None` when it is not a number.
fn shadow_day(value: &[u8]) -> Option<Option<Timestamp>> {
    let days: i64 = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some((days > 0).then(|| Timestamp::from_millis(days.saturating_mul(86_400_000))))
}

/// `accountExpires` (MS-ADA1, 2.2): 100-nanosecond steps since 1601; 0, and the largest number, after the year 10000, are
/// never. `None` when it is not a number.
fn file_time(value: &[u8]) -> Option<Option<Timestamp>> {
    /// Milliseconds from 1601 to 1970, and from 1970 to the year 10000.
    const TO_1970: i64 = 11_644_473_600_000;
    const TO_10000: i64 = 253_402_300_800_000;
    let steps: i64 = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    let at = steps / 10_000 - TO_1970;
    Some((steps > 0 && at < TO_10000).then(|| Timestamp::from_millis(at)))
}

/// generalizedTime (RFC 4517, 3.3.13): `YYYYMMDDHH[MM[SS]][.fraction](Z|±HH[MM])`; year 0 is long ago.
pub(super) fn generalized_time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(digits_end)?;
    let part = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    let date = NaiveDate::from_ymd_opt(i32::try_from(part(0..4)?).ok()?, part(4..6)?, part(6..8)?)?;
    let (minute, second, unit) = match digits.len() {
        10 => (0, 0, 3_600_000.0),
        12 => (part(10..12)?, 0, 60_000.0),
        14 => (part(10..12)?, part(12..14)?, 1000.0),
        _ => return None,
    };
    // 60 is a leap second.
    let time = NaiveTime::from_hms_opt(part(8..10)?, minute, second.min(59))?;
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(more) => {
            let end = more.find(|c: char| !c.is_ascii_digit())?;
            let (fraction, zone) = more.split_at_checked(end)?;
            (format!("0.{fraction}").parse::<f64>().ok().filter(|_| !fraction.is_empty())?, zone)
        }
        None => (0.0, rest),
    };
    let local = date.and_time(time).checked_sub_signed(offset(zone)?)?;
    #[expect(clippy::cast_possible_truncation, reason = "less than an hour in milliseconds")]
    let more = (fraction * unit) as i64;
    Some(Timestamp::from_millis(local.and_utc().timestamp_millis().saturating_add(more)))
}

/// How far a zone is ahead of UTC.
fn offset(zone: &str) -> Option<TimeDelta> {
    if zone == "Z" {
        return Some(TimeDelta::zero());
    }
    let (sign, digits) = (zone.get(..1)?, zone.get(1..)?);
    let whole = matches!(digits.len(), 2 | 4) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let hours: i64 = digits.get(..2).filter(|_| whole)?.parse().ok()?;
    let minutes: i64 = digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Ok(0), str::parse).ok()?;
    let ahead = TimeDelta::minutes(hours * 60 + minutes);
    match sign {
        "+" if minutes < 60 && hours < 24 => Some(ahead),
        "-" if minutes < 60 && hours < 24 => Some(-ahead),
        _ => None,
    }
}

#[cfg(test)]
#[path = "disabled_tests.rs"]
mod tests;
