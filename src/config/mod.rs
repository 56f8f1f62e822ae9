//! Stand-in for the configuration, dropped when the real one is merged.

pub mod schedule;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::plan::policy::{Brake, Delay};
use crate::roster::Domain;
use crate::{directory, store};

pub use schedule::{Schedule, When};

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Config {
    pub path: PathBuf,
    pub enabled: bool,
    pub source: directory::Settings,
    pub users: Option<directory::UserSettings>,
    pub groups: Option<directory::GroupSettings>,
    pub managed: Option<BTreeSet<Domain>>,
    pub address_required: bool,
    pub delay: Delay,
    pub disabled_delay: Delay,
    pub minimum: Duration,
    pub brake: Brake,
    pub schedules: Vec<Schedule>,
    pub store: store::Settings,
    pub history_keep: Duration,
    pub log: LogSettings,
    pub notes: Vec<Problem>,
}

/// Stand-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
    Journald,
}

/// Stand-in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "stand-in")]
pub struct LogSettings {
    pub format: LogFormat,
    pub level: String,
}

/// Stand-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stand-in.
#[derive(Clone, Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Stand-in: refuses everything.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let says = match std::fs::read_to_string(path) {
        Err(error) => format!("{}: cannot read the configuration: {error}", path.display()),
        Ok(_) => format!("{}: not understood yet", path.display()),
    };
    Err(Problems(vec![Problem(says)]))
}

impl Problems {
    /// Stand-in.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Config {
    /// Stand-in.
    pub fn render(&self) -> String {
        format!("{self:?}")
    }
}
