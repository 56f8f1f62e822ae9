//! Whether a source is still the one it was (I9): a typo must neither orphan nor remove everybody.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::roster::address::fold;
use crate::store::SourceRecord;
use crate::sync::SyncError;

/// What the store keeps of the configured source, once a server said which directory it holds.
pub fn record(config: &Config, directory_id: &str) -> SourceRecord {
    let users = config.users.iter().flat_map(|users| users.base_dns.iter());
    let groups = config.groups.iter().flat_map(|groups| groups.base_dns.iter());
    let bases: BTreeSet<String> = users.chain(groups).map(|base| fold(base)).collect();
    SourceRecord {
        name: config.source.name.clone(),
        directory: directory_id.to_owned(),
        bases: bases.into_iter().collect::<Vec<_>>().join("\n"),
    }
}

/// Refuses a known name on another directory, and a new name on a known directory and bases.
pub fn trouble(ours: &SourceRecord, known: &[SourceRecord]) -> Option<SyncError> {
    let twin = |one: &&SourceRecord| one.directory == ours.directory && one.bases == ours.bases;
    let says = match known.iter().find(|source| source.name == ours.name) {
        Some(before) if before.directory != ours.directory => format!(
            "source `{}` was another directory so far ({}, now {}); its users would all be taken for gone: set \
             source.urls and source.base_dn back, give this directory a name of its own, or use another store",
            ours.name, before.directory, ours.directory
        ),
        Some(_) => return None,
        None => {
            let twin = known.iter().find(twin)?;
            format!(
                "source.name is `{}`, but this store knows the same directory and bases as `{}`; a new name would \
                 orphan its users: set source.name back to `{}`, or use another store",
                ours.name, twin.name, twin.name
            )
        }
    };
    Some(SyncError::Source { says })
}
