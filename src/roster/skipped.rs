//! How what was skipped stands to the roster: three different things, told in three different words.

use std::collections::{BTreeMap, BTreeSet};

/// What became of somebody of whom something was skipped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Skipped {
    /// The person is not in the roster.
    LeftOut,
    /// The person is in, without a value.
    Without,
    /// The person is in, as before: the entry as a whole was not applied.
    AsBefore,
    /// The person is in, with the state of before: nobody can tell whether the entry is disabled (U8), or it is, and cannot be
    /// understood (E5).
    MaybeDisabled,
}

/// Reasons that are about a single value, where the person is in.
const OF_VALUES: [&str; 3] = ["malformed-address", "unmanaged-domain", "unreadable-value"];

/// The rule of a disabled test that could not be judged.
pub const UNJUDGED: &str = "U8";

/// The reason of somebody who has access, whose entry cannot be understood, and is disabled.
pub const DISABLED_UNREADABLE: &str = "disabled-unreadable";

/// Reasons of entries that cannot be understood.
pub const UNREADABLE: [&str; 3] = ["unreadable", "no-unique-id", DISABLED_UNREADABLE];

impl Skipped {
    /// The written name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeftOut => "left-out",
            Self::Without => "without",
            Self::AsBefore => "as-before",
            Self::MaybeDisabled => "maybe-disabled",
        }
    }

    /// What became of somebody, by reason and rule and whether there is such a user.
    pub fn of((reason, rule): (&str, &str), is_user: bool) -> Self {
        match (is_user, OF_VALUES.contains(&reason)) {
            (false, _) => Self::LeftOut,
            (true, true) => Self::Without,
            (true, false) if rule == UNJUDGED || reason == DISABLED_UNREADABLE => Self::MaybeDisabled,
            (true, false) => Self::AsBefore,
        }
    }
}

/// How many people, or values, and why.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// People; of values all of them.
    pub total: u64,
    /// By reason.
    pub reasons: BTreeMap<String, u64>,
}

/// Counts what was skipped: DN, reason and rule, and whether there is such a user.
pub fn tally<'a>(skips: impl IntoIterator<Item = (&'a str, (&'a str, &'a str), bool)>) -> BTreeMap<Skipped, Tally> {
    let mut all: BTreeMap<Skipped, Tally> = BTreeMap::new();
    let mut people = BTreeSet::new();
    for (dn, (reason, rule), is_user) in skips {
        let what = Skipped::of((reason, rule), is_user);
        let tally = all.entry(what).or_default();
        tally.total += u64::from(what == Skipped::Without || people.insert((what, dn)));
        *tally.reasons.entry(reason.to_owned()).or_default() += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U9: a person is counted once, a value each time.
    #[test]
    fn people_and_values_are_counted_apart() {
        let all = tally([
            ("uid=ada", ("malformed-address", "A6"), true),
            ("uid=ada", ("malformed-address", "A6"), true),
            ("uid=bob", ("malformed-address", "A6"), false),
            ("uid=bob", ("no-address", "A1"), false),
            ("uid=cy", ("unreadable", "E5"), true),
            ("uid=dee", ("unreadable", "U8"), true),
            ("uid=eve", ("unreadable", "U8"), false),
            ("uid=fay", ("disabled-unreadable", "E5"), true),
        ]);
        let totals: Vec<_> = all.iter().map(|(what, tally)| (*what, tally.total)).collect();
        assert_eq!(
            totals,
            [(Skipped::LeftOut, 2), (Skipped::Without, 2), (Skipped::AsBefore, 1), (Skipped::MaybeDisabled, 2)]
        );
        assert_eq!(all[&Skipped::Without].reasons["malformed-address"], 2);
    }
}
