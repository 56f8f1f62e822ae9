//! What a run rests on, gathered from configuration, server and clocks.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Standing;
use crate::plan::{Basis, ClockReading};

/// Tables of the configuration that say who is read, and what it means.
const TABLES: [&str; 6] = ["source", "users", "groups", "role", "grant", "domains"];
/// Keys of `[source]` among them.
const SOURCE: [&str; 6] = ["urls", "bind_dn", "base_dn", "kind", "outside", "must_see"];

/// Tables that decide, beside these, what a run does.
const LIMITS: [&str; 2] = ["deletion", "brake"];

/// The settings that decide what a run does, by key; no password, and no file that holds one.
pub fn deciding_settings(config: &Config) -> BTreeMap<String, String> {
    settings(config, &[&TABLES[..], &LIMITS[..]].concat())
}

/// The settings that a run's basis keeps: who is read, and what it means.
pub fn basis_settings(config: &Config) -> BTreeMap<String, String> {
    settings(config, &TABLES)
}

/// The settings of these tables, by key.
fn settings(config: &Config, tables: &[&str]) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut lists: BTreeMap<String, usize> = BTreeMap::new();
    let mut table = String::new();
    for line in config.render().lines() {
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            let number = lists.entry(name.to_owned()).or_default();
            table = format!("{name}[{number}]");
            *number += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut table);
        } else if let Some((key, value)) = line.split_once(" = ") {
            let top = table.split(['.', '[']).next().unwrap_or_default();
            if tables.contains(&top) && (top != "source" || SOURCE.contains(&key)) {
                settings.insert(format!("{table}.{key}"), value.to_owned());
            }
        }
    }
    settings
}

/// What a run rests on before anything is read.
pub fn of(config: &Config, server: &str, standing: Standing, clock: &dyn Clock) -> Basis {
    let Standing { base, change_numbers, own, .. } = standing;
    let (settings, clock) = (basis_settings(config), Some(reading(clock)));
    Basis { settings, server: server.to_owned(), base, change_numbers, own, clock, ..Basis::default() }
}

/// The clocks as they are now.
pub fn reading(clock: &dyn Clock) -> ClockReading {
    let since_boot = u64::try_from(clock.since_boot().as_millis()).unwrap_or(u64::MAX);
    ClockReading { at: clock.now().millis(), since_boot, boot: clock.boot() }
}
