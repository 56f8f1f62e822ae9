//! Stand-in for schedules.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::Action;

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub enum When {
    Cron(Box<croner::Cron>),
    Every(Duration),
    Reboot,
}

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Schedule {
    pub when: When,
    pub action: Action,
    pub timezone: chrono_tz::Tz,
    pub text: String,
}

impl Schedule {
    /// Stand-in.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let When::Cron(cron) = &self.when else { return None };
        let next = cron.find_next_occurrence(&after.to_datetime().with_timezone(&self.timezone), false).ok()?;
        Some(Timestamp::from_millis(next.timestamp_millis()))
    }
}
