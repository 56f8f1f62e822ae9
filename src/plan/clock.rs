//! Whether the wall clock may be believed where people are deleted by the date (L10).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// So much may clocks differ.
const DAY: Duration = Duration::from_secs(86_400);

/// The clocks of one machine at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClockReading {
    /// The wall clock, in milliseconds since 1970.
    pub at: i64,
    /// Milliseconds since the machine was booted.
    pub since_boot: u64,
    /// Which boot that was; `None` when the machine does not say.
    pub boot: Option<String>,
}

/// Deletions that wait because the clock is not believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateClock {
    /// How many deletions are due by this clock.
    pub due: u64,
    /// How far the clock is off, in one sentence.
    pub says: String,
}

impl LateClock {
    /// Whether anything waits.
    pub fn withholds(&self) -> bool {
        self.due > 0
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        let due = if self.due == 1 { "1 deletion is".to_owned() } else { format!("{} deletions are", self.due) };
        format!("{due} due, but {}; nobody is deleted by such a clock", self.says)
    }
}

impl ClockReading {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }

    /// What the time is at least, given the last reading that was believed: as much later as is known to have passed.
    pub fn least(&self, before: &Self) -> Timestamp {
        before.wall() + self.passed(before).1
    }

    /// Whether both are of one boot, and the time that is known to have passed between them.
    fn passed(&self, before: &Self) -> (bool, Duration) {
        let same_boot = self.boot.is_some() && self.boot == before.boot && self.since_boot >= before.since_boot;
        (same_boot, Duration::from_millis(self.since_boot - if same_boot { before.since_boot } else { 0 }))
    }

    /// Why this reading is not to be believed, given the last one that was; `None` when it is.
    ///
    /// Within one boot the wall clock has to go as fast as the clock since boot. After another boot only the time since
    /// then is known to have passed. `directory` is the directory's own clock: within a day of it the reading is believed.
    pub fn doubt(&self, before: Option<&Self>, directory: Option<Timestamp>) -> Option<String> {
        let before = before?;
        let (same_boot, passed) = self.passed(before);
        let (now, then) = (self.wall(), before.wall());
        let ahead = now.since(then + passed + DAY);
        let behind = if same_boot { (then + passed).since(now + DAY) } else { then.since(now + DAY) };
        let agrees = directory.is_some_and(|there| now.since(there) <= DAY && there.since(now) <= DAY);
        if agrees || (ahead.is_zero() && behind.is_zero()) {
            return None;
        }
        let (by, way) = if ahead.is_zero() { (behind + DAY, "back") } else { (ahead + DAY, "ahead") };
        let known = match same_boot {
            true => "than the clock since boot allows",
            false => "than the time since boot allows, and the machine was booted in between",
        };
        let days = by.as_secs() / DAY.as_secs();
        let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let there =
            directory.map(|at| format!(", and the newest change in the directory is of {at}")).unwrap_or_default();
        Some(format!("the wall clock ({now}) moved {days} further {way} since {then} {known}{there}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn reading(wall_hours: i64, boot_hours: u64, boot: &str) -> ClockReading {
        let at = 1_700_000_000_000 + wall_hours * 3_600_000;
        ClockReading { at, since_boot: boot_hours * HOUR, boot: (!boot.is_empty()).then(|| boot.to_owned()) }
    }

    /// L10: wall clock against the clock since boot and the last reading, and the directory's own clock.
    #[test]
    fn the_wall_clock_is_believed_only_as_far_as_other_clocks_allow() {
        let before = reading(0, 100, "a");
        for (wall, since_boot, boot, directory, believed) in [
            (6, 106, "a", None, true),
            (24 * 40, 100 + 24 * 40, "a", None, true),
            (6 + 24, 106, "a", None, true),
            (6 + 25, 106, "a", None, false),
            (24 * 30, 106, "a", None, false),
            (24 * 30, 106, "a", Some(24 * 30 - 23), true),
            (24 * 30, 106, "a", Some(24 * 30 - 25), false),
            (24 * 30, 106, "a", Some(24 * 30 + 25), false),
            (6 - 23, 106, "a", None, true),
            (6 - 25, 106, "a", None, false),
            // Booted since: only the time since then is known to have passed.
            (20, 1, "b", None, true),
            (26, 1, "b", None, false),
            (26, 1, "b", Some(26), true),
            (24 * 30, 24 * 29, "b", None, true),
            (-25, 1, "b", None, false),
            // A machine that does not say which boot it is.
            (6, 106, "", None, true),
            (24 * 30, 24 * 31, "", None, true),
            (24 * 30, 1, "", None, false),
            // The clock since boot went back: another boot.
            (6, 6, "a", None, true),
        ] {
            let now = reading(wall, since_boot, boot);
            let directory = directory.map(|hours: i64| reading(hours, 0, "").wall());
            let doubt = now.doubt(Some(&before), directory);
            assert_eq!(doubt.is_none(), believed, "{wall} {since_boot} {boot}: {doubt:?}");
        }
        assert_eq!(reading(24 * 900, 1, "b").doubt(None, None), None, "the first run has nothing to compare with");
        let says = reading(24 * 30, 106, "a").doubt(Some(&before), None).unwrap();
        assert!(says.contains("moved 29 days further ahead since 2023-11-14T22:13:20.000Z"), "{says}");
    }
}
