//! What a sample of entries says of each disabled test: whether it can be judged at all (U8).

use super::disabled::{self, Test};
use super::entry::RawEntry;
use super::mapping::{Mapping, UserMapping};
use super::probe::{Finding, Verdict};
use super::settings::DisabledTest;
use crate::clock::Timestamp;
use crate::roster::Enabled;
use crate::roster::words::{counted, number, plural};

/// One disabled test on the entries of a sample.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    /// Entries that have any of its attributes.
    present: u64,
    /// Entries on which it could not be judged.
    unknown: u64,
    /// Entries for which it holds.
    holds: u64,
}

/// All disabled tests, in their order.
#[derive(Clone, Default, Debug)]
pub(super) struct Judged {
    read: u64,
    tests: Vec<Seen>,
    /// Entries that nothing disables but a test of the kind's own that the configuration replaces, test by test.
    lost: Vec<u64>,
}

impl Judged {
    /// Looks at one more entry.
    pub fn entry(&mut self, users: &UserMapping, entry: &RawEntry<'_>, now: Timestamp) {
        self.read += 1;
        let tests = &users.disabled;
        self.lost.resize(users.replaced.len(), 0);
        if !self.lost.is_empty() && !matches!(disabled::judge(tests, entry, now).0, Enabled::No(_)) {
            for (lost, (_, test)) in self.lost.iter_mut().zip(&users.replaced) {
                *lost += u64::from(test.holds(entry, now) == Some(true));
            }
        }
        self.tests.resize_with(tests.len(), Seen::default);
        for (seen, test) in self.tests.iter_mut().zip(tests) {
            let present = test.attributes().into_iter().any(|name| entry.values(name).next().is_some());
            seen.present += u64::from(present);
            match test.holds(entry, now) {
                Some(holds) => seen.holds += u64::from(holds),
                None => seen.unknown += 1,
            }
        }
    }

    /// A finding a test. One that the configuration gives, and on whose attribute nobody has a value, is suspicious: a
    /// kind's own tests look at attributes that only few people have.
    pub fn findings(&self, mapping: &Mapping) -> Vec<Finding> {
        let tests = mapping.users.as_ref().map(|users| users.disabled.as_slice()).unwrap_or_default();
        let given = mapping.written().iter().any(|(key, _)| key == "users.disabled");
        let findings = self.tests.iter().zip(tests).map(|(seen, test)| self.finding(*seen, test, given));
        let replaced = mapping.users.as_ref().map(|users| users.replaced.as_slice()).unwrap_or_default();
        findings.chain(self.lost.iter().zip(replaced).map(|(lost, test)| self.replaced(*lost, test))).collect()
    }

    /// Whom a test of the kind's own would disable, if the configuration had not another list (U8).
    fn replaced(&self, lost: u64, (written, test): &(DisabledTest, Test)) -> Finding {
        let names: Vec<String> = test.attributes().into_iter().map(|name| format!("`{}`", name.as_str())).collect();
        let (names, of) = (names.join(" and "), counted(self.read, "entry", "entries"));
        let step = "disabled-test";
        if lost == 0 {
            let text = format!(
                "[[users.disabled]] replaces the usual test on {names}, which disables none of the {of} looked at; add it \
                 to keep both: {}",
                written.lines().join(", ")
            );
            return Finding { step, verdict: Verdict::Ok, text };
        }
        let text = format!(
            "[[users.disabled]] replaces the usual test on {names}, by which {} of the {of} looked at {} disabled: without \
             it they come in; to keep both, add another [[users.disabled]] with {}",
            number(lost),
            plural(lost, "is", "are"),
            written.lines().join(", ")
        );
        Finding { step, verdict: Verdict::Warn, text }
    }

    fn finding(&self, seen: Seen, test: &Test, given: bool) -> Finding {
        let names: Vec<String> = test.attributes().into_iter().map(|name| format!("`{}`", name.as_str())).collect();
        let (names, of) = (names.join(" and "), counted(self.read, "entry", "entries"));
        let remedy = "look at the spelling in [[users.disabled]], and at what the bind account may read";
        let (verdict, text) = match seen {
            Seen { unknown, .. } if unknown > 0 => {
                let unknown = number(unknown);
                let says = format!(
                    "the test on {names} cannot be judged for {unknown} of the {of} looked at, where it is missing, hidden \
                     from the bind account, or of another form: whoever is new among them is not let in, whoever is in \
                     keeps the state; {remedy}"
                );
                (Verdict::Warn, says)
            }
            Seen { present: 0, .. } if given => {
                let says =
                    format!("none of the {of} looked at has {names}, so that the test disables nobody; {remedy}");
                (Verdict::Warn, says)
            }
            Seen { present, holds, .. } => {
                let (present, holds) = (number(present), number(holds));
                let says = format!("{names} is there in {present} of the {of} looked at, and disables {holds}");
                (Verdict::Ok, says)
            }
        };
        Finding { step: "disabled-test", verdict, text }
    }
}
