//! Whether a source is still the one it was (I9): a typo must neither orphan nor remove everybody.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::directory::{self, Connection, Searches};
use crate::plan::{Another, Basis};
use crate::roster::address::fold;
use crate::roster::{Index, State, UniqueId, UserId};
use crate::store::{Outcome, SourceRecord, Store, StoreError};
use crate::sync::{Scene, SyncError};

/// People by whom a directory is known.
const SOME: usize = 100;

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

/// Whether the store knows nobody of this source, not even somebody deleted: then it may be any directory.
///
/// # Errors
/// When the store cannot be asked.
pub async fn knows_nobody(store: &dyn Store, name: &str) -> Result<bool, StoreError> {
    Ok(store.user_counts(Some(name)).await?.is_empty() && store.groups(name).await?.is_empty())
}

/// Unique ids of some people of a source, whose index this is, to tell whether a directory is theirs.
///
/// # Errors
/// When the store cannot be asked.
pub async fn some_of(store: &dyn Store, index: &Index) -> Result<Vec<UniqueId>, StoreError> {
    let living = index.iter().filter(|known| known.state != State::Deleted);
    let some: Vec<UserId> = living.map(|known| known.id).take(SOME).collect();
    Ok(store.accounts(&some).await?.into_iter().filter_map(|account| account.key).collect())
}

/// Whether the directory is another one than at the last complete run, or was made anew: the base object is another one,
/// and nobody is found by unique id. Nobody is looked for unless the base object is another one. A configured unique id
/// tells nothing, as another directory may repeat it (I2): there the object under the same `source.base_dn` decides.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn another(
    scene: &Scene<'_>,
    (connection, searches): (&mut Connection, &Searches),
    basis: &Basis,
) -> Result<Option<Another>, StoreError> {
    let (store, name) = (scene.store, scene.config.source.name.as_str());
    let last = store.basis(name, &Outcome::COMPLETE).await?;
    let setting = |basis: &Basis| basis.settings.get("source.base_dn").cloned();
    let same_base = last.as_ref().is_some_and(|(_, last)| setting(last) == setting(basis));
    let Some(another) = last.and_then(|(run, last)| basis.other_base((run.0, &last))) else { return Ok(None) };
    let people = some_of(store, &store.index(name).await?).await?;
    let configured = searches.mapping().users.as_ref().filter(|users| !users.server_given());
    if let Some(users) = configured {
        let configured = Some(users.unique_id.as_str().to_owned());
        return Ok(Some(Another { configured, ..another }).filter(|_| same_base && !people.is_empty()));
    }
    let none = directory::none_is_there(connection, searches, &people, scene.clock.now()).await;
    Ok(Some(another).filter(|_| none))
}

/// Refuses a source that was given up, a known name on another directory, and a new name on a known directory and bases.
/// `same`: a name that stood for another directory may stand for this one, because its people are here, or it has none.
pub fn trouble(ours: &SourceRecord, known: &[SourceRecord], same: bool) -> Option<SyncError> {
    let twin =
        |one: &&SourceRecord| one.retired.is_none() && one.directory == ours.directory && one.bases == ours.bases;
    let says = match known.iter().find(|source| source.name == ours.name) {
        Some(SourceRecord { name, retired: Some(at), .. }) => given_up(name, *at),
        Some(before) if before.directory != ours.directory && !same => other_directory(ours, before),
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

fn other_directory(ours: &SourceRecord, before: &SourceRecord) -> String {
    format!(
        "source `{name}` was another directory so far ({old}, now {new}), and its people are not found here by their \
         unique ids: they would all be taken for gone. If that is a slip, set source.urls and source.base_dn back. If \
         this directory has other people, give it a source.name and a configuration of its own. If it takes the place of \
         the other one, with the same people under new unique ids, read it into another store; in this one, their \
         addresses and names would be contested until `rosterd source retire {name} --force` and its dates have \
         removed the former ones",
        name = ours.name,
        old = before.directory,
        new = ours.directory
    )
}

fn given_up(name: &str, at: Timestamp) -> String {
    format!(
        "source `{name}` was retired on {at} and its name is not used again; its users are deleted by their dates. \
         Give the directory another source.name"
    )
}
