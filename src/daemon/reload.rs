//! What differs between two configurations, in the words of the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;

/// Why a running daemon cannot change over to a configuration; `None` when it can.
pub fn needs_restart(old: &Config, new: &Config) -> Option<String> {
    let keys = [("source.name", &old.source.name, &new.source.name), ("store.url", &old.store.url, &new.store.url)];
    let (key, old, new) = keys.into_iter().find(|(_, old, new)| old != new)?;
    Some(format!("{key}: it cannot change from {old:?} to {new:?} while rosterd runs; restart rosterd to change it"))
}

/// The keys whose effective value differs, in order; a table that may stand several times counts as one key.
pub fn changed(old: &Config, new: &Config) -> BTreeSet<String> {
    let (old, new) = (old.render(), new.render());
    let (old, new) = (values(&old), values(&new));
    old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).cloned().collect()
}

/// What stands under each key of a rendered configuration, which has one line a key.
fn values(toml: &str) -> BTreeMap<String, Vec<&str>> {
    let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut table = "";
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            table = name;
            values.entry(name.to_owned()).or_default().push(line);
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
        } else if let Some((key, value)) = line.trim_start_matches("# ").split_once([' ', ':']) {
            let several = values.contains_key(table);
            let name = if several { table.to_owned() } else { format!("{table}.{key}") };
            values.entry(name).or_default().push(if several { line } else { value });
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_in_the_file_and_repeated_tables_as_one() {
        let toml = "[source]\nname = \"a b\"\n# kind: by kind of directory\n\n[[schedule]]\nevery = \"6h\"\n\n[[schedule]]\n\
                    at = \"@reboot\"\n\n[log]\nlevel = \"info\"\n";
        let values = values(toml);
        assert_eq!(values.keys().collect::<Vec<_>>(), ["log.level", "schedule", "source.kind", "source.name"]);
        assert_eq!(values["source.name"], ["= \"a b\""]);
        assert_eq!(values["schedule"], ["[[schedule]]", "every = \"6h\"", "[[schedule]]", "at = \"@reboot\""]);
    }
}
