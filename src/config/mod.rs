//! One TOML file to checked values, or every problem at once. The only place that names toml.
//!
//! ```text
//!   files, include --> document --+
//!                                 +--> typed --> source, people, service --> Config
//!   ROSTERD_X__Y  --> environment +      ^
//!                                     schema: every key as data
//! ```
//!
//! # Guarantees
//! - A [`Config`] has passed every check; what is wrong comes back as [`Problems`], all of it, each with file, line
//!   and remedy.
//! - No secret comes from the environment, and none is repeated in a problem, in `Debug` or by [`Config::render`].

mod document;
mod draft;
mod environment;
mod files;
mod forms;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod nearest;
mod people;
mod problem;
mod proposal;
mod reference;
mod render;
mod rights;
pub mod schedule;
mod schema;
mod service;
mod siblings;
mod source;
mod typed;
mod urls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::plan::Policy;
use crate::plan::policy::{AttributeUse, Brake, Delay, GroupPolicy, OnMatch, Rights};
use crate::roster::account::written;
use crate::roster::{Domain, FieldId, FieldNames};
use crate::{directory, store};

pub use environment::Environment;
pub use problem::{Fault, Place, Problem, Problems};
pub use proposal::{Choices, Proposal, proposal};
pub use reference::{missing_from_example, reference};
pub use render::duration;
pub use schedule::{Schedule, When};
pub use siblings::{Sibling, USUAL_STORE, siblings};
pub use urls::{check_store, ways};

/// How log lines are written (`log.format`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Text on a terminal, journald under systemd, else JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
    /// systemd's journal, with fields.
    Journald,
}

written!(LogFormat { Auto = "auto", Text = "text", Json = "json", Journald = "journald" });

/// `[log]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// How lines are written.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// `source.enabled` (S1).
    pub enabled: bool,
    /// `[source]`.
    pub source: directory::Settings,
    /// `[users]`; `None` with `users.enabled = false` (G7).
    pub users: Option<directory::UserSettings>,
    /// `[groups]`; `None` with `groups.enabled = false` (G7).
    pub groups: Option<directory::GroupSettings>,
    /// `groups.nested`, `groups.assign`, `groups.empty` (G4, G5, G6).
    pub group_policy: GroupPolicy,
    /// `[[role]]`, `[[grant]]`, `users.default_role`, `users.require_role` (R1-R3).
    pub rights: Rights,
    /// How the groups are read that give roles and grants.
    pub mapped: directory::MappedSettings,
    /// Privileges that cannot be given locally (R2).
    pub directory_only: Vec<String>,
    /// `domains.managed`; `None` = every domain (D1).
    pub managed: Option<BTreeSet<Domain>>,
    /// `users.identity = "address"` (I6).
    pub by_address: bool,
    /// `users.address = "required"` (U10).
    pub address_required: bool,
    /// `users.on_match` (M2).
    pub on_match: OnMatch,
    /// `users.relink_within`; `None` with `users.relink = "never"` (I5).
    pub relink_within: Option<Duration>,
    /// `deletion.delay` (L3).
    pub delay: Delay,
    /// `deletion.disabled_delay` (L3).
    pub disabled_delay: Delay,
    /// `deletion.minimum` (L2).
    pub minimum: Duration,
    /// `[brake]` (B1).
    pub brake: Brake,
    /// Every `[[schedule]]`; never empty (S2).
    pub schedules: Vec<Schedule>,
    /// `[store]`.
    pub store: store::Settings,
    /// `history.keep` (B3).
    pub history_keep: Duration,
    /// `[log]`.
    pub log: LogSettings,
    /// What is accepted, but has to be said: keys this version does not act on, bases outside of the root.
    pub notes: Vec<Problem>,
    values: typed::Values,
}

/// Reads and checks a configuration, with what it includes and what the environment says.
///
/// # Errors
/// Every problem there is; the program exits with 78.
pub fn load(path: &Path) -> Result<Config, Problems> {
    load_in(path, &Environment::of_process())
}

/// [`load`] in given surroundings.
///
/// # Errors
/// Every problem there is.
pub fn load_in(path: &Path, environment: &Environment) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let mut notes = Vec::new();
    let mut document = document::read(path, &mut problems);
    if !document.whole && document.table.is_empty() {
        return Err(problems.sorted());
    }
    environment::overlay(&mut document.table, &environment.variables, &mut problems, &mut notes);
    let values = typed::read(&document.table, path, document.whole, &mut problems);
    if !document.whole {
        return Err(problems.sorted());
    }
    let mut draft = draft::Draft { values, problems, notes, environment };
    let source = source::settings(&mut draft);
    let users = people::users(&mut draft);
    let groups = people::groups(&mut draft);
    let group_policy = people::group_policy(&mut draft);
    let (rights, mapped, directory_only) = rights::rights(&mut draft, groups.clone(), group_policy.flatten);
    let groups = draft.values.flag("groups.enabled").then_some(groups);
    let relink_within = people::relink_within(&draft);
    let managed = service::managed(&mut draft);
    let (delay, disabled_delay, minimum) = service::deletion(&mut draft);
    let brake = service::brake(&mut draft);
    let schedules = service::schedules(&mut draft);
    let store = service::store(&mut draft);
    let history_keep = service::history(&mut draft);
    let log = service::log(&draft);
    draft.say_what_comes_later();
    let draft::Draft { values, problems, mut notes, .. } = draft;
    notes.sort_by(|a, b| a.place.cmp(&b.place));
    if !problems.is_empty() {
        return Err(problems.sorted());
    }
    Ok(Config {
        path: path.to_owned(),
        enabled: values.flag("source.enabled"),
        source,
        users,
        groups,
        group_policy,
        rights,
        mapped,
        directory_only,
        managed,
        by_address: values.text("users.identity") == Some("address"),
        address_required: values.text("users.address") != Some("optional"),
        on_match: values.text("users.on_match").and_then(OnMatch::parse).unwrap_or_default(),
        relink_within,
        delay,
        disabled_delay,
        minimum,
        brake,
        schedules,
        store,
        history_keep,
        log,
        notes,
        values,
    })
}

impl Config {
    /// What the rules need to know, with what the resolved attribute mapping says about fields and attributes.
    pub fn policy(
        &self,
        mapped: BTreeSet<FieldId>,
        names: FieldNames,
        uses: BTreeMap<String, BTreeSet<AttributeUse>>,
    ) -> Policy {
        let given = self.users.iter().flat_map(|users| &users.attributes.defaults);
        let defaults = given.filter_map(|(name, value)| Some((names.id(name)?, value.clone()))).collect();
        Policy {
            source: self.source.name.clone(),
            mapped,
            names,
            uses,
            managed: self.managed.clone(),
            by_address: self.by_address,
            address_required: self.address_required,
            configured_id: false,
            relink_within: self.relink_within,
            delay: self.delay,
            disabled_delay: self.disabled_delay,
            minimum: self.minimum,
            brake: self.brake,
            groups: self.group_policy.clone(),
            rights: self.rights.clone(),
            on_match: self.on_match,
            defaults,
        }
    }

    /// How groups are read, be it as teams, be it because they give roles or grants.
    pub fn group_settings(&self) -> Option<&directory::GroupSettings> {
        let mapped = Some(&self.mapped.groups).filter(|_| !self.mapped.places.is_empty() && self.users.is_some());
        self.groups.as_ref().or(mapped)
    }

    /// The names of the extra fields.
    pub fn names(&self) -> FieldNames {
        self.users.as_ref().map(|users| users.attributes.names()).unwrap_or_default()
    }

    /// The effective configuration as TOML: every key, defaults included, no secret. Reading it again gives the same.
    pub fn render(&self) -> String {
        render::render(&self.values)
    }
}
