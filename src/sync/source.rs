//! Whether a source is still the one it was (I9): a typo must neither orphan nor remove everybody.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::roster::address::fold;
use crate::store::{SourceRecord, Store};
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
        retired: None,
        reads: None,
    }
}

/// Refuses a source that was given up, a known name on another directory, and a new name on a known directory and bases.
pub fn trouble(ours: &SourceRecord, known: &[SourceRecord]) -> Option<SyncError> {
    let twin =
        |one: &&SourceRecord| one.retired.is_none() && one.directory == ours.directory && one.bases == ours.bases;
    let says = match known.iter().find(|source| source.name == ours.name) {
        Some(SourceRecord { name, retired: Some(at), .. }) => given_up(name, *at),
        Some(before) if before.directory != ours.directory => format!(
            "source `{}` was another directory so far ({}, now {}); its users would all be taken for gone: set \
             source.urls and source.base_dn back, give this directory a source.name of its own, or use another store",
            ours.name, before.directory, ours.directory
        ),
        Some(_) => return None,
        None => {
            let twin = known.iter().find(twin)?;
            format!(
                "source.name is `{new}`, but this store knows the same directory and bases as `{old}`; a new name \
                 would orphan its users: set source.name back to `{old}`, or, if the new name is meant, run `rosterd \
                 source rename {old} {new}`",
                new = ours.name,
                old = twin.name
            )
        }
    };
    Some(SyncError::Source { says })
}

/// Refuses a source that was given up (S6), before anything is read.
///
/// # Errors
/// [`SyncError::Source`] when it was; when the store cannot be asked.
pub async fn in_use(store: &dyn Store, name: &str) -> Result<(), SyncError> {
    let retired = store.sources().await?.into_iter().find(|source| source.name == name).and_then(|one| one.retired);
    match retired {
        Some(at) => Err(SyncError::Source { says: given_up(name, at) }),
        None => Ok(()),
    }
}

fn given_up(name: &str, at: Timestamp) -> String {
    format!(
        "source `{name}` was retired on {at} and its name is not used again; its users are deleted by their dates. \
         Give the directory another source.name"
    )
}
