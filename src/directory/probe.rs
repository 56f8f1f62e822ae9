//! Stand-in for the reader's progress and the probe, dropped when the real ones are merged.

use crate::clock::Clock;
use crate::directory::{GroupSettings, Settings, UserSettings};

/// Stand-in.
#[expect(missing_docs, reason = "stand-in")]
pub trait Progress: Send + Sync {
    fn entries(&self, pass: &'static str, so_far: u64);
}

/// Stand-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// Stand-in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Finding {
    pub step: &'static str,
    pub verdict: Verdict,
    pub text: String,
}

/// Stand-in.
#[derive(Clone, Default, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Probe {
    pub findings: Vec<Finding>,
}

/// Stand-in.
pub async fn probe(
    _settings: &Settings,
    _users: Option<&UserSettings>,
    _groups: Option<&GroupSettings>,
    _managed: Option<&std::collections::BTreeSet<crate::roster::Domain>>,
    _clock: &dyn Clock,
) -> Probe {
    Probe::default()
}
